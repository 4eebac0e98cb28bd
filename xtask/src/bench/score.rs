//! Laps -> what a person reads: medians, ratios, shares of the peak, likeness of the answers.

use serde_json::{Value, json};

use super::heat::{Lap, Outcome};
use super::table::{median, put};

/// The largest relative L2 distance of f32 results to the reference.
pub(super) const CLOSE: f64 = 1e-4;
/// The distance from which results in bf16 are marked.
pub(super) const COARSE: f64 = 5e-2;
/// The measures for all, products of matrices: the words of `peer_engine.py`, and what they are. The
/// first is the one that shares are usually given of; another can be faster.
pub(super) const SGEMM: [(&str, &str); 3] = [
    ("sgemm-torch", "torch.mm 2048"),
    ("sgemm-numpy", "numpy 2048"),
    ("sgemm-onnxruntime", "ONNX Runtime 512, packed"),
];

/// Whether this is a measure, not a contestant.
pub(super) fn is_measure(who: &str) -> bool {
    SGEMM.iter().any(|(word, _)| *word == who)
}
/// How many times the fastest round's wall time the slowest may take before it is said.
const STEADY: f64 = 1.3;
/// Whom the others are compared with.
pub(super) const YARDSTICK: &str = "onnxruntime";

/// Whether a contestant computes in bf16.
pub(super) fn is_bf16(who: &str) -> bool {
    who.ends_with("bf16")
}

/// Whether a contestant is one of ours.
fn is_ours(who: &str) -> bool {
    who.starts_with("regraft")
}

/// How far an answer is from the reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Likeness {
    /// `‖a - b‖ / ‖b‖` over all rows; infinite when lengths differ or a value is not finite.
    pub(crate) distance: f64,
    /// Rows with the same largest element.
    pub(crate) same: usize,
    /// All rows.
    pub(crate) rows: usize,
}

/// Compares `rows` rows.
pub(super) fn likeness(answer: &[f32], reference: &[f32], rows: usize) -> Likeness {
    let whole = answer.len() == reference.len() && answer.iter().all(|v| v.is_finite());
    if !whole || rows == 0 || reference.len() < rows {
        return Likeness { distance: f64::INFINITY, same: 0, rows };
    }
    let pairs = answer.iter().zip(reference).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let (apart, size) = pairs.fold((0.0, 0.0), |(d, s), (a, b)| (d + (a - b) * (a - b), s + b * b));
    let len = reference.len() / rows;
    let pairs = answer.chunks(len).zip(reference.chunks(len));
    let same = pairs.filter(|(a, b)| largest(a) == largest(b)).count();
    Likeness { distance: (apart / size).sqrt(), same, rows }
}

fn largest(row: &[f32]) -> Option<usize> {
    row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(index, _)| index)
}

/// Medians of a contestant, seconds an image.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pace {
    who: &'static str,
    cpu: f64,
    wall: f64,
}

fn pace(laps: &[Lap], who: &str) -> Option<Pace> {
    let own = || laps.iter().filter(|lap| lap.who == who);
    Some(Pace {
        who: own().next()?.who,
        cpu: median(own().map(|lap| lap.cpu / lap.images))?,
        wall: median(own().map(|lap| lap.wall / lap.images))?,
    })
}

/// Everyone in the order of their first lap, without the measures.
fn paces(laps: &[Lap]) -> Vec<Pace> {
    let mut names: Vec<&str> = Vec::new();
    for lap in laps {
        if !is_measure(lap.who) && !names.contains(&lap.who) {
            names.push(lap.who);
        }
    }
    names.into_iter().filter_map(|who| pace(laps, who)).collect()
}

/// Floating-point operations: of one image, and of a processor second of each product.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Work {
    /// Of one image.
    image: f64,
    /// What each measure is, and its rate; in the order of [`SGEMM`].
    rates: Vec<(&'static str, f64)>,
}

