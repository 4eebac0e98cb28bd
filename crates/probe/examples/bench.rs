//! Heads on made features, timed: what `benches/peer_probe.py` does with scikit-learn.
//!
//! `bench ridge|logistic|head [rows] [columns] [classes] [threads]` prints one JSON line: wall and
//! processor seconds of the fit alone (Linux), and the score or objective.
#![allow(clippy::print_stdout, reason = "a program's result goes to stdout")]

use std::time::Instant;

use regraft_probe::{Features, HeadOptions, Labels, LogisticOptions, fit_head, logistic, ridge};

/// `SplitMix64` at place `at` of the stream `seed`, as a number in `[0, 1)`.
fn uniform(seed: u64, at: u64) -> f64 {
    let mut z = ((seed << 40).wrapping_add(at).wrapping_add(1)).wrapping_mul(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D049BB133111EB);
    ((z ^ (z >> 31)) >> 11) as f64 * 2f64.powi(-53)
}

/// Sum of four uniform numbers less 2.
fn bell(seed: u64, at: u64) -> f64 {
    let u = |k| uniform(seed, 4 * at + k);
    u(0) + u(1) + u(2) + u(3) - 2.0
}

/// The features of `peer_probe.py`, bit by bit.
fn features(n: usize, d: usize, classes: usize) -> (Vec<f32>, Vec<usize>) {
    let y: Vec<usize> = (0..n).map(|i| i % classes).collect();
    let centre: Vec<f64> = (0..classes * d).map(|at| bell(1, at as u64)).collect();
    let size: Vec<f64> = (0..d).map(|j| 1.0 / (1.0 + j as f64 / 32.0).sqrt()).collect();
    let mut x = Vec::with_capacity(n * d);
    for (i, &label) in y.iter().enumerate() {
        for j in 0..d {
            let value = 0.5 + 0.15 * centre[label * d + j] + bell(2, (i * d + j) as u64);
            x.push((value.max(0.0) * size[j]) as f32);
        }
    }
    (x, y)
}

/// Processor seconds of this process so far: user and system, in hundredths (Linux; 0 elsewhere).
fn used() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |i: usize| -> f64 {
        after.split_whitespace().nth(i).and_then(|v| v.parse().ok()).unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default: usize| -> Result<usize, std::num::ParseIntError> {
        words.get(i).map_or(Ok(default), |w| w.parse())
    };
    let what = words.first().map_or("ridge", String::as_str);
    let (n, d, classes) = (number(1, 10_000)?, number(2, 1280)?, number(3, 100)?);
    let threads = number(4, 1)?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let (x, y) = features(n, d, classes);
    let checksum: f64 = x.iter().map(|&v| f64::from(v)).sum();
    let (view, labels) = (Features::new(&x, n, d)?, Labels::new(&y, classes)?);
    let (cpu, start) = (used(), Instant::now());
    let result = match what {
        "ridge" => {
            let grid: Vec<f64> =
                (0..30).map(|i| 10f64.powf(-1.0 + 7.0 * f64::from(i) / 29.0)).collect();
            let path = ridge(view, &labels, &grid)?;
            let best = path.rows().iter().min_by(|a, b| a.press.total_cmp(&b.press));
            let best = best.ok_or("no penalty")?;
            // scikit-learn regresses to -1 and 1: four times our squares.
            let score = -4.0 * best.press / (n * classes) as f64;
            format!(
                "\"score\": {score}, \"penalty\": {}, \"loo_top1\": {}",
                best.penalty, best.loo_top1
            )
        }
        "logistic" => {
            let tolerance = words.get(5).map_or(Ok(1e-7), |w| w.parse())?;
            let fit =
                logistic(view, &labels, &LogisticOptions { tolerance, ..Default::default() })?;
            format!("\"objective\": {}, \"steps\": {}", fit.objective, fit.iterations)
        }
        _ => {
            let fit = fit_head(view, &labels, &HeadOptions::default(), &mut |_| ())?;
            format!(
                "\"method\": \"{}\", \"penalty\": {}, \"loo_top1\": {}, \"nll\": {}, \"tried\": {}",
                fit.method.name(),
                fit.penalty,
                fit.loo_top1,
                fit.out_of_fold_nll,
                fit.table.len()
            )
        }
    };
    let (wall, cpu) = (start.elapsed().as_secs_f64(), used() - cpu);
    println!("{{\"checksum\": {checksum}, {result}, \"wall\": {wall:.3}, \"cpu\": {cpu:.2}}}");
    Ok(())
}
