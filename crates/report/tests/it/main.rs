//! The page: what it says, what it never does, and what hostile names cannot make it do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hostile;
mod labels;
mod page;
mod sample;
