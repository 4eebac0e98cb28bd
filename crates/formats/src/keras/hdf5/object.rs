//! Objects (groups and data sets): a header of messages, and attributes.

use super::cursor::Cursor;
use super::data::{Kind, Space};
use super::heap::Fractal;
use super::{File, Hdf5Fault, NOWHERE};

/// Most continuation blocks of one header.
const MAX_BLOCKS: usize = 1 << 12;
/// Bytes that one string of an attribute may cost, the string itself aside.
const STRING: u64 = 32;

/// A message of an object's header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) kind: u8,
    /// Whether the message is kept elsewhere and shared.
    pub(super) shared: bool,
    pub(super) at: Cursor<'a>,
}

/// Kinds of messages.
pub(super) mod kind {
    pub(crate) const SPACE: u8 = 0x01;
    pub(crate) const LINK_INFO: u8 = 0x02;
    pub(crate) const TYPE: u8 = 0x03;
    pub(crate) const LINK: u8 = 0x06;
    pub(crate) const EXTERNAL: u8 = 0x07;
    pub(crate) const LAYOUT: u8 = 0x08;
    pub(crate) const FILTERS: u8 = 0x0b;
    pub(crate) const ATTRIBUTE: u8 = 0x0c;
    pub(crate) const CONTINUATION: u8 = 0x10;
    pub(crate) const SYMBOLS: u8 = 0x11;
    pub(crate) const ATTRIBUTE_INFO: u8 = 0x15;
}

/// A group or a data set.
pub(crate) struct Object<'a, 'f> {
    pub(super) file: &'f File<'a>,
    /// Where it is in the file, `a/b/c`; empty for the root.
    pub(crate) path: String,
    pub(super) at: u64,
    messages: Vec<Message<'a>>,
}

impl<'a, 'f> Object<'a, 'f> {
    /// Reads a header.
    pub(super) fn read(file: &'f File<'a>, at: u64, path: String) -> Result<Self, Hdf5Fault> {
        let mut here = file.at(at, "an object header")?;
        let messages = match here.u8()? {
            1 => first_generation(file, here)?,
            b'O' => second_generation(file, here)?,
            _ => return Err(file.at(at, "an object header")?.fault()),
        };
        Ok(Self { file, path, at, messages })
    }

    /// The messages of a kind.
    pub(super) fn all(&self, kind: u8) -> impl Iterator<Item = &Message<'a>> {
        self.messages.iter().filter(move |m| m.kind == kind)
    }

    /// The only message of a kind.
    pub(super) fn message(&self, kind: u8) -> Result<Option<Cursor<'a>>, Hdf5Fault> {
        match self.all(kind).next() {
            Some(message) if message.shared => {
                Err(message.at.unsupported("a type or shape that several objects share"))
            }
            Some(message) => Ok(Some(message.at)),
            None => Ok(None),
        }
    }

    /// Whether it holds values.
    pub(crate) fn is_data(&self) -> bool {
        self.all(kind::LAYOUT).next().is_some()
    }

    /// The strings of an attribute, one for a single string; none when there is no such attribute.
    pub(crate) fn strings(&self, name: &str) -> Result<Option<Vec<String>>, Hdf5Fault> {
        let Some(attribute) = self.attribute(name)? else { return Ok(None) };
        attribute.strings(self.file).map(Some)
    }

    /// The only string of an attribute.
    pub(crate) fn string(&self, name: &str) -> Result<Option<String>, Hdf5Fault> {
        Ok(self.strings(name)?.and_then(|all| all.into_iter().next()))
    }

    fn attribute(&self, name: &str) -> Result<Option<Attribute<'a>>, Hdf5Fault> {
        for message in self.all(kind::ATTRIBUTE) {
            self.file.step()?;
            if message.shared {
                return Err(message.at.unsupported("an attribute that several objects share"));
            }
            if let Some(found) = Attribute::read(message.at, name)? {
                return Ok(Some(found));
            }
        }
        let Some(mut info) = self.message(kind::ATTRIBUTE_INFO)? else { return Ok(None) };
        info.version(&[0])?;
        if info.u8()? & 1 != 0 {
            info.skip(2)?;
        }
        let (heap, tree) = (info.u64()?, info.u64()?);
        if heap == NOWHERE || tree == NOWHERE {
            return Ok(None);
        }
        let heap = Fractal::read(self.file, heap)?;
        let mut found = None;
        heap.each(tree, 8, &mut |at| {
            if found.is_none() {
                found = Attribute::read(at, name)?;
            }
            Ok(())
        })?;
        Ok(found)
    }
}

fn first_generation<'a>(
    file: &File<'a>,
    mut here: Cursor<'a>,
) -> Result<Vec<Message<'a>>, Hdf5Fault> {
    here.skip(1)?;
    let count = here.u16()?;
    here.skip(4)?;
    let size = here.u32()? as usize;
    here.skip(4)?;
    let mut messages = Vec::new();
    let mut blocks = vec![(here.offset(), size)];
    let mut next = 0;
    while let Some(&(offset, size)) = blocks.get(next) {
        next += 1;
        let mut at = block(file, offset, size)?;
        while at.left() >= 8 && messages.len() < count {
            file.step()?;
            let (kind, size) = (at.u16()?, at.u16()?);
            let flags = at.u8()?;
            at.skip(3)?;
            let offset = at.offset() as usize;
            let data = Cursor::new(at.take(size)?, offset, "a header message");
            keep(&mut messages, &mut blocks, kind as u8, flags, data)?;
        }
    }
    Ok(messages)
}

