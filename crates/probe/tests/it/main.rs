//! Tests of the probe crate's public surface.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, like the tests")]

mod calibrate;
mod edges;
mod fit;
mod golden;
mod logistic;
mod ridge;
mod rows;
mod several;
mod support;
