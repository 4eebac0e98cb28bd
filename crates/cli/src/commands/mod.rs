//! A file for each command: arguments to options, results to text.

pub(crate) mod advise;
pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod compare;
pub(crate) mod convert;
pub(crate) mod cut;
pub(crate) mod demo;
pub(crate) mod evaluate;
pub(crate) mod fit;
pub(crate) mod lint;
pub(crate) mod look;
pub(crate) mod predict;
pub(crate) mod prior;
pub(crate) mod show;
pub(crate) mod zoo;
pub(crate) mod zoo_card;

pub(crate) use fit::tune_options;
use regraft::LoadOptions;

use crate::args::Common;

/// Where weights may come from, as typed.
pub(crate) fn load_options(common: &Common) -> LoadOptions {
    LoadOptions { offline: common.offline, cache: None }
}
