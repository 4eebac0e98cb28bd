//! A contestant that stays alive between rounds and answers line by line: the other end of
//! `benches/contestant.py` and `examples/contestant.rs`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::machine::{LAST, parse};
use crate::Error;

/// How to start a contestant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    /// The name in the table.
    pub(super) who: &'static str,
    /// The program.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) words: Vec<OsString>,
    /// Variables of its environment.
    pub(super) env: Vec<(&'static str, OsString)>,
}

/// A contestant, ready to run.
pub(super) struct Player {
    pub(super) who: &'static str,
    child: Child,
    /// None once it has been told to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    log: PathBuf,
}

/// What a contestant says first.
pub(super) enum Entrance {
    /// It can run; with what it tells of itself.
    Ready(Box<Player>, Value),
    /// It cannot run on this machine, and why.
    Absent(String),
}

impl Player {
    /// Starts a contestant and waits until it is ready; its stderr goes to the file `log`.
    pub(super) fn start(call: &Call, log: &Path) -> Result<Entrance, Error> {
        let said = File::create(log).map_err(Error::file("write", log))?;
        let mut command = Command::new(&call.program);
        command.args(&call.words).envs(call.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(said);
        let start = |source| Error::Start { program: call.program.clone().into(), source };
        let mut child = command.spawn().map_err(start)?;
        let gone = || start(std::io::Error::other("it has no standard input and output"));
        let output = BufReader::new(child.stdout.take().ok_or_else(gone)?);
        let input = Some(child.stdin.take().ok_or_else(gone)?);
        let mut player = Self { who: call.who, child, input, output, log: log.to_path_buf() };
        let first = player.hear("start")?;
        if let Some(why) = first["absent"].as_str() {
            return Ok(Entrance::Absent(why.to_owned()));
        }
        Ok(Entrance::Ready(Box::new(player), first))
    }

    /// Says a line and gives the answer.
    pub(super) fn ask(&mut self, line: &str) -> Result<Value, Error> {
        let said = self.input.as_mut().map(|i| writeln!(i, "{line}").and_then(|()| i.flush()));
        match said {
            Some(Ok(())) => self.hear(line),
            // The other end is closed: it has ended, and its log says why.
            Some(Err(_)) | None => Err(self.failed(line)),
        }
    }

    fn hear(&mut self, what: &str) -> Result<Value, Error> {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(n) if n > 0 => parse(&line, &format!("{} ({what})", self.who)),
            Ok(_) | Err(_) => Err(self.failed(what)),
        }
    }

    fn failed(&mut self, what: &str) -> Error {
        self.input = None;
        let code = self.child.wait().ok().and_then(|status| status.code());
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let said = lines[lines.len().saturating_sub(LAST)..].join("\n");
        Error::Failed { what: format!("{} ({what})", self.who), code, said }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // The end of its input is its end; it may be in the middle of a pass, hence the second word.
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The words of a call as one line, with a folder cut off the paths.
#[cfg(test)]
pub(super) fn line(call: &Call, folder: &str) -> String {
    let words = call.words.iter().map(|word| word.display().to_string());
    let all: Vec<_> = std::iter::once(call.program.display().to_string()).chain(words).collect();
    all.join(" ").replace('\\', "/").replace(&format!("{folder}/"), "")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str, name: &str) -> Result<Entrance, Error> {
        let log = std::env::temp_dir().join(format!("xtask-{name}-{}.log", std::process::id()));
        let words = ["-c", script].map(OsString::from).to_vec();
        let env = vec![("WORD", "heard".into())];
        Player::start(&Call { who: "shell", program: "sh".into(), words, env }, &log)
    }

    #[test]
    fn a_line_in_is_a_json_line_out() {
        let script =
            r#"echo '{"ready": true}'; while read a b; do echo "{\"$WORD\": \"$a $b\"}"; done"#;
        let Entrance::Ready(mut player, about) = shell(script, "talk").unwrap() else { panic!() };
        assert_eq!(about["ready"], true);
        assert_eq!(player.ask("run 0.5").unwrap()["heard"], "run 0.5");
        assert_eq!(player.ask("answer f").unwrap()["heard"], "answer f");
    }

    #[test]
    fn one_that_cannot_run_says_why_and_one_that_dies_leaves_its_last_words() {
        let Entrance::Absent(why) = shell(r#"echo '{"absent": "no compiler"}'"#, "gone").unwrap()
        else {
            panic!()
        };
        assert_eq!(why, "no compiler");
        let Err(error) = shell("echo broken >&2; exit 3", "dies") else { panic!() };
        assert_eq!(error.to_string(), "shell (start) ended with exit code 3:\nbroken");
        let script = r#"echo '{"ready": true}'; read a; echo late >&2; exit 4"#;
        let Entrance::Ready(mut player, _) = shell(script, "late").unwrap() else { panic!() };
        let error = player.ask("run 1").unwrap_err().to_string();
        assert_eq!(error, "shell (run 1) ended with exit code 4:\nlate");
    }
}
