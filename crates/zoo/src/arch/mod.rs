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
mod chain;
mod convnext;
mod dcgan;
mod densenet;
mod excite;
mod fit;
mod habits;
mod inception;
mod keras;
mod listed;
mod mobilenet;
mod nasnet;
mod resnet;
mod source;
mod table;
mod transformers;
mod vit;

use regraft_net::op::Conv2d;
use regraft_net::{Card, Graph, NetError, Op, nearest};

use build::Made;
pub use fit::Fitted;
pub use source::SourceParam;

use crate::ZooError;

/// Classes of `ImageNet-1k`, which the graphs end in.
const CLASSES: usize = 1000;

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
    /// Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks".
    AlexNet,
    /// Jia et al. 2014, "Caffe": Krizhevsky et al. 2012 with pools before norms.
    CaffeNet,
    /// Simonyan and Zisserman 2014, "Very Deep Convolutional Networks for Large-Scale Image
    /// Recognition".
    Vgg,
    /// Iandola et al. 2016, "`SqueezeNet`: `AlexNet`-level accuracy with 50x fewer parameters".
    SqueezeNet,
    /// Huang et al. 2016, "Densely Connected Convolutional Networks".
    DenseNet,
    /// Szegedy et al. 2014, "Going Deeper with Convolutions".
    GoogLeNet,
    /// Szegedy et al. 2015, "Rethinking the Inception Architecture for Computer Vision".
    InceptionV3,
    /// Xie et al. 2016, "Aggregated Residual Transformations for Deep Neural Networks".
    ResNeXt,
    /// Zagoruyko and Komodakis 2016, "Wide Residual Networks".
    WideResNet,
    /// Howard et al. 2019, "Searching for `MobileNetV3`".
    MobileNetV3,
    /// Tan and Le 2019, "`EfficientNet`: Rethinking Model Scaling for Convolutional Neural Networks".
    EfficientNet,
    /// Liu et al. 2022, "A `ConvNet` for the 2020s".
    ConvNext,
    /// Dosovitskiy et al. 2020, "An Image is Worth 16x16 Words".
    Vit,
    /// Touvron et al. 2020, "Training data-efficient image transformers & distillation through
    /// attention".
    Deit,
    /// Zoph et al. 2017, "Learning Transferable Architectures for Scalable Image Recognition".
    NasNet,
    /// He et al. 2016, "Identity Mappings in Deep Residual Networks".
    ResNetV2,
    /// Howard et al. 2017, "`MobileNets`: Efficient Convolutional Neural Networks for Mobile Vision
    /// Applications".
    MobileNet,
    /// Chollet 2016, "Xception: Deep Learning with Depthwise Separable Convolutions".
    Xception,
    /// Oquab et al. 2023, "`DINOv2`: Learning Robust Visual Features without Supervision".
    DinoV2,
    /// Radford et al. 2015, "Unsupervised Representation Learning with Deep Convolutional Generative
    /// Adversarial Networks".
    Dcgan,
}

