//! The units of a network that prefer one class, over the pictures that excite them.

use std::path::{Path, PathBuf};

use regraft_data::{Dataset, Scratch as Pixels, Split, decode_file, preprocess, to_png};
use regraft_infer::{Engine, Scratch};
use regraft_look::{Patch, Upsample, selectivity, strongest, upsample};
use regraft_net::Network;
use regraft_report::LookRow;
use regraft_tensor::Tensor;

use super::asked::read_at;
use super::draw::{self, overlay, restored};
use super::survey::Survey;
use crate::{Error, LoadOptions, Observer};

/// Units shown.
const UNITS: usize = 4;
/// Pictures for each.
const PICTURES: usize = 5;
/// Pictures that units are judged by where classes are few, and those of each class at least.
const JUDGED: [usize; 2] = [96, 3];
/// Most classes that are looked at, spread over all.
const CLASSES: usize = 100;
/// A unit counts for a class from this part of the strongest mean that any unit has over the class: one that fires
/// once, and weakly, prefers whatever it fired for.
const LOUD: f64 = 0.25;
/// Side of a patch, in pixels.
const TILE: usize = 160;

/// A unit, the class that it prefers, and by how much: see [`selectivity`].
#[derive(Debug, Clone, Copy, PartialEq)]
struct Preference {
    unit: usize,
    class: usize,
    by: f64,
}

/// Units of `layer` that prefer one class most, and the patches of training pictures that excite them, under the
/// units' own maps; PNG files go to `keep`. Empty where fewer than two classes have pictures.
pub(super) fn selective(
    network: &Network,
    layer: &str,
    dataset: &Dataset,
    (load, observer): (&LoadOptions, &dyn Observer),
    keep: &mut dyn FnMut(String, Vec<u8>),
) -> Result<Vec<LookRow>, Error> {
    let read = read_at(network, layer)?;
    let labels = dataset.examples.iter().map(|e| (e.split == Split::Train).then_some(e.label));
    let rows = judged(labels, dataset.classes.len());
    let files: Vec<PathBuf> = rows.iter().map(|i| dataset.examples[*i].path.clone()).collect();
    // What lies above does not shape what is kept: another head finds it again.
    // Peaks are read before a ReLU, which may cap them; what a unit prefers is what it lets through.
    let taps = if read == layer { vec![layer] } else { vec![read.as_str(), layer] };
    let both = network.cut(layer)?;
    let survey = Survey::of(&both, &taps, (Path::new(""), files), load, observer)?;
    let (mut means, mut peaks, mut places) = (Vec::new(), Vec::new(), Vec::new());
    survey.each(|layers| {
        means.push(layers[taps.len() - 1].iter().map(|c| c.mean).collect::<Vec<f32>>());
        peaks.push(layers[0].iter().map(|c| c.max).collect::<Vec<f32>>());
        places.push(layers[0].iter().map(|c| c.at).collect::<Vec<usize>>());
    })?;
    let examples: Vec<usize> = survey.read.iter().map(|i| rows[*i]).collect();
    let classes: Vec<usize> = examples.iter().map(|i| dataset.examples[*i].label).collect();
    let chosen = preferences(&means, &classes, dataset.classes.len());
    let mut maps = Maps::new(&both, layer)?;
    let field = network.cut(&read)?.facts()?.output().field;
    let p = network.card().preprocess;
    let mut shown = Vec::new();
    for Preference { unit, class, by } in chosen {
        let of_unit: Vec<f32> = peaks.iter().map(|row| row[unit]).collect();
        let mut row = LookRow {
            title: format!("unit {unit}"),
            said: format!(
                "prefers `{}`: selectivity {by:.2} over {} training images (0 is none, 1 for that class alone)",
                dataset.classes[class],
                classes.len()
            ),
            ..LookRow::default()
        };
        for at in strongest(&of_unit, PICTURES) {
            let example = &dataset.examples[examples[at]];
            let (input, map) = maps.of(&example.path, unit)?;
            let map = upsample(&map, p.crop, Upsample::Bilinear)?;
            let drawn = overlay(&restored(&input, &p), map.data(), false);
            let [_, width] = maps.size;
            let place = [places[at][unit] / width.max(1), places[at][unit] % width.max(1)];
            let patch = Patch::of(field, place, p.crop);
            let name = format!("unit {unit} {}", example.name);
            keep(name.clone(), to_png(&draw::patch(&drawn, &patch, TILE)?)?);
            let class = &dataset.classes[example.label];
            row.pictures.push((name, format!("{:.2} in a `{class}`", of_unit[at])));
        }
        shown.push(row);
    }
    Ok(shown)
}

