use rayon::prelude::*;
use regraft_probe::Targets;

use crate::chance::Chance;

/// How far each resample of the images moves each score of each candidate:
/// `[replicates][candidates][3]`.
pub(super) fn replicates(
    shares: &[&[Vec<f64>; 3]],
    targets: &Targets<'_>,
    count: usize,
    seed: u64,
) -> Vec<Vec<[f64; 3]>> {
    let n = targets.rows() as f64;
    // Images that are drawn for one another.
    let members = if targets.are_several() {
        vec![(0..targets.rows()).collect()]
    } else {
        let mut members = vec![Vec::new(); targets.classes()];
        (0..targets.rows()).for_each(|i| targets.of(i).iter().for_each(|c| members[*c].push(i)));
        members
    };
    let one = |replicate: usize| {
        let weights = weights(&members, targets.rows(), seed, replicate as u64);
        let moved =
            |list: &Vec<f64>| list.iter().zip(&weights).map(|(a, w)| a * w).sum::<f64>() / n;
        shares.iter().map(|lists| [0, 1, 2].map(|s| moved(&lists[s]))).collect()
    };
    (0..count).into_par_iter().map(one).collect()
}

/// `w - 1` of each image, stretched.
fn weights(members: &[Vec<usize>], n: usize, seed: u64, replicate: u64) -> Vec<f64> {
    let mut chance = Chance::new(seed, replicate);
    let mut weights = vec![-1.0; n];
    for class in members {
        for _ in class {
            weights[class[chance.below(class.len())]] += 1.0;
        }
        let stretch = (class.len() as f64 / (class.len() as f64 - 1.0).max(1.0)).sqrt();
        for &i in class {
            weights[i] *= stretch;
        }
    }
    weights
}

/// Standard deviation of the moves, `[candidates][3]`.
pub(super) fn errors(moves: &[Vec<[f64; 3]>], candidates: usize) -> Vec<[f64; 3]> {
    let n = moves.len() as f64;
    let one = |c: usize, s: usize| {
        let mean = moves.iter().map(|m| m[c][s]).sum::<f64>() / n;
        let sum = moves.iter().map(|m| (m[c][s] - mean).powi(2)).sum::<f64>();
        (sum / (n - 1.0)).sqrt()
    };
    (0..candidates).map(|c| [0, 1, 2].map(|s| one(c, s))).collect()
}
