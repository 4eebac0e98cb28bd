//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::Error;
use crate::bench::Options;
use crate::error::Misuse;

/// What `cargo xtask help` prints.
pub const USAGE: &str = "\
cargo xtask floors
    Checks which crate uses which, the lints, and the length of the source files.

cargo xtask bench --data DIR [options]
    Runs regraft and the Python peers side by side on the same pictures, prints what each took.
    DIR: any folder with one folder of pictures per class, or with such folders in train/ and val/.

    --rounds N       how often each runs; medians are shown (3)
    --threads N      threads of each contestant (the machine's)
    --peers DIR      a Python virtual environment that has benches/requirements.txt
                     (made in the target folder when not given: a few gigabytes, once)
    --regraft PATH   a regraft to measure (built in release when not given)
    --weights FILE   EfficientNet-Lite0 for the peers (the file in regraft's cache)

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
    Bench(Options),
}

/// Parses the arguments that follow the program's name.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, Error> {
    let mut words = words.into_iter();
    let Some(chore) = words.next() else { return Ok(Command::Help) };
    let command = match chore.to_str() {
        Some("help" | "--help" | "-h") => return Ok(Command::Help),
        Some("floors") => Command::Floors,
        Some("bench") => return bench(words),
        Some(_) | None => return Err(Error::Usage(Misuse::Command(chore))),
    };
    match words.next() {
        None => Ok(command),
        Some(word) => Err(Error::Usage(Misuse::Option(word))),
    }
}

fn bench(mut words: impl Iterator<Item = OsString>) -> Result<Command, Error> {
    let mut data = None;
    let mut options = Options {
        data: PathBuf::new(),
        rounds: 3,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        peers: None,
        regraft: None,
        weights: None,
    };
    while let Some(word) = words.next() {
        let mut value = |option| words.next().ok_or(Error::Usage(Misuse::NoValue(option)));
        match word.to_str() {
            Some("--help" | "-h") => return Ok(Command::Help),
            Some("--data") => data = Some(value("--data")?.into()),
            Some("--rounds") => options.rounds = number("--rounds", value("--rounds")?, 100)?,
            Some("--threads") => options.threads = number("--threads", value("--threads")?, 1024)?,
            Some("--peers") => options.peers = Some(value("--peers")?.into()),
            Some("--regraft") => options.regraft = Some(value("--regraft")?.into()),
            Some("--weights") => options.weights = Some(value("--weights")?.into()),
            Some(_) | None => return Err(Error::Usage(Misuse::Option(word))),
        }
    }
    options.data = data.ok_or(Error::Usage(Misuse::NoData))?;
    Ok(Command::Bench(options))
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
        let line = "bench --rounds 5 --data pics --threads 2 --peers venv --regraft r --weights w";
        let wanted = Options {
            data: "pics".into(),
            rounds: 5,
            threads: 2,
            peers: Some("venv".into()),
            regraft: Some("r".into()),
            weights: Some("w".into()),
        };
        assert_eq!(words(line).unwrap(), Command::Bench(wanted));
        assert_eq!(words("floors").unwrap(), Command::Floors);
        for line in ["", "help", "-h", "bench --help"] {
            assert_eq!(words(line).unwrap(), Command::Help, "{line}");
        }
    }

    #[test]
    fn a_wrong_line_says_what_was_wanted() {
        let cases = [
            ("bench", "wants `--data DIR`: any folder with one folder of pictures per class"),
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
