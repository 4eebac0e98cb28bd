//! The network as data: notation, facts, surgery, and what is refused.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![allow(clippy::format_push_string, reason = "texts are short")]

mod facts;
mod lint;
mod notation;
mod surgery;
