//! Whether to transfer, from what, and how much: answers from measured figures, each with its reasons.
//!
//! Numbers in, numbers and reasons out: nothing here reads a file, prints, or runs a network.
//!
//! - [`scores`]: how well a frozen network suits labelled images.
//! - [`rank`]: many networks, many scores, one order, and how sure it is.
//!
//! Features are `[n, d]`, row-major; labels are class indices `0..C`; arithmetic is `f64`. The same input
//! gives the same bytes whatever the number of threads: work is cut into blocks of fixed size, each done
//! by one thread, and sums run in a fixed order.

mod chance;
mod error;
mod linalg;
mod moments;
pub mod rank;
pub mod scores;
mod table;

pub use error::AdviseError;
pub use moments::Moments;
pub use table::Table;
