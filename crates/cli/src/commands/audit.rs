use std::fmt::Write;
use std::process::ExitCode;

use regraft::{Audit, AuditFinding, AuditOptions, Error};

use super::load_options;
use crate::args::Common;
use crate::data_args::AuditArgs;
use crate::observer::Terminal;
use crate::printer::{Printer, table};
use crate::units::plural;

/// Lines of a kind that are printed.
const SHOWN: usize = 10;
/// Lines of what is only odd.
const FEW: usize = 3;

pub(crate) fn run(
    args: &AuditArgs,
    common: &Common,
    printer: &Printer,
    terminal: &Terminal,
) -> Result<ExitCode, Error> {
    let options = AuditOptions {
        network: args.network.clone(),
        files_only: args.files_only,
        group_by: args.group_by.clone(),
        seed: common.seed,
        test_share: args.test_share,
        report: args.report.clone(),
        fix_list: args.fix_list.clone(),
        load: load_options(common),
        ..AuditOptions::new(&args.data)
    };
    let audit = regraft::audit(&options, terminal)?;
    terminal.finish();
    printer.result(&audit, || text(&audit, args));
    Ok(ExitCode::SUCCESS)
}

fn text(audit: &Audit, args: &AuditArgs) -> String {
    let mut text = String::new();
    block(&mut text, "unreadable", &audit.unreadable, |u| format!("{}: {}", u.file, u.reason));
    block(&mut text, "leaks", &audit.leaks, |[a, b]| {
        let how = audit.pair(a, b).map(|p| format!(": {}", plain(&p.words()))).unwrap_or_default();
        format!("{a} and {b}{how}")
    });
    block(&mut text, "conflicting labels", &audit.conflicts, |set| set.join(", "));
    block(&mut text, "copies", &audit.duplicates, |set| set.join(", "));
    block(&mut text, "labels that may be wrong", &audit.label_suspects, |s| {
        format!("{}: {}", s.file, plain(&s.words()))
    });
    block(&mut text, "file names with groups", &audit.groups, |g| {
        format!(
            "{}: {}, {} across splits; --group-by '{}'",
            g.shown,
            plural(g.count, "group"),
            g.across_splits,
            g.pattern
        )
    });
    text.push_str(&others(audit));
    let rows = audit
        .class_counts
        .iter()
        .map(|c| vec![c.class.clone(), c.train.to_string(), c.val.to_string(), c.test.to_string()]);
    let head = ["class", "train", "val", "test"];
    let _ = writeln!(text, "{}", table(&head, &[1, 2, 3], rows.take(SHOWN).collect()).trim_end());
    if let Some(effect) = &audit.effect {
        let _ = writeln!(text, "accuracy of a linear head: {}", effect.words());
    }
    if let Some(overlap) = &audit.overlap {
        let known = overlap.exact.len() + overlap.synonyms.len();
        let _ = writeln!(
            text,
            "{known} of {} are classes of the network's own task too, {} more by part of their names",
            plural(overlap.classes, "class"),
            overlap.near.len()
        );
    }
    for note in &audit.notes {
        let _ = writeln!(text, "note: {note}");
    }
    let _ = write!(text, "\n{}", plain(&audit.verdict()));
    if args.report.is_none() && !audit.findings.is_empty() {
        text.push_str("; `--report FILE.html` shows the pictures");
    }
    text
}

/// Some lines under a title.
fn block<T>(text: &mut String, title: &str, all: &[T], line: impl Fn(&T) -> String) {
    if all.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title} ({})", all.len());
    for one in all.iter().take(SHOWN) {
        let _ = writeln!(text, "    {}", line(one));
    }
    if all.len() > SHOWN {
        let _ = writeln!(text, "    and {} more (--json)", all.len() - SHOWN);
    }
    text.push('\n');
}

/// What else was seen, a kind at a time.
fn others(audit: &Audit) -> String {
    let told = ["unreadable", "leak", "conflict", "copies"];
    let mut kinds: Vec<&str> = audit.findings.iter().map(|f| f.kind).collect();
    kinds.dedup();
    let mut text = String::new();
    for kind in kinds.into_iter().filter(|k| !told.contains(k)) {
        let of: Vec<&AuditFinding> = audit.findings.iter().filter(|f| f.kind == kind).collect();
        let what = kind.replace('_', " ");
        let _ = writeln!(text, "{what} ({}): {}; {}", of.len(), of[0].why, of[0].advice);
        for f in of.iter().take(FEW) {
            let _ = writeln!(text, "    {}", finding(f));
        }
        if of.len() > FEW {
            let _ = writeln!(text, "    and {} more (--json)", of.len() - FEW);
        }
        text.push('\n');
    }
    text
}

fn finding(f: &AuditFinding) -> String {
    let usual = f.usual.map(|u| format!(", usual {u:.2}")).unwrap_or_default();
    let figure = if f.figure == 0.0 { String::new() } else { format!(": {:.2}{usual}", f.figure) };
    let of = match (&f.class, &f.files[..]) {
        (Some(class), _) => class.clone(),
        (None, []) => "all".to_owned(),
        (None, [file]) => file.clone(),
        (None, files) => format!("{}, for instance {}", plural(files.len(), "file"), files[0]),
    };
    format!("{of}{figure}")
}

/// Without the marks of code.
fn plain(words: &str) -> String {
    words.replace('`', "")
}
