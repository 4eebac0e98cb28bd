//! Scores, ranking and the model of unknown images on made features, timed.
//!
//! `bench [rows] [columns] [classes] [threads]` prints one JSON line: wall and processor seconds of each
//! step (Linux; 0 elsewhere) and the largest memory in use, in MiB.
#![allow(clippy::print_stdout, reason = "a program's result goes to stdout")]

use std::time::Instant;

use regraft_advise::rank::{RankOptions, assess, rank};
use regraft_advise::unknown::{UnknownOptions, fit_unknown};
use regraft_probe::{Features, Labels};

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

/// Features as a network's: not negative, each of another size.
fn features(n: usize, d: usize, classes: usize) -> (Vec<f32>, Vec<usize>) {
    let y: Vec<usize> = (0..n).map(|i| i % classes).collect();
    let centre: Vec<f64> = (0..classes * d).map(|at| bell(1, at as u64)).collect();
    let mut x = Vec::with_capacity(n * d);
    for (i, &label) in y.iter().enumerate() {
        for j in 0..d {
            let value = 0.5 + 0.15 * centre[label * d + j] + bell(2, (i * d + j) as u64);
            x.push((value.max(0.0) / (1.0 + j as f64 / 32.0).sqrt()) as f32);
        }
    }
    (x, y)
}

/// Processor seconds of this process so far, in hundredths.
fn used() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |i: usize| -> f64 {
        after.split_whitespace().nth(i).and_then(|v| v.parse().ok()).unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

/// Largest resident memory so far, in MiB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or_default();
    let kib = line.split_whitespace().next().and_then(|v| v.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, String) {
    let (cpu, start) = (used(), Instant::now());
    let out = work();
    let (wall, cpu) = (start.elapsed().as_secs_f64(), used() - cpu);
    (out, format!("{{\"wall\": {wall:.2}, \"cpu\": {cpu:.2}}}"))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default: usize| -> Result<usize, std::num::ParseIntError> {
        words.get(i).map_or(Ok(default), |w| w.parse())
    };
    let (n, d, classes) = (number(0, 2000)?, number(1, 1280)?, number(2, 10)?);
    rayon::ThreadPoolBuilder::new().num_threads(number(3, 1)?).build_global()?;
    let (x, y) = features(n, d, classes);
    let (view, labels) = (Features::new(&x, n, d)?, Labels::new(&y, classes)?);
    let before = peak();
    let (assessed, scores) = timed(|| assess(view, &labels, None, &[]));
    let assessed = assessed?;
    let after = peak();
    let (ranking, ranked) =
        timed(|| rank(&[assessed.clone(), assessed], &labels, &RankOptions::default()));
    ranking?;
    let (fit, unknown) = timed(|| fit_unknown(view, &labels, &UnknownOptions::default()));
    let method = fit?.model.method().name();
    println!(
        "{{\"assess\": {scores}, \"rank\": {ranked}, \"unknown\": {unknown}, \"method\": \
         \"{method}\", \"before\": {before:.0}, \"assessed\": {after:.0}, \"peak\": {:.0}}}",
        peak()
    );
    Ok(())
}
