//! Architectures: tables of numbers, and functions that turn them into graphs.
//!
//! Names of layers follow one rule: a layer with parameters is called as its module in the
//! framework, so that its parameters are `{layer}.weight` and so on; a layer without parameters has
//! its module's name where the framework has one, else a name of ours beside it. The last layer of a
//! residual block has the block's name (`layer1.0`, `blocks.3.1`, `features.7`); where the framework
//! groups blocks in stages, the last layer of the last block has the stage's name instead (`layer1`,
//! `blocks.3`). So a cut at a block or a stage gives what that module gives in the framework. Blocks
//! without an addition end in an `identity` for this. The input is called `image`.

mod build;
mod mobilenet;
mod resnet;

use regraft_net::card::{Interpolation, Preprocess};
use regraft_net::{Card, Graph, nearest};

use crate::ZooError;

/// Kind of architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// He et al. 2015, "Deep Residual Learning for Image Recognition".
    ResNet,
    /// Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks".
    MobileNetV2,
    /// Tan and Le 2019 without squeeze-and-excitation and with `ReLU6`, as published with
    /// TensorFlow in 2020.
    EfficientNetLite,
}

impl Family {
    /// The name that people use.
    pub fn name(self) -> &'static str {
        match self {
            Self::ResNet => "ResNet",
            Self::MobileNetV2 => "MobileNetV2",
            Self::EfficientNetLite => "EfficientNet-Lite",
        }
    }
}

/// Whose names of parameters an architecture uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Naming {
    /// `features.1.conv.0.0.weight`.
    Torchvision,
    /// `blocks.0.0.conv_dw.weight`.
    Timm,
    /// `_blocks.0._depthwise_conv.weight`.
    Lukemelas,
}

/// The numbers behind an architecture.
#[derive(Debug, Clone, Copy)]
enum Plan {
    ResNet(resnet::Plan),
    Mobile(mobilenet::Plan),
}

/// What is known of an architecture without building it.
#[derive(Debug, Clone, Copy)]
pub struct ArchInfo {
    /// `FRAMEWORK/NAME`, for instance `torchvision/resnet18`.
    pub name: &'static str,
    /// Kind of architecture.
    pub family: Family,
    /// Whose names its parameters have.
    pub naming: Naming,
    /// Height and width of the input in pixels.
    pub size: usize,
    /// The default cut: the layer whose output is the pooled feature vector `[C]`.
    pub penultimate: &'static str,
    /// The layer that gives the class scores `[1000]`.
    pub logits: &'static str,
    plan: Plan,
}

impl ArchInfo {
    /// Layers where a part of the network ends, in order: the stem, each residual block, and the
    /// head convolution where there is one. Nothing goes around them: a split works at each.
    pub fn blocks(&self) -> Vec<String> {
        match self.plan {
            Plan::ResNet(plan) => resnet::blocks(self.naming, &plan),
            Plan::Mobile(plan) => mobilenet::blocks(self.naming, &plan),
        }
    }

    /// The graph with 1000 classes; input `image` is `[3, size, size]`.
    ///
    /// # Errors
    /// Never for the architectures of [`architectures`]; a test builds each.
    pub fn graph(&self) -> Result<Graph, ZooError> {
        let graph = match self.plan {
            Plan::ResNet(plan) => resnet::graph(self, &plan),
            Plan::Mobile(plan) => mobilenet::graph(self, &plan),
        };
        graph.map_err(ZooError::Net)
    }

    /// A card for weights of which only the architecture is known: preprocessing as the framework
    /// usually does it, everything else `unknown`.
    ///
    /// torchvision: shorter side `size / 0.875`, bilinear, ImageNet's mean and deviation. timm: the
    /// same, bicubic. lukemelas: bicubic, 127 and 128 of 255.
    pub fn card(&self, name: &str, origin: &str) -> Card {
        let resize = (self.size as f64 / 0.875).round() as usize;
        let preprocess = match self.naming {
            Naming::Torchvision => Preprocess::imagenet(resize, self.size, Interpolation::Bilinear),
            Naming::Timm => Preprocess::imagenet(resize, self.size, Interpolation::Bicubic),
            Naming::Lukemelas => Preprocess {
                mean: [127.0 / 255.0; 3],
                std: [128.0 / 255.0; 3],
                ..Preprocess::imagenet(resize, self.size, Interpolation::Bicubic)
            },
        };
        Card {
            name: name.to_owned(),
            framework: "pytorch".to_owned(),
            dataset: "unknown".to_owned(),
            licence: "unknown".to_owned(),
            origin: origin.to_owned(),
            preprocess,
            labels: Vec::new(),
            cut: Some(self.penultimate.to_owned()),
            logits: Some(self.logits.to_owned()),
            blocks: self.blocks(),
        }
    }
}

