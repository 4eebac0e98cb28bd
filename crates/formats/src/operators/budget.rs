//! What one file may cost, in memory and in steps.

use std::cell::Cell;
use std::rc::Rc;

use super::OnnxFault;

/// Bytes allowed whatever the size of the file.
const ALLOWANCE: u64 = 256 << 10;
/// Steps of constant arithmetic allowed per byte of the file.
const STEPS: u64 = 64;
/// Steps allowed whatever the size of the file.
const FREE_STEPS: u64 = 1 << 24;

/// Bytes and steps that a file may still cost. Bytes are counted when they are asked for. Constants give
/// theirs back when they are dropped, so that what is held at once is bounded; of all else the sum is.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    bytes: Rc<Ledger>,
    steps: u64,
}

#[derive(Debug)]
struct Ledger {
    /// That may still be taken.
    left: Cell<u64>,
    /// That were taken and will not be given back.
    spent: Cell<u64>,
}

/// Bytes that are given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    bytes: u64,
    ledger: Rc<Ledger>,
}

impl Held {
    /// The bytes stay taken.
    pub(crate) fn keep(mut self) {
        let spent = &self.ledger.spent;
        spent.set(spent.get().saturating_add(std::mem::take(&mut self.bytes)));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ledger.left.set(self.ledger.left.get().saturating_add(self.bytes));
    }
}

impl Budget {
    /// The budget of a file of `len` bytes.
    pub(crate) fn of_file(len: usize) -> Self {
        let bytes = (len as u64).saturating_mul(2).saturating_add(ALLOWANCE);
        let steps = (len as u64).saturating_mul(STEPS).saturating_add(FREE_STEPS);
        let ledger = Ledger { left: Cell::new(bytes), spent: Cell::new(0) };
        Self { limit: bytes, bytes: Rc::new(ledger), steps }
    }

    /// More, for `bytes` of numbers that the file is seen to hold.
    pub(crate) fn grow(&mut self, bytes: u64) {
        self.limit = self.limit.saturating_add(bytes);
        self.bytes.left.set(self.bytes.left.get().saturating_add(bytes));
        self.steps = self.steps.saturating_add(bytes.saturating_mul(STEPS));
    }

    /// Takes `bytes`.
    pub(crate) fn take(&mut self, bytes: u64, what: &str) -> Result<(), OnnxFault> {
        let over = || OnnxFault::TooMuch { what: what.to_owned(), limit: self.limit };
        self.bytes.left.set(self.bytes.left.get().checked_sub(bytes).ok_or_else(over)?);
        self.bytes.spent.set(self.bytes.spent.get().saturating_add(bytes));
        Ok(())
    }

    /// Bytes that were taken and will not be given back.
    pub(crate) fn spent(&self) -> u64 {
        self.bytes.spent.get()
    }

    /// Of what was taken, at most `bytes`, to be given back later.
    pub(crate) fn held(&self, bytes: u64) -> Held {
        let bytes = bytes.min(self.spent());
        self.bytes.spent.set(self.spent() - bytes);
        Held { bytes, ledger: Rc::clone(&self.bytes) }
    }

    /// Takes room for `count` numbers of 4 bytes, and as many steps.
    pub(crate) fn numbers(&mut self, count: usize, what: &str) -> Result<(), OnnxFault> {
        self.steps(count, what)?;
        self.take((count as u64).saturating_mul(4), what)
    }

    /// Takes steps.
    pub(crate) fn steps(&mut self, count: usize, what: &str) -> Result<(), OnnxFault> {
        let over = || OnnxFault::TooMuch { what: what.to_owned(), limit: self.limit };
        self.steps = self.steps.checked_sub((count as u64).saturating_add(1)).ok_or_else(over)?;
        Ok(())
    }
}
