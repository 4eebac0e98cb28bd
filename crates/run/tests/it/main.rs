//! The documents of a run: round trips, golden numbers, and files that are not what they say.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod events;
mod folder;
mod labels;
mod metrics;
mod plan;
mod predictions;
mod sample;
mod summary;
mod tensorboard;
mod write;
