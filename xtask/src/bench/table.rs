//! Measurements -> what a person reads.

use std::fmt::Write;

use serde_json::json;

use super::Job;
use super::contest::REGRAFT;

/// One run of one contestant.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    /// What it did.
    pub(super) job: Job,
    /// Who did it.
    pub(super) who: &'static str,
    /// Time from start to end, seconds.
    pub(super) wall: f64,
    /// Processor time of all its threads, user and system, seconds.
    pub(super) cpu: f64,
    /// Largest resident memory, bytes.
    pub(super) peak: f64,
    /// Test top-1, 0 to 1; none where the job has no test.
    pub(super) top1: Option<f64>,
}

/// Medians of a contestant's runs.
struct Row {
    who: &'static str,
    wall: f64,
    fastest: f64,
    slowest: f64,
    cpu: f64,
    peak: f64,
    top1: Option<f64>,
}

/// The middle value, or the mean of the two in the middle; none of nothing.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let (last, half) = (values.len().checked_sub(1)?, values.len() / 2);
    Some(f64::midpoint(values[last / 2], values[half]))
}

/// Rows in the order in which the contestants first ran.
fn rows(samples: &[Sample], job: Job) -> Vec<Row> {
    // The peers keep nothing between two fits: their second is their first again.
    let counts = |s: &&Sample| match job {
        Job::Cold | Job::Predict => s.job == job,
        Job::Warm => s.job == job || (s.job == Job::Cold && s.who != REGRAFT),
    };
    let samples: Vec<_> = samples.iter().filter(counts).collect();
    let mut names: Vec<&'static str> = Vec::new();
    for who in samples.iter().map(|s| s.who) {
        if !names.contains(&who) {
            names.push(who);
        }
    }
    names.sort_by_key(|who| *who != REGRAFT);
    let row = |who| {
        let own = || samples.iter().filter(move |s| s.who == who);
        Some(Row {
            who,
            wall: median(own().map(|s| s.wall))?,
            fastest: own().map(|s| s.wall).min_by(f64::total_cmp)?,
            slowest: own().map(|s| s.wall).max_by(f64::total_cmp)?,
            cpu: median(own().map(|s| s.cpu))?,
            peak: median(own().map(|s| s.peak))?,
            top1: median(own().filter_map(|s| s.top1)),
        })
    };
    names.into_iter().filter_map(row).collect()
}

fn title(job: Job) -> &'static str {
    match job {
        Job::Cold => "fit, features not cached",
        Job::Warm => "fit again (regraft has its features; the peers keep none: as above)",
        Job::Predict => "predict one picture, whole process",
    }
}

/// A Markdown table per job: medians, the span of the wall time, and how many times regraft's each
/// contestant's wall time, processor time and memory are.
pub(super) fn render(samples: &[Sample]) -> String {
    let mut text = String::new();
    for job in Job::ALL {
        let rows = rows(samples, job);
        let Some(ours) = rows.iter().find(|r| r.who == REGRAFT) else { continue };
        let gap = if text.is_empty() { "" } else { "\n" };
        let head = "|  | wall s | span s | cpu s | peak MB | top-1 % | wall × | cpu × | memory × |";
        let line = "|---|---:|---:|---:|---:|---:|---:|---:|---:|";
        put(&mut text, format_args!("{gap}{}\n\n{head}\n{line}\n", title(job)));
        for row in &rows {
            let top1 = row.top1.map_or("-".to_owned(), |t| format!("{:.1}", t * 100.0));
            put(
                &mut text,
                format_args!(
                    "| {} | {:.2} | {:.2}-{:.2} | {:.2} | {:.0} | {top1} | {:.2} | {:.2} | {:.2} |\n",
                    row.who,
                    row.wall,
                    row.fastest,
                    row.slowest,
                    row.cpu,
                    row.peak / 1e6,
                    row.wall / ours.wall,
                    row.cpu / ours.cpu,
                    row.peak / ours.peak,
                ),
            );
        }
    }
    text
}

