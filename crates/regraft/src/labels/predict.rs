//! What a run on labels says of a picture.

use regraft_run::labels_of;

use crate::{Answer, Candidate};

/// Labels named in an answer beside those that are said, most probable first.
const TOP: usize = 5;

/// 1 / (1 + exp(-x)).
pub(crate) fn sigmoid(x: f32) -> f32 {
    // In f64, so that it is the same whatever computes it.
    (1.0 / (1.0 + (-f64::from(x)).exp())) as f32
}

/// An answer from the probability of each label.
pub(crate) fn answer(file: String, row: &[f32], names: &[String], thresholds: &[f64]) -> Answer {
    let candidate = |i: &usize| Candidate { label: names[*i].clone(), probability: row[*i] };
    let by_probability = |places: &mut Vec<usize>| {
        places.sort_by(|a, b| row[*b].total_cmp(&row[*a]).then(a.cmp(b)));
    };
    let mut said = labels_of(row, thresholds);
    by_probability(&mut said);
    let mut all: Vec<usize> = (0..row.len()).collect();
    by_probability(&mut all);
    Answer::Labels {
        file,
        labels: said.iter().map(candidate).collect(),
        top: all.iter().take(TOP).map(candidate).collect(),
    }
}