fn second_generation<'a>(
    file: &File<'a>,
    mut here: Cursor<'a>,
) -> Result<Vec<Message<'a>>, Hdf5Fault> {
    here.magic(b"HDR")?;
    here.version(&[2])?;
    let flags = here.u8()?;
    if flags & 0x20 != 0 {
        here.skip(16)?;
    }
    if flags & 0x10 != 0 {
        here.skip(4)?;
    }
    let size = here.uint(1 << (flags & 3))?;
    let size = usize::try_from(size).map_err(|_| here.fault())?;
    let head = if flags & 4 != 0 { 6 } else { 4 };
    let mut messages = Vec::new();
    let mut blocks = vec![(here.offset(), size)];
    let mut next = 0;
    while let Some(&(offset, size)) = blocks.get(next) {
        let mut at = if next == 0 {
            block(file, offset, size)?
        } else {
            // Letters before the messages, a checksum behind them.
            let mut at = block(file, offset, size)?;
            at.magic(b"OCHK")?;
            let from = at.offset() as usize;
            let size = at.left().checked_sub(4).ok_or_else(|| at.fault())?;
            Cursor::new(at.take(size)?, from, "a header message")
        };
        next += 1;
        while at.left() >= head {
            file.step()?;
            let (kind, size) = (at.u8()?, at.u16()?);
            let flags = at.u8()?;
            at.skip(head - 4)?;
            let offset = at.offset() as usize;
            let data = Cursor::new(at.take(size)?, offset, "a header message");
            keep(&mut messages, &mut blocks, kind, flags, data)?;
        }
    }
    Ok(messages)
}

fn block<'a>(file: &File<'a>, offset: u64, size: usize) -> Result<Cursor<'a>, Hdf5Fault> {
    let mut at = file.at(offset, "a block of an object header")?;
    Ok(Cursor::new(at.take(size)?, offset as usize, "a header message"))
}

fn keep<'a>(
    messages: &mut Vec<Message<'a>>,
    blocks: &mut Vec<(u64, usize)>,
    kind: u8,
    flags: u8,
    mut at: Cursor<'a>,
) -> Result<(), Hdf5Fault> {
    if kind == kind::CONTINUATION {
        let (offset, size) = (at.u64()?, at.length()?);
        if blocks.iter().any(|b| b.0 == offset) || blocks.len() >= MAX_BLOCKS {
            return Err(Hdf5Fault::Circles);
        }
        blocks.push((offset, size));
    }
    messages.push(Message { kind, shared: flags & 2 != 0, at });
    Ok(())
}

/// An attribute's type, shape and values.
struct Attribute<'a> {
    kind: Kind,
    count: u64,
    data: Cursor<'a>,
}

impl<'a> Attribute<'a> {
    /// The attribute, when it has this name.
    fn read(mut at: Cursor<'a>, wanted: &str) -> Result<Option<Self>, Hdf5Fault> {
        let version = at.version(&[1, 2, 3])?;
        let flags = at.u8()?;
        let sizes = [at.u16()?, at.u16()?, at.u16()?];
        if version == 3 {
            at.skip(1)?;
        }
        let padded = |n: usize| if version == 1 { n.next_multiple_of(8) } else { n };
        let name = at.take(padded(sizes[0]))?;
        let name = name.split(|b| *b == 0).next().unwrap_or_default();
        if name != wanted.as_bytes() {
            return Ok(None);
        }
        if version > 1 && flags & 3 != 0 {
            return Err(at.unsupported("an attribute with a type or shape that is shared"));
        }
        let mut part = |n: usize, what| {
            let offset = at.offset() as usize;
            Ok::<_, Hdf5Fault>(Cursor::new(at.take(padded(n))?, offset, what))
        };
        let kind = Kind::read(part(sizes[1], "a type of numbers")?)?;
        let space = Space::read(part(sizes[2], "a shape")?)?;
        let left = at.left();
        let offset = at.offset() as usize;
        let data = Cursor::new(at.take(left)?, offset, "the values of an attribute");
        let count = space.count().ok_or_else(|| data.fault())?;
        Ok(Some(Self { kind, count, data }))
    }

    fn strings(mut self, file: &File<'a>) -> Result<Vec<String>, Hdf5Fault> {
        let size = self.kind.size();
        let bytes = self.count.checked_mul(size as u64).ok_or_else(|| self.data.fault())?;
        if bytes > self.data.left() as u64 {
            return Err(self.data.fault());
        }
        file.spend(self.count.saturating_mul(STRING), "an attribute", self.data.offset())?;
        let mut all = Vec::new();
        for _ in 0..self.count {
            let text = match self.kind {
                Kind::Text { size } => self.data.take(size)?,
                Kind::LongText => {
                    let length = self.data.u32()? as usize;
                    let (heap, index) = (self.data.u64()?, self.data.u32()?);
                    super::heap::global(file, heap, index, length)?
                }
                // An empty list comes out of NumPy as a list of no doubles.
                Kind::Number(_) | Kind::Other => return Err(self.data.unsupported("no string")),
            };
            let text = text.split(|b| *b == 0).next().unwrap_or_default();
            file.spend(text.len() as u64, "a string", self.data.offset())?;
            all.push(String::from_utf8_lossy(text).into_owned());
        }
        Ok(all)
    }
}