impl Family {
    /// The name that people use.
    pub fn name(self) -> &'static str {
        match self {
            Self::ResNet => "ResNet",
            Self::MobileNetV2 => "MobileNetV2",
            Self::EfficientNetLite => "EfficientNet-Lite",
            Self::AlexNet => "AlexNet",
            Self::CaffeNet => "CaffeNet",
            Self::Vgg => "VGG",
            Self::SqueezeNet => "SqueezeNet",
            Self::DenseNet => "DenseNet",
            Self::GoogLeNet => "GoogLeNet",
            Self::InceptionV3 => "Inception v3",
            Self::ResNeXt => "ResNeXt",
            Self::WideResNet => "Wide ResNet",
            Self::MobileNetV3 => "MobileNetV3",
            Self::EfficientNet => "EfficientNet",
            Self::ConvNext => "ConvNeXt",
            Self::Vit => "ViT",
            Self::Deit => "DeiT",
            Self::DinoV2 => "DINOv2",
            Self::NasNet => "NASNet",
            Self::ResNetV2 => "ResNet v2",
            Self::MobileNet => "MobileNet",
            Self::Xception => "Xception",
            Self::Dcgan => "DCGAN",
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
    /// `vit.encoder.layer.0.attention.attention.query.weight`, as in the files of Hugging Face's
    /// transformers; layers are called as in timm.
    Transformers,
    /// `_blocks.0._depthwise_conv.weight`.
    Lukemelas,
    /// `conv1`, `fc8`: layers of a prototxt.
    Caffe,
    /// `conv1_conv/kernel`.
    Keras,
}

impl Naming {
    /// Whether layers are called as in timm.
    fn is_timm(self) -> bool {
        matches!(self, Self::Timm | Self::Transformers)
    }
}

/// The numbers behind an architecture.
#[derive(Debug, Clone, Copy)]
enum Plan {
    ResNet(resnet::Plan),
    Mobile(mobilenet::Plan),
    AlexNet,
    CaffeNet,
    /// Convolutions in each stage, and whether norms follow them.
    Vgg([usize; 5], bool),
    /// Whether it is version 1.1.
    SqueezeNet(bool),
    CaffeSqueezeNet,
    DenseNet(densenet::Plan),
    GoogLeNet,
    InceptionV3,
    MobileNetV3(excite::V3),
    EfficientNet(excite::Efficient),
    ConvNext(convnext::Plan),
    Vit(vit::Plan),
    NasNet(nasnet::Plan),
    KerasResNet([usize; 4]),
    KerasResNetV2([usize; 4]),
    KerasVgg([usize; 5]),
    KerasMobileNet,
    KerasDenseNet(densenet::Plan),
    Xception,
    Dcgan,
}

/// Size and price of an architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Values in learned parameters.
    pub parameters: u64,
    /// Multiply-adds for one image.
    pub macs: u64,
}

/// Name, learned parameters and multiply-adds of each architecture: a list of all is asked for often, and
/// working out a hundred graphs takes a second. A test works them out.
const COSTS: &str = include_str!("../../data/costs.tsv");

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
    /// The layer that gives the class scores `[1000]`; of a GAN's discriminator the one score `[1]`.
    pub logits: &'static str,
    plan: Plan,
}

impl ArchInfo {
    /// Layers where a part of the network ends, in order: the stem, each block or module, and the
    /// head convolution where there is one. Nothing goes around them, so a split works at each; but for
    /// `NASNet`, each of whose cells also reads the one before the last.
    pub fn blocks(&self) -> Vec<String> {
        self.made(self.size).map(|made| made.blocks).unwrap_or_default()
    }

    /// The graph with 1000 classes (features only where the network has no head); input `image` is
    /// `[3, size, size]`.
    ///
    /// # Errors
    /// Never for the architectures of [`architectures`]; a test builds each.
    pub fn graph(&self) -> Result<Graph, ZooError> {
        Ok(self.made(self.size).map_err(ZooError::Net)?.graph)
    }

    /// The graph with another number of classes: the last layer of 1000 outputs has so many instead.
    ///
    /// # Errors
    /// When the network ends in something else than scores of classes.
    pub fn graph_for(&self, classes: usize) -> Result<Graph, ZooError> {
        let whole = self.graph()?;
        if classes == CLASSES {
            return Ok(whole);
        }
        let scores = |op: &Op| {
            matches!(op, Op::Linear { out: CLASSES, .. } | Op::Conv2d(Conv2d { out: CLASSES, .. }))
        };
        let last = whole.layers().rev().find(|(_, layer)| scores(&layer.op)).map(|(id, _)| id);
        let last =
            last.ok_or_else(|| ZooError::NoClasses { architecture: self.name.to_owned() })?;
        let mut graph = Graph::new();
        let mut ids = Vec::new();
        for (id, layer) in whole.layers() {
            let mut op = layer.op.clone();
            if id == last
                && let Op::Linear { out, .. } | Op::Conv2d(Conv2d { out, .. }) = &mut op
            {
                *out = classes;
            }
            let inputs: Vec<_> = layer.inputs.iter().map(|i| ids[i.index()]).collect();
            ids.push(graph.push(layer.name.clone(), op, &inputs).map_err(ZooError::Net)?);
        }
        let outputs: Vec<_> =
            whole.outputs().iter().map(|o| whole.layer(*o).name.as_str()).collect();
        graph.set_outputs(&outputs).map_err(ZooError::Net)?;
        Ok(graph)
    }

