//! The network as data.
//!
//! A [`Network`] is a [`Graph`] of named layers, a map from parameter name to tensor ([`Params`]) and
//! a [`Card`]. Everything else is a function over it: [`facts`] (shapes, cost, receptive field),
//! [`surgery`] (cut, graft, split), [`notation`] (the graph as text, both ways), [`lint`] (is it sound?).
//! Nothing here runs a network; executors implement [`Forward`].
//!
//! ```
//! use regraft_net::{facts::facts, notation, surgery};
//!
//! let graph = notation::parse(
//!     "image = input 3x32x32
//!      conv1 = conv2d image out=16 size=3 stride=2 pad=1
//!      relu1 = relu conv1
//!      pool = global_avg_pool relu1
//!      fc = linear pool out=10
//!      -> fc",
//! )?;
//! let trunk = surgery::cut(&graph, "pool")?;
//! assert_eq!(facts(&trunk)?.output().shape.to_string(), "16");
//! # Ok::<(), regraft_net::NetError>(())
//! ```

pub mod card;
mod error;
pub mod facts;
pub mod formula;
mod forward;
mod graph;
pub mod groups;
pub mod lint;
mod near;
mod network;
pub mod notation;
pub mod op;
mod params;
pub mod surgery;

pub use card::Card;
pub use error::NetError;
pub use forward::Forward;
pub use graph::{Graph, Layer, LayerId};
pub use near::nearest;
pub use network::{Network, unused};
pub use op::Op;
pub use params::{ParamSpec, Params, Role};
