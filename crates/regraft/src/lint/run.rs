//! Every layer's values on some pictures.

use std::path::PathBuf;

use rayon::prelude::*;
use regraft_data::{Picture, Scratch as Pixels, crop_resized, decode, preprocess, read_file};
use regraft_infer::Engine;
use regraft_net::card::{Preprocess, Resize};
use regraft_net::lint::Activity;
use regraft_net::{Card, LayerId, Network, Op};
use regraft_tensor::Shape;
use regraft_train::TrainError;

use super::tell;
use crate::{Error, Observer};

/// Bytes of layers' values that are held at once; larger networks run several times.
const AT_ONCE: u64 = 128 << 20;

/// The pictures of files that can be read, resized and cropped by the card, and those files.
pub(super) fn pictures(
    card: &Card,
    files: &[PathBuf],
    observer: &dyn Observer,
    unreadable: &mut Vec<String>,
) -> Result<(Vec<Picture>, Vec<PathBuf>), Error> {
    let one = |file: &PathBuf| -> Result<Picture, String> {
        let bytes = read_file(file).map_err(|e| e.to_string())?;
        let picture = decode(&bytes).map_err(|e| format!("{}: {e}", file.display()))?;
        crop_resized(&picture, &card.preprocess).map_err(|e| format!("{}: {e}", file.display()))
    };
    let read: Vec<Result<Picture, String>> = files.par_iter().map(one).collect();
    tell(observer, 0, files.len())?;
    let (mut pictures, mut kept) = (Vec::new(), Vec::new());
    for (file, picture) in files.iter().zip(read) {
        match picture {
            Ok(picture) => {
                pictures.push(picture);
                kept.push(file.clone());
            }
            Err(why) => unreadable.push(why),
        }
    }
    if pictures.is_empty() {
        let reason = unreadable.first().cloned().unwrap_or_default();
        return Err(Error::NoImages { images: files.len(), file: files[0].clone(), reason });
    }
    Ok((pictures, kept))
}

/// The network's input from a picture of its size.
pub(super) fn input(picture: &Picture, how: &Preprocess) -> Result<Vec<f32>, Error> {
    let mut out = vec![0.0; 3 * picture.width * picture.height];
    let crop = [picture.height, picture.width];
    // Already resized: another size would be an error of ours.
    let how = Preprocess { resize: Resize::Exact(crop), crop, ..*how };
    preprocess(picture, &how, &mut Pixels::default(), &mut out)?;
    Ok(out)
}

/// An engine for `outputs`, whose input is what the card makes.
pub(super) fn engine(network: &Network, outputs: &[&str]) -> Result<Engine, Error> {
    let engine = Engine::compile(network, outputs)?;
    let [h, w] = network.card().preprocess.crop;
    if engine.input().dims() != [3, h, w] {
        let (wanted, made) = (engine.input().to_string(), format!("3x{h}x{w}"));
        return Err(TrainError::Input { wanted, made }.into());
    }
    Ok(engine)
}

/// The layers that batch norms read.
pub(super) fn before_norms(network: &Network) -> Vec<LayerId> {
    let norms = network.graph().layers().filter(|(_, l)| matches!(l.op, Op::BatchNorm { .. }));
    norms.filter_map(|(_, l)| l.inputs.first().copied()).collect()
}

/// What each layer gives on pictures of the network's size, prepared in the way given; with `only`, of
/// those layers and the input.
pub(super) fn layers(
    network: &Network,
    pictures: &[&Picture],
    how: &Preprocess,
    only: Option<&[LayerId]>,
    observer: &dyn Observer,
) -> Result<Vec<Option<Activity>>, Error> {
    let facts = network.facts()?;
    let graph = network.graph();
    let mut seen: Vec<Option<Activity>> = vec![None; graph.len()];
    let inputs: Vec<Vec<f32>> =
        pictures.iter().map(|picture| input(picture, how)).collect::<Result<_, _>>()?;
    let fresh = |id: LayerId, shape: &Shape| {
        let channels = shape.first().copied().unwrap_or_default();
        Activity::new(&graph.layer(id).op, channels)
    };
    let first = graph.input()?;
    let mut picture = fresh(first, &facts.layer(first).shape);
    for values in &inputs {
        picture.see(values);
    }
    seen[first.index()] = Some(picture);
    let wanted = graph.layers().filter(|(id, layer)| {
        !matches!(layer.op, Op::Input { .. }) && only.is_none_or(|only| only.contains(id))
    });
    let mut groups: Vec<Vec<LayerId>> = vec![Vec::new()];
    let mut bytes = 0;
    for (id, _) in wanted {
        bytes += facts.layer(id).bytes();
        if bytes > AT_ONCE {
            bytes = facts.layer(id).bytes();
            groups.push(Vec::new());
        }
        groups.last_mut().into_iter().for_each(|group| group.push(id));
    }
    groups.retain(|group| !group.is_empty());
    let total = groups.len() * inputs.len();
    for (g, group) in groups.iter().enumerate() {
        let names: Vec<&str> = group.iter().map(|id| graph.layer(*id).name.as_str()).collect();
        let engine = engine(network, &names)?;
        let mut of: Vec<Activity> =
            group.iter().map(|id| fresh(*id, &facts.layer(*id).shape)).collect();
        let mut scratch = engine.scratch();
        let mut results = vec![0.0; engine.results_len()];
        for (i, image) in inputs.iter().enumerate() {
            tell(observer, g * inputs.len() + i, total)?;
            engine.run_together(image, &mut scratch, &mut results);
            let mut rest = &results[..];
            let mut parts = Vec::with_capacity(of.len());
            for (_, shape) in engine.outputs() {
                let (here, after) = rest.split_at(shape.count());
                parts.push(here);
                rest = after;
            }
            of.par_iter_mut().zip(parts).for_each(|(activity, values)| activity.see(values));
        }
        for (id, activity) in group.iter().zip(of) {
            seen[id.index()] = Some(activity);
        }
    }
    Ok(seen)
}