/// Places of the pictures that units are judged by, of those with a label: as many of each class, spread over it.
fn judged(labels: impl Iterator<Item = Option<usize>>, count: usize) -> Vec<usize> {
    let classes = count.min(CLASSES);
    let each = (JUDGED[0] / classes.max(1)).max(JUDGED[1]);
    let mut members = vec![Vec::new(); count];
    for (i, label) in labels.enumerate() {
        if let Some(label) = label {
            members[label].push(i);
        }
    }
    let some = |class: usize| {
        let all = &members[class * count / classes];
        let wanted = each.min(all.len());
        (0..wanted).map(|k| all[k * all.len() / wanted]).collect::<Vec<usize>>()
    };
    (0..classes).flat_map(some).collect()
}

/// The units that prefer a class most, the most selective first, as many of each class as there is room for. `means`
/// is `[N, C]`: the mean of each unit over each picture.
fn preferences(means: &[Vec<f32>], classes: &[usize], count: usize) -> Vec<Preference> {
    let units = means.first().map_or(0, Vec::len);
    let mut all = Vec::new();
    let mut loudest = vec![0.0f64; count];
    for unit in 0..units {
        let of_unit: Vec<f32> = means.iter().map(|row| row[unit]).collect();
        let Some((class, by)) = selectivity(&of_unit, classes, count) else { continue };
        let own = of_unit.iter().zip(classes).filter(|(_, c)| **c == class);
        let (sum, n) = own.fold((0.0, 0.0), |(s, n), (v, _)| (s + f64::from(v.max(0.0)), n + 1.0));
        let mean: f64 = sum / n;
        loudest[class] = loudest[class].max(mean);
        all.push((Preference { unit, class, by }, mean));
    }
    all.retain(|(p, mean)| *mean >= LOUD * loudest[p.class]);
    all.sort_by(|(a, _), (b, _)| b.by.total_cmp(&a.by).then(a.unit.cmp(&b.unit)));
    let room = UNITS.div_ceil(count.max(1));
    let mut taken = vec![0; count];
    all.retain(|(p, _)| {
        taken[p.class] += 1;
        taken[p.class] <= room
    });
    all.into_iter().map(|(p, _)| p).take(UNITS).collect()
}

/// Maps of single units.
struct Maps {
    engine: Engine,
    scratch: Scratch,
    pixels: Pixels,
    preprocess: regraft_net::card::Preprocess,
    /// Height and width of a map.
    size: [usize; 2],
}

impl Maps {
    fn new(network: &Network, layer: &str) -> Result<Self, Error> {
        let engine = Engine::compile(network, &[layer])?;
        let size = match *network.facts()?.output().shape.dims() {
            [_, height, width] => [height, width],
            _ => [1, 1],
        };
        let (scratch, preprocess) = (engine.scratch(), network.card().preprocess);
        Ok(Self { engine, scratch, pixels: Pixels::default(), preprocess, size })
    }

    /// The input `[3, H, W]` made of a picture, and the unit's map `[h, w]`.
    fn of(&mut self, path: &Path, unit: usize) -> Result<(Vec<f32>, Tensor), Error> {
        let p = &self.preprocess;
        let mut input = vec![0.0; 3 * p.crop[0] * p.crop[1]];
        preprocess(&decode_file(path)?, p, &mut self.pixels, &mut input)?;
        let mut all = vec![0.0; self.engine.results_len()];
        self.engine.run(&input, &mut self.scratch, &mut all);
        let length = self.size[0] * self.size[1];
        Ok((input, Tensor::new(self.size, all[unit * length..][..length].to_vec())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_selective_of_each_class_come_first_and_faint_ones_not_at_all() {
        // Unit 0 answers to all alike, 1 to class 0 alone, 2 mostly to class 1, 3 to class 1 alone but faintly.
        let means = [vec![2.0, 4.0, 0.5, 0.0], vec![2.0, 2.0, 0.5, 0.0], vec![2.0, 0.0, 3.5, 0.1]];
        let found = preferences(&means, &[0, 0, 1], 2);
        let short: Vec<(usize, usize)> = found.iter().map(|p| (p.unit, p.class)).collect();
        assert_eq!(short, [(1, 0), (2, 1), (0, 0)]);
        assert_eq!((found[0].by, found[1].by), (1.0, 0.75));
    }

    #[test]
    fn pictures_are_spread_over_classes_and_within_each() {
        let two = (0..200).map(|i| (i < 150).then_some(i / 100));
        let rows = judged(two, 2);
        assert_eq!((rows.len(), rows[1], rows[48]), (96, 2, 100));
        assert_eq!(rows[95], 148, "all 50 of the second class but two");
        let many = judged((0..4000).map(|i| Some(i / 4)), 1000);
        assert_eq!((many.len(), many[0], many[3]), (300, 0, 40), "every tenth class");
        assert!(judged(std::iter::empty(), 0).is_empty());
    }

    #[test]
    fn of_one_class_nothing_is_preferred() {
        assert!(preferences(&[vec![1.0, 2.0]], &[0], 1).is_empty());
        assert!(preferences(&[], &[], 0).is_empty());
    }
}
