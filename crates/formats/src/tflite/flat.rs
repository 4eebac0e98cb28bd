//! Flatbuffers: tables whose fields are found through offsets, every one of which is checked.
//!
//! A table begins with the distance back to its vtable, which has for each field its place in the table
//! (0 where the field is left out). Vectors, strings and tables in a field are a distance forward. All
//! numbers are little-endian. Source: the "`FlatBuffers` internals" page of the format's own documents.

use super::TfliteFault;

/// Bytes of a file, in which tables lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flat<'a> {
    bytes: &'a [u8],
}

/// A field of a table, for words: the table's kind and the field's name.
pub(super) type Field = (&'static str, usize);

/// A table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'a> {
    flat: Flat<'a>,
    /// What it is called in the schema.
    kind: &'static str,
    /// Where it begins, in bytes from the beginning of the file.
    at: usize,
    /// Where its vtable begins, and how long that is.
    vtable: usize,
    len: usize,
    /// How long the table itself is.
    size: usize,
}

/// A vector: where its first element lies, and how many there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vector<'a> {
    flat: Flat<'a>,
    name: &'static str,
    at: usize,
    pub(super) count: usize,
}

impl<'a> Flat<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Bytes in all.
    pub(super) fn len(self) -> usize {
        self.bytes.len()
    }

    /// A stretch of the file; `None` when it leaves it.
    pub(super) fn slice(self, at: usize, count: usize) -> Option<&'a [u8]> {
        self.bytes.get(at..at.checked_add(count)?)
    }

    fn array<const N: usize>(self, name: &str, at: usize) -> Result<[u8; N], TfliteFault> {
        let bytes = self.slice(at, N).and_then(|b| b.first_chunk::<N>().copied());
        bytes.ok_or_else(|| self.outside(name, at, N))
    }

    fn outside(self, field: &str, at: usize, wanted: usize) -> TfliteFault {
        let len = self.bytes.len();
        damaged(field, at, format!("{wanted} bytes are wanted there, the file has {len}"))
    }

    fn u16(self, name: &str, at: usize) -> Result<usize, TfliteFault> {
        Ok(usize::from(u16::from_le_bytes(self.array(name, at)?)))
    }

    /// Where the distance at `at` leads.
    fn follow(self, name: &'static str, at: usize) -> Result<usize, TfliteFault> {
        let step = u32::from_le_bytes(self.array(name, at)?) as usize;
        let to = at.checked_add(step).filter(|to| *to < self.bytes.len() && step > 0);
        to.ok_or_else(|| damaged(name, at, format!("the distance {step} leads out of the file")))
    }

    /// The table that the file begins with.
    pub(super) fn root(self, kind: &'static str) -> Result<Table<'a>, TfliteFault> {
        self.table(kind, kind, 0)
    }

    /// The table that the distance at `at` leads to.
    fn table(
        self,
        kind: &'static str,
        name: &'static str,
        at: usize,
    ) -> Result<Table<'a>, TfliteFault> {
        let at = self.follow(name, at)?;
        let back = i32::from_le_bytes(self.array(name, at)?);
        let vtable = i64::try_from(at).ok().and_then(|p| usize::try_from(p - i64::from(back)).ok());
        let vtable = vtable.filter(|v| *v < self.bytes.len());
        let vtable =
            vtable.ok_or_else(|| damaged(name, at, "its vtable lies outside the file".into()))?;
        let (len, size) = (self.u16(name, vtable)?, self.u16(name, vtable + 2)?);
        if len < 4 || len % 2 != 0 || size < 4 {
            let problem = format!("its vtable at byte {vtable} has lengths {len} and {size}");
            return Err(damaged(name, at, problem));
        }
        if self.slice(vtable, len).is_none() || self.slice(at, size).is_none() {
            return Err(self.outside(name, at, size.max(len)));
        }
        Ok(Table { flat: self, kind, at, vtable, len, size })
    }
}

/// A fault at a field.
fn damaged(field: &str, at: usize, problem: String) -> TfliteFault {
    TfliteFault::Damaged { field: field.to_owned(), at, problem }
}

impl<'a> Table<'a> {
    /// Where a field of `size` bytes lies; `None` when it is left out.
    fn field(&self, (name, number): Field, size: usize) -> Result<Option<usize>, TfliteFault> {
        let entry = 4 + 2 * number;
        if entry + 2 > self.len {
            return Ok(None);
        }
        let place = self.flat.u16(name, self.vtable + entry)?;
        if place == 0 {
            return Ok(None);
        }
        if place < 4 || place + size > self.size {
            let problem = format!(
                "it lies at {place} of a {} of {} bytes (at byte {})",
                self.kind, self.size, self.at
            );
            return Err(damaged(name, self.at, problem));
        }
        Ok(Some(self.at + place))
    }