    fn made(&self, size: usize) -> Result<Made, NetError> {
        let ends = [self.penultimate, self.logits];
        match &self.plan {
            Plan::ResNet(plan) => {
                let graph = resnet::graph(self, plan)?;
                Ok(Made { graph, blocks: resnet::blocks(self.naming, plan) })
            }
            Plan::Mobile(plan) => {
                let graph = mobilenet::graph(self, plan)?;
                Ok(Made { graph, blocks: mobilenet::blocks(self.naming, plan) })
            }
            Plan::AlexNet => chain::alexnet(size),
            Plan::CaffeNet => chain::caffenet(size),
            Plan::Vgg(repeats, norm) => chain::vgg(size, *repeats, *norm),
            Plan::SqueezeNet(newer) => chain::squeezenet(size, *newer),
            Plan::CaffeSqueezeNet => chain::caffe_squeezenet(size),
            Plan::DenseNet(plan) => densenet::made(size, plan, self.penultimate),
            Plan::GoogLeNet => inception::googlenet(size),
            Plan::InceptionV3 => inception::v3(self.naming, size, ends),
            Plan::MobileNetV3(plan) => excite::mobilenet_v3(self.naming, size, plan),
            Plan::EfficientNet(plan) => excite::efficientnet(self.naming, size, plan),
            Plan::ConvNext(plan) => convnext::made(self.naming, size, plan),
            Plan::Vit(plan) => vit::made(self.naming, size, plan),
            Plan::NasNet(plan) => nasnet::made(self.naming, size, plan, ends),
            Plan::KerasResNet(repeats) => keras::resnet(size, *repeats),
            Plan::KerasResNetV2(repeats) => keras::resnet_v2(size, *repeats),
            Plan::KerasVgg(repeats) => keras::vgg(size, *repeats),
            Plan::KerasMobileNet => keras::mobilenet(size),
            Plan::KerasDenseNet(plan) => keras::densenet(size, plan),
            Plan::Xception => keras::xception(size),
            Plan::Dcgan => dcgan::discriminator(size),
        }
    }

    /// What its graph costs, from a table.
    pub fn cost(&self) -> Option<Cost> {
        let mut rows = COSTS.lines().filter_map(|line| line.split_once('\t'));
        let (_, rest) = rows.find(|(name, _)| *name == self.name)?;
        let (parameters, macs) = rest.split_once('\t')?;
        Some(Cost { parameters: parameters.parse().ok()?, macs: macs.parse().ok()? })
    }

    /// Whether it ends with features, not with scores of classes.
    pub fn headless(&self) -> bool {
        self.logits == self.penultimate
    }

    /// A card for weights of which only the architecture is known: preprocessing as the framework
    /// usually does it, everything else `unknown`.
    pub fn card(&self, name: &str, origin: &str) -> Card {
        let framework = match self.naming {
            Naming::Keras => "keras",
            Naming::Caffe => "caffe",
            Naming::Torchvision | Naming::Timm | Naming::Transformers | Naming::Lukemelas => {
                "pytorch"
            }
        };
        Card {
            name: name.to_owned(),
            framework: framework.to_owned(),
            dataset: "unknown".to_owned(),
            licence: "unknown".to_owned(),
            origin: origin.to_owned(),
            preprocess: self.preprocess(),
            labels: Vec::new(),
            cut: Some(self.penultimate.to_owned()),
            logits: (!self.headless()).then(|| self.logits.to_owned()),
            blocks: self.blocks(),
        }
    }
}

/// Every architecture there is.
pub fn architectures() -> &'static [ArchInfo] {
    table::ARCHITECTURES
}

/// The architecture of that name.
///
/// # Errors
/// When there is none, with the nearest names.
pub fn architecture(name: &str) -> Result<&'static ArchInfo, ZooError> {
    table::ARCHITECTURES.iter().find(|a| a.name == name).ok_or_else(|| ZooError::NoArchitecture {
        name: name.to_owned(),
        near: nearest(name, table::ARCHITECTURES.iter().map(|a| a.name)),
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
