//! Advice against outcome: what `regraft advise` says of many tasks, and what every plan then gave.

mod networks;
mod page;
mod score;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use self::score::{Seed, Tried};
use crate::bench::{build, parse, said};
use crate::{Error, Workspace};

/// The network that is taken when nobody names one.
const DEFAULT: &str = "efficientnet-lite0";

/// Plans that are tried with the advised network beside what is advised, its rivals, and a probe at each depth.
const PLANS: [&str; 4] = [
    "",
    "--features logits",
    "--strategy lp-ft --unfreeze last:1 --augment light --schedule cosine",
    "--strategy lp-ft --unfreeze all --augment light --schedule cosine",
];

/// What to study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Study {
    /// A folder of tables `NAME-sSEED.csv`, as `fixtures/make/study_sets.py` makes them.
    pub tasks: PathBuf,
    /// Where outcomes are kept: a study goes on where it stopped.
    pub outcomes: PathBuf,
    /// A regraft; built in release when not given.
    pub regraft: Option<PathBuf>,
    /// Seeds of each task whose plans are all run; of the others only the networks are ranked.
    pub trained: usize,
    /// Whether nothing is run: what has no outcome yet is left out, and a seed without one of its plans only ranks
    /// the networks.
    pub kept: bool,
    /// Whether only networks are ranked, and the page is about that.
    pub networks: bool,
    /// Whether no rule was made with these tasks.
    pub unseen: bool,
    /// The page to write.
    pub page: PathBuf,
}

/// One task with one seed.
struct Task<'a> {
    regraft: &'a Path,
    kept: bool,
    table: PathBuf,
    outcomes: PathBuf,
}

/// Runs what has no outcome yet, and writes the page.
pub fn study(
    workspace: &Workspace,
    study: &Study,
    out: &mut dyn Write,
    progress: &mut dyn Write,
) -> Result<(), Error> {
    let regraft = match &study.regraft {
        Some(path) => path.clone(),
        None => build(workspace, &["--package", "regraft-cli"], "regraft", progress)?,
    };
    let mut seeds = Vec::new();
    for table in tables(&study.tasks)? {
        let name = table.file_stem().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        // Nobody to tell when stderr is gone.
        let _ = writeln!(progress, "{name}");
        let outcomes = study.outcomes.join(&name);
        fs::create_dir_all(&outcomes).map_err(Error::file("make", &outcomes))?;
        let seed = name.rsplit_once("-s").and_then(|(_, seed)| seed.parse::<usize>().ok());
        let trained = !study.networks && seed.is_none_or(|seed| seed < study.trained);
        seeds.push(
            Task { regraft: &regraft, kept: study.kept, table, outcomes }.all(&name, trained)?,
        );
    }
    let tasks = score::tasks(&seeds);
    let (text, summary) = if study.networks {
        let cards = cards(&regraft, &networks::names(&seeds))?;
        (networks::page(&tasks, &seeds, &cards), networks::summary(&tasks, &seeds))
    } else {
        (page::page(&tasks, &seeds, study.unseen), page::summary(&tasks))
    };
    write(&study.page, &text)?;
    writeln!(out, "{summary}").map_err(Error::output)
}

/// What the zoo knows of networks.
fn cards(regraft: &Path, names: &[&str]) -> Result<BTreeMap<String, networks::Card>, Error> {
    let one = |name: &&str| {
        let what = format!("the model card of {name}");
        let mut command = Command::new(regraft);
        let text = said(command.args(["zoo", "show", name, "--json", "--quiet"]), &what)?;
        let card = parse(&text, &what)?;
        let word = |key: &str| card[key].as_str().unwrap_or_default().to_owned();
        let card = networks::Card { dataset: word("dataset"), origin: word("origin") };
        Ok(((*name).to_owned(), card))
    };
    names.iter().map(one).collect()
}

/// The tables of a folder, those with the fewest rows first.
fn tables(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut tables = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::file("read", folder))? {
        let path = entry.map_err(Error::file("read", folder))?.path();
        if path.extension().is_some_and(|e| e == "csv") {
            let text = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
            let train = text.lines().filter(|l| l.ends_with(",train")).count();
            tables.push((train, path));
        }
    }
    if tables.is_empty() {
        return Err(Error::NoTables { folder: folder.to_owned() });
    }
    tables.sort();
    Ok(tables.into_iter().map(|(_, path)| path).collect())
}

