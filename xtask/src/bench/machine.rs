//! Running a command and counting what it took.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::setup::Ground;
use super::{Entry, Sample};
use crate::Error;

/// How many lines of a failed program's stderr are shown.
pub(super) const LAST: usize = 20;

/// Variables that tell the contestants' libraries how many threads to use.
pub(super) const THREADS: [&str; 6] = [
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
];

/// Runs one entry under `measure.py`.
pub(super) fn measure(ground: &Ground, entry: Entry, what: &str) -> Result<Sample, Error> {
    let course = &ground.course;
    let cost = course.folder.join("cost.json");
    let threads = course.threads.to_string();
    let mut command = Command::new(&course.python);
    command.arg(course.scripts.join("measure.py")).arg(&cost).args(&entry.command);
    for name in THREADS {
        command.env(name, &threads);
    }
    // The scripts live in the repository: no compiled files beside them.
    command.env("PYTHONDONTWRITEBYTECODE", "1").envs(entry.env);
    let said = run(&mut command, what)?;
    let cost = fs::read_to_string(&cost).map_err(Error::file("read", &cost))?;
    let cost = parse(&cost, what)?;
    let field = |name: &str| number(&cost[name], what, name);
    let accuracy = || number(&parse(&said, what)?["test"]["top1"], what, "test.top1");
    let top1 = if entry.job.has_accuracy() { Some(accuracy()?) } else { None };
    Ok(Sample {
        job: entry.job,
        who: entry.who,
        wall: field("wall")?,
        cpu: field("user")? + field("sys")?,
        peak: field("peak")?,
        top1,
    })
}

/// Runs a command to its end and gives its stdout.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<String, Error> {
    let program = command.get_program().to_owned();
    let output = command.output().map_err(|source| Error::Start { program, source })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<_> = said.lines().collect();
        let said = lines[lines.len().saturating_sub(LAST)..].join("\n");
        return Err(Error::Failed { what: what.to_owned(), code: output.status.code(), said });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Reads the JSON that `what` said.
pub(crate) fn parse(text: &str, what: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|error| Error::Json {
        what: what.to_owned(),
        wanted: format!("one JSON object was wanted ({error})"),
        given: text.chars().take(80).collect(),
    })
}

/// A number called `name` that `what` gave.
pub(super) fn number(value: &Value, what: &str, name: &str) -> Result<f64, Error> {
    value.as_f64().ok_or_else(|| Error::Json {
        what: what.to_owned(),
        wanted: format!("a number `{name}` was wanted"),
        given: value.to_string().chars().take(80).collect(),
    })
}

/// The processor's name, as the system has it, or else its family.
pub(super) fn processor() -> String {
    let linux = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| name_in(&text));
    let mac = || {
        let mut command = Command::new("sysctl");
        run(command.args(["-n", "machdep.cpu.brand_string"]), "sysctl").ok()
    };
    let mac = || if Path::new("/proc").exists() { None } else { mac() };
    linux.or_else(mac).map_or_else(|| std::env::consts::ARCH.to_owned(), |n| n.trim().to_owned())
}

fn name_in(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|l| l.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Whether the processor has instructions for bf16 (Linux on x86-64; elsewhere it is not known).
pub(super) fn has_bf16() -> bool {
    fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| bf16_in(&text))
}

fn bf16_in(cpuinfo: &str) -> bool {
    let flags = cpuinfo.lines().find(|l| l.starts_with("flags")).unwrap_or_default();
    flags.split_whitespace().any(|flag| matches!(flag, "avx512_bf16" | "amx_bf16"))
}

/// The load average of the last minute, where the system tells it.
pub(super) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_by_the_first_core() {
        let text = "processor\t: 0\nmodel name\t: Fast CPU @ 2.0GHz\nmodel name\t: other\n";
        assert_eq!(name_in(text).unwrap(), "Fast CPU @ 2.0GHz");
        assert_eq!(name_in("Hardware: unnamed\n"), None);
        assert!(!processor().is_empty());
    }

    #[test]
    fn bf16_is_a_flag_of_its_own() {
        assert!(bf16_in("model name\t: a\nflags\t\t: avx2 avx512_bf16 fma\n"));
        assert!(bf16_in("flags : amx_bf16\n"));
        assert!(!bf16_in("model name : avx512_bf16\nflags : avx512f\n"));
        assert!(!bf16_in(""));
    }

    #[test]
    fn a_result_without_accuracy_says_what_it_had() {
        let value = parse(r#"{"test": {"top1": "high"}}"#, "round 1").unwrap();
        let error = number(&value["test"]["top1"], "round 1", "test.top1").unwrap_err();
        let wanted = "round 1: a number `test.top1` was wanted; it began `\"high\"`";
        assert_eq!(error.to_string(), wanted);
        assert!(parse("Epoch 1 of 3", "round 1").unwrap_err().to_string().contains("Epoch 1"));
    }
}
