//! Linear heads on frozen features: ridge regression with exact leave-one-out, multinomial
//! logistic regression, temperature calibration, and [`fit_head`], which chooses between them.
//!
//! Features are `[n, d]`, row-major; labels are class indices `0..C`. The same input gives the same
//! bytes whatever the number of threads: every product is cut into blocks of fixed size, each
//! computed by one thread, and sums run in a fixed order. Arithmetic is `f64`, but for the first
//! part of a logistic regression with many examples (see [`logistic`]).
//!
//! One decomposition serves everything. With `n <= d` it is the eigendecomposition of the `[n, n]`
//! Gram matrix of the centred features, with `n > d` of their `[d, d]` scatter matrix. Ridge heads
//! and their leave-one-out scores for any number of penalties are then matrix products, and the
//! logistic regression is solved in the same coordinates (exactly equivalent, because the L2
//! penalty does not see rotations), where its problem is small and well scaled.
//!
//! With `n > d` nothing of the size of the features is held: they are read block by block
//! ([`Rows`]), some tens of times in a fit. What grows with `n` are scores, 8 bytes for each example
//! and class and a few such at once, and leverages, 8 bytes for each example and penalty.

mod basis;
mod blocks;
pub mod calibrate;
mod error;
mod fit;
mod folds;
mod head;
mod heldout;
mod input;
mod lbfgs;
mod likelihood;
pub mod linalg;
mod logistic;
mod platt;
mod ridge;
mod rows;
mod search;
mod several;
mod softmax;
mod targets;
mod threshold;

pub use calibrate::{
    Temperature, nll, platt_smoothing, succession_smoothing, temperature_smoothed,
};
pub use error::ProbeError;
pub use fit::{HeadEvent, HeadFit, HeadKind, HeadOptions, Method, PenaltyRow, Reason, fit_head};
pub use folds::folds;
pub use head::LinearHead;
pub use input::Labels;
pub use logistic::{LogisticFit, LogisticOptions, logistic, logistic_path, logistic_penalties};
pub use ridge::{RidgePath, RidgeRow, ridge, ridge_penalties};
pub use rows::{Features, Rows};
pub use several::{LabelSetsFit, fit_label_sets, label_temperature};
pub use targets::{LabelSets, Targets};
pub use threshold::best_thresholds;