/// Adds to a text.
pub(super) fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a `String` does not fail.
    let _ = text.write_fmt(arguments);
}

/// The lowest and the highest median test top-1 of the contestants.
pub(super) fn agreement(samples: &[Sample]) -> Option<(f64, f64)> {
    let fits = [Job::Cold, Job::Warm].map(|job| rows(samples, job));
    let values: Vec<_> = fits.iter().flatten().filter_map(|row| row.top1).collect();
    let low = values.iter().copied().min_by(f64::total_cmp)?;
    Some((low, values.iter().copied().max_by(f64::total_cmp)?))
}

/// Every measurement, for other programs.
pub(super) fn json(samples: &[Sample]) -> String {
    let entry = |s: &Sample| {
        json!({"job": s.job.name(), "who": s.who, "wall_s": s.wall, "cpu_s": s.cpu,
               "peak_bytes": s.peak, "top1": s.top1})
    };
    let list: Vec<_> = samples.iter().map(entry).collect();
    format!("{:#}\n", json!({"format": 1, "samples": list}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(job: Job, who: &'static str, wall: f64, top1: Option<f64>) -> Sample {
        Sample { job, who, wall, cpu: wall * 2.0, peak: wall * 1e8, top1 }
    }

    fn samples() -> Vec<Sample> {
        vec![
            sample(Job::Cold, "pytorch", 9.0, Some(0.96)),
            sample(Job::Cold, REGRAFT, 2.0, Some(0.95)),
            sample(Job::Warm, REGRAFT, 0.5, Some(0.95)),
            sample(Job::Predict, REGRAFT, 0.25, None),
            sample(Job::Predict, "pytorch", 4.0, None),
            sample(Job::Cold, "pytorch", 8.0, Some(0.96)),
            sample(Job::Cold, REGRAFT, 1.0, Some(0.95)),
            sample(Job::Cold, "pytorch", 19.0, Some(0.97)),
            sample(Job::Cold, REGRAFT, 7.0, Some(0.95)),
        ]
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        let cases: [(&[f64], Option<f64>); 4] = [
            (&[], None),
            (&[3.0], Some(3.0)),
            (&[4.0, 1.0], Some(2.5)),
            (&[9.0, 1.0, 2.0], Some(2.0)),
        ];
        for (values, wanted) in cases {
            assert_eq!(median(values.iter().copied()), wanted);
        }
    }

    #[test]
    fn the_table_has_medians_and_how_often_ours_goes_into_theirs() {
        let text = render(&samples());
        let lines: Vec<_> = text.lines().filter(|l| l.starts_with("| ")).collect();
        let wanted = [
            "| regraft | 2.00 | 1.00-7.00 | 4.00 | 200 | 95.0 | 1.00 | 1.00 | 1.00 |",
            "| pytorch | 9.00 | 8.00-19.00 | 18.00 | 900 | 96.0 | 4.50 | 4.50 | 4.50 |",
            "| regraft | 0.50 | 0.50-0.50 | 1.00 | 50 | 95.0 | 1.00 | 1.00 | 1.00 |",
            "| pytorch | 9.00 | 8.00-19.00 | 18.00 | 900 | 96.0 | 18.00 | 18.00 | 18.00 |",
            "| regraft | 0.25 | 0.25-0.25 | 0.50 | 25 | - | 1.00 | 1.00 | 1.00 |",
            "| pytorch | 4.00 | 4.00-4.00 | 8.00 | 400 | - | 16.00 | 16.00 | 16.00 |",
        ];
        assert_eq!(lines.len(), wanted.len() + 3, "{text}");
        let lines: Vec<_> = lines.into_iter().filter(|l| !l.contains("wall s")).collect();
        assert_eq!(lines, wanted);
    }

    #[test]
    fn agreement_is_over_the_contestants_medians() {
        assert_eq!(agreement(&samples()), Some((0.95, 0.96)));
        assert_eq!(agreement(&[]), None);
    }
}
