//! The header of a `.npy` file: `\x93NUMPY`, version, length, and a dict of Python as text
//! (`numpy/lib/format.py`).

use std::borrow::Cow;

use super::array::{self, Lookup, MAX_AXES};
use crate::TensorFault;

/// Longest header, in bytes: a shape and a number type need a hundred.
const MAX_HEADER: usize = 1 << 16;

/// What the header says.
pub(super) struct Header {
    code: String,
    fortran: bool,
    shape: Vec<usize>,
    /// Where the values begin, in bytes.
    pub(super) end: usize,
    /// Whether the values are objects, in a pickle.
    pub(super) object: bool,
}

pub(super) fn header(bytes: &[u8]) -> Result<Header, TensorFault> {
    parse(bytes).ok_or(TensorFault::Call { wanted: "the header of a .npy file" })
}

fn parse(bytes: &[u8]) -> Option<Header> {
    let rest = bytes.strip_prefix(b"\x93NUMPY")?;
    let (&[major, _minor], rest) = rest.split_first_chunk::<2>()?;
    let (length, front) = if major == 1 {
        (usize::from(u16::from_le_bytes(*rest.first_chunk()?)), 10)
    } else {
        (usize::try_from(u32::from_le_bytes(*rest.first_chunk()?)).ok()?, 12)
    };
    let end = front + Some(length).filter(|n| *n <= MAX_HEADER)?;
    let text = std::str::from_utf8(bytes.get(front..end)?).ok()?;
    let code = value(text, "descr")?.strip_prefix('\'')?.split('\'').next()?.to_owned();
    let fortran = match value(text, "fortran_order")? {
        t if t.starts_with("True") => true,
        t if t.starts_with("False") => false,
        _ => return None,
    };
    let shape = value(text, "shape")?.strip_prefix('(')?.split(')').next()?;
    let sizes = shape.split(',').map(str::trim).filter(|n| !n.is_empty());
    let shape: Vec<usize> = sizes.map(|n| n.parse().ok()).collect::<Option<_>>()?;
    let object = code.contains('O');
    (shape.len() <= MAX_AXES).then_some(Header { code, fortran, shape, end, object })
}

/// What follows a key.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(&format!("'{key}'"))?;
    Some(after.trim_start().strip_prefix(':')?.trim_start())
}

impl Header {
    /// The array, given the bytes of its values.
    pub(super) fn lookup(self, data: &[u8]) -> Lookup<'_> {
        match array::dtype(&self.code, None) {
            Some((dtype, big)) => {
                array::found(dtype, big, self.shape, self.fortran, Cow::Borrowed(data))
            }
            None => Lookup::NoF32(format!("numpy {}", self.code)),
        }
    }
}
