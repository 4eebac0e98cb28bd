//! Which networks, in which order.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use regraft_net::nearest;
use regraft_zoo::{Entry, LicenceClass, OwnZoo, catalogue};

use super::search::{Index, plain, score};
use super::{ZooRow, row};
use crate::{Error, LoadOptions};

/// What a list is sorted by; the best, smallest or first comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    /// Published top-1, the highest first.
    Accuracy,
    /// Learned parameters.
    Params,
    /// Multiply-adds.
    Cost,
    /// Size of the weights file.
    Size,
    /// Name.
    Name,
}

/// Which networks are wanted. Words are compared without regard to case and punctuation.
#[derive(Debug, Clone, Default)]
pub struct ZooFilter {
    /// Framework they were trained in.
    pub framework: Option<String>,
    /// Who has them.
    pub zoo: Option<String>,
    /// What they were trained to do.
    pub task: Option<String>,
    /// A part of their data set's name.
    pub dataset: Option<String>,
    /// Kind of architecture.
    pub family: Option<String>,
    /// `permissive`, `non-commercial` or `unknown`, or an SPDX identifier.
    pub licence: Option<String>,
    /// Most learned parameters.
    pub max_parameters: Option<u64>,
    /// Most multiply-adds for an image.
    pub max_macs: Option<u64>,
    /// Largest weights file in bytes.
    pub max_bytes: Option<u64>,
    /// Least published top-1 in percent.
    pub min_top1: Option<f64>,
    /// Only those whose weights are here or can be fetched without a person.
    pub available: bool,
    /// Words that all must be found in what is known of them.
    pub words: Vec<String>,
    /// The order; without one, what fits the words best comes first, or else names decide.
    pub sort: Option<SortBy>,
    /// The other way round.
    pub reverse: bool,
}

/// The networks that were asked for.
#[derive(Debug, Clone)]
pub struct ZooListing {
    /// One for each network.
    pub rows: Vec<ZooRow>,
    /// How many there are in all.
    pub all: usize,
    /// What is wrong with networks of the user's own that cannot be listed.
    pub problems: Vec<String>,
    /// Words near those of a search that found nothing.
    pub near: Vec<String>,
}

/// The networks of the catalogue and the user's own that fit.
///
/// # Errors
/// When no network at all has a word that was asked for; near words and all of them are given.
pub fn zoo_list(filter: &ZooFilter, options: &LoadOptions) -> Result<ZooListing, Error> {
    let (own, bad) = OwnZoo::open(None).map(|o| o.entries()).unwrap_or_default();
    let entries: Vec<&Arc<Entry>> = catalogue().iter().chain(&own).collect();
    let cache = options.cache()?;
    let mut kept: Vec<&Arc<Entry>> = entries.clone();
    keep(&mut kept, &entries, "framework", filter.framework.as_ref(), |e| &e.framework)?;
    keep(&mut kept, &entries, "zoo", filter.zoo.as_ref(), |e| &e.zoo)?;
    keep(&mut kept, &entries, "task", filter.task.as_ref(), |e| &e.task)?;
    keep(&mut kept, &entries, "dataset", filter.dataset.as_ref(), |e| &e.dataset)?;
    keep(&mut kept, &entries, "family", filter.family.as_ref(), |e| &e.family)?;
    let class = |w: &String| LicenceClass::ALL.into_iter().find(|c| plain(c.name()) == plain(w));
    match filter.licence.as_ref().map(|w| (w, class(w))) {
        None => {}
        Some((_, Some(class))) => kept.retain(|e| e.licence_class() == class),
        Some((word, None)) => {
            keep(&mut kept, &entries, "licence", Some(word), |e| &e.licence)?;
        }
    }
    let index = (!filter.words.is_empty()).then(|| Index::new(&entries));
    let mut scored = Vec::new();
    for entry in kept {
        let (rank, found_in) = match &index {
            None => (0.0, Vec::new()),
            Some(_) => match score(entry, &filter.words) {
                Some(hit) => hit,
                None => continue,
            },
        };
        let row = ZooRow { found_in, ..row(entry, &cache) };
        if fits(&row, filter) {
            scored.push((rank, row));
        }
    }
    sort(&mut scored, filter);
    let near = match &index {
        Some(index) if scored.is_empty() => index.near(&filter.words),
        Some(_) | None => Vec::new(),
    };
    Ok(ZooListing {
        rows: scored.into_iter().map(|(_, row)| row).collect(),
        all: entries.len(),
        problems: bad.iter().map(ToString::to_string).collect(),
        near,
    })
}

