//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::Error;
use crate::bench::{Bench, EngineOptions, FitOptions, PipelineOptions, ProbeOptions, TrainOptions};
use crate::error::Misuse;
use crate::study::Study;

/// What `cargo xtask help` prints.
pub const USAGE: &str = "\
cargo xtask floors
    Checks which crate uses which, the lints, and the length of the source files.

cargo xtask bench [fit] --data DIR [options]
    Whole fits and predictions of regraft and the Python peers on the same pictures.
    DIR: any folder with one folder of pictures per class, or with such folders in train/ and val/.
    --regraft PATH   a regraft to measure (built in release when not given)
    --weights FILE   EfficientNet-Lite0 for the peers (the file in regraft's cache)

cargo xtask bench engine [options]
    Forward passes alone, with made weights and images: nothing is downloaded but the peers.
    --network NAME   an architecture such as torchvision/resnet50; may be repeated (three)
    --batch N        images of a pass; may be repeated (1 and 32)

cargo xtask bench pipeline --data DIR [options]
    JPEG files below DIR to features, with made weights.
    --contestant PATH   ours, also for engine (xtask/examples/contestant.rs, built in release)

cargo xtask bench probe [options]
    Ridge and logistic regression on made features, beside scikit-learn.
    --rows N         how many (10000)

cargo xtask bench train [options]
    Training steps of all layers, with made weights and images, beside eager PyTorch.
    --network NAME, --contestant PATH   as for engine
    --batch N        images of a step (32)

cargo xtask advice-study --tasks DIR --outcomes DIR [options]
    What `regraft advise` says of many tasks, and what every plan then gives; docs/advice-study.md.
    --tasks DIR      tables made by fixtures/make/study_sets.py
    --outcomes DIR   where outcomes are kept; the same command goes on where it stopped
    --regraft PATH   a regraft (built in release when not given)
    --kept           run nothing, and make the page of the outcomes that are there
    --networks       only rank networks; the page is about that
    --trained N      seeds of each task whose plans are all run (all); of the others only the networks are ranked
    --unseen         these are tasks that no rule was made with: the page says so
    --page FILE      the page to write (docs/advice-study.md, or docs/advice-study-networks.md)

Options of every bench:
    --rounds N       how often each runs; medians are shown (3)
    --threads N      threads of each contestant (the machine's; engine and probe: 1)
    --peers DIR      a Python virtual environment that has benches/requirements.txt
                     (made in the target folder when not given: a few gigabytes, once)

Exit codes: 0 fine, 1 a check or a program failed, 2 the command line makes no sense.
";

/// A chore, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Say how it is used.
    Help,
    /// Check the floors and the house rules.
    Floors,
    /// Measure against the peers.
    Bench(Bench),
    /// Measure the advice.
    Study(Study),
}

/// Parses the arguments that follow the program's name.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, Error> {
    let mut words = words.into_iter();
    let Some(chore) = words.next() else { return Ok(Command::Help) };
    let command = match chore.to_str() {
        Some("help" | "--help" | "-h") => return Ok(Command::Help),
        Some("floors") => Command::Floors,
        Some("bench") => return bench(words),
        Some("advice-study") => return study(words),
        Some(_) | None => return Err(Error::Usage(Misuse::Command(chore))),
    };
    match words.next() {
        None => Ok(command),
        Some(word) => Err(Error::Usage(Misuse::Option(word))),
    }
}

const CLASSES: &str = "any folder with one folder of pictures per class, or with such folders in \
                       `train/` and `val/`";
const JPEGS: &str = "a folder with JPEG files, at any depth";

/// Which contest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contest {
    Fit,
    Engine,
    Pipeline,
    Probe,
    Train,
}

/// Everything that may follow, with what holds when it does not.
struct Given {
    data: Option<PathBuf>,
    rounds: usize,
    threads: Option<usize>,
    peers: Option<PathBuf>,
    regraft: Option<PathBuf>,
    weights: Option<PathBuf>,
    contestant: Option<PathBuf>,
    networks: Vec<String>,
    batches: Vec<usize>,
    rows: usize,
}

