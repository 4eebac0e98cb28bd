//! By what answers are judged, and what images are.

use regraft_advise::scores::mean_average_precision;
use regraft_probe::{LabelSets, Labels, ProbeError, Targets};
use regraft_train::{Truth, most_probable};
use serde::Serialize;

use crate::Error;
use crate::sampling::{share_of, share_of_sets};

/// By what answers are judged: figures called `top1` are of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Share of images right, where each is of one class.
    Accuracy,
    /// Mean average precision, where images have any number of labels.
    MeanAveragePrecision,
}

impl Measure {
    /// What a person reads.
    pub fn words(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::MeanAveragePrecision => "mean average precision",
        }
    }
}

/// What some images are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answers {
    /// The class of each.
    Classes(Vec<usize>),
    /// The labels of each, ascending.
    Labels(Vec<Vec<usize>>),
}

impl Answers {
    pub(crate) fn truth(&self) -> Truth<'_> {
        match self {
            Self::Classes(classes) => Truth::Classes(classes),
            Self::Labels(sets) => Truth::Labels(sets),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Classes(classes) => classes.len(),
            Self::Labels(sets) => sets.len(),
        }
    }

    /// Those of some of the images.
    pub(crate) fn of(&self, places: &[usize]) -> Self {
        match self {
            Self::Classes(classes) => Self::Classes(places.iter().map(|i| classes[*i]).collect()),
            Self::Labels(sets) => Self::Labels(places.iter().map(|i| sets[*i].clone()).collect()),
        }
    }

    /// The same for heads with so many outputs; every class must be there.
    pub(crate) fn targets(&self, outputs: usize) -> Result<Targets<'_>, ProbeError> {
        Ok(match self {
            Self::Classes(classes) => Targets::from(&Labels::new(classes, outputs)?),
            Self::Labels(sets) => Targets::from(&LabelSets::new(sets, outputs)?),
        })
    }

    /// Places of a share of them, so that each class or label keeps some; smaller shares of a seed lie in greater
    /// ones.
    pub(crate) fn share(&self, outputs: usize, seed: u64, share: f64) -> Vec<usize> {
        match self {
            Self::Classes(classes) => share_of(classes, outputs, seed, share),
            Self::Labels(sets) => share_of_sets(sets, outputs, seed, share),
        }
    }

    pub(crate) fn measure(&self) -> Measure {
        match self {
            Self::Classes(_) => Measure::Accuracy,
            Self::Labels(_) => Measure::MeanAveragePrecision,
        }
    }

    /// The part of each image in the figure that scores `[n, outputs]` get, which is the mean of these: 1 for those
    /// right and 0 for the others, or of labels what [`mean_average_precision`] says.
    ///
    /// # Errors
    /// When no label is on some of the images only.
    pub(crate) fn judge(&self, outputs: usize, scores: &[f64]) -> Result<Vec<f64>, Error> {
        match self {
            Self::Classes(classes) => {
                let rows = scores.chunks_exact(outputs.max(1)).zip(classes);
                Ok(rows
                    .map(|(row, class)| f64::from(u8::from(most_probable(row) == *class)))
                    .collect())
            }
            Self::Labels(sets) => {
                let targets = Targets::from(&LabelSets::new(sets, outputs)?);
                Ok(mean_average_precision(scores, &targets)?.parts)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use regraft_run::LabelMetrics;

    use super::*;

    #[test]
    fn the_parts_of_images_have_the_figure_that_a_run_reports_as_their_mean() {
        let mean = |parts: &[f64]| parts.iter().sum::<f64>() / parts.len() as f64;
        let classes = Answers::Classes(vec![0, 1, 1, 0]);
        let scores = [2.0, 1.0, 0.0, 1.0, 3.0, 1.0, 1.0, 0.0];
        assert_eq!(classes.judge(2, &scores).unwrap(), [1.0, 1.0, 0.0, 1.0]);
        // Of labels, with ties, and a label that no image has.
        let sets = vec![vec![0], vec![0, 1], vec![], vec![1], vec![0], vec![1]];
        let p = [
            0.9, 0.1, 0.1, 0.8, 0.9, 0.1, 0.3, 0.2, 0.3, 0.7, 0.1, 0.5, 0.2, 0.9, 0.2, 0.6, 0.6,
            0.6,
        ];
        let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        let wide: Vec<f64> = p.iter().map(|v: &f32| f64::from(*v)).collect();
        let run = LabelMetrics::new(&names, &sets, &p, &[0.5; 3]).unwrap();
        let parts = Answers::Labels(sets).judge(3, &wide).unwrap();
        assert!((mean(&parts) - run.mean_average_precision.unwrap()).abs() < 1e-12, "{parts:?}");
        let none = Answers::Labels(vec![vec![0], vec![0]]).judge(1, &[0.1, 0.2]).unwrap_err();
        assert!(none.to_string().contains("no label can be judged on 2 images"), "{none}");
    }
}
