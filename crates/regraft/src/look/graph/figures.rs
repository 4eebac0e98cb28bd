//! What a graph can be coloured by.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use regraft_look::Counterpart;
use regraft_net::{LayerId, NetError};
use regraft_report::{Figure, Gather, Scale};

use super::Known;
use crate::Error;

/// Longest file of figures, in bytes.
const LIMIT: u64 = 64 << 20;

const TRAINED: [&str; 3] = ["frozen", "partly trained", "trained"];
const DIFFERS: [&str; 3] = ["the same", "changed", "only here"];

/// The figures that are known of each network, the same for all.
pub(super) fn of(
    sides: &[Known],
    matched: Option<&[Vec<Counterpart>; 2]>,
    drift: &[Vec<Option<f64>>],
) -> Vec<Vec<Figure>> {
    let mut all: Vec<Vec<Figure>> = sides.iter().map(of_every).collect();
    if let Some(matched) = matched {
        for (side, of) in all.iter_mut().zip(matched) {
            let value = |c: &Counterpart| match (c.other, c.changes.is_empty()) {
                (None, _) => 2.0,
                (Some(_), false) => 1.0,
                (Some(_), true) => 0.0,
            };
            let values = of.iter().map(|c| Some(value(c))).collect();
            side.push(figure(
                ("differs", "what differs", ""),
                Scale::Kinds(DIFFERS),
                Gather::Max,
                values,
            ));
        }
    }
    if sides.iter().any(|known| known.run.is_some()) {
        for (side, known) in all.iter_mut().zip(sides) {
            side.extend(of_run(known));
        }
    }
    if drift.iter().any(|values| values.iter().any(Option::is_some)) {
        for (side, values) in all.iter_mut().zip(drift) {
            let title = "relative change of weights";
            side.push(figure(("drift", title, ""), Scale::Log, Gather::Max, values.clone()));
        }
    }
    // What no layer of any network has colours nothing.
    let count = all.iter().map(Vec::len).min().unwrap_or(0);
    let has = |at: usize| all.iter().any(|side| side[at].values.iter().any(Option::is_some));
    let kept: Vec<bool> = (0..count).map(has).collect();
    for side in &mut all {
        let mut kept = kept.iter();
        side.retain(|_| kept.next() == Some(&true));
    }
    all
}

fn figure(
    (key, title, unit): (&str, &str, &str),
    scale: Scale,
    gather: Gather,
    values: Vec<Option<f64>>,
) -> Figure {
    let [key, title, unit] = [key, title, unit].map(str::to_owned);
    Figure { key, title, unit, scale, gather, values }
}

/// Of any network.
fn of_every(known: &Known) -> Vec<Figure> {
    let values = |value: &dyn Fn(LayerId) -> Option<f64>| -> Vec<Option<f64>> {
        known.graph.layers().map(|(id, _)| value(id)).collect()
    };
    let facts = |id: LayerId| known.facts.layer(id);
    let some = |n: u64| (n > 0).then_some(n as f64);
    vec![
        figure(
            ("params", "parameters", ""),
            Scale::Log,
            Gather::Sum,
            values(&|id| some(facts(id).param_count())),
        ),
        figure(
            ("macs", "multiply-adds", ""),
            Scale::Log,
            Gather::Sum,
            values(&|id| some(facts(id).macs)),
        ),
        figure(
            ("bytes", "bytes of outputs in f32", "B"),
            Scale::Log,
            Gather::Sum,
            values(&|id| some(facts(id).bytes())),
        ),
        figure(
            ("field", "receptive field", "pixels"),
            Scale::Log,
            Gather::Max,
            values(&|id| facts(id).field.map(|f| f.size[0].max(f.size[1]) as f64)),
        ),
    ]
}

/// Of a run; without values for any other network.
fn of_run(known: &Known) -> Vec<Figure> {
    let run = known.run.as_ref();
    let learns = known.graph.layers().map(|(id, _)| {
        let has = known.facts.layer(id).params.iter().any(|p| p.role.learned());
        let learns = run?.learns.get(id.index())?;
        has.then_some(if *learns { 2.0 } else { 0.0 })
    });
    let learns = learns.collect();
    let rates = run.map(|run| run.rates.clone()).unwrap_or_default();
    vec![
        figure(("frozen", "what was trained", ""), Scale::Kinds(TRAINED), Gather::Max, learns),
        figure(("rate", "learning rate", ""), Scale::Log, Gather::Max, rates),
    ]
}

/// Adds the figures of a file to those of each network that has one of its layers.
pub(super) fn read(path: &Path, sides: &[Known], all: &mut [Vec<Figure>]) -> Result<(), Error> {
    let wrong = |problem: String| Error::Figures { path: path.to_owned(), problem };
    let unread = |source| Error::File { what: "read", path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(unread)?.take(LIMIT + 1).read_to_end(&mut bytes).map_err(unread)?;
    if bytes.len() as u64 > LIMIT {
        return Err(wrong(format!("more than {} MB", LIMIT >> 20)));
    }
    let given: BTreeMap<String, Option<f64>> =
        serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
    if given.values().all(Option::is_none) {
        return Err(wrong("no layer has a number".to_owned()));
    }
    let Some(first) = sides.first() else { return Ok(()) };
    for name in given.keys() {
        if !sides.iter().any(|known| known.graph.find(name).is_ok()) {
            // The error has the nearest names.
            let near = match first.graph.find(name) {
                Err(NetError::NoLayer { near, .. }) => near,
                Err(_) | Ok(_) => Vec::new(),
            };
            let near = near.first().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            return Err(wrong(format!("no layer `{name}` in `{}`{near}", first.network)));
        }
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut key = stem.clone();
    while all.iter().flatten().any(|f| f.key == key) {
        key.push('\'');
    }
    for (figures, known) in all.iter_mut().zip(sides) {
        let values = known.graph.layers().map(|(_, l)| given.get(&l.name).copied().flatten());
        let values = values.collect();
        figures.push(figure((&key, &stem, ""), Scale::Linear, Gather::Mean, values));
    }
    Ok(())
}
