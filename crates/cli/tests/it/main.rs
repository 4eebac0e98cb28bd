//! The command line end to end: small pictures drawn here, a network with formula weights.

mod docs;
mod fit;
mod hostile;
mod interrupt;
mod support;
mod zoo;
