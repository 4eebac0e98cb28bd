//! What the units of a layer do over many pictures.

use rayon::prelude::*;

/// The pictures that excite a unit most: places in `peaks`, its largest value in each picture, the highest first and
/// the earlier of equals, at most `count`; one place each, so that nine patches are of nine pictures (Zeiler and Fergus
/// 2014, section 3). Values that are no number are passed over.
pub fn strongest(peaks: &[f32], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..peaks.len()).filter(|i| !peaks[*i].is_nan()).collect();
    order.sort_by(|a, b| peaks[*b].total_cmp(&peaks[*a]).then(a.cmp(b)));
    order.truncate(count);
    order
}

/// A unit whose largest value in a picture is below this part of the layer's own does not answer to it.
const SILENT: f32 = 1e-6;

/// Share of pictures in which each unit is silent, `[C]`, 0..=1: its largest value is at most a millionth of the
/// largest that any unit has in any picture. A unit silent in all of them is dead, as far as they tell. `peaks` is
/// `[N, C]`, of a layer behind its `ReLU`.
pub fn silent(peaks: &[f32], channels: usize) -> Vec<f64> {
    let top = peaks.iter().copied().fold(0.0, f32::max);
    let mut silent = vec![0.0; channels];
    for row in peaks.chunks_exact(channels.max(1)) {
        for (count, peak) in silent.iter_mut().zip(row) {
            *count += f64::from(u8::from(*peak <= SILENT * top));
        }
    }
    let pictures = (peaks.len() / channels.max(1)).max(1) as f64;
    silent.into_iter().map(|n| n / pictures).collect()
}

/// How much a unit prefers one class (Morcos et al. 2018, section 2.4): the class with the highest mean of `values`,
/// `m`, against the mean of the other classes' means, `o`: `(m - o) / (m + o)`, 0 for none and 1 for a unit that answers to
/// that class alone; and the class. `values` is `[N]`, none below zero, and `classes` says of which class below `count` each
/// picture is. `None` where fewer than two classes have pictures, or the unit never answers.
pub fn selectivity(values: &[f32], classes: &[usize], count: usize) -> Option<(usize, f64)> {
    let mut sums = vec![(0.0, 0.0); count];
    for (value, class) in values.iter().zip(classes) {
        let (sum, n) = sums.get_mut(*class)?;
        *sum += f64::from(value.max(0.0));
        *n += 1.0;
    }
    let means: Vec<(usize, f64)> = sums
        .iter()
        .enumerate()
        .filter(|(_, (_, n))| *n > 0.0)
        .map(|(class, (sum, n))| (class, sum / n))
        .collect();
    let &(class, most) = means.iter().reduce(|best, m| if m.1 > best.1 { m } else { best })?;
    let others = means.len().checked_sub(1).filter(|n| *n > 0)?;
    let rest = (means.iter().map(|(_, m)| m).sum::<f64>() - most) / others as f64;
    (most + rest > 0.0).then(|| (class, (most - rest) / (most + rest)))
}

/// Pairs of rows of a matrix `[rows, length]` that point the same way or the opposite: the first and second row, and
/// the cosine between them, where that is above `least` without its sign. Rows of zeros point nowhere.
pub fn alike(rows: &[f32], length: usize, least: f64) -> Vec<(usize, usize, f64)> {
    let unit = |row: &[f32]| -> Vec<f64> {
        let norm = norm(row);
        row.iter().map(|v| if norm > 0.0 { f64::from(*v) / norm } else { 0.0 }).collect()
    };
    let rows: Vec<Vec<f64>> = rows.chunks_exact(length.max(1)).map(unit).collect();
    let with = |b: usize| {
        let rows = &rows;
        let cosine = move |a: usize| rows[a].iter().zip(&rows[b]).map(|(x, y)| x * y).sum::<f64>();
        (0..b).map(move |a| (a, b, cosine(a))).filter(move |(.., c)| c.abs() > least)
    };
    let mut pairs: Vec<_> = (0..rows.len()).into_par_iter().flat_map_iter(with).collect();
    pairs.sort_by(|a, b| b.2.abs().total_cmp(&a.2.abs()).then((a.0, a.1).cmp(&(b.0, b.1))));
    pairs
}

/// The Euclidean norm.
pub fn norm(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_are_in_order_and_the_earlier_of_equals_first() {
        assert_eq!(strongest(&[1.0, 3.0, f32::NAN, 3.0, 2.0], 3), [1, 3, 4]);
        assert!(strongest(&[], 9).is_empty());
    }

    #[test]
    fn a_unit_is_silent_where_it_never_reaches_a_millionth_of_the_layer() {
        assert_eq!(silent(&[10.0, 0.0, 2e-5, 0.0, 0.0, 5.0], 3), [0.5, 1.0, 0.0]);
        assert_eq!(silent(&[0.0; 4], 2), [1.0, 1.0]);
    }

    #[test]
    fn selectivity_is_one_for_one_class_alone_and_none_for_all_alike() {
        let classes = [0, 0, 1, 1, 2, 2];
        assert_eq!(selectivity(&[0.0, 0.0, 2.0, 4.0, 0.0, 0.0], &classes, 3), Some((1, 1.0)));
        assert_eq!(selectivity(&[1.0; 6], &classes, 3), Some((0, 0.0)));
        assert_eq!(selectivity(&[1.0, 1.0, 3.0, 3.0], &[0, 0, 1, 1], 2), Some((1, 0.5)));
        assert_eq!(selectivity(&[0.0; 6], &classes, 3), None);
        assert_eq!(selectivity(&[1.0, 1.0], &[0, 0], 1), None);
    }

    #[test]
    fn copies_and_mirror_images_of_a_filter_are_found_and_blank_ones_are_not() {
        let rows = [1.0, 2.0, 0.0, 0.0, -2.0, -4.0, 2.0, -1.0, 0.5, 1.0];
        assert_eq!(
            alike(&rows, 2, 0.95).iter().map(|(a, b, c)| (*a, *b, c.round())).collect::<Vec<_>>(),
            [(0, 2, -1.0), (0, 4, 1.0), (2, 4, -1.0)]
        );
    }
}
