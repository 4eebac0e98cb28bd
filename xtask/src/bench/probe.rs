//! Linear heads on made features: a process each, which times the fit alone.

use std::io::Write;
use std::process::Command;

use serde_json::{Value, json};

use super::machine::{number, parse};
use super::setup;
use super::table::{median, put};
use super::{ProbeOptions, head, machine, say};
use crate::{Error, Workspace};

/// A head: the word of both programs, and the number by which their results are compared.
struct Head {
    word: &'static str,
    field: &'static str,
    title: &'static str,
}

const HEADS: [Head; 2] = [
    Head { word: "ridge", field: "score", title: "ridge, leave-one-out over 30 penalties" },
    Head { word: "logistic", field: "objective", title: "logistic regression" },
];

/// Columns and classes of the features.
const SHAPE: [usize; 2] = [1280, 100];

/// What scikit-learn is told: from here on its f32 solver gets no closer to the optimum, which was
/// 7e-7 away on 3000 rows (2e-3 with its usual 1e-4).
const TOLERANCE: &str = "1e-6";

/// The largest relative difference of two results with which times are compared without a word.
const SAME: f64 = 1e-6;

/// One run.
#[derive(Debug, Clone, PartialEq)]
struct Run {
    head: &'static str,
    who: &'static str,
    cpu: f64,
    wall: f64,
    result: f64,
    /// Sum of the features: the same bits for both.
    checksum: f64,
}

pub(super) fn run(
    workspace: &Workspace,
    options: &ProbeOptions,
    out: &mut dyn Write,
    progress: &mut dyn Write,
) -> Result<(), Error> {
    let before = machine::load();
    let python = setup::python(workspace, options.peers.as_deref(), progress)?;
    let versions = setup::versions(&python, &["numpy", "scikit-learn"])?;
    let ours = setup::build_example(workspace, "regraft-probe", "bench", progress)?;
    let scripts = workspace.root.join("benches");
    let mut runs = Vec::new();
    for round in 1..=options.rounds {
        for head in &HEADS {
            let [columns, classes] = SHAPE.map(|n| n.to_string());
            let (rows, threads) = (options.rows.to_string(), options.threads.to_string());
            let mut command = Command::new(&ours);
            command.args([head.word, &rows, &columns, &classes, &threads]);
            let mut peer = Command::new(&python);
            peer.env("PYTHONDONTWRITEBYTECODE", "1").arg(scripts.join("peer_probe.py"));
            peer.args([head.word, "--rows", &rows, "--columns", &columns]);
            peer.args(["--classes", &classes, "--threads", &threads, "--tolerance", TOLERANCE]);
            for (who, command) in [("regraft", &mut command), ("scikit-learn", &mut peer)] {
                let what = format!("round {round}: {} {who}", head.word);
                let run = read(head, who, &machine::run(command, &what)?)?;
                say(progress, &format!("{what}: {:.2} s of processor time", run.cpu))?;
                runs.push(run);
            }
        }
    }
    same_features(&runs)?;
    let entry = |r: &Run| json!({"head": r.head, "who": r.who, "cpu_s": r.cpu, "wall_s": r.wall, "result": r.result});
    let bench = workspace.target.join("bench");
    let samples: Vec<_> = runs.iter().map(entry).collect();
    setup::write_json(&bench.join("probe.json"), &samples)?;
    let load = [&*before, &machine::load()];
    let head = head(options.threads, options.rounds, load, &versions);
    let [columns, classes] = SHAPE;
    let shape = format!("{} x {columns}, {classes} classes", options.rows);
    write!(
        out,
        "{}; {shape}
{}",
        head.trim_end(),
        render(&runs)
    )
    .map_err(Error::output)
}

fn read(head: &Head, who: &'static str, said: &str) -> Result<Run, Error> {
    let what = format!("{} {who}", head.word);
    // The last line is the result.
    let value: Value = parse(said.trim_end().lines().last().unwrap_or_default(), &what)?;
    let field = |name: &str| number(&value[name], &what, name);
    let (cpu, wall, result) = (field("cpu")?, field("wall")?, field(head.field)?);
    Ok(Run { head: head.word, who, cpu, wall, result, checksum: field("checksum")? })
}

