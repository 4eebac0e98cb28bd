//! Tests of the advise crate's public surface.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, like the tests")]

mod edges;
mod exact;
mod facts;
mod rank;
mod resolve;
mod rules;
mod scores;
mod sets;
mod shift;
mod support;
mod unknown;
mod unknown_judged;
