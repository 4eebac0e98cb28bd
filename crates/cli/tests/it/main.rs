//! The command line end to end: small pictures drawn here, a network with formula weights.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![allow(clippy::format_push_string, reason = "pages are short")]

mod advise;
mod audit;
mod balance;
mod bench;
mod convert;
mod docs;
mod fit;
mod fit_audit;
mod hostile;
mod interrupt;
mod labels;
mod labels_plans;
mod lint;
mod look;
mod look_graph;
mod maximise;
mod prior;
mod support;
mod tune;
mod unknown;
mod zoo;
