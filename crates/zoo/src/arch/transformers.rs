//! What Hugging Face's transformers calls parameters in its files, from timm's names of layers.

use regraft_net::{ParamSpec, Role};

use super::source::SourceParam;
use super::{ArchInfo, Family};

/// Words of timm and of transformers inside a block.
type Words = &'static [(&'static str, &'static str)];

const VIT: Words = &[
    ("norm1", "layernorm_before"),
    ("norm2", "layernorm_after"),
    ("attn.proj", "attention.output.dense"),
    ("mlp.fc1", "intermediate.dense"),
    ("mlp.fc2", "output.dense"),
];

const DINO: Words =
    &[("attn.proj", "attention.output.dense"), ("ls1", "layer_scale1"), ("ls2", "layer_scale2")];

const CONVNEXT: Words =
    &[("conv_dw", "dwconv"), ("norm", "layernorm"), ("mlp.fc1", "pwconv1"), ("mlp.fc2", "pwconv2")];

fn word(words: Words, timm: &str) -> &str {
    words.iter().find(|(ours, _)| *ours == timm).map_or(timm, |(_, theirs)| theirs)
}

/// A path in two parts, at the dot behind `dots` others.
fn split(path: &str, dots: usize) -> (&str, &str) {
    let at = path.match_indices('.').nth(dots).map_or(path.len(), |(at, _)| at);
    (&path[..at], path.get(at + 1..).unwrap_or_default())
}

impl ArchInfo {
    /// The parameter as transformers writes it.
    pub(super) fn transformers(&self, spec: &ParamSpec) -> SourceParam {
        let dims = spec.shape.dims();
        let (layer, suffix) = spec.name.rsplit_once('.').unwrap_or((&spec.name, ""));
        let front = [&[1], dims].concat();
        let vit = if self.family == Family::DinoV2 { "" } else { "vit." };
        match spec.role {
            Role::Token => SourceParam::same(format!("{vit}embeddings.cls_token"), front),
            Role::Position => {
                SourceParam::same(format!("{vit}embeddings.position_embeddings"), front)
            }
            Role::Weight | Role::Bias if layer.ends_with(".attn.qkv") => {
                let (_, block) = split(layer, 0);
                let (number, _) = split(block, 0);
                let path = format!("{vit}encoder.layer.{number}.attention.attention");
                let names = ["query", "key", "value"].map(|w| format!("{path}.{w}.{suffix}"));
                let third = [&[dims[0] / 3], &dims[1..]].concat();
                SourceParam::stacked(names, third)
            }
            Role::Weight if last_of(layer) == "gamma" => {
                let path = self.layer_in_transformers(layer.trim_end_matches(".gamma"));
                SourceParam::same(format!("{path}.layer_scale_parameter"), dims.to_vec())
            }
            Role::Weight if ["ls1", "ls2"].contains(&last_of(layer)) => {
                let path = self.layer_in_transformers(layer);
                SourceParam::same(format!("{path}.lambda1"), dims.to_vec())
            }
            Role::Weight
            | Role::Bias
            | Role::Products
            | Role::Shares
            | Role::RunningMean
            | Role::RunningVar => {
                let path = self.layer_in_transformers(layer);
                SourceParam::same(format!("{path}.{suffix}"), dims.to_vec())
            }
        }
    }

    fn layer_in_transformers(&self, layer: &str) -> String {
        match self.family {
            Family::Vit | Family::Deit => vit("vit.", VIT, layer),
            Family::DinoV2 => vit("", DINO, layer),
            Family::ConvNext => convnext(layer),
            Family::ResNet
            | Family::MobileNetV2
            | Family::EfficientNetLite
            | Family::AlexNet
            | Family::CaffeNet
            | Family::Vgg
            | Family::SqueezeNet
            | Family::DenseNet
            | Family::GoogLeNet
            | Family::InceptionV3
            | Family::ResNeXt
            | Family::WideResNet
            | Family::MobileNetV3
            | Family::EfficientNet
            | Family::NasNet
            | Family::ResNetV2
            | Family::MobileNet
            | Family::Xception
            | Family::Dcgan => resnet(layer),
        }
    }
}

/// The last part of a layer's name.
fn last_of(layer: &str) -> &str {
    layer.rsplit('.').next().unwrap_or(layer)
}

fn vit(prefix: &str, words: Words, layer: &str) -> String {
    match layer {
        "patch_embed.proj" => format!("{prefix}embeddings.patch_embeddings.projection"),
        "norm" => format!("{prefix}layernorm"),
        "head" => "classifier".to_owned(),
        _ => {
            let (number, rest) = split(layer.trim_start_matches("blocks."), 0);
            format!("{prefix}encoder.layer.{number}.{}", word(words, rest))
        }
    }
}

fn convnext(layer: &str) -> String {
    match layer {
        "stem.0" => "convnext.embeddings.patch_embeddings".to_owned(),
        "stem.1" => "convnext.embeddings.layernorm".to_owned(),
        "head.norm" => "convnext.layernorm".to_owned(),
        "head.fc" => "classifier".to_owned(),
        _ => {
            // `stages.1.downsample.0`, `stages.1.blocks.2.mlp.fc1`.
            let (stage, rest) = split(layer, 1);
            let path = format!("convnext.encoder.{stage}");
            if let Some(number) = rest.strip_prefix("downsample.") {
                return format!("{path}.downsampling_layer.{number}");
            }
            let (number, rest) = split(rest.trim_start_matches("blocks."), 0);
            let end =
                if rest.is_empty() { String::new() } else { format!(".{}", word(CONVNEXT, rest)) };
            format!("{path}.layers.{number}{end}")
        }
    }
}

/// `conv1`, `layer2.0.bn3`, `layer2.0.downsample.1`, `fc`.
fn resnet(layer: &str) -> String {
    let kind = |norm: bool| if norm { "normalization" } else { "convolution" };
    if layer == "fc" {
        return "classifier.1".to_owned();
    }
    let Some(place) = layer.strip_prefix("layer") else {
        return format!("resnet.embedder.embedder.{}", kind(layer.starts_with("bn")));
    };
    let (stage, rest) = split(place, 0);
    let (block, rest) = split(rest, 0);
    let stage = stage.parse::<usize>().map_or(0, |n| n.saturating_sub(1));
    let path = format!("resnet.encoder.stages.{stage}.layers.{block}");
    if let Some(number) = rest.strip_prefix("downsample.") {
        return format!("{path}.shortcut.{}", kind(number == "1"));
    }
    let norm = rest.starts_with("bn");
    let number = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let number = number.parse::<usize>().map_or(0, |n| n.saturating_sub(1));
    format!("{path}.layer.{number}.{}", kind(norm))
}
