//! Which units of which layers.

use std::collections::BTreeSet;

use regraft_look::LookError;
use regraft_net::{Network, nearest};

use super::{MaximiseBy, MaximiseOf, MaximiseOptions, SIDE};
use crate::Error;
use crate::look::asked::Asked;

/// Units that are taken of a layer given without one.
const SOME: usize = 8;
/// Letters of a class in the name of its file.
const LETTERS: usize = 40;

/// Pictures for units of one layer.
pub(super) struct Task {
    pub(super) layer: String,
    /// Up to the layer.
    pub(super) network: Network,
    pub(super) units: usize,
    pub(super) wanted: Vec<usize>,
    pub(super) side: usize,
    pub(super) of: MaximiseOf,
    /// Whether each unit sees the whole picture: the layer gives a vector.
    pub(super) whole: bool,
    /// Whether its units are classes.
    pub(super) class: bool,
    labels: Vec<String>,
}

impl Task {
    /// The name of a unit's class.
    pub(super) fn label(&self, unit: usize) -> Option<&str> {
        self.labels.get(unit).filter(|_| self.class).map(String::as_str)
    }

    /// A name that no file has, for one of `each` pictures of a unit.
    pub(super) fn file(
        &self,
        unit: usize,
        picture: usize,
        each: usize,
        names: &mut BTreeSet<String>,
    ) -> String {
        let plain = |text: &str| -> String {
            let keep = |c: char| if c.is_alphanumeric() || c == '.' || c == '_' { c } else { '-' };
            text.chars().map(keep).take(LETTERS).collect()
        };
        let mut name = match self.label(unit) {
            Some(label) => format!("class-{unit}-{}", plain(label)),
            None => format!("{}-{unit}", plain(&self.layer)),
        };
        if each > 1 {
            name = format!("{name}-{picture}");
        }
        let mut free = format!("{name}.png");
        let mut n = 2;
        while !names.insert(free.clone()) {
            free = format!("{name}_{n}.png");
            n += 1;
        }
        free
    }
}

/// What is asked for, checked.
pub(super) fn tasks(network: &Network, options: &MaximiseOptions) -> Result<Vec<Task>, Error> {
    if options.layers.is_empty() && options.classes.is_empty() {
        return Err(Error::Options {
            what: "nothing to make a picture for",
            why: "name a layer (`regraft show NETWORK` lists them), LAYER:UNIT, or a class with `--class`",
        });
    }
    let mut tasks: Vec<Task> = Vec::new();
    for asked in &options.layers {
        let Asked { layer, units } = Asked::parse(network, asked)?;
        let units = if units.is_empty() { &options.units } else { &units };
        let mut task = task(network, &layer, options, units)?;
        match tasks.iter_mut().find(|known| known.layer == task.layer) {
            Some(known) => known.wanted.append(&mut task.wanted),
            None => tasks.push(task),
        }
    }
    if !options.classes.is_empty() {
        let card = network.card();
        let missing = || Error::NoLogits { name: card.name.clone() };
        let logits = card.logits.clone().ok_or_else(missing)?;
        let count = network.facts()?.layer(network.graph().find(&logits)?).shape.count();
        let places: Result<Vec<usize>, Error> = options
            .classes
            .iter()
            .map(|class| place(class, &card.labels, count, options))
            .collect();
        let mut own = task(network, &logits, options, &places?)?;
        own.class = true;
        tasks.push(own);
    }
    Ok(tasks)
}

fn task(
    network: &Network,
    layer: &str,
    options: &MaximiseOptions,
    units: &[usize],
) -> Result<Task, Error> {
    let below = network.cut(layer)?;
    let shape = below.facts()?.output().shape.clone();
    let count = match shape.dims() {
        [count] | [count, _, _] => *count,
        _ => return Err(LookError::NoMap { layer: layer.to_owned(), shape }.into()),
    };
    if let Some(given) = units.iter().copied().find(|unit| *unit >= count) {
        return Err(LookError::Unit { layer: layer.to_owned(), units: count, given }.into());
    }
    let wanted = if units.is_empty() {
        let some = SOME.min(count);
        (0..some).map(|i| i * count / some).collect()
    } else {
        units.to_vec()
    };
    let usual = match options.by {
        MaximiseBy::Fourier => MaximiseOf::Channel,
        MaximiseBy::Pixels(_) => MaximiseOf::Neuron,
    };
    let input = network.facts()?.layer(network.graph().input()?).shape.clone();
    let own = input.dims().iter().skip(1).copied().min().unwrap_or(SIDE);
    let side = options.side.unwrap_or(if shape.len() == 1 { own } else { SIDE });
    Ok(Task {
        layer: layer.to_owned(),
        network: below,
        units: count,
        wanted,
        side,
        whole: shape.len() == 1,
        of: options.of.unwrap_or(usual),
        class: network.card().logits.as_deref() == Some(layer),
        labels: network.card().labels.clone(),
    })
}

/// The place of a class given by name or place.
fn place(
    class: &str,
    labels: &[String],
    count: usize,
    options: &MaximiseOptions,
) -> Result<usize, Error> {
    let named = labels.iter().position(|label| label == class);
    named.or_else(|| class.parse().ok().filter(|i| *i < count)).ok_or_else(|| Error::NoSuchClass {
        class: class.to_owned(),
        data: options.network.clone().into(),
        classes: count,
        near: nearest(class, labels.iter().map(String::as_str)),
    })
}