impl Work {
    /// From a heat in which measures ran; none without them.
    pub(super) fn of(outcome: &Outcome) -> Option<Self> {
        let image = outcome.flops.iter().find(|(who, _)| is_ours(who)).map(|(_, flops)| *flops)?;
        let rate = |&(word, what): &(&str, &'static str)| {
            Some((what, outcome.flops.get(word)? / pace(&outcome.laps, word)?.cpu))
        };
        let rates: Vec<_> = SGEMM.iter().filter_map(rate).collect();
        if rates.is_empty() { None } else { Some(Self { image, rates }) }
    }

    /// Shares of the first measure and of the fastest, in percent.
    fn shares(&self, rate: f64) -> [f64; 2] {
        let best = self.rates.iter().map(|(_, r)| *r).fold(0.0, f64::max);
        [self.rates[0].1, best].map(|whole| 100.0 * rate / whole)
    }

    fn words(&self) -> String {
        let each = self.rates.iter().map(|(what, rate)| format!("{what} {:.1}", rate / 1e9));
        format!("sgemm, GFLOP/CPU s: {}", each.collect::<Vec<_>>().join("; "))
    }
}

/// A Markdown table of one heat, and below it what is to be said.
///
/// `alike` has the likeness of each contestant; `work`, when given, adds operations a second.
pub(super) fn render(
    outcome: &Outcome,
    alike: &[(&'static str, Likeness)],
    work: Option<&Work>,
) -> String {
    let paces = paces(&outcome.laps);
    let yardstick = paces.iter().find(|p| p.who == YARDSTICK).copied();
    let mut text = String::from("| | CPU ms/image | wall ms/image | × ORT, CPU | × ORT, wall |");
    let mut rule = String::from("|---|---:|---:|---:|---:|");
    if work.is_some() {
        text += " GFLOP/CPU s | of torch.mm | of best sgemm |";
        rule += "---:|---:|---:|";
    }
    text += " rel. L2 | top-1 |\n";
    put(&mut text, format_args!("{rule}---:|---:|\n"));
    for p in &paces {
        let times = |theirs: Option<f64>, own: f64| {
            theirs.map_or("-".to_owned(), |theirs| format!("{:.2}", theirs / own))
        };
        let (cpu, wall) =
            (times(yardstick.map(|y| y.cpu), p.cpu), times(yardstick.map(|y| y.wall), p.wall));
        put(
            &mut text,
            format_args!(
                "| {} | {:.2} | {:.2} | {cpu} | {wall} |",
                p.who,
                1e3 * p.cpu,
                1e3 * p.wall
            ),
        );
        if let Some(work) = work {
            let rate = work.image / p.cpu;
            let [first, best] = work.shares(rate);
            put(&mut text, format_args!(" {:.1} | {first:.0} % | {best:.0} % |", rate / 1e9));
        }
        match alike.iter().find(|(who, _)| *who == p.who) {
            Some((_, l)) => {
                let mark = if is_bf16(p.who) && l.distance >= COARSE { " (!)" } else { "" };
                put(
                    &mut text,
                    format_args!(" {:.1e}{mark} | {}/{} |\n", l.distance, l.same, l.rows),
                );
            }
            None => text += " - | - |\n",
        }
    }
    if let Some(work) = work {
        put(&mut text, format_args!("\n{}\n", work.words()));
    }
    for line in [false, true].into_iter().filter_map(|bf16| against_best(&paces, bf16)) {
        put(&mut text, format_args!("\n{line}\n"));
    }
    if let Some((who, times)) = unsteady(&outcome.laps) {
        put(
            &mut text,
            format_args!(
                "\nOther programs ran: the wall time of {who} differs {times:.1}x between rounds; \
                 read CPU, not wall.\n"
            ),
        );
    }
    for (who, why) in &outcome.absent {
        put(&mut text, format_args!("\nleft out: {who}: {why}\n"));
    }
    text
}

/// The contestant whose wall time differs most between rounds, when it is by more than [`STEADY`].
fn unsteady(laps: &[Lap]) -> Option<(&'static str, f64)> {
    let times = |p: &Pace| {
        let own = laps.iter().filter(|lap| lap.who == p.who).map(|lap| lap.wall / lap.images);
        let (low, high) = own.fold((f64::INFINITY, 0.0), |(l, h), w| (w.min(l), w.max(h)));
        (p.who, high / low)
    };
    let most = paces(laps).iter().map(times).max_by(|a, b| a.1.total_cmp(&b.1))?;
    (most.1 > STEADY).then_some(most)
}

/// Ours in a precision beside the fastest peer in it, by processor time.
fn against_best(paces: &[Pace], bf16: bool) -> Option<String> {
    let of =
        |ours: bool| paces.iter().filter(move |p| is_bf16(p.who) == bf16 && is_ours(p.who) == ours);
    let best = of(false).min_by(|a, b| a.cpu.total_cmp(&b.cpu))?;
    let ours = of(true).next()?;
    let (cpu, wall) = (best.cpu / ours.cpu, best.wall / ours.wall);
    Some(format!("{} is {cpu:.2}x as fast as {} by CPU, {wall:.2}x by wall", ours.who, best.who))
}

/// The f32 contestants that do not compute what the reference does, with what they compute.
pub(super) fn strangers(
    alike: &[(&'static str, Likeness)],
    limit: f64,
) -> Vec<(&'static str, Likeness)> {
    // `<=` so that a distance that is no number is far.
    let near = |l: &Likeness| l.distance <= limit && l.same == l.rows;
    alike.iter().filter(|(who, l)| !is_bf16(who) && !near(l)).copied().collect()
}

/// Every lap, for other programs.
pub(super) fn json(heat: &str, outcome: &Outcome) -> Value {
    let lap = |lap: &Lap| json!({"who": lap.who, "cpu_s": lap.cpu, "wall_s": lap.wall, "images": lap.images});
    let laps: Vec<_> = outcome.laps.iter().map(lap).collect();
    let absent: Vec<_> = outcome.absent.iter().map(|(w, y)| json!({"who": w, "why": y})).collect();
    json!({"heat": heat, "laps": laps, "absent": absent, "flops": outcome.flops})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome {
        let lap = |(who, cpu): (&'static str, f64)| Lap { who, cpu, wall: cpu * 2.0, images: 10.0 };
        let laps = [
            ("onnxruntime", 0.4),
            ("openvino bf16", 0.2),
            ("regraft f32", 0.2),
            ("regraft bf16", 0.05),
            (SGEMM[0].0, 2.0),
            (SGEMM[2].0, 1.0),
            ("onnxruntime", 0.2),
            ("regraft f32", 0.25),
            ("regraft bf16", 0.05),
            ("onnxruntime", 0.6),
            ("regraft f32", 0.1),
            ("openvino bf16", 0.2),
        ];
        Outcome {
            laps: laps.map(lap).to_vec(),
            absent: vec![("torch.compile", "no compiler".to_owned())],
            flops: [("regraft f32", 1e9), (SGEMM[0].0, 2e10), (SGEMM[2].0, 2e10)].into(),
            ..Outcome::default()
        }
    }

    fn like(distance: f64, same: usize) -> Likeness {
        Likeness { distance, same, rows: 4 }
    }

    #[test]
    fn the_table_has_medians_per_image_ratios_and_shares_of_the_peak() {
        let outcome = outcome();
        let work = Work::of(&outcome).unwrap();
        let rates = vec![(SGEMM[0].1, 1e11), (SGEMM[2].1, 2e11)];
        assert_eq!(work, Work { image: 1e9, rates });
        let alike = [
            ("regraft f32", like(1e-6, 4)),
            ("regraft bf16", like(0.02, 4)),
            ("openvino bf16", like(0.07, 3)),
        ];
        let text = render(&outcome, &alike, Some(&work));
        let wanted = "\
| | CPU ms/image | wall ms/image | × ORT, CPU | × ORT, wall | GFLOP/CPU s | of torch.mm | of best sgemm | rel. L2 | top-1 |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
| onnxruntime | 40.00 | 80.00 | 1.00 | 1.00 | 25.0 | 25 % | 12 % | - | - |
| openvino bf16 | 20.00 | 40.00 | 2.00 | 2.00 | 50.0 | 50 % | 25 % | 7.0e-2 (!) | 3/4 |
| regraft f32 | 20.00 | 40.00 | 2.00 | 2.00 | 50.0 | 50 % | 25 % | 1.0e-6 | 4/4 |
| regraft bf16 | 5.00 | 10.00 | 8.00 | 8.00 | 200.0 | 200 % | 100 % | 2.0e-2 | 4/4 |

sgemm, GFLOP/CPU s: torch.mm 2048 100.0; ONNX Runtime 512, packed 200.0

regraft f32 is 2.00x as fast as onnxruntime by CPU, 2.00x by wall

regraft bf16 is 4.00x as fast as openvino bf16 by CPU, 4.00x by wall

Other programs ran: the wall time of onnxruntime differs 3.0x between rounds; read CPU, not wall.

left out: torch.compile: no compiler
";
        assert_eq!(text, wanted);
    }

    #[test]
    fn without_the_yardstick_and_the_peak_the_table_has_no_such_figures() {
        let mut outcome = outcome();
        outcome.laps.retain(|lap| lap.who == "regraft f32");
        outcome.absent.clear();
        assert_eq!(Work::of(&outcome), None);
        let text = render(&outcome, &[], None);
        assert!(text.contains("| regraft f32 | 20.00 | 40.00 | - | - | - | - |\n"), "{text}");
        assert!(!text.contains("sgemm"), "{text}");
    }

    #[test]
    fn wall_times_that_differ_between_rounds_are_said() {
        let lap = |who, wall| Lap { who, cpu: 1.0, wall, images: 1.0 };
        let mut laps = vec![lap("a", 1.0), lap("b", 2.0), lap("a", 1.2), lap("b", 2.0)];
        assert_eq!(unsteady(&laps), None);
        laps.push(lap("b", 4.0));
        assert_eq!(unsteady(&laps), Some(("b", 2.0)));
        assert_eq!(unsteady(&[]), None);
    }

    #[test]
    fn likeness_is_over_all_rows_and_top_1_row_by_row() {
        let reference = [3.0, 0.0, 0.0, 4.0];
        let cases: [(&[f32], f64, usize); 5] = [
            (&[3.0, 0.0, 0.0, 4.0], 0.0, 2),
            (&[3.0, 3.0, 4.0, 4.0], 1.0, 1),
            (&[3.0, 3.5, 0.0, 4.0], 0.7, 1),
            (&[3.0, 0.0, 0.0], f64::INFINITY, 0),
            (&[3.0, 0.0, f32::NAN, 4.0], f64::INFINITY, 0),
        ];
        for (answer, distance, same) in cases {
            let found = likeness(answer, &reference, 2);
            assert!(
                found.distance == distance || (found.distance - distance).abs() < 1e-12,
                "{answer:?}: {found:?}"
            );
            assert_eq!((found.same, found.rows), (same, 2), "{answer:?}");
        }
    }

    #[test]
    fn only_f32_contestants_must_be_close_and_agree_on_every_row() {
        let alike = [
            ("regraft f32", like(9e-5, 4)),
            ("onnxruntime", like(2e-4, 4)),
            ("openvino f32", like(1e-6, 3)),
            ("torch.compile", like(f64::NAN, 4)),
            ("regraft bf16", like(0.3, 0)),
        ];
        let names: Vec<_> = strangers(&alike, CLOSE).iter().map(|(who, _)| *who).collect();
        assert_eq!(names, ["onnxruntime", "openvino f32", "torch.compile"]);
    }
}
