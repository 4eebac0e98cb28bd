//! The project's own chores: that crates keep to their floors, and how fast we are beside the peers.
//!
//! A library beside the program, so that tests call the checks without a process between.

pub mod args;
pub mod bench;
mod error;
pub mod floors;
pub mod house;
pub mod study;
mod workspace;

pub use args::Command;
pub use error::{Breach, Error};
pub use workspace::{Package, Workspace};
