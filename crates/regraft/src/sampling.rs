//! Some of the images, class by class.

use regraft_data::order;

/// Places of a share of the examples with these labels, at least two of each class (or all it has), in the
/// order they have; smaller shares of a seed lie in greater ones.
pub(crate) fn share_of(labels: &[usize], classes: usize, seed: u64, share: f64) -> Vec<usize> {
    let mut of_class = vec![0usize; classes];
    for label in labels {
        of_class[*label] += 1;
    }
    let mut left: Vec<usize> =
        of_class.iter().map(|n| ((share * *n as f64).round() as usize).max(2).min(*n)).collect();
    let mut rows: Vec<usize> = order(seed, u64::MAX - 1, labels.len())
        .into_iter()
        .filter(|i| {
            let left = &mut left[labels[*i]];
            let taken = *left > 0;
            *left -= usize::from(taken);
            taken
        })
        .collect();
    rows.sort_unstable();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_keeps_classes_and_lies_in_every_greater_one() {
        let labels: Vec<usize> = (0..200).map(|i| usize::from(i % 10 == 0)).collect();
        let (few, more) = (share_of(&labels, 2, 7, 0.05), share_of(&labels, 2, 7, 0.5));
        let rare = |rows: &[usize]| rows.iter().filter(|i| labels[**i] == 1).count();
        assert_eq!((few.len(), rare(&few)), (11, 2), "two of the rare class at least");
        assert_eq!((more.len(), rare(&more)), (100, 10));
        assert!(few.iter().all(|i| more.binary_search(i).is_ok()));
        assert_ne!(few, share_of(&labels, 2, 8, 0.05), "another seed draws others");
    }
}
