//! The nearest pictures by feature vectors of the caller.

use rayon::prelude::*;

/// Rows that are multiplied with one another at a time, so that both stay in the cache.
const BLOCK: usize = 32;

/// Nearest rows kept.
const NEAREST: usize = 4;

/// Rows further apart (cosine) are not kept.
const LEAST: f32 = 0.7;

/// Of each of `rows` the nearest others, `(row, other)` with `row < other`, by cosine. `features` is
/// `[N, width]`; every row is multiplied with every other, `N * N * width` products.
pub(super) fn neighbours(features: &[f32], width: usize, rows: &[usize]) -> Vec<(usize, usize)> {
    let mut unit = Vec::with_capacity(rows.len() * width);
    for row in rows {
        let values = &features[row * width..][..width];
        let length = dot(values, values).sqrt().max(f32::MIN_POSITIVE);
        unit.extend(values.iter().map(|value| value / length));
    }
    let row = |i: usize| &unit[i * width..][..width];
    let n = rows.len();
    let of_block = |block: usize| {
        let mine = block * BLOCK..((block + 1) * BLOCK).min(n);
        let mut best: Vec<Vec<(f32, usize)>> = vec![Vec::new(); mine.len()];
        for first in (0..n).step_by(BLOCK) {
            for (i, best) in mine.clone().zip(&mut best) {
                for other in (first..(first + BLOCK).min(n)).filter(|other| *other != i) {
                    let cosine = dot(row(i), row(other));
                    let full = best.len() == NEAREST;
                    if cosine >= LEAST && !(full && cosine <= best[NEAREST - 1].0) {
                        best.truncate(NEAREST - usize::from(full));
                        let place = best.partition_point(|(better, _)| *better >= cosine);
                        best.insert(place, (cosine, other));
                    }
                }
            }
        }
        let pairs = mine.zip(best).flat_map(|(i, best)| {
            best.into_iter().map(move |(_, other)| (i.min(other), i.max(other)))
        });
        pairs.collect::<Vec<_>>()
    };
    let blocks = n.div_ceil(BLOCK);
    let mut pairs: Vec<_> = (0..blocks).into_par_iter().flat_map_iter(of_block).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// Summed in eight lanes, always in the same order.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a8.remainder().iter().zip(b8.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a8.zip(b8) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f32>() + rest
}