fn bench(words: impl Iterator<Item = OsString>) -> Result<Command, Error> {
    let mut words = words.peekable();
    let named = match words.peek().and_then(|word| word.to_str()) {
        Some("fit") => Some(Contest::Fit),
        Some("engine") => Some(Contest::Engine),
        Some("pipeline") => Some(Contest::Pipeline),
        Some("probe") => Some(Contest::Probe),
        Some("train") => Some(Contest::Train),
        Some(_) | None => None,
    };
    if named.is_some() {
        words.next();
    }
    let contest = named.unwrap_or(Contest::Fit);
    let Some(given) = given(contest, words)? else { return Ok(Command::Help) };
    let Given { data, rounds, threads, peers, regraft, weights, contestant, .. } = given;
    let Given { networks, batches, rows, .. } = given;
    let data = |kind| data.ok_or(Error::Usage(Misuse::NoData(kind)));
    let all = || std::thread::available_parallelism().map_or(1, usize::from);
    let bench = match contest {
        Contest::Fit => {
            let (data, threads) = (data(CLASSES)?, threads.unwrap_or_else(all));
            Bench::Fit(FitOptions { data, rounds, threads, peers, regraft, weights })
        }
        Contest::Engine => {
            let threads = threads.unwrap_or(1);
            Bench::Engine(EngineOptions { rounds, threads, peers, networks, batches, contestant })
        }
        Contest::Pipeline => {
            let (data, threads) = (data(JPEGS)?, threads.unwrap_or_else(all));
            Bench::Pipeline(PipelineOptions { data, rounds, threads, peers, contestant })
        }
        Contest::Probe => {
            let threads = threads.unwrap_or(1);
            Bench::Probe(ProbeOptions { rounds, threads, peers, rows })
        }
        Contest::Train => {
            let threads = threads.unwrap_or_else(all);
            let batch = batches.last().copied().unwrap_or(32);
            Bench::Train(TrainOptions { rounds, threads, peers, networks, batch, contestant })
        }
    };
    Ok(Command::Bench(bench))
}

/// Reads the options that `contest` has; none when help is asked for.
fn given(
    contest: Contest,
    mut words: impl Iterator<Item = OsString>,
) -> Result<Option<Given>, Error> {
    use Contest::{Engine, Fit, Pipeline, Probe, Train};
    let mut given = Given {
        data: None,
        rounds: 3,
        threads: None,
        peers: None,
        regraft: None,
        weights: None,
        contestant: None,
        networks: Vec::new(),
        batches: Vec::new(),
        rows: 10_000,
    };
    while let Some(word) = words.next() {
        let mut value = |option| words.next().ok_or(Error::Usage(Misuse::NoValue(option)));
        match (word.to_str(), contest) {
            (Some("--help" | "-h"), _) => return Ok(None),
            (Some("--rounds"), _) => given.rounds = number("--rounds", value("--rounds")?, 100)?,
            (Some("--threads"), _) => {
                given.threads = Some(number("--threads", value("--threads")?, 1024)?);
            }
            (Some("--peers"), _) => given.peers = Some(value("--peers")?.into()),
            (Some("--data"), Fit | Pipeline) => given.data = Some(value("--data")?.into()),
            (Some("--regraft"), Fit) => given.regraft = Some(value("--regraft")?.into()),
            (Some("--weights"), Fit) => given.weights = Some(value("--weights")?.into()),
            (Some("--contestant"), Engine | Pipeline | Train) => {
                given.contestant = Some(value("--contestant")?.into());
            }
            (Some("--network"), Engine | Train) => {
                given.networks.push(value("--network")?.to_string_lossy().into_owned());
            }
            (Some("--batch"), Engine | Train) => {
                given.batches.push(number("--batch", value("--batch")?, 1024)?);
            }
            (Some("--rows"), Probe) => {
                given.rows = number("--rows", value("--rows")?, 10_000_000)?;
            }
            (Some(_) | None, _) => return Err(Error::Usage(Misuse::Option(word))),
        }
    }
    Ok(Some(given))
}

/// Seeds of a task that can be asked for.
const MOST_SEEDS: usize = 1000;

