//! Figures that colour a graph.

use regraft_net::Graph;
use regraft_net::groups::{Groups, Item};

/// Shades, from least to greatest.
pub(super) const SHADES: usize = 9;

/// How a figure becomes a shade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// In even steps.
    Linear,
    /// In even factors; what is not above zero has no shade.
    Log,
    /// Three kinds, 0, 1 and 2, by their words. A group whose layers are not all of one kind is of the middle one.
    Kinds([&'static str; 3]),
}

/// What a group has of the figure of its layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gather {
    /// Their sum.
    Sum,
    /// The greatest.
    Max,
    /// Their mean.
    Mean,
}

/// A number for each layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// A word for it, as `--color` takes it.
    pub key: String,
    /// What it is.
    pub title: String,
    /// Its unit; empty for a plain number.
    pub unit: String,
    /// How it becomes a shade.
    pub scale: Scale,
    /// What a group has of it.
    pub gather: Gather,
    /// Of each layer, in the graph's order; none where the layer has none.
    pub values: Vec<Option<f64>>,
}

impl Figure {
    /// The figure of each group, in the order of [`Groups::all`].
    pub(super) fn of_groups(&self, groups: &Groups) -> Vec<Option<f64>> {
        // Of each group the values of all its layers would be many; a sum, a count and the ends do.
        let mut sums: Vec<Gathered> = vec![Gathered::default(); groups.all().len()];
        for (g, group) in groups.all().iter().enumerate().rev() {
            for item in &group.items {
                let of = match item {
                    Item::Layer(id) => Gathered::of(self.values.get(id.index()).copied().flatten()),
                    Item::Group(inner) => sums[*inner],
                };
                sums[g] = sums[g].with(of);
            }
        }
        sums.into_iter().map(|sum| sum.as_figure(self.scale, self.gather)).collect()
    }
}

#[derive(Clone, Copy)]
struct Gathered {
    total: f64,
    count: usize,
    least: f64,
    most: f64,
}

impl Default for Gathered {
    fn default() -> Self {
        Self { total: 0.0, count: 0, least: f64::INFINITY, most: f64::NEG_INFINITY }
    }
}

impl Gathered {
    fn of(value: Option<f64>) -> Self {
        match value.filter(|v| v.is_finite()) {
            Some(v) => Self { total: v, count: 1, least: v, most: v },
            None => Self::default(),
        }
    }

    fn with(self, other: Self) -> Self {
        Self {
            total: self.total + other.total,
            count: self.count + other.count,
            least: self.least.min(other.least),
            most: self.most.max(other.most),
        }
    }

    fn as_figure(self, scale: Scale, gather: Gather) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        Some(match (scale, gather) {
            (Scale::Kinds(_), _) if self.least < self.most => 1.0,
            (Scale::Kinds(_), _) | (_, Gather::Max) => self.most,
            (_, Gather::Sum) => self.total,
            (_, Gather::Mean) => self.total / self.count as f64,
        })
    }
}

/// A figure of one graph, ready to be drawn.
#[derive(Debug, Clone)]
pub(super) struct Shaded {
    pub(super) layers: Vec<Option<f64>>,
    pub(super) groups: Vec<Option<f64>>,
    scale: Scale,
    /// Least and greatest value.
    pub(super) range: Option<[f64; 2]>,
}

impl Shaded {
    pub(super) fn new(figure: &Figure, graph: &Graph, groups: &Groups) -> Self {
        let finite = |v: &Option<f64>| v.filter(|v| v.is_finite());
        let mut layers: Vec<Option<f64>> = figure.values.iter().map(finite).collect();
        layers.resize(graph.len(), None);
        let mut shaded =
            Self { layers, groups: figure.of_groups(groups), scale: figure.scale, range: None };
        // The whole is never drawn as a box.
        if let Some(whole) = shaded.groups.first_mut() {
            *whole = None;
        }
        let counts = |v: &f64| figure.scale != Scale::Log || *v > 0.0;
        let values = shaded.layers.iter().chain(&shaded.groups).flatten().copied().filter(counts);
        shaded.range = joined(values.map(|v| [v, v]));
        shaded
    }

    /// The class of a shade: `s0` to `s8`, `k0` to `k2` for kinds, none without a value.
    pub(super) fn class(&self, value: Option<f64>, range: Option<[f64; 2]>) -> Option<String> {
        let value = value?;
        if let Scale::Kinds(_) = self.scale {
            return Some(format!("k{}", value.clamp(0.0, 2.0) as usize));
        }
        let [low, high] = range?;
        let (value, low, high) = match self.scale {
            Scale::Log if value <= 0.0 => return None,
            Scale::Log => (value.ln(), low.ln(), high.ln()),
            Scale::Linear | Scale::Kinds(_) => (value, low, high),
        };
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        Some(format!("s{}", (share * SHADES as f64).clamp(0.0, SHADES as f64 - 1.0) as usize))
    }
}

/// The least and the greatest of some ranges.
pub(super) fn joined(ranges: impl Iterator<Item = [f64; 2]>) -> Option<[f64; 2]> {
    ranges.reduce(|[l, h], [a, b]| [l.min(a), h.max(b)])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

    use regraft_net::notation;

    use super::*;

    #[test]
    fn groups_have_sums_means_ends_or_the_middle_kind() {
        let text = "x = input 1x1x1\na.b = relu x\na.c = relu a.b\nd = relu a.c\n-> d";
        let graph = notation::parse(text).unwrap();
        let groups = Groups::new(&graph, &[]);
        let values = vec![None, Some(1.0), Some(3.0), Some(f64::NAN)];
        let of = |scale, gather| {
            let (key, title, unit) = ("k".to_owned(), String::new(), String::new());
            let figure = Figure { key, title, unit, scale, gather, values: values.clone() };
            Shaded::new(&figure, &graph, &groups)
        };
        assert_eq!(of(Scale::Linear, Gather::Sum).groups, [None, Some(4.0)]);
        assert_eq!(of(Scale::Linear, Gather::Mean).groups, [None, Some(2.0)]);
        assert_eq!(of(Scale::Log, Gather::Max).groups, [None, Some(3.0)]);
        assert_eq!(of(Scale::Kinds(["", "", ""]), Gather::Max).groups, [None, Some(1.0)]);
        let log = of(Scale::Log, Gather::Sum);
        assert_eq!((log.range, log.layers[3]), (Some([1.0, 4.0]), None));
        let shades = [Some(1.0), Some(2.0), Some(4.0), Some(0.0), None];
        let shades = shades.map(|v| log.class(v, log.range));
        assert_eq!(shades.map(Option::unwrap_or_default), ["s0", "s4", "s8", "", ""]);
    }
}
