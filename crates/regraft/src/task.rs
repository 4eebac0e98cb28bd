//! A data set of either kind, read by a network, for what tries several ways to train.

use regraft_data::Dataset;

use crate::fit::{self, prepare};
use crate::grouping::parts;
use crate::images::answers;
use crate::journal::{Log, Rows};
use crate::measure::Answers;
use crate::tuning::Tuning;
use crate::{Error, FitOptions, labels};

/// Everything up to a fitted head, of either kind.
pub(crate) enum Task {
    Classes(Box<fit::Prepared>),
    Labels(Box<labels::Prepared>),
}

impl Task {
    /// Reads the data of a fit, without a run folder.
    pub(crate) fn new(options: &FitOptions, log: &Log<'_>) -> Result<Self, Error> {
        match labels::label_sets(options)? {
            Some(data) => Ok(Self::Labels(Box::new(labels::prepare(options, data, None, log)?))),
            None => Ok(Self::Classes(Box::new(prepare(options, None, log)?))),
        }
    }

    /// The images; of labels each set of them is a class here.
    pub(crate) fn dataset(&self) -> &Dataset {
        match self {
            Self::Classes(p) => &p.dataset,
            Self::Labels(p) => &p.read.dataset,
        }
    }

    /// How many outputs a head has.
    pub(crate) fn outputs(&self) -> usize {
        match self {
            Self::Classes(p) => p.dataset.classes.len(),
            Self::Labels(p) => p.data.labels.len(),
        }
    }

    pub(crate) fn loaded(&self) -> &crate::Loaded {
        match self {
            Self::Classes(p) => &p.loaded,
            Self::Labels(p) => &p.read.loaded,
        }
    }

    pub(crate) fn rows(&self) -> &Rows {
        match self {
            Self::Classes(p) => &p.rows,
            Self::Labels(p) => &p.rows,
        }
    }

    /// What the images at `rows` are.
    pub(crate) fn answers(&self, rows: &[usize]) -> Answers {
        match self {
            Self::Classes(p) => answers(&p.dataset, None, rows),
            Self::Labels(p) => answers(&p.read.dataset, Some(&p.data), rows),
        }
    }

    pub(crate) fn tuning<'a>(&'a self, options: &'a FitOptions, log: &'a Log<'a>) -> Tuning<'a> {
        match self {
            Self::Classes(p) => p.tuning(options, log),
            Self::Labels(p) => p.tuning(options, log),
        }
    }

    /// The part of each training image, from 0, of at most `count` that are left out in turn.
    pub(crate) fn parts(&self, count: usize, options: &FitOptions) -> Result<Vec<usize>, Error> {
        match self {
            Self::Classes(p) => parts(count, options, &p.dataset, &p.extracted, &p.rows.train),
            Self::Labels(p) => {
                let sets = (&p.data, &p.read.dataset);
                labels::parts(count, options, sets, &p.read.extracted, &p.rows.train)
            }
        }
    }

    /// Scores `[rows.test, outputs]` of a probe fitted on `rows.train`.
    pub(crate) fn probed(
        &self,
        options: &FitOptions,
        rows: &Rows,
        log: &Log<'_>,
    ) -> Result<Vec<f64>, Error> {
        match self {
            Self::Classes(p) => p.probed(options, rows, log),
            Self::Labels(p) => p.probed(options, rows, log),
        }
    }
}