fn study(mut words: impl Iterator<Item = OsString>) -> Result<Command, Error> {
    let (mut tasks, mut outcomes, mut regraft) = (None, None, None);
    let mut page = None;
    let mut trained = MOST_SEEDS;
    let (mut kept, mut unseen, mut networks) = (false, false, false);
    while let Some(word) = words.next() {
        let mut value = |option| {
            let value = words.next().ok_or(Error::Usage(Misuse::NoValue(option)))?;
            Ok(PathBuf::from(value))
        };
        match word.to_str() {
            Some("--help" | "-h") => return Ok(Command::Help),
            Some("--tasks") => tasks = Some(value("--tasks")?),
            Some("--outcomes") => outcomes = Some(value("--outcomes")?),
            Some("--regraft") => regraft = Some(value("--regraft")?),
            Some("--page") => page = Some(value("--page")?),
            Some("--kept") => kept = true,
            Some("--unseen") => unseen = true,
            Some("--networks") => networks = true,
            Some("--trained") => {
                trained = number("--trained", value("--trained")?.into(), MOST_SEEDS)?;
            }
            Some(_) | None => return Err(Error::Usage(Misuse::Option(word))),
        }
    }
    let missing = |option| Error::Usage(Misuse::Missing(option));
    Ok(Command::Study(Study {
        tasks: tasks.ok_or_else(|| missing("--tasks"))?,
        outcomes: outcomes.ok_or_else(|| missing("--outcomes"))?,
        regraft,
        trained,
        kept,
        networks,
        unseen,
        page: page.unwrap_or_else(|| {
            let about = if networks { "-networks" } else { "" };
            format!("docs/advice-study{about}.md").into()
        }),
    }))
}

fn number(option: &'static str, given: OsString, most: usize) -> Result<usize, Error> {
    match given.to_str().and_then(|s| s.parse().ok()) {
        Some(n) if (1..=most).contains(&n) => Ok(n),
        Some(_) | None => Err(Error::Usage(Misuse::Number { option, given, range: (1, most) })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Command, Error> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn options_reach_the_bench() {
        let line = "--rounds 5 --data pics --threads 2 --peers venv --regraft r --weights w";
        let wanted = FitOptions {
            data: "pics".into(),
            rounds: 5,
            threads: 2,
            peers: Some("venv".into()),
            regraft: Some("r".into()),
            weights: Some("w".into()),
        };
        for chore in ["bench", "bench fit"] {
            let found = words(&format!("{chore} {line}")).unwrap();
            assert_eq!(found, Command::Bench(Bench::Fit(wanted.clone())));
        }
        let line = "bench engine --network a/b --batch 1 --network c/d --batch 8 --peers venv";
        let wanted = EngineOptions {
            rounds: 3,
            threads: 1,
            peers: Some("venv".into()),
            networks: vec!["a/b".into(), "c/d".into()],
            batches: vec![1, 8],
            contestant: None,
        };
        assert_eq!(words(line).unwrap(), Command::Bench(Bench::Engine(wanted)));
        let line = "bench pipeline --data pics --threads 4 --rounds 1 --contestant c";
        let wanted = PipelineOptions {
            data: "pics".into(),
            rounds: 1,
            threads: 4,
            peers: None,
            contestant: Some("c".into()),
        };
        assert_eq!(words(line).unwrap(), Command::Bench(Bench::Pipeline(wanted)));
        let wanted = ProbeOptions { rounds: 3, threads: 1, peers: None, rows: 500 };
        let found = words("bench probe --rows 500").unwrap();
        assert_eq!(found, Command::Bench(Bench::Probe(wanted)));
        let wanted = TrainOptions {
            rounds: 3,
            threads: 4,
            peers: None,
            networks: vec!["a/b".into()],
            batch: 8,
            contestant: None,
        };
        let found = words("bench train --network a/b --batch 8 --threads 4").unwrap();
        assert_eq!(found, Command::Bench(Bench::Train(wanted)));
        assert_eq!(words("floors").unwrap(), Command::Floors);
        for line in ["", "help", "-h", "bench --help", "bench engine -h"] {
            assert_eq!(words(line).unwrap(), Command::Help, "{line}");
        }
    }

    #[test]
    fn a_wrong_line_says_what_was_wanted() {
        let cases = [
            ("bench", "wants `--data DIR`: any folder with one folder of pictures per class"),
            ("bench pipeline", "wants `--data DIR`: a folder with JPEG files"),
            ("bench engine --data d", "no option `--data`"),
            ("bench engine --batch 0", "`--batch` wants a number from 1 to 1024, not `0`"),
            ("bench probe --network n", "no option `--network`"),
            ("bench fit engine", "no option `engine`"),
            ("bench --data", "`--data` wants a value"),
            ("bench --data d --rounds 0", "`--rounds` wants a number from 1 to 100, not `0`"),
            ("bench --data d --threads two", "from 1 to 1024, not `two`"),
            ("bench --data d --fast", "no option `--fast`"),
            ("floors now", "no option `now`"),
            ("flors", "no chore `flors`"),
        ];
        for (line, wanted) in cases {
            let error = words(line).unwrap_err();
            assert!(matches!(error, Error::Usage(_)), "{line}");
            assert!(error.to_string().contains(wanted), "{line}: {error}");
        }
    }
}
