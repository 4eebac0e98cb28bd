//! A fit on rows that are read when they are needed holds a few blocks of them, however many there
//! are. A program of its own: it measures its peak memory.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::io;

use regraft_probe::{Features, HeadOptions, Labels, Rows, fit_head};

const COLUMNS: usize = 512;
const TABLE: usize = 1 << 16;

/// Rows that are nowhere: each a stretch of one table of numbers, a different one for each row.
struct Made {
    table: Vec<f32>,
    rows: usize,
}

impl Made {
    fn new(rows: usize) -> Self {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            (state >> 8) as f32 / 16777216.0
        };
        Self { table: (0..TABLE + COLUMNS).map(|_| next() + next()).collect(), rows }
    }
}

impl Rows for Made {
    fn rows(&self) -> usize {
        self.rows
    }

    fn columns(&self) -> usize {
        COLUMNS
    }

    fn read<'b>(
        &'b self,
        first: usize,
        count: usize,
        buffer: &'b mut Vec<f32>,
    ) -> io::Result<&'b [f32]> {
        buffer.clear();
        for i in first..first + count {
            let at = i * 40503 % TABLE;
            buffer.extend_from_slice(&self.table[at..at + COLUMNS]);
            // The class is in the first numbers of the row.
            let row = buffer.len() - COLUMNS;
            buffer[row + i % 2] += 1.5;
        }
        Ok(buffer)
    }
}

fn fit(rows: usize) -> f64 {
    let made = Made::new(rows);
    let y: Vec<usize> = (0..rows).map(|i| i % 2).collect();
    let labels = Labels::new(&y, 2).unwrap();
    let features = Features::from_rows(&made).unwrap();
    let penalties = Some(vec![100.0, 10.0]);
    let options = HeadOptions { penalties, ..HeadOptions::default() };
    fit_head(features, &labels, &options, &mut |_| ()).unwrap().out_of_fold_top1
}

/// The most memory this process has had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn four_times_the_rows_do_not_take_four_times_the_memory() {
    // Folds larger than the number of features in both, so that both go the same ways.
    let (few, many) = (3000, 12_000);
    assert!(fit(few) > 0.9);
    let before = peak();
    assert!(fit(many) > 0.9);
    let grown = peak() - before;
    let features = (many - few) * COLUMNS * size_of::<f32>();
    assert!(grown < features / 4, "grew by {grown} bytes for {features} bytes of features");
}
