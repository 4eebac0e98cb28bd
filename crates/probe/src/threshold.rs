//! From which probability on an image is said to have a label.

use crate::softmax::sigmoid;
use crate::{LabelSets, ProbeError};

/// Examples with and without a label that must be there before its threshold is sought: with fewer, where the best
/// one falls is luck.
const LEAST: usize = 10;
/// What is taken then: the answer that is more likely right.
const EVEN: f64 = 0.5;

/// The threshold of each label, `[C]`, as a probability, that gives the highest F1 on held-out log odds `[n, C]`,
/// halfway between two examples; of equally good ones the nearest to a half. A label with fewer than 10 examples, or
/// fewer than 10 without it, takes a half.
///
/// # Errors
/// When there are not `n·C` finite values.
pub fn best_thresholds(odds: &[f64], sets: &LabelSets<'_>) -> Result<Vec<f64>, ProbeError> {
    let (n, labels) = (sets.sets().len(), sets.labels());
    crate::input::check_values("log odds", odds, n, labels)?;
    let of = |label: usize| {
        let count = sets.counts()[label];
        if count < LEAST || n - count < LEAST {
            return EVEN;
        }
        let column = odds.iter().skip(label).step_by(labels).zip(sets.sets());
        best(column.map(|(z, set)| (sigmoid(*z), set.contains(&label))).collect(), count)
    };
    Ok((0..labels).map(of).collect())
}

/// The threshold with the highest F1 of probabilities and whether each example has the label.
fn best(mut examples: Vec<(f64, bool)>, count: usize) -> f64 {
    examples.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut hits, mut said) = (0, 0);
    let (mut best, mut at) = (-1.0, EVEN);
    let mut equal = examples.chunk_by(|a, b| a.0 == b.0).peekable();
    while let Some(group) = equal.next() {
        hits += group.iter().filter(|(_, has)| *has).count();
        said += group.len();
        let f1 = 2.0 * hits as f64 / (said + count) as f64;
        let below = equal.peek().map_or(0.0, |next| next[0].0);
        // Anywhere between these two the same is said.
        let (low, high) = (below, group[0].0);
        let middle = if low < EVEN && EVEN <= high { EVEN } else { f64::midpoint(low, high) };
        let nearer = (middle - EVEN).abs() < (at - EVEN).abs();
        if f1 > best || (f1 == best && nearer) {
            (best, at) = (f1, middle);
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_threshold_has_a_higher_f1() {
        let examples: Vec<(f64, bool)> = (0..50)
            .map(|i| (f64::from(i * 37 % 50) / 50.0, (i * 37 % 50) + (i * 11 % 17) > 38))
            .collect();
        let count = examples.iter().filter(|(_, has)| *has).count();
        let f1 = |t: f64| {
            let said = examples.iter().filter(|(p, _)| *p >= t).count();
            let hits = examples.iter().filter(|(p, has)| *p >= t && *has).count();
            2.0 * hits as f64 / (said + count) as f64
        };
        let got = f1(best(examples.clone(), count));
        assert!((0..=100).all(|t| f1(f64::from(t) / 100.0) <= got));
        assert!(got > f1(0.5), "the case is too easy");
    }

    #[test]
    fn perfect_probabilities_leave_the_half() {
        let examples = (0..20).map(|i| (if i < 12 { 0.9 } else { 0.1 }, i < 12)).collect();
        assert_eq!(best(examples, 12), 0.5);
    }

    #[test]
    fn few_examples_leave_the_half() {
        let sets: Vec<Vec<usize>> =
            (0..30).map(|i| if i < 9 { vec![0] } else { vec![1] }).collect();
        let odds: Vec<f64> = (0..60).map(|k| f64::from(k % 7) - 5.0).collect();
        let sets = LabelSets::new(&sets, 2).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(best_thresholds(&odds, &sets).unwrap_or_default(), [0.5, 0.5]);
    }
}
