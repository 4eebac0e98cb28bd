//! Whether to transfer, from what, and how much: answers from measured figures, each with its reasons.
//!
//! Numbers in, numbers and reasons out: nothing here reads a file, prints, or runs a network.
//!
//! - [`scores`]: how well a frozen network suits labelled images.
//! - [`rank`]: many networks, many scores, one order, and how sure it is.
//! - [`facts`]: what was measured, by name.
//! - [`rules`]: the rule base, data with sources, over those names.
//! - [`mod@resolve`]: facts to a plan, by the rules that hold: strategy, cut, layers, rates, augmentation,
//!   schedule, each with its reason, and the two plans that nearly won.
//! - [`unknown`]: images of no known class.
//! - [`shift`]: classes that are more or less frequent in use than in training.
//!
//! Features are `[n, d]`, row-major; labels are class indices `0..C`; arithmetic is `f64`. The same input
//! gives the same bytes whatever the number of threads: work is cut into blocks of fixed size, each done
//! by one thread, and sums run in a fixed order.

mod chance;
mod error;
pub mod facts;
mod linalg;
mod moments;
pub mod rank;
pub mod resolve;
pub mod rules;
pub mod scores;
mod setting;
pub mod shift;
mod table;
pub mod unknown;

pub use error::AdviseError;
pub use facts::Facts;
pub use moments::Moments;
pub use resolve::{Advice, resolve};
pub use setting::{Kind, Setting};
pub use table::Table;
