//! Features that are read when they are needed.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use regraft_probe::{Features, HeadKind, HeadOptions, ProbeError, Rows, fit_head, ridge};

use crate::support::{Set, with_threads};

/// Rows behind a copy, which fail after `left` reads.
struct Copied<'a> {
    set: &'a Set,
    left: AtomicUsize,
}

impl<'a> Copied<'a> {
    fn new(set: &'a Set, reads: usize) -> Self {
        Self { set, left: AtomicUsize::new(reads) }
    }
}

impl Rows for Copied<'_> {
    fn rows(&self) -> usize {
        self.set.n
    }

    fn columns(&self) -> usize {
        self.set.d
    }

    fn read<'b>(
        &'b self,
        first: usize,
        count: usize,
        buffer: &'b mut Vec<f32>,
    ) -> io::Result<&'b [f32]> {
        let fewer = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_err() {
            return Err(io::Error::other("the disk is gone"));
        }
        buffer.clear();
        buffer.extend_from_slice(&self.set.x[first * self.set.d..(first + count) * self.set.d]);
        Ok(buffer)
    }
}

#[test]
fn rows_that_are_read_give_the_bytes_of_rows_in_memory() {
    // Dual, primal, and primal with folds larger than the number of features; several blocks.
    for (n, d) in [(300, 350), (700, 150), (900, 20)] {
        let set = Set::new(n, d, 3, 6.0, 2);
        let rows = Copied::new(&set, usize::MAX);
        for kind in [HeadKind::Auto, HeadKind::Logistic] {
            let options = HeadOptions { kind, ..Default::default() };
            let fit = |features| fit_head(features, &set.labels(), &options, &mut |_| ()).unwrap();
            let wanted = fit(set.features());
            for threads in [1, 2] {
                let got = with_threads(threads, || fit(Features::from_rows(&rows).unwrap()));
                assert_eq!(got, wanted, "{n}x{d} {kind:?}");
            }
        }
    }
}

#[test]
fn rows_that_cannot_be_read_are_an_error_wherever_it_happens() {
    for (n, d) in [(30, 40), (600, 20)] {
        let set = Set::new(n, d, 3, 6.0, 2);
        let options = HeadOptions { penalties: Some(vec![1.0, 10.0]), ..Default::default() };
        let mut reads = 0;
        loop {
            let rows = Copied::new(&set, reads);
            let fit = |features| fit_head(features, &set.labels(), &options, &mut |_| ());
            match Features::from_rows(&rows).and_then(fit) {
                Ok(_) => break,
                Err(e) => assert!(matches!(e, ProbeError::Read { .. }), "after {reads}: {e}"),
            }
            reads += 1 + reads / 4;
        }
        assert!(reads > 3, "a fit reads its rows more than once");
    }
}

#[test]
fn a_value_that_is_not_finite_is_named_by_its_row_among_all() {
    let mut set = Set::new(600, 4, 2, 1.0, 1);
    set.x[517 * 4 + 3] = f32::NAN;
    let rows = Copied::new(&set, usize::MAX);
    let e = Features::from_rows(&rows).unwrap_err();
    assert!(matches!(e, ProbeError::NotFinite { row: 517, column: 3, .. }), "{e}");
}

#[test]
fn a_mean_far_from_zero_costs_no_digits() {
    let set = Set::new(500, 12, 3, 2.0, 4);
    let moved: Vec<f32> = set.x.iter().map(|v| (v * 256.0).round() / 256.0).collect();
    let near = Set { x: moved.clone(), y: set.y.clone(), ..set };
    let far = Set { x: moved.iter().map(|v| v + 4096.0).collect(), y: near.y.clone(), ..near };
    let options = HeadOptions { kind: HeadKind::Logistic, ..Default::default() };
    let fit = |s: &Set| fit_head(s.features(), &s.labels(), &options, &mut |_| ()).unwrap();
    let (a, b) = (fit(&near), fit(&far));
    assert!((a.out_of_fold_nll - b.out_of_fold_nll).abs() < 1e-6);
    let press = |s: &Set| ridge(s.features(), &s.labels(), &[1.0]).unwrap().rows()[0].press;
    assert!((press(&near) / press(&far) - 1.0).abs() < 1e-9);
}
