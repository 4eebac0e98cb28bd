//! Heaps: strings of variable length (global), and the names and attributes of large groups (fractal,
//! indexed by a B-tree of version 2).

use super::cursor::Cursor;
use super::{File, Hdf5Fault, NOWHERE};

/// Deepest tree of blocks; 2^64 bytes need fewer.
const MAX_DEPTH: usize = 16;

/// Object `index` of the global heap collection at `heap`, of `length` bytes.
pub(super) fn global<'a>(
    file: &File<'a>,
    heap: u64,
    index: u32,
    length: usize,
) -> Result<&'a [u8], Hdf5Fault> {
    // An empty string has no object.
    if length == 0 {
        return Ok(&[]);
    }
    let mut at = file.at(heap, "a global heap")?;
    at.magic(b"GCOL")?;
    at.version(&[1])?;
    at.skip(3)?;
    let size = at.length()?;
    let size = size.checked_sub(16).ok_or_else(|| at.fault())?;
    let offset = at.offset() as usize;
    let mut at = Cursor::new(at.take(size)?, offset, "an object of a global heap");
    while at.left() >= 16 {
        file.step()?;
        let number = at.u16()?;
        at.skip(6)?;
        let size = at.length()?;
        // The rest of the heap is free.
        if number == 0 {
            break;
        }
        let bytes = at.take(size)?;
        if number == index as usize {
            return bytes.get(..length).ok_or_else(|| at.fault());
        }
        at.align(8)?;
    }
    Err(at.fault())
}

/// A fractal heap.
pub(super) struct Fractal<'a, 'f> {
    file: &'f File<'a>,
    /// Bytes of an id.
    id: usize,
    /// Bytes of an offset, and of a length, in an id.
    offset: usize,
    length: usize,
    /// Blocks in a row of the table.
    width: usize,
    /// Bytes of the first blocks, and of the largest block that holds values itself.
    start: u64,
    largest: u64,
    root: u64,
    /// Rows of the root; 0 when the root holds values itself.
    rows: usize,
}

impl<'a, 'f> Fractal<'a, 'f> {
    pub(super) fn read(file: &'f File<'a>, at: u64) -> Result<Self, Hdf5Fault> {
        let mut at = file.at(at, "a fractal heap")?;
        at.magic(b"FRHP")?;
        at.version(&[0])?;
        let (id, filters) = (at.u16()?, at.u16()?);
        if filters != 0 {
            return Err(at.unsupported("a compressed heap"));
        }
        at.skip(1)?;
        let most = u64::from(at.u32()?);
        at.skip(12 * 8)?;
        let width = at.u16()?;
        let (start, largest) = (at.u64()?, at.u64()?);
        let bits = at.u16()?;
        at.skip(2)?;
        let (root, rows) = (at.u64()?, at.u16()?);
        if width == 0 || start == 0 || largest < start || bits == 0 || bits > 64 {
            return Err(at.fault());
        }
        let length = bytes_for(most.min(largest));
        Ok(Self { file, id, offset: bits.div_ceil(8), length, width, start, largest, root, rows })
    }

