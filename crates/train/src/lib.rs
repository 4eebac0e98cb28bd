//! The frozen part of a network runs once for each image; its output is kept on disk.
//!
//! [`extract`] turns a list of image files into feature vectors `[N, D]`: decode, preprocess and
//! network for one image are one piece of work, pieces run on all threads, and what the
//! [`FeatureStore`] already holds is not computed again. A store is keyed by everything that shapes
//! a feature ([`TrunkKey`]), a row by the bytes of its file.

mod error;
mod extract;
mod key;
mod records;
mod store;

pub use error::TrainError;
pub use extract::{Extracted, Failed, Flow, Trunk, extract};
pub use key::TrunkKey;
pub use store::FeatureStore;
