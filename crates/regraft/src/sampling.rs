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

/// The same of examples with any number of labels: a share of all, and the first two with each label of `labels`
/// (or all it has), in the order they have.
pub(crate) fn share_of_sets(
    sets: &[Vec<usize>],
    labels: usize,
    seed: u64,
    share: f64,
) -> Vec<usize> {
    let order = order(seed, u64::MAX - 1, sets.len());
    let (first, mut of_label) = ((share * sets.len() as f64).round() as usize, vec![0; labels]);
    let mut rows = Vec::new();
    for (place, i) in order.into_iter().enumerate() {
        let mut lacking = false;
        for label in &sets[i] {
            lacking |= of_label[*label] < 2;
            of_label[*label] += 1;
        }
        if place < first || lacking {
            rows.push(i);
        }
    }
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

    #[test]
    fn a_share_of_label_sets_keeps_labels_and_lies_in_every_greater_one() {
        // Half have label 0, every fiftieth has label 1 too, and none has label 2.
        let of = |i: usize| -> Vec<usize> {
            [(0, 2), (1, 50)]
                .into_iter()
                .filter(|(_, k)| i.is_multiple_of(*k))
                .map(|(l, _)| l)
                .collect()
        };
        let sets: Vec<Vec<usize>> = (0..200).map(of).collect();
        let (few, more) = (share_of_sets(&sets, 3, 7, 0.05), share_of_sets(&sets, 3, 7, 0.5));
        let rare = |rows: &[usize]| rows.iter().filter(|i| sets[**i].contains(&1)).count();
        assert!(rare(&few) >= 2 && (10..=14).contains(&few.len()), "{few:?}");
        assert!(rare(&more) >= 2 && (100..=104).contains(&more.len()));
        assert!(few.iter().all(|i| more.binary_search(i).is_ok()));
        assert_eq!(share_of_sets(&sets, 3, 7, 1.0).len(), 200);
    }
}
