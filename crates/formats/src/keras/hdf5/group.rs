//! The members of a group.

use super::cursor::Cursor;
use super::heap::Fractal;
use super::object::kind;
use super::{File, Hdf5Fault, NOWHERE, Object};

/// Deepest tree of names: 2^64 names need fewer.
const MAX_DEPTH: usize = 32;

/// Where a member of a group is.
#[derive(Debug, Clone, Copy)]
enum Target {
    /// The header of an object.
    Here(u64),
    /// A link by a path; where the link is.
    Soft(u64),
    /// A link into another file; where the link is.
    External(u64),
}

/// A member of a group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member<'a> {
    /// Its name, UTF-8 as it should be.
    name: &'a [u8],
    target: Target,
}

impl<'a> Member<'a> {
    /// Its name.
    pub(crate) fn name(&self) -> &'a str {
        str::from_utf8(self.name).unwrap_or_default()
    }
}

impl<'a, 'f> Object<'a, 'f> {
    /// The members of a group, in the order of the file.
    pub(crate) fn members(&self) -> Result<Vec<Member<'a>>, Hdf5Fault> {
        let mut members = Vec::new();
        if let Some(mut at) = self.message(kind::SYMBOLS)? {
            let (tree, heap) = (at.u64()?, at.u64()?);
            let names = local_heap(self.file, heap)?;
            symbols(self.file, tree, &names, MAX_DEPTH, &mut members)?;
        }
        for message in self.all(kind::LINK) {
            self.file.step()?;
            members.push(link(message.at)?);
        }
        if let Some(mut info) = self.message(kind::LINK_INFO)? {
            info.version(&[0])?;
            if info.u8()? & 1 != 0 {
                info.skip(8)?;
            }
            let (heap, tree) = (info.u64()?, info.u64()?);
            if heap != NOWHERE && tree != NOWHERE {
                let heap = Fractal::read(self.file, heap)?;
                heap.each(tree, 5, &mut |at| {
                    members.push(link(at)?);
                    Ok(())
                })?;
            }
        }
        Ok(members)
    }

    /// Opens a member.
    pub(crate) fn open(&self, member: &Member<'a>) -> Result<Object<'a, 'f>, Hdf5Fault> {
        let slash = if self.path.is_empty() { "" } else { "/" };
        let path = format!("{}{slash}{}", self.path, member.name());
        match member.target {
            Target::Here(at) => Object::read(self.file, at, path),
            Target::Soft(offset) => {
                Err(Hdf5Fault::Unsupported { offset, what: format!("the soft link `{path}`") })
            }
            Target::External(offset) => Err(external(self.file, offset, &path)),
        }
    }

    /// The member of that name, if there is one.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Object<'a, 'f>>, Hdf5Fault> {
        let members = self.members()?;
        let found = members.iter().find(|m| m.name == name.as_bytes());
        found.map(|m| self.open(m)).transpose()
    }

    /// What is found by following names, `a/b/c`.
    pub(crate) fn at(&self, path: &str) -> Result<Object<'a, 'f>, Hdf5Fault> {
        let mut names = path.split('/').filter(|name| !name.is_empty());
        let first = names.next().unwrap_or_default();
        let mut here = self.child(first)?;
        for name in names {
            here = here.child(name)?;
        }
        Ok(here)
    }

    fn child(&self, name: &str) -> Result<Object<'a, 'f>, Hdf5Fault> {
        if let Some(found) = self.find(name)? {
            return Ok(found);
        }
        let members = self.members()?;
        let group = if self.path.is_empty() { "/".to_owned() } else { self.path.clone() };
        // Near names of a group with very many are not worth the time.
        let near = regraft_net::nearest(name, members.iter().take(1000).map(Member::name));
        Err(Hdf5Fault::Missing { name: name.to_owned(), group, near })
    }
}

