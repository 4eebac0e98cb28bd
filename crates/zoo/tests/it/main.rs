//! Tests of the zoo; none of them uses the network.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod arch;
mod catalogue;
mod dataset;
mod fetch;
mod fields;
mod fit;
mod hub;
mod lint;
mod own;
mod pip;
mod sdist;
mod spec;