const fn resnet(
    name: &'static str,
    naming: Naming,
    block: resnet::Block,
    repeats: [usize; 4],
) -> ArchInfo {
    let penultimate = match naming {
        Naming::Torchvision | Naming::Lukemelas => "avgpool",
        Naming::Timm => "global_pool",
    };
    let plan = Plan::ResNet(resnet::Plan { block, repeats });
    ArchInfo { name, family: Family::ResNet, naming, size: 224, penultimate, logits: "fc", plan }
}

const fn mobile(
    name: &'static str,
    family: Family,
    naming: Naming,
    size: usize,
    plan: mobilenet::Plan,
) -> ArchInfo {
    let (penultimate, logits) = match naming {
        Naming::Torchvision => ("pool", "classifier.1"),
        Naming::Timm => ("global_pool", "classifier"),
        Naming::Lukemelas => ("_avg_pooling", "_fc"),
    };
    ArchInfo { name, family, naming, size, penultimate, logits, plan: Plan::Mobile(plan) }
}

const ARCHITECTURES: &[ArchInfo] = {
    use Family::{EfficientNetLite, MobileNetV2};
    use Naming::{Lukemelas, Timm, Torchvision};
    use mobilenet::{LITE0, LITE1, LITE2, V2};
    use resnet::Block::{Basic, Bottleneck};
    &[
        resnet("torchvision/resnet18", Torchvision, Basic, [2, 2, 2, 2]),
        resnet("torchvision/resnet34", Torchvision, Basic, [3, 4, 6, 3]),
        resnet("torchvision/resnet50", Torchvision, Bottleneck, [3, 4, 6, 3]),
        resnet("timm/resnet18", Timm, Basic, [2, 2, 2, 2]),
        resnet("timm/resnet34", Timm, Basic, [3, 4, 6, 3]),
        resnet("timm/resnet50", Timm, Bottleneck, [3, 4, 6, 3]),
        mobile("torchvision/mobilenet_v2", MobileNetV2, Torchvision, 224, V2),
        mobile("timm/mobilenetv2_100", MobileNetV2, Timm, 224, V2),
        mobile("timm/efficientnet_lite0", EfficientNetLite, Timm, 224, LITE0),
        mobile("timm/efficientnet_lite1", EfficientNetLite, Timm, 240, LITE1),
        mobile("timm/efficientnet_lite2", EfficientNetLite, Timm, 260, LITE2),
        mobile("lukemelas/efficientnet-lite0", EfficientNetLite, Lukemelas, 224, LITE0),
        mobile("lukemelas/efficientnet-lite1", EfficientNetLite, Lukemelas, 240, LITE1),
        mobile("lukemelas/efficientnet-lite2", EfficientNetLite, Lukemelas, 260, LITE2),
    ]
};

/// Every architecture there is.
pub fn architectures() -> &'static [ArchInfo] {
    ARCHITECTURES
}

/// The architecture of that name.
///
/// # Errors
/// When there is none, with the nearest names.
pub fn architecture(name: &str) -> Result<&'static ArchInfo, ZooError> {
    ARCHITECTURES.iter().find(|a| a.name == name).ok_or_else(|| ZooError::NoArchitecture {
        name: name.to_owned(),
        near: nearest(name, ARCHITECTURES.iter().map(|a| a.name)),
    })
}

/// The graph of an architecture, 1000 classes, input `image` `[3, H, W]`.
///
/// Padding is fixed for the default input size; the names of the parameters are the framework's.
///
/// # Errors
/// When there is no such architecture, with the nearest names.
///
/// ```
/// let graph = regraft_zoo::graph("torchvision/resnet18")?;
/// let facts = regraft_net::facts::facts(&graph)?;
/// assert_eq!(facts.learned(), 11_689_512);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn graph(architecture: &str) -> Result<Graph, ZooError> {
    self::architecture(architecture)?.graph()
}