/// The part of the file where the names of a group of the first generation are.
fn local_heap<'a>(file: &File<'a>, heap: u64) -> Result<Cursor<'a>, Hdf5Fault> {
    let mut at = file.at(heap, "a heap of names")?;
    at.magic(b"HEAP")?;
    at.version(&[0])?;
    at.skip(3)?;
    let size = at.length()?;
    at.skip(8)?;
    let start = at.u64()?;
    let mut at = file.at(start, "names")?;
    Ok(Cursor::new(at.take(size)?, start as usize, "a name"))
}

fn symbols<'a>(
    file: &File<'a>,
    at: u64,
    names: &Cursor<'a>,
    depth: usize,
    members: &mut Vec<Member<'a>>,
) -> Result<(), Hdf5Fault> {
    let depth = depth.checked_sub(1).ok_or(Hdf5Fault::Circles)?;
    let mut at = file.at(at, "a B-tree of names")?;
    at.magic(b"TREE")?;
    if at.u8()? != 0 {
        return Err(at.fault());
    }
    let level = at.u8()?;
    let used = at.u16()?;
    at.skip(24)?;
    for _ in 0..used {
        let child = at.u64()?;
        at.skip(8)?;
        if level > 0 {
            symbols(file, child, names, depth, members)?;
        } else {
            symbol_node(file, child, names, members)?;
        }
    }
    Ok(())
}

fn symbol_node<'a>(
    file: &File<'a>,
    at: u64,
    names: &Cursor<'a>,
    members: &mut Vec<Member<'a>>,
) -> Result<(), Hdf5Fault> {
    let mut at = file.at(at, "a node of names")?;
    at.magic(b"SNOD")?;
    at.version(&[1])?;
    at.skip(1)?;
    let used = at.u16()?;
    // Nodes that are listed twice must not make more members than the file has room for.
    let most = file.bytes.len() / 40;
    for _ in 0..used {
        file.step()?;
        let here = at.offset();
        let (name, header) = (at.length()?, at.u64()?);
        let cache = at.u32()?;
        at.skip(20)?;
        let mut text = *names;
        text.skip(name)?;
        let rest = text.take(text.left())?;
        let Some(end) = rest.iter().take(1 << 16).position(|b| *b == 0) else {
            return Err(text.fault());
        };
        let target = if cache == 2 { Target::Soft(here) } else { Target::Here(header) };
        if members.len() >= most {
            return Err(Hdf5Fault::Circles);
        }
        members.push(Member { name: rest.get(..end).unwrap_or_default(), target });
    }
    Ok(())
}

/// A link message.
fn link(mut at: Cursor<'_>) -> Result<Member<'_>, Hdf5Fault> {
    let start = at.offset();
    at.version(&[1])?;
    let flags = at.u8()?;
    let kind = if flags & 8 != 0 { at.u8()? } else { 0 };
    if flags & 4 != 0 {
        at.skip(8)?;
    }
    if flags & 0x10 != 0 {
        at.skip(1)?;
    }
    let length = at.uint(1 << (flags & 3))?;
    let name = at.take(usize::try_from(length).map_err(|_| at.fault())?)?;
    let target = match kind {
        0 => Target::Here(at.u64()?),
        1 => Target::Soft(start),
        64 => Target::External(at.offset()),
        _ => return Err(at.unsupported(format!("a link of kind {kind}"))),
    };
    Ok(Member { name, target })
}

/// The error for a link into another file, whose value begins at `offset`.
fn external(file: &File<'_>, offset: u64, path: &str) -> Hdf5Fault {
    let name = || {
        let mut at = file.at(offset, "an external link")?;
        let length = at.u16()?;
        at.skip(1)?;
        let text = at.take(length.saturating_sub(1))?;
        let name = text.split(|b| *b == 0).next().unwrap_or_default();
        Ok::<_, Hdf5Fault>(String::from_utf8_lossy(name).into_owned())
    };
    match name() {
        Ok(file) => Hdf5Fault::External { offset, what: format!("the link `{path}`"), file },
        Err(fault) => fault,
    }
}