    /// Hands on each object that the B-tree at `tree` lists; ids lie `skip`ped bytes into its records
    /// (links) or first in them (attributes), which its type says.
    pub(super) fn each(
        &self,
        tree: u64,
        kind: u8,
        f: &mut dyn FnMut(Cursor<'a>) -> Result<(), Hdf5Fault>,
    ) -> Result<(), Hdf5Fault> {
        let mut at = self.file.at(tree, "a B-tree of version 2")?;
        at.magic(b"BTHD")?;
        at.version(&[0])?;
        if at.u8()? != kind {
            return Err(at.fault());
        }
        let node = at.u32()? as usize;
        let record = at.u16()?;
        let depth = at.u16()?;
        at.skip(2)?;
        let (root, count) = (at.u64()?, at.u16()?);
        let skip = if kind == 5 { 4 } else { 0 };
        if record < skip + self.id || node < 10 + record || depth > MAX_DEPTH {
            return Err(at.fault());
        }
        if root == NOWHERE || count == 0 {
            return Ok(());
        }
        let tree = Tree { node, record, skip };
        self.node(&tree, root, count, depth, f)
    }

    fn node(
        &self,
        tree: &Tree,
        at: u64,
        count: usize,
        depth: usize,
        f: &mut dyn FnMut(Cursor<'a>) -> Result<(), Hdf5Fault>,
    ) -> Result<(), Hdf5Fault> {
        let mut at = self.file.at(at, "a node of a B-tree of version 2")?;
        at.magic(if depth == 0 { b"BTLF" } else { b"BTIN" })?;
        at.skip(2)?;
        for _ in 0..count {
            let offset = at.offset() as usize;
            let mut record = Cursor::new(at.take(tree.record)?, offset, "an id in a heap");
            record.skip(tree.skip)?;
            f(self.object(record)?)?;
        }
        if depth == 0 {
            return Ok(());
        }
        let (own, all) = tree.pointer(depth);
        for _ in 0..=count {
            let child = at.u64()?;
            let count = at.uint(own)? as usize;
            at.skip(all)?;
            self.node(tree, child, count, depth - 1, f)?;
        }
        Ok(())
    }

    /// The object that an id names.
    fn object(&self, mut id: Cursor<'a>) -> Result<Cursor<'a>, Hdf5Fault> {
        self.file.step()?;
        let flags = id.u8()?;
        match (flags >> 4) & 3 {
            0 => {
                let (offset, length) = (id.uint(self.offset)?, id.uint(self.length)?);
                let length = usize::try_from(length).map_err(|_| id.fault())?;
                let mut at = self.locate(offset)?;
                let from = at.offset() as usize;
                Ok(Cursor::new(at.take(length)?, from, "an object of a fractal heap"))
            }
            2 => {
                let from = id.offset() as usize;
                let length = usize::from(flags & 15) + 1;
                Ok(Cursor::new(id.take(length)?, from, "an object of a fractal heap"))
            }
            _ => Err(id.unsupported("an attribute of more than 4096 bytes beside many others")),
        }
    }

    /// The place of a byte of the heap, block by block down the table.
    fn locate(&self, offset: u64) -> Result<Cursor<'a>, Hdf5Fault> {
        let (mut block, mut rows, mut from) = (self.root, self.rows, offset);
        for _ in 0..MAX_DEPTH {
            let at = self.file.at(block, "a block of a fractal heap")?;
            if rows == 0 {
                let place = block.checked_add(from).ok_or_else(|| at.fault())?;
                return self.file.at(place, "an object of a fractal heap");
            }
            let fault = at.fault();
            let mut at = at;
            at.magic(b"FHIB")?;
            at.skip(1 + 8 + self.offset)?;
            let mut start = 0u64;
            let mut next = None;
            for row in 0..rows {
                let size = self.size(row).ok_or_else(|| fault.clone())?;
                let end = size
                    .checked_mul(self.width as u64)
                    .and_then(|n| n.checked_add(start))
                    .ok_or_else(|| fault.clone())?;
                if from < end {
                    let column = (from - start) / size;
                    let place = row * self.width + column as usize;
                    at.skip(place.checked_mul(8).ok_or_else(|| fault.clone())?)?;
                    let inner = if size <= self.largest { 0 } else { self.rows_of(size) };
                    next = Some((at.u64()?, inner, (from - start) % size));
                    break;
                }
                start = end;
            }
            (block, rows, from) = next.ok_or(fault)?;
        }
        Err(Hdf5Fault::Circles)
    }

    /// Bytes of a block in a row of the table: the first two rows are alike, then they double.
    fn size(&self, row: usize) -> Option<u64> {
        let doubled = u32::try_from(row.saturating_sub(1)).ok()?;
        self.start.checked_mul(1u64.checked_shl(doubled)?)
    }

    /// Rows of an indirect block that stands for `size` bytes.
    fn rows_of(&self, size: u64) -> usize {
        let first = self.start.saturating_mul(self.width as u64).max(1);
        (size / first).max(1).ilog2() as usize + 1
    }
}

/// Sizes of a B-tree's parts, in bytes.
struct Tree {
    node: usize,
    record: usize,
    skip: usize,
}

impl Tree {
    /// Bytes of the numbers in a pointer to a child of a node at `depth`: records of the child, and
    /// records below it.
    fn pointer(&self, depth: usize) -> (usize, usize) {
        let leaf = ((self.node - 10) / self.record) as u64;
        let (own, mut all, mut below) = (bytes_for(leaf), 0, leaf);
        for _ in 1..depth {
            let pointer = 8 + own + all;
            let most = ((self.node - 10).saturating_sub(pointer) / (self.record + pointer)) as u64;
            below = (most + 1).saturating_mul(below).saturating_add(most);
            all = bytes_for(below);
        }
        (own, all)
    }
}

/// Bytes that hold numbers up to `n`.
fn bytes_for(n: u64) -> usize {
    (n.max(1).ilog2() / 8 + 1) as usize
}
