//! The training images of either kind, for what looks at them before a fit.

use std::path::PathBuf;

use regraft_data::{Dataset, MultiLabel, OpenOptions, Split};

use crate::grouping::regrouped;
use crate::labels;
use crate::measure::{Answers, Measure};
use crate::{Error, FitOptions};

/// Training images, and what each is.
#[derive(Debug, Clone)]
pub(crate) struct TrainingImages {
    /// The images; where they may have several labels, each set of them is a class here.
    pub(crate) dataset: Dataset,
    /// The same images, where they may have several labels.
    several: Option<MultiLabel>,
}

impl TrainingImages {
    /// The data of a fit without its test images, which are for the end.
    pub(crate) fn open(options: &FitOptions) -> Result<Self, Error> {
        if let Some(mut data) = labels::label_sets(options)? {
            if let Some(pattern) = &options.group_by {
                labels::regrouped(&mut data, pattern)?;
            }
            data.examples.retain(|e| e.split != Split::Test);
            return Ok(Self { dataset: data.by_set(), several: Some(data) });
        }
        Self::of_classes(options)
    }

    /// The same, and refuses images with several labels.
    pub(crate) fn of_classes(options: &FitOptions) -> Result<Self, Error> {
        let open = OpenOptions {
            test_share: options.test_share,
            seed: options.seed,
            ..OpenOptions::default()
        };
        let mut dataset = Dataset::open(&options.data, &open)?;
        if let Some(pattern) = &options.group_by {
            regrouped(&mut dataset, pattern)?;
        }
        dataset.examples.retain(|e| e.split != Split::Test);
        Ok(Self { dataset, several: None })
    }

    pub(crate) fn len(&self) -> usize {
        self.dataset.examples.len()
    }

    /// Names of the classes, or of the labels.
    pub(crate) fn names(&self) -> &[String] {
        self.several.as_ref().map_or(&self.dataset.classes, |data| &data.labels)
    }

    pub(crate) fn measure(&self) -> Measure {
        if self.several.is_some() { Measure::MeanAveragePrecision } else { Measure::Accuracy }
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.dataset.examples.iter().map(|e| e.path.clone()).collect()
    }

    /// What the images at `rows` are.
    pub(crate) fn answers(&self, rows: &[usize]) -> Answers {
        answers(&self.dataset, self.several.as_ref(), rows)
    }

    /// What all of them are.
    pub(crate) fn all(&self) -> Answers {
        self.answers(&(0..self.len()).collect::<Vec<_>>())
    }

    /// Images of each class, or with each label.
    pub(crate) fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.names().len()];
        match self.all() {
            Answers::Classes(classes) => classes.into_iter().for_each(|c| counts[c] += 1),
            Answers::Labels(sets) => sets.into_iter().flatten().for_each(|l| counts[l] += 1),
        }
        counts
    }

    /// About `images` of them; see [`Answers::share`].
    pub(crate) fn some(&self, seed: u64, images: usize) -> Self {
        let share = images as f64 / self.len().max(1) as f64;
        let rows = self.all().share(self.names().len(), seed, share);
        let mut some = self.clone();
        some.dataset.examples = rows.iter().map(|i| self.dataset.examples[*i].clone()).collect();
        if let (Some(some), Some(data)) = (&mut some.several, &self.several) {
            some.examples = rows.iter().map(|i| data.examples[*i].clone()).collect();
        }
        some
    }
}

/// What the images at `rows` are; `several` has the same images, where they may have several labels.
pub(crate) fn answers(dataset: &Dataset, several: Option<&MultiLabel>, rows: &[usize]) -> Answers {
    let rows = rows.iter();
    match several {
        None => Answers::Classes(rows.map(|i| dataset.examples[*i].label).collect()),
        Some(data) => Answers::Labels(rows.map(|i| data.examples[*i].labels.clone()).collect()),
    }
}
