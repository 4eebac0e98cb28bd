//! Networks against their frameworks' numbers, and the journey on real weights.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod goldens;
mod real;
