//! What Keras keeps outside its files: how its own networks want their pictures.

use regraft_net::card::{Card, Channels, Interpolation, Preprocess, Resize};
use regraft_net::op::Activation;
use regraft_net::{Graph, LayerId, NetError, Op};

use super::config::{self, MODELS, Model};

/// How pictures are prepared (`keras.applications.imagenet_utils.preprocess_input`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Blue first, less a mean.
    Caffe,
    /// From -1 to 1.
    Tf,
    /// `ImageNet`'s mean and deviation.
    Torch,
    /// In the network itself, when it begins with a `Rescaling`; else as `Tf`.
    Inside,
}

/// Beginnings of the names of `keras.applications`, in lower case, the longer first where one begins
/// another; mode, and extent of the pictures.
const KNOWN: [(&str, Mode, usize); 37] = [
    ("resnet50v2", Mode::Tf, 224),
    ("resnet101v2", Mode::Tf, 224),
    ("resnet152v2", Mode::Tf, 224),
    ("resnet50", Mode::Caffe, 224),
    ("resnet101", Mode::Caffe, 224),
    ("resnet152", Mode::Caffe, 224),
    ("vgg16", Mode::Caffe, 224),
    ("vgg19", Mode::Caffe, 224),
    ("inception_v3", Mode::Tf, 299),
    ("inception_resnet_v2", Mode::Tf, 299),
    ("xception", Mode::Tf, 299),
    ("mobilenetv3small", Mode::Inside, 224),
    ("mobilenetv3large", Mode::Inside, 224),
    ("mobilenetv2_", Mode::Tf, 224),
    ("mobilenet_", Mode::Tf, 224),
    ("nasnet_mobile", Mode::Tf, 224),
    ("nasnet_large", Mode::Tf, 331),
    ("nasnet", Mode::Tf, 224),
    ("densenet", Mode::Torch, 224),
    ("efficientnetv2-b0", Mode::Inside, 224),
    ("efficientnetv2-b1", Mode::Inside, 240),
    ("efficientnetv2-b2", Mode::Inside, 260),
    ("efficientnetv2-b3", Mode::Inside, 300),
    ("efficientnetv2-s", Mode::Inside, 384),
    ("efficientnetv2-m", Mode::Inside, 480),
    ("efficientnetv2-l", Mode::Inside, 480),
    ("efficientnetb0", Mode::Inside, 224),
    ("efficientnetb1", Mode::Inside, 240),
    ("efficientnetb2", Mode::Inside, 260),
    ("efficientnetb3", Mode::Inside, 300),
    ("efficientnetb4", Mode::Inside, 380),
    ("efficientnetb5", Mode::Inside, 456),
    ("efficientnetb6", Mode::Inside, 528),
    ("efficientnetb7", Mode::Inside, 600),
    ("convnext_", Mode::Inside, 224),
    ("convnext", Mode::Inside, 224),
    ("regnet", Mode::Inside, 224),
];

/// A network of `keras.applications`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Application {
    /// The beginning of its name.
    name: &'static str,
    mode: Mode,
    /// Extent of its pictures.
    pub(super) size: usize,
}

/// The network of `keras.applications` that a model or a model in it is called after.
pub(super) fn application(model: &Model<'_>) -> Option<Application> {
    let lower = model.name.to_lowercase();
    let known = KNOWN.iter().find(|(name, ..)| lower.starts_with(name));
    if let Some(&(name, mode, size)) = known {
        return Some(Application { name, mode, size });
    }
    let inner = model.layers.iter().filter(|s| MODELS.contains(&s.class));
    inner.filter_map(|s| config::model(s.config.map).ok()).find_map(|m| application(&m))
}

/// The card, and what a person should know of it.
pub(super) fn card(
    name: &str,
    graph: &Graph,
    application: Option<Application>,
    notes: &mut Vec<String>,
) -> Result<Card, NetError> {
    let facts = regraft_net::facts::facts(graph)?;
    let mut card = Card::blank(name);
    "keras".clone_into(&mut card.framework);
    let input = graph.input()?;
    let extent = match *facts.layer(input).shape.dims() {
        [_, h, w] => [h, w],
        _ => [224; 2],
    };
    let scaled = graph
        .layers()
        .any(|(_, l)| matches!(l.op, Op::Affine { .. }) && l.inputs.first() == Some(&input));
    let (mode, why) = match application {
        Some(app) if app.mode == Mode::Inside && !scaled => {
            (Some(Mode::Tf), format!("as for {} without its own scaling", app.name))
        }
        Some(app) => (Some(app.mode), format!("as for `{}` of keras.applications", app.name)),
        None if scaled => {
            (Some(Mode::Inside), "bytes from 0 to 255, as it begins by scaling them".to_owned())
        }
        None => (None, String::new()),
    };
    card.preprocess = preprocess(mode, extent);
    notes.push(match mode {
        Some(_) => format!("Keras keeps the preparation of pictures outside the file: taken {why}"),
        None => {
            "Keras keeps the preparation of pictures outside the file, and the model's name does \
                 not tell it: `ImageNet`'s mean and deviation are taken; say otherwise in the card"
                .to_owned()
        }
    });
    let (logits, cut) = ends(graph, &facts)?;
    card.logits = logits.map(|id| graph.layer(id).name.clone());
    card.cut = cut.map(|id| graph.layer(id).name.clone());
    Ok(card)
}

fn preprocess(mode: Option<Mode>, extent: [usize; 2]) -> Preprocess {
    let usual = Preprocess {
        resize: Resize::Exact(extent),
        crop: extent,
        ..Preprocess::imagenet(extent[0], extent[0], Interpolation::Bilinear)
    };
    let bytes = Preprocess { scale: 1.0, mean: [0.0; 3], std: [1.0; 3], ..usual };
    match mode {
        None | Some(Mode::Torch) => usual,
        Some(Mode::Tf) => Preprocess { mean: [0.5; 3], std: [0.5; 3], ..usual },
        Some(Mode::Inside) => bytes,
        Some(Mode::Caffe) => {
            Preprocess { channels: Channels::Bgr, mean: [103.939, 116.779, 123.68], ..bytes }
        }
    }
}

/// The layer that gives the scores of classes, and the layer whose vector it reads.
fn ends(
    graph: &Graph,
    facts: &regraft_net::facts::Facts,
) -> Result<(Option<LayerId>, Option<LayerId>), NetError> {
    let vector = |id: LayerId| facts.layer(id).shape.len() == 1;
    let back = |mut id: LayerId, passes: &dyn Fn(&Op) -> bool| {
        while vector(id) && passes(&graph.layer(id).op) {
            match graph.layer(id).inputs.first() {
                Some(input) if vector(*input) => id = *input,
                Some(_) | None => break,
            }
        }
        id
    };
    let output = graph.output()?;
    let scores = back(output, &|op| {
        matches!(op, Op::Softmax | Op::Identity | Op::Activate(Activation::Sigmoid))
    });
    if !vector(scores) {
        return Ok((None, None));
    }
    if !matches!(graph.layer(scores).op, Op::Linear { .. }) {
        return Ok((None, Some(output)));
    }
    let below = graph.layer(scores).inputs.first().copied();
    let cut = below.map(|id| back(id, &|op| matches!(op, Op::Dropout { .. } | Op::Identity)));
    Ok((Some(scores), cut.filter(|id| vector(*id))))
}