    fn number<const N: usize>(&self, field: Field) -> Result<Option<[u8; N]>, TfliteFault> {
        self.field(field, N)?.map(|at| self.flat.array(field.0, at)).transpose()
    }

    /// A byte, 0 when it is left out.
    pub(super) fn byte(&self, field: Field) -> Result<u8, TfliteFault> {
        Ok(self.number(field)?.map_or(0, |[b]: [u8; 1]| b))
    }

    /// A truth value, `false` when it is left out.
    pub(super) fn flag(&self, field: Field) -> Result<bool, TfliteFault> {
        Ok(self.byte(field)? != 0)
    }

    /// An integer of 4 bytes, `usual` when it is left out.
    pub(super) fn int(&self, field: Field, usual: i32) -> Result<i32, TfliteFault> {
        Ok(self.number(field)?.map_or(usual, i32::from_le_bytes))
    }

    /// An integer of 4 bytes without sign, 0 when it is left out.
    pub(super) fn index(&self, field: Field) -> Result<usize, TfliteFault> {
        Ok(self.number(field)?.map_or(0, u32::from_le_bytes) as usize)
    }

    /// An integer of 8 bytes without sign, 0 when it is left out.
    pub(super) fn long(&self, field: Field) -> Result<u64, TfliteFault> {
        Ok(self.number(field)?.map_or(0, u64::from_le_bytes))
    }

    /// A fraction, 0 when it is left out.
    pub(super) fn float(&self, field: Field) -> Result<f32, TfliteFault> {
        Ok(self.number(field)?.map_or(0.0, f32::from_le_bytes))
    }

    /// A table in a field.
    pub(super) fn table(
        &self,
        kind: &'static str,
        field: Field,
    ) -> Result<Option<Self>, TfliteFault> {
        let at = self.field(field, 4)?;
        at.map(|at| self.flat.table(kind, field.0, at)).transpose()
    }

    /// A vector of elements of `size` bytes; `None` when it is left out.
    pub(super) fn vector(
        &self,
        field: Field,
        size: usize,
    ) -> Result<Option<Vector<'a>>, TfliteFault> {
        let Some(at) = self.field(field, 4)? else { return Ok(None) };
        let at = self.flat.follow(field.0, at)?;
        let count = u32::from_le_bytes(self.flat.array(field.0, at)?) as usize;
        let bytes = count.checked_mul(size);
        if bytes.is_none_or(|n| self.flat.slice(at + 4, n).is_none()) {
            let len = self.flat.len();
            let problem = format!("{count} elements of {size} bytes do not end in a file of {len}");
            return Err(damaged(field.0, at, problem));
        }
        Ok(Some(Vector { flat: self.flat, name: field.0, at: at + 4, count }))
    }

    /// The bytes of a vector of elements of `size` bytes; none when it is left out.
    pub(super) fn bytes(&self, field: Field, size: usize) -> Result<&'a [u8], TfliteFault> {
        let vector = self.vector(field, size)?;
        Ok(vector.and_then(|v| v.flat.slice(v.at, v.count * size)).unwrap_or(&[]))
    }

    /// Text, empty when it is left out.
    pub(super) fn text(&self, field: Field) -> Result<&'a str, TfliteFault> {
        let bytes = self.bytes(field, 1)?;
        std::str::from_utf8(bytes).map_err(|e| {
            let problem = format!("no text: {e}");
            damaged(field.0, self.at, problem)
        })
    }

    /// A fault at one of its fields.
    pub(super) fn fault(&self, field: Field, problem: impl Into<String>) -> TfliteFault {
        damaged(field.0, self.at, problem.into())
    }
}

impl<'a> Vector<'a> {
    /// A table that is an element; `None` behind the end.
    pub(super) fn table(
        &self,
        kind: &'static str,
        i: usize,
    ) -> Option<Result<Table<'a>, TfliteFault>> {
        (i < self.count).then(|| self.flat.table(kind, self.name, self.at + 4 * i))
    }

    /// The tables that are its elements.
    pub(super) fn tables(
        self,
        kind: &'static str,
    ) -> impl Iterator<Item = Result<Table<'a>, TfliteFault>> {
        (0..self.count).map(move |i| self.flat.table(kind, self.name, self.at + 4 * i))
    }
}

/// Integers of 4 bytes.
pub(super) fn ints(bytes: &[u8]) -> impl Iterator<Item = i32> {
    bytes.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b))
}

/// Fractions of 4 bytes.
pub(super) fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))
}
