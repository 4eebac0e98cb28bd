//! The part of HDF5 that Keras and `h5py` write, read from bytes in memory.
//!
//! Superblocks 0 to 3, groups of both generations (symbol tables; link messages and fractal heaps),
//! attributes, strings of fixed and of variable length (global heap), numbers in contiguous, compact
//! and chunked storage with gzip, shuffle and checksum filters. Everything else is refused by name:
//! external links and external storage before all.
//!
//! A ready-made reader was measured first (half a million changed files): no panic, but up to 94 times
//! the file's size in memory, and a dozen crates. Here nothing is copied but strings that are asked
//! for and chunks that are unpacked, both against a budget, and a count of steps ends circles.
//!
//! Source: "HDF5 File Format Specification Version 3.0", The HDF Group.

mod cursor;
mod data;
mod fault;
mod group;
mod heap;
mod object;

use std::cell::{Cell, RefCell};

use crate::view::Budget;
use cursor::Cursor;
pub use fault::Hdf5Fault;
pub(crate) use object::Object;

/// The first bytes of a file.
pub(crate) const MAGIC: &[u8; 8] = b"\x89HDF\r\n\x1a\n";
/// An address that points nowhere.
const NOWHERE: u64 = u64::MAX;
/// Bytes that every file may fill in memory; larger files three times their size.
const ALLOWANCE: u64 = 1 << 16;
/// Steps that every file may take; larger files may take more.
const STEPS: u64 = 1 << 20;

/// A file in memory.
pub(crate) struct File<'a> {
    bytes: &'a [u8],
    root: u64,
    steps: Cell<u64>,
    budget: RefCell<Budget>,
}

impl<'a> File<'a> {
    /// Reads the superblock.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, Hdf5Fault> {
        let mut at = Cursor::file(bytes, 0, "a superblock")?;
        at.magic(MAGIC)?;
        let version = at.version(&[0, 1, 2, 3])?;
        if version < 2 {
            at.skip(4)?;
        }
        let sizes = (at.u8()?, at.u8()?);
        if sizes != (8, 8) {
            return Err(at.unsupported(format!("a file with addresses of {} bytes", sizes.0)));
        }
        at.skip(if version < 2 { 9 } else { 1 })?;
        if version == 1 {
            at.skip(4)?;
        }
        if at.u64()? != 0 {
            return Err(at.unsupported("a file within a file"));
        }
        // End of file and two addresses that are not needed, in either order.
        at.skip(if version < 2 { 24 + 8 } else { 16 })?;
        let root = at.u64()?;
        let steps = STEPS + bytes.len() as u64 / 16;
        let budget = RefCell::new(Budget::new(ALLOWANCE + 3 * bytes.len() as u64));
        Ok(Self { bytes, root, steps: Cell::new(steps), budget })
    }

    /// The group that holds everything.
    pub(crate) fn root<'f>(&'f self) -> Result<Object<'a, 'f>, Hdf5Fault> {
        Object::read(self, self.root, String::new())
    }

    fn at(&self, offset: u64, what: &'static str) -> Result<Cursor<'a>, Hdf5Fault> {
        self.step()?;
        Cursor::file(self.bytes, offset, what)
    }

    /// Counts a step; the number of steps that a sound file of this size takes is far below the limit.
    fn step(&self) -> Result<(), Hdf5Fault> {
        let left = self.steps.get().checked_sub(1).ok_or(Hdf5Fault::Circles)?;
        self.steps.set(left);
        Ok(())
    }

    /// Asks for memory.
    fn spend(&self, bytes: u64, what: &'static str, offset: u64) -> Result<(), Hdf5Fault> {
        let spent = self.budget.borrow_mut().take(bytes);
        spent.map_err(|left| Hdf5Fault::TooLarge { offset, what, bytes, left })
    }
}
