//! The page: what it says, what it never does, and what hostile names cannot make it do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::format_push_string, reason = "graphs of tests are short")]

mod graph;
mod hostile;
mod labels;
mod page;
mod sample;