impl Task<'_> {
    /// The advice, and the outcome of every plan where `trained`.
    fn all(&self, name: &str, trained: bool) -> Result<Seed, Error> {
        let text = said(
            Command::new(self.regraft).arg("advise").arg(&self.table).args(["--json", "--quiet"]),
            &format!("the advice for {name}"),
        )?;
        let advice = parse(&text, "regraft advise")?;
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let network = word(&advice["network"]);
        let words = |line: &Value| plan(line, &network);
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let mut ranking = Vec::new();
        for candidate in list(&advice["candidates"]) {
            let other = word(&candidate["network"]);
            let combined = candidate["combined"].as_f64().unwrap_or_default();
            if let Some(top1) = self.fit(&other, "")? {
                ranking.push((other, combined, top1));
            }
        }
        let mut plans: Vec<String> = vec![words(&advice["command"])];
        plans.extend(list(&advice["rivals"]).iter().map(words));
        let mut depths = list(&advice["facts"]["depths"]);
        depths.pop();
        plans.extend(depths.iter().map(|d| format!("--cut {}", word(&d["cut"]))));
        plans.extend(PLANS.map(str::to_owned));
        plans.retain(|_| trained);
        let mut tried: Vec<Tried> = Vec::new();
        for plan in plans {
            if !tried.iter().any(|t| t.plan == plan) {
                let Some(top1) = self.fit(&network, &plan)? else {
                    tried.clear();
                    break;
                };
                tried.push(Tried { plan, top1 });
            }
        }
        let reasons = list(&advice["advice"]["reasons"]);
        let strategy = reasons.iter().find(|r| word(&r["choice"]).starts_with("strategy"));
        let images = advice["of"].as_u64().unwrap_or_default();
        Ok(Seed {
            task: name.rsplit_once("-s").map_or(name, |(task, _)| task).to_owned(),
            images,
            classes: advice["classes"].as_u64().unwrap_or_default(),
            rule: strategy.map_or_else(String::new, |r| word(&r["rule"])),
            network,
            default: self.fit(DEFAULT, "")?.unwrap_or(f64::NAN),
            ranking,
            tried,
        })
    }

    /// Test accuracy of a plan, 0 to 1, from its file or by running it; none where it has no file and nothing is to
    /// be run.
    fn fit(&self, network: &str, plan: &str) -> Result<Option<f64>, Error> {
        let words: Vec<&str> =
            ["--network", network].into_iter().chain(plan.split_whitespace()).collect();
        let name = words.join("_").replace(['/', '*'], "_");
        let kept = self.outcomes.join(format!("{name}.json"));
        if let Ok(text) = fs::read_to_string(&kept) {
            return top1(&parse(&text, "an outcome that was kept")?).map(Some);
        }
        if self.kept {
            return Ok(None);
        }
        let folder = self.outcomes.join("run");
        let what = format!("{} {}", self.table.display(), words.join(" "));
        let text = said(
            Command::new(self.regraft)
                .arg("fit")
                .arg(&self.table)
                .args(["--json", "--quiet", "--no-audit", "--out"])
                .arg(&folder)
                .args(&words),
            &what,
        )?;
        let test = parse(&text, &what)?["test"].clone();
        let outcome = json!({ "test": { "top1": test["top1"], "images": test["images"], "ece": test["ece"] } });
        let top1 = top1(&outcome)?;
        fs::remove_dir_all(&folder).map_err(Error::file("remove", &folder))?;
        write(&kept, &outcome.to_string())?;
        Ok(Some(top1))
    }
}

/// Writes a file whole: beside its place first.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    let beside = path.with_extension("part");
    let mut file = fs::File::create(&beside).map_err(Error::file("write", &beside))?;
    file.write_all(text.as_bytes()).map_err(Error::file("write", &beside))?;
    fs::rename(&beside, path).map_err(Error::file("write", path))
}

fn top1(outcome: &Value) -> Result<f64, Error> {
    outcome["test"]["top1"].as_f64().ok_or_else(|| Error::Json {
        what: "an outcome".to_owned(),
        wanted: "the number `test.top1`".to_owned(),
        given: outcome.to_string(),
    })
}

/// What a command of the advice has behind its network.
fn plan(line: &Value, network: &str) -> String {
    let line = line.as_str().unwrap_or_default();
    let after = line.split_once(&format!("--network {network}")).map_or("", |(_, rest)| rest);
    after.trim().to_owned()
}

/// Percent with one digit.
struct Percent(f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}", 100.0 * self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_what_stands_behind_the_network() {
        let line = json!("regraft fit a.csv --network net --strategy lp-ft --unfreeze all");
        assert_eq!(plan(&line, "net"), "--strategy lp-ft --unfreeze all");
        assert_eq!(plan(&json!("regraft fit a.csv --network net"), "net"), "");
    }
}
