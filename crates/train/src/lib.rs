//! The frozen part of a network runs once for each image; its output is kept on disk. What is left to
//! learn is learned from there.
//!
//! [`extract`] turns a list of image files into feature vectors `[N, D]`: decode, preprocess and
//! network for one image are one piece of work, pieces run on all threads, and what the
//! [`FeatureStore`] already holds is not computed again. A store is keyed by everything that shapes
//! a feature ([`TrunkKey`]), a row by the bytes of its file and by how augmentation changed it.
//!
//! A [`Table`] says which layers learn and how fast, and with it where the frozen part ends: the
//! frontier. [`tune`] trains what lies above by a [`Recipe`]; [`Inputs`] gives it the kept values at the
//! frontier, or pictures where nothing is frozen below. Interrupted, it goes on from a checkpoint to the
//! same bits.

mod channels;
mod checkpoint;
mod error;
mod extract;
mod find_rate;
mod held;
mod inputs;
mod key;
mod looks;
mod optimiser;
mod rates;
mod records;
mod schedule;
mod store;
mod truth;
mod tune;

pub use channels::Channel;
pub use error::TrainError;
pub use extract::{Extracted, Failed, Flow, Look, Trunk, extract, extract_looks, extract_seen};
pub use find_rate::{Found, find_rate, valley};
pub use held::{Held, most_probable, scores};
pub use inputs::Inputs;
pub use key::TrunkKey;
pub use looks::LookStore;
pub use optimiser::{Change, Memory, Optimiser, clip};
pub use rates::{Asked, LayerRate, Rates, Table, Unfreeze};
pub use schedule::Schedule;
pub use store::FeatureStore;
pub use truth::Truth;
pub use tune::{Epoch, Recipe, Tuned, need, tune};
