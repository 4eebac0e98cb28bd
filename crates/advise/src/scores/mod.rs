//! Transferability: how well a frozen network suits labelled images, from one pass over them.
//!
//! One file for a score, each with its paper. Larger is better for all of them. None of them is right
//! everywhere (`TLLib`'s study over ten data sets has rank correlations from -0.26 to 0.92 for one and the
//! same score), so the ranking asks several and says where they disagree.

mod gbc;
mod h_score;
mod leep;
mod logme;
mod nce;
mod nearest_mean;
mod outputs;
mod precision;
mod ridge;
mod transrate;

pub use gbc::{Spread, gbc};
pub(crate) use h_score::Shrinkage;
pub use h_score::{ShrunkH, h_score, shrunk_h_score};
pub use leep::leep;
pub use logme::{Evidence, LogMe, logme, logme_of_sets};
pub use nce::nce;
pub use nearest_mean::{NearestMean, nearest_mean};
pub use outputs::Outputs;
pub(crate) use outputs::distributions;
pub use precision::{MeanPrecision, mean_average_precision, random_precision};
pub use ridge::{RidgeOut, ridge_out};
pub use transrate::{EPSILON, transrate};
