//! The constant that a norm adds to the variance. It is not in the weights file, so that a network
//! built anew easily gets another one, and nothing fails: its answers are off by some percent.

use std::collections::BTreeMap;

use crate::Op;

use super::context::{Context, Kind};
use super::{Found, Severity, few_among, gathered};

/// What norms of these names have.
struct Habit {
    /// Who calls them so.
    family: &'static str,
    /// Their kind.
    kind: Kind,
    /// Their names; `*` stands for any letters.
    names: &'static [&'static str],
    /// An operation that must be in the network too.
    with: Option<&'static str>,
    /// What they add.
    eps: f32,
}

const fn batch(family: &'static str, names: &'static [&'static str], eps: f32) -> Habit {
    Habit { family, kind: Kind::BatchNorm, names, with: None, eps }
}

const fn layer(family: &'static str, names: &'static [&'static str], eps: f32) -> Habit {
    Habit { family, kind: Kind::LayerNorm, names, with: None, eps }
}

/// A norm should have what one of those that fit has. From the frameworks' sources.
const HABITS: &[Habit] = &[
    batch("ResNet of torchvision and timm", &["layer?.*.bn?", "layer?.*.downsample.1"], 1e-5),
    batch("DenseNet of torchvision and timm", &["features.denseblock*.denselayer*.norm?"], 1e-5),
    batch("Inception v3 of torchvision and timm", &["Mixed_*.bn", "Conv2d_?a_*.bn"], 1e-3),
    batch("GoogLeNet of torchvision", &["inception??.branch*.bn"], 1e-3),
    batch("NASNet of timm", &["cell_*.bn", "cell_*.bn_*", "conv0.bn"], 1e-3),
    batch("EfficientNet in TensorFlow's names", &["_blocks.*._bn?", "_bn0", "_bn1"], 1e-3),
    Habit {
        with: Some("hard_swish"),
        ..batch("MobileNetV3 of torchvision", &["features.*.block.*", "features.*.1"], 1e-3)
    },
    batch("ResNet and DenseNet of Keras", &["conv?_block*_bn"], 1.001e-5),
    batch(
        "Keras",
        &[
            "block*_sepconv*_bn",
            "conv_dw_*_bn",
            "conv_pw_*_bn",
            "block_*_BN",
            "batch_normalization*",
        ],
        1e-3,
    ),
    layer("ConvNeXt of timm", &["stages.*.norm", "stages.*.downsample.0", "stem.1"], 1e-6),
    layer("ConvNeXt of torchvision", &["features.*.block.2"], 1e-6),
    layer("ViT of torchvision", &["encoder.layers.*.ln_?", "encoder.ln"], 1e-6),
    layer("ViT of timm", &["blocks.*.norm?"], 1e-6),
    layer(
        "ViT of transformers",
        &["*.layernorm_before", "*.layernorm_after", "blocks.*.norm?"],
        1e-12,
    ),
];

/// Whether `name` has the form of `pattern`: `*` for any letters, `?` for one.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    // The usual walk with one place to come back to: linear in both for our patterns.
    let (mut p, mut n, mut back) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p, n));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            Some(_) | None => {
                let Some((star, at)) = back else { return false };
                back = Some((star, at + 1));
                (p, n) = (star + 1, at + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

fn eps_of(op: &Op) -> Option<f32> {
    if let Op::BatchNorm { eps } | Op::LayerNorm { eps } = op { Some(*eps) } else { None }
}

/// Whether two are the same for all that can be seen in single precision: 1e-5 and Keras's 1.001e-5
/// are, 1e-5 and 1e-3 change the scores of ResNet-50 by 2 %.
fn same(a: f32, b: f32) -> bool {
    (a - b).abs() <= 0.02 * a.max(b)
}

/// Whether both are too small to be seen beside the variance of ordinary values.
fn unseen(a: f32, b: f32) -> bool {
    a.max(b) <= 1.01e-6
}

pub(super) fn wrong_epsilon(net: &Context<'_>) -> Vec<Found> {
    let has = |word: &str| net.live().any(|(_, l)| l.op.name() == word);
    let known: Vec<&Habit> = HABITS.iter().filter(|h| h.with.is_none_or(has)).collect();
    let (mut found, mut strange) = (Vec::new(), Vec::new());
    for (id, layer) in net.live() {
        let Some(eps) = eps_of(&layer.op) else { continue };
        let named = |h: &&&Habit| {
            let fits = |p: &&str| fits(p.as_bytes(), layer.name.as_bytes());
            h.kind == net.kind(id) && h.names.iter().any(fits)
        };
        let habit = known.iter().find(named);
        let usual = known.iter().filter(named).any(|h| same(h.eps, eps));
        if let Some(habit) = habit.filter(|_| !usual) {
            let figures =
                format!("eps {eps:e}; norms of this name ({}) have {:e}", habit.family, habit.eps);
            found.push((layer.name.clone(), figures));
        } else if habit.is_none() && !(1e-13..=1e-2).contains(&eps) {
            strange.push((layer.name.clone(), format!("eps {eps:e}")));
        }
    }
    let mut all = gathered(Severity::Warning, found);
    all.extend(gathered(Severity::Warning, strange));
    all
}

pub(super) fn mixed_epsilon(net: &Context<'_>) -> Vec<Found> {
    let mut odd = Vec::new();
    for kind in [Kind::BatchNorm, Kind::LayerNorm] {
        let mut by_eps: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
        for (id, layer) in net.live().filter(|(id, _)| net.kind(*id) == kind) {
            debug_assert_eq!(net.kind(id), kind);
            // Bits of positive numbers are in their order.
            by_eps
                .entry(eps_of(&layer.op).unwrap_or_default().to_bits())
                .or_default()
                .push(&layer.name);
        }
        let all: usize = by_eps.values().map(Vec::len).sum();
        let Some((usual, most)) = by_eps.iter().max_by_key(|(_, names)| names.len()) else {
            continue;
        };
        let usual_eps = f32::from_bits(*usual);
        let apart = |e: f32| !same(e, usual_eps) && !unseen(e, usual_eps);
        let others = by_eps.iter().filter(|(e, _)| apart(f32::from_bits(**e)));
        let names = others.flat_map(|(e, names)| names.iter().map(|n| (*n, f32::from_bits(*e))));
        for (name, eps) in few_among(names.collect(), all) {
            let figures = format!("eps {eps:e}; {} other norms have {usual_eps:e}", most.len());
            odd.push((name.to_owned(), figures));
        }
    }
    gathered(Severity::Warning, odd)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_any_letters_and_a_question_mark_for_one() {
        let cases = [
            ("layer?.*.bn?", "layer4.10.bn2", true),
            ("layer?.*.bn?", "layer4.bn2", false),
            ("conv?_block*_bn", "conv2_block1_0_bn", true),
            ("bn1", "bn1", true),
            ("bn1", "bn10", false),
            ("*a*b", "xaxbxb", true),
            ("*a*b", "xaxbx", false),
        ];
        for (pattern, name, wanted) in cases {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), wanted, "{pattern} {name}");
        }
    }
}
