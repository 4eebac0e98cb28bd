//! The only place that prints: results on stdout, remarks and errors on stderr.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use comfy_table::{ContentArrangement, Table, presets};
use regraft::ErrorKind;
use serde::Serialize;

use crate::args::Cli;

/// Prints results as text or JSON.
pub(crate) struct Printer {
    json: bool,
    quiet: bool,
}

impl Printer {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// A result: `value` as one JSON object, or `text`.
    pub(crate) fn result(&self, value: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json {
            // Our own documents hold nothing that JSON could not.
            if let Ok(json) = serde_json::to_string_pretty(value) {
                out(&json);
            }
        } else {
            out(text().trim_end());
        }
    }

    /// A result a line: `value` as a JSON object on one line, or `text`.
    pub(crate) fn line(&self, value: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json {
            if let Ok(json) = serde_json::to_string(value) {
                out(&json);
            }
        } else {
            out(&text());
        }
    }

    /// What belongs to the results that follow: `value` as a JSON object on one line, or `text` as a
    /// remark, so that lines of text on stdout stay of one kind.
    pub(crate) fn aside(&self, value: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json {
            self.line(value, text);
        } else {
            self.remark(text().trim_end());
        }
    }

    /// A remark for the person at the terminal.
    pub(crate) fn remark(&self, text: &str) {
        if !self.quiet {
            err(text);
        }
    }

    /// Something that went wrong, with its causes; gives the exit code.
    pub(crate) fn error(error: &regraft::Error) -> ExitCode {
        let mut text = format!("error: {error}");
        let mut last = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(source) = cause {
            let line = source.to_string();
            if line != last {
                text.push_str("\n  because: ");
                text.push_str(&line);
            }
            last = line;
            cause = source.source();
        }
        err(&text);
        ExitCode::from(match error.kind() {
            ErrorKind::System => 1,
            ErrorKind::Usage => 2,
            ErrorKind::Data => 3,
            ErrorKind::Network => 4,
            ErrorKind::Interrupted => 130,
        })
    }

    /// Completions for a shell, on stdout.
    pub(crate) fn completions(shell: clap_complete::Shell) {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "regraft", &mut script);
        out(String::from_utf8_lossy(&script).trim_end());
    }
}

/// A table without lines, as wide as the terminal; columns in `right` are flush right.
pub(crate) fn table(head: &[&str], right: &[usize], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if !std::io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    if !head.is_empty() {
        table.set_header(head.iter().map(ToString::to_string));
    }
    for row in rows {
        table.add_row(row);
    }
    for column in right {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
    // Each cell has a space around it; the first one's is in nobody's column.
    let flush = |line: &str| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned() + "\n";
    table.lines().map(|line| flush(&line)).collect()
}

/// Columns of the terminal; `COLUMNS` when it is set; otherwise none, when nobody looks.
pub(crate) fn width() -> Option<usize> {
    let set = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok()).filter(|c| *c >= 20);
    if !std::io::stdout().is_terminal() {
        return set;
    }
    set.or_else(|| ratatui::crossterm::terminal::size().ok().map(|(columns, _)| columns.into()))
}

/// Text in lines of at most `width` characters where words allow; all but the first are indented.
pub(crate) fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let room = if lines.len() == 1 { width } else { width.saturating_sub(indent) };
        let line = lines.last().map_or(0, |l| l.chars().count());
        if line > 0 && line + 1 + word.chars().count() > room {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

/// Writes a line to stdout; a closed pipe is a reader that has seen enough.
fn out(text: &str) {
    let mut stdout = std::io::stdout().lock();
    if writeln!(stdout, "{text}").and_then(|()| stdout.flush()).is_err() {
        std::process::exit(0);
    }
}

fn err(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
