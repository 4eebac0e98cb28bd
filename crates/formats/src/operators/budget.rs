//! What one file may cost, in memory and in steps.

use super::OnnxFault;

/// Bytes allowed whatever the size of the file.
const ALLOWANCE: u64 = 256 << 10;
/// Steps of constant arithmetic allowed per byte of the file.
const STEPS: u64 = 64;
/// Steps allowed whatever the size of the file.
const FREE_STEPS: u64 = 1 << 24;

/// Bytes and steps that a file may still cost. Bytes are counted when they are asked for and never
/// given back, so that the sum of all is bounded, not only what is held at once.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    bytes: u64,
    steps: u64,
}

impl Budget {
    /// The budget of a file of `len` bytes.
    pub(crate) fn of_file(len: usize) -> Self {
        let bytes = (len as u64).saturating_mul(2).saturating_add(ALLOWANCE);
        let steps = (len as u64).saturating_mul(STEPS).saturating_add(FREE_STEPS);
        Self { limit: bytes, bytes, steps }
    }

    /// More, for `bytes` of numbers that the file is seen to hold.
    pub(crate) fn grow(&mut self, bytes: u64) {
        self.limit = self.limit.saturating_add(bytes);
        self.bytes = self.bytes.saturating_add(bytes);
        self.steps = self.steps.saturating_add(bytes.saturating_mul(STEPS));
    }

    /// Takes `bytes`.
    pub(crate) fn take(&mut self, bytes: u64, what: &str) -> Result<(), OnnxFault> {
        let over = || OnnxFault::TooMuch { what: what.to_owned(), limit: self.limit };
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(over)?;
        Ok(())
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