/// Sums are in another order, so the last bits may differ.
fn same_features(runs: &[Run]) -> Result<(), Error> {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs();
    match runs.first().and_then(|f| runs.iter().find(|r| !near(r.checksum, f.checksum))) {
        None => Ok(()),
        Some(run) => Err(Error::OtherData { what: format!("{} {}", run.head, run.who) }),
    }
}

fn render(runs: &[Run]) -> String {
    let mut text = String::new();
    for head in &HEADS {
        let middle = |who: &str, value: fn(&Run) -> f64| {
            median(runs.iter().filter(|r| r.head == head.word && r.who == who).map(value))
        };
        let row = |who| {
            Some((middle(who, |r| r.cpu)?, middle(who, |r| r.wall)?, middle(who, |r| r.result)?))
        };
        let (Some(ours), Some(theirs)) = (row("regraft"), row("scikit-learn")) else { continue };
        put(
            &mut text,
            format_args!(
                "\n### {}\n\n| | CPU s | wall s | {} |\n|---|---:|---:|---:|\n",
                head.title, head.field
            ),
        );
        for (who, (cpu, wall, result)) in [("regraft", ours), ("scikit-learn", theirs)] {
            put(&mut text, format_args!("| {who} | {cpu:.2} | {wall:.2} | {result:.9} |\n"));
        }
        let apart = (ours.2 - theirs.2) / theirs.2.abs();
        put(
            &mut text,
            format_args!(
                "\nregraft is {:.2}x as fast by CPU, {:.2}x by wall; its {} differs by {apart:+.1e} relative\n",
                theirs.0 / ours.0,
                theirs.1 / ours.1,
                head.field
            ),
        );
        if apart.abs() > SAME {
            put(&mut text, format_args!("\n(!) by more than {SAME:.0e}: not the same work\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_program_is_its_result() {
        let said = "warning\n{\"wall\": 2, \"cpu\": 3.5, \"objective\": 10.5, \"checksum\": 7}\n";
        let wanted = Run {
            head: "logistic",
            who: "regraft",
            cpu: 3.5,
            wall: 2.0,
            result: 10.5,
            checksum: 7.0,
        };
        assert_eq!(read(&HEADS[1], "regraft", said).unwrap(), wanted);
        let error = read(&HEADS[0], "regraft", said).unwrap_err().to_string();
        assert!(error.contains("`score`"), "{error}");
        assert!(read(&HEADS[0], "regraft", "").is_err());
    }

    #[test]
    fn other_features_are_found_but_not_another_order_of_summing() {
        let run = |checksum| Run {
            head: "ridge",
            who: "scikit-learn",
            cpu: 1.0,
            wall: 1.0,
            result: 0.0,
            checksum,
        };
        assert!(same_features(&[run(1e6), run(1e6 + 1e-5)]).is_ok());
        let error = same_features(&[run(1e6), run(1e6 + 1.0)]).unwrap_err().to_string();
        assert!(error.starts_with("ridge scikit-learn"), "{error}");
    }

    #[test]
    fn the_table_has_a_part_for_each_head_that_both_ran() {
        let run =
            |who, cpu, result| Run { head: "ridge", who, cpu, wall: cpu, result, checksum: 1.0 };
        let mut runs = vec![run("regraft", 2.0, -0.5), run("regraft", 4.0, -0.5)];
        assert_eq!(render(&runs), "");
        runs.push(run("scikit-learn", 12.0, -0.4));
        let wanted = "
### ridge, leave-one-out over 30 penalties

| | CPU s | wall s | score |
|---|---:|---:|---:|
| regraft | 3.00 | 3.00 | -0.500000000 |
| scikit-learn | 12.00 | 12.00 | -0.400000000 |

regraft is 4.00x as fast by CPU, 4.00x by wall; its score differs by -2.5e-1 relative

(!) by more than 1e-6: not the same work
";
        assert_eq!(render(&runs), wanted);
        runs.push(run("scikit-learn", 12.0, -0.6));
        assert!(!render(&runs).contains("(!)"), "medians are compared");
    }
}
