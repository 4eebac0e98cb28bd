//! What the files say about the use of a network: preparation of pictures, scores, cut, labels.

use std::path::Path;

use regraft_net::card::{Channels, Interpolation, Preprocess, Resize};
use regraft_net::facts::facts;
use regraft_net::{Card, Graph, LayerId, Op, surgery};

use super::net::{Net, Part};
use crate::FormatError;

/// Means of the pictures of ImageNet, blue first: what networks without other word subtract.
const IMAGENET: [f32; 3] = [104.0, 117.0, 123.0];
/// The side that pictures were warped to before they were cut.
const WARPED: usize = 256;
/// A picture cut to less than this share of [`WARPED`] was not warped to it.
const LEAST_CUT: usize = 192;

/// The card of a network; `folder` is where its files are.
pub(super) fn card(
    net: &Net<'_>,
    graph: &Graph,
    stem: &str,
    folder: Option<&Path>,
    notes: &mut Vec<String>,
) -> Result<Card, FormatError> {
    let mut card = Card::blank(if net.name.is_empty() { stem } else { &net.name });
    "caffe".clone_into(&mut card.framework);
    card.preprocess = preprocess(net, graph, folder, notes)?;
    let output = graph.output()?;
    let logits = above(graph, output, |op| !matches!(op, Op::Softmax | Op::Dropout { .. }));
    card.logits = Some(graph.layer(logits).name.clone());
    card.cut = cut(graph, logits).map(|id| graph.layer(id).name.clone());
    card.blocks = blocks(graph)?;
    let classes = facts(graph)?.layer(logits).shape.first().copied().unwrap_or_default();
    if let Some(folder) = folder {
        card.labels = labels(folder, classes, notes);
    }
    Ok(card)
}

/// The first layer from `id` on towards the input for which `stop` holds.
fn above(graph: &Graph, mut id: LayerId, stop: impl Fn(&Op) -> bool) -> LayerId {
    while !stop(&graph.layer(id).op) {
        let [input] = graph.layer(id).inputs[..] else { break };
        id = input;
    }
    id
}

/// The layer whose value the classifier reads: below the last matrix or convolution, without what
/// changes nothing while it is tested.
fn cut(graph: &Graph, logits: LayerId) -> Option<LayerId> {
    let classifier = above(graph, logits, |op| matches!(op, Op::Linear { .. } | Op::Conv2d(_)));
    let classifier = graph.layer(classifier);
    if !matches!(classifier.op, Op::Linear { .. } | Op::Conv2d(_)) {
        return None;
    }
    let below = above(graph, *classifier.inputs.first()?, |op| {
        !matches!(op, Op::Dropout { .. } | Op::Identity | Op::Flatten)
    });
    let not_input = !matches!(graph.layer(below).op, Op::Input { .. });
    not_input.then_some(below)
}

/// Where the network can be split before its maps become smaller, or a vector goes into a matrix.
fn blocks(graph: &Graph) -> Result<Vec<String>, FormatError> {
    let facts = facts(graph)?;
    let mut points = Vec::new();
    for name in surgery::split_points(graph) {
        points.push(graph.find(name)?);
    }
    let extent = |id: LayerId| facts.layer(id).shape.get(1..).unwrap_or_default().to_vec();
    let mut blocks = Vec::new();
    for pair in points.windows(2) {
        let (here, next) = (graph.layer(pair[0]), graph.layer(pair[1]));
        let shrinks = extent(pair[0]) != extent(pair[1]);
        let read = extent(pair[0]).is_empty()
            && matches!(next.op, Op::Linear { .. })
            && here.op != Op::Flatten;
        if (shrinks || read) && !matches!(here.op, Op::Input { .. }) {
            blocks.push(here.name.clone());
        }
    }
    blocks.extend(points.last().map(|id| graph.layer(*id).name.clone()));
    Ok(blocks)
}