/// Keeps those whose `value` is the word; of data sets and licences a part is enough.
fn keep(
    kept: &mut Vec<&Arc<Entry>>,
    all: &[&Arc<Entry>],
    what: &'static str,
    word: Option<&String>,
    value: impl Fn(&Entry) -> &String,
) -> Result<(), Error> {
    let Some(word) = word else { return Ok(()) };
    let wanted = plain(word);
    let part = matches!(what, "dataset" | "licence");
    let fits = |entry: &Entry| {
        let value = plain(value(entry));
        if part { value.contains(&wanted) } else { value == wanted }
    };
    if wanted.is_empty() || !all.iter().any(|e| fits(e)) {
        let known: BTreeSet<&str> = all.iter().map(|e| value(e).as_str()).collect();
        let mut near = nearest(word, known.iter().copied());
        if near.is_empty() {
            near = known
                .iter()
                .filter(|k| plain(k).contains(&wanted))
                .map(|k| (*k).to_owned())
                .collect();
        }
        let mut known: Vec<String> = known.into_iter().map(str::to_owned).collect();
        if what == "licence" {
            known.splice(0..0, LicenceClass::ALL.iter().map(|c| c.name().to_owned()));
        }
        return Err(Error::NoSuchValue { what, given: word.clone(), near, known });
    }
    kept.retain(|e| fits(e));
    Ok(())
}

/// What is not known does not fit a limit.
fn fits(row: &ZooRow, filter: &ZooFilter) -> bool {
    let most = |value: Option<u64>, limit: Option<u64>| {
        limit.is_none_or(|limit| value.is_some_and(|v| v <= limit))
    };
    most(row.parameters, filter.max_parameters)
        && most(row.macs, filter.max_macs)
        && most(row.bytes, filter.max_bytes)
        && filter.min_top1.is_none_or(|least| row.published_top1.is_some_and(|t| t >= least))
        && (!filter.available || row.weights != "by hand")
}

fn sort(rows: &mut [(f64, ZooRow)], filter: &ZooFilter) {
    // What is not known comes last, whichever way round.
    let known = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) if filter.reverse => b.total_cmp(&a),
        (Some(a), Some(b)) => a.total_cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    let number = |n: Option<u64>| n.map(|n| n as f64);
    rows.sort_by(|(score_a, a), (score_b, b)| {
        let names = natural(&a.name, &b.name);
        let names = if filter.reverse { names.reverse() } else { names };
        let order = match filter.sort {
            Some(SortBy::Accuracy) => {
                known(a.published_top1.map(|t| -t), b.published_top1.map(|t| -t))
            }
            Some(SortBy::Params) => known(number(a.parameters), number(b.parameters)),
            Some(SortBy::Cost) => known(number(a.macs), number(b.macs)),
            Some(SortBy::Size) => known(number(a.bytes), number(b.bytes)),
            Some(SortBy::Name) => Ordering::Equal,
            None => known(Some(-score_a), Some(-score_b)),
        };
        order.then(names)
    });
}

/// By letters without regard to case, and by numbers where both have digits: `resnet18` before
/// `resnet101`.
fn natural(a: &str, b: &str) -> Ordering {
    let key = |text: &str| {
        let mut parts: Vec<(String, u64)> = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let (word, after) = rest.split_at(digits);
            let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            let (number, after) = after.split_at(end);
            parts.push((word.to_lowercase(), number.parse().unwrap_or(0)));
            rest = after;
        }
        parts
    };
    key(a).cmp(&key(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = ["resnet101.a", "ResNet18.b", "resnet50.a", "vgg16", "resnet50.A", "v2"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["ResNet18.b", "resnet50.A", "resnet50.a", "resnet101.a", "v2", "vgg16"]);
    }
}
