use std::collections::BTreeMap;

use regraft_run::Reason;

/// What is going on, told while it goes on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// The images of a folder or table were found.
    Data {
        /// The folder or table.
        root: &'a str,
        /// Names of classes, or of labels.
        classes: &'a [String],
        /// Whether they are labels, of which an image may have any number.
        labels: bool,
        /// Images in each split.
        images: &'a BTreeMap<String, usize>,
        /// Where the split comes from.
        split_origin: &'a str,
    },
    /// Weights are on their way.
    Fetch {
        /// What is fetched.
        what: &'a str,
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all, when known.
        total: Option<u64>,
    },
    /// Another process fetches the same; this one waits.
    Waiting {
        /// What is waited for.
        what: &'a str,
    },
    /// Files are looked at, one by one.
    Looking {
        /// Files done.
        done: usize,
        /// Files to do.
        total: usize,
    },
    /// Images go through the frozen part of the network.
    Features {
        /// Images done.
        done: usize,
        /// Images to do.
        total: usize,
    },
    /// Pictures are made, step by step.
    Steps {
        /// Steps done.
        done: usize,
        /// Steps to do.
        total: usize,
    },
    /// All features are there.
    FeaturesDone {
        /// Images that went through the network.
        computed: usize,
        /// Images whose features were in the cache.
        cached: usize,
        /// Time it took.
        seconds: f64,
    },
    /// A file was not used, or not as it is.
    File {
        /// Its name.
        file: &'a str,
        /// What is the matter, and what was done.
        reason: &'a str,
    },
    /// Something a person should know.
    Note(&'a str),
    /// The head is being fitted.
    Head,
    /// A round of training by gradient is done.
    Epoch {
        /// What is trained: `held-out 1`, …, or `all`.
        part: &'a str,
        /// From 1.
        epoch: u64,
        /// Of how many.
        of: u64,
        /// Mean loss of the round.
        loss: f64,
        /// Share of held-out images right.
        top1: Option<f64>,
    },
    /// Something was decided.
    Decided(&'a Reason),
}

/// Hears what goes on, tells the time, and may ask to stop.
pub trait Observer: Sync {
    /// Something happened.
    fn tell(&self, progress: &Progress<'_>);

    /// Seconds since some fixed moment; the library itself has no clock.
    fn now(&self) -> f64 {
        0.0
    }

    /// Seconds since 1970, for curves that other programs show.
    fn wall(&self) -> f64 {
        0.0
    }

    /// Whether to stop; asked often.
    fn stop(&self) -> bool {
        false
    }
}

/// An observer that hears nothing and never stops.
pub struct Quiet;

impl Observer for Quiet {
    fn tell(&self, _: &Progress<'_>) {}
}