/// Pictures as the file's `transform_param` has them; as Caffe's ImageNet networks want them where it
/// has none: warped to 256 x 256, cut in the middle, blue first, 0 to 255 minus (104, 117, 123).
fn preprocess(
    net: &Net<'_>,
    graph: &Graph,
    folder: Option<&Path>,
    notes: &mut Vec<String>,
) -> Result<Preprocess, FormatError> {
    let input = graph.input()?;
    let crop = match facts(graph)?.layer(input).shape.dims() {
        &[_, h, w] => [h, w],
        _ => [1, 1],
    };
    let warped = crop.iter().all(|n| (LEAST_CUT..=WARPED).contains(n));
    let resize = if warped { [WARPED, WARPED] } else { crop };
    let mut prepared = Preprocess {
        resize: Resize::Exact(resize),
        interpolation: Interpolation::Bilinear,
        crop,
        channels: Channels::Bgr,
        scale: 1.0,
        mean: IMAGENET,
        std: [1.0; 3],
    };
    let said = said(net)?;
    let mut mean = said.mean;
    if let (Some(file), Some(folder)) = (&said.mean_file, folder) {
        // Only the name counts: the folder is that of another machine.
        let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
        mean = of_file(&folder.join(name), notes).or(mean);
    }
    if mean.is_none() && !(said.any && said.mean_file.is_none()) {
        mean = folder.and_then(super::siblings::mean).and_then(|path| of_file(&path, notes));
        if mean.is_none() {
            notes.push(
                "the files do not say which mean is subtracted from pictures; (104, 117, 123), blue \
                 first, is taken"
                    .to_owned(),
            );
            mean = Some(IMAGENET);
        }
    }
    // Caffe multiplies after the subtraction, the card before it.
    prepared.scale = said.scale;
    prepared.mean = mean.unwrap_or([0.0; 3]).map(|m| m * said.scale);
    Ok(prepared)
}

/// What the data layers say of the preparation.
struct Said {
    any: bool,
    scale: f32,
    mean: Option<[f32; 3]>,
    mean_file: Option<String>,
}

fn said(net: &Net<'_>) -> Result<Said, FormatError> {
    let mut said = Said { any: false, scale: 1.0, mean: None, mean_file: None };
    let tested = net.layers.iter().filter(|d| d.part() == Part::Source);
    for def in tested.chain(&net.train_sources) {
        for key in ["transform_param", "data_param", "image_data_param", "window_data_param"] {
            let p = def.param(key)?;
            let values = p.floats("mean_value")?;
            let (scale, file) = (p.float("scale")?, p.text("mean_file")?);
            if said.any || (scale.is_none() && file.is_none() && values.is_empty()) {
                said.any |= key == "transform_param" && def.body.has(key)?;
                continue;
            }
            said.any = true;
            said.scale = scale.unwrap_or(1.0);
            said.mean_file = file.map(std::borrow::Cow::into_owned);
            said.mean = match values[..] {
                [m] => Some([m; 3]),
                [b, g, r, ..] => Some([b, g, r]),
                _ => None,
            };
        }
    }
    Ok(said)
}

/// The means of the channels of a mean picture.
fn of_file(path: &Path, notes: &mut Vec<String>) -> Option<[f32; 3]> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mean = match super::mean(path) {
        Ok(mean) => mean,
        Err(fault) => {
            notes.push(format!("the mean picture {name} is not used: {fault}"));
            return None;
        }
    };
    let &[c, h, w] = mean.shape().dims() else { return None };
    if c != 3 && c != 1 {
        notes.push(format!("the mean picture {name} has {c} channels and is not used"));
        return None;
    }
    let pixels = h * w;
    let means: Vec<f32> = mean
        .data()
        .chunks(pixels)
        .map(|all| (all.iter().map(|v| f64::from(*v)).sum::<f64>() / pixels as f64) as f32)
        .collect();
    notes.push(format!(
        "of the mean picture {name} ({h} x {w}) the means of its channels are subtracted"
    ));
    match means[..] {
        [m] => Some([m; 3]),
        [b, g, r] => Some([b, g, r]),
        _ => None,
    }
}

/// Class names from a file beside the network, one a line; `n01440764 tench` loses its number.
fn labels(folder: &Path, classes: usize, notes: &mut Vec<String>) -> Vec<String> {
    for name in ["labels.txt", "synset_words.txt"] {
        let Ok(bytes) = crate::read_file(&folder.join(name)) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        if lines.len() == classes {
            return lines.into_iter().map(plain).collect();
        }
        notes.push(format!(
            "{name} has {} lines for {classes} classes and is not used",
            lines.len()
        ));
    }
    Vec::new()
}

/// A label without the number of a `WordNet` synset before it.
fn plain(line: &str) -> String {
    let number = |word: &str| {
        word.len() == 9 && word.starts_with('n') && word[1..].bytes().all(|b| b.is_ascii_digit())
    };
    match line.split_once(' ') {
        Some((first, rest)) if number(first) => rest.trim().to_owned(),
        _ => line.to_owned(),
    }
}
