//! Drawings as SVG in the page. Colours come from the page's style, so that dark mode reaches them.

mod axis;
mod curve;
mod learning;
mod matrix;
mod reliability;

pub(crate) use curve::{Curve, curve};
pub(crate) use learning::{by_depth, by_images, learning};
pub(crate) use matrix::matrix;
pub(crate) use reliability::reliability;
