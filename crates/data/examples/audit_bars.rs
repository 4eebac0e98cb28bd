//! What `audit` finds of the faults that `fixtures/make/plant_faults.py` planted.
//!
//! `audit_bars FOLDER...` reads each folder and, where there is one, the `FOLDER.json` beside it, and
//! prints how much of what was planted is found, what else is (all of it with `REGRAFT_AUDIT_ALL`), and
//! the time it took.
#![allow(clippy::print_stdout, reason = "a program's result goes to stdout")]

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use rayon::prelude::*;
use regraft_data::audit::{Finding, FindingKind, duplicates, find_groups, findings, look};
use regraft_data::{Dataset, OpenOptions, decode_file};
use serde_json::Value;

/// Two names, in order.
type Names = (String, String);

fn main() -> Result<(), Box<dyn Error>> {
    std::env::args().skip(1).try_for_each(|folder| audit(folder.as_ref()))
}

fn audit(folder: &Path) -> Result<(), Box<dyn Error>> {
    let dataset = Dataset::open(folder, &OpenOptions::default())?;
    let paths: Vec<&Path> = dataset.examples.iter().map(|e| e.path.as_path()).collect();
    let start = Instant::now();
    let readable = paths.par_iter().filter(|path| decode_file(path).is_ok()).count();
    let decoded = start.elapsed();
    let start = Instant::now();
    let looks = look(&paths, |_| {});
    let looked = start.elapsed();
    let pairs = duplicates(&looks, None)?;
    let compared = start.elapsed().saturating_sub(looked);
    let found = findings(&dataset, &looks, &pairs)?;
    let folder_name = folder.display();
    println!("{folder_name}: {} files, {readable} readable", paths.len());
    println!("  decoding alone {decoded:.2?}, looking {looked:.2?}, comparing {compared:.2?}");
    let name = |file: &usize| dataset.examples[*file].name.clone();
    if let Ok(text) = std::fs::read_to_string(folder.with_extension("json")) {
        let planted: Value = serde_json::from_str(&text)?;
        for (what, kind) in [
            ("exact", FindingKind::Leak),
            ("altered", FindingKind::Leak),
            ("conflicts", FindingKind::Conflict),
        ] {
            let seen = named(&found, kind, name);
            let wanted = wanted_pairs(&planted[what]);
            let missed: Vec<&Names> = wanted.iter().filter(|pair| !seen.contains(*pair)).collect();
            println!(
                "  {what}: {} of {}, missed {missed:?}",
                wanted.len() - missed.len(),
                wanted.len()
            );
        }
        let unread: BTreeSet<String> = of_kind(&found, FindingKind::Unreadable)
            .map(|finding| name(&finding.files[0]))
            .collect();
        let corrupt = planted["corrupt"].as_array().into_iter().flatten();
        let corrupt: Vec<&str> = corrupt.filter_map(|entry| entry[0].as_str()).collect();
        let hit = corrupt.iter().filter(|name| unread.contains(**name)).count();
        println!("  corrupt: {hit} of {}, unreadable {}", corrupt.len(), unread.len());
        let leaks = named(&found, FindingKind::Leak, name);
        let planted: BTreeSet<Names> =
            [wanted_pairs(&planted["exact"]), wanted_pairs(&planted["altered"])]
                .concat()
                .into_iter()
                .collect();
        println!("  false leaks: {:?}", leaks.difference(&planted).collect::<Vec<_>>());
    }
    let limit = if std::env::var_os("REGRAFT_AUDIT_ALL").is_some() { usize::MAX } else { 12 };
    for kind in FindingKind::all() {
        let of: Vec<&Finding> = of_kind(&found, kind).collect();
        if !of.is_empty() {
            println!("  {} {}", of.len(), kind.key());
        }
        for finding in of.iter().take(limit) {
            let files: Vec<String> = finding.files.iter().take(3).map(name).collect();
            println!("    {:.3} (usual {:?}) {}", finding.figure, finding.usual, files.join(" "));
        }
    }
    let names: Vec<&str> = dataset.examples.iter().map(|e| e.name.as_str()).collect();
    let labels: Vec<usize> = dataset.examples.iter().map(|e| e.label).collect();
    for groups in find_groups(&names, &labels, &dataset.classes)? {
        println!("  groups {} ({}): {}", groups.shown, groups.said, groups.groups.names.len());
    }
    Ok(())
}

fn of_kind(found: &[Finding], kind: FindingKind) -> impl Iterator<Item = &Finding> {
    found.iter().filter(move |finding| finding.kind == kind)
}

fn ordered(a: String, b: String) -> Names {
    if a < b { (a, b) } else { (b, a) }
}

fn named(found: &[Finding], kind: FindingKind, name: impl Fn(&usize) -> String) -> BTreeSet<Names> {
    let pair = |f: &Finding| ordered(name(&f.files[0]), name(&f.files[1]));
    of_kind(found, kind).map(pair).collect()
}

fn wanted_pairs(entries: &Value) -> Vec<Names> {
    let text = |entry: &Value, i: usize| entry[i].as_str().unwrap_or_default().to_owned();
    let pairs = entries.as_array().into_iter().flatten();
    pairs.map(|entry| ordered(text(entry, 0), text(entry, 1))).collect()
}
