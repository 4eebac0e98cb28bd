//! What one must know to use a network rightly: preprocessing, labels, origin, licence.

/// How a resized picture is sampled. Names and filters as in Pillow (antialiased when shrinking).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interpolation {
    /// Nearest pixel.
    Nearest,
    /// Triangle filter.
    Bilinear,
    /// Cubic with a = -0.5 (Catmull-Rom).
    Bicubic,
    /// Lanczos windowed sinc of radius 3.
    Lanczos,
}

impl Interpolation {
    /// The word used in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
            Self::Lanczos => "lanczos",
        }
    }

    /// The value for a word used in files.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Nearest, Self::Bilinear, Self::Bicubic, Self::Lanczos]
            .into_iter()
            .find(|i| i.name() == word)
    }
}

/// The size a picture is brought to before the crop, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resize {
    /// The shorter side becomes this, the longer keeps the aspect ratio:
    /// `floor(long · size / short)`, torchvision's rule.
    Shorter(usize),
    /// Exactly `[height, width]`, without regard to the aspect ratio (Caffe).
    Exact([usize; 2]),
}

/// Order of the colour channels a network was trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Channels {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red (Caffe).
    Bgr,
}

/// How a picture becomes the network's input `[3, H, W]`: resize, centre crop, then
/// `(value · scale - mean) / std` per channel, in the network's channel order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preprocess {
    /// Size before the crop.
    pub resize: Resize,
    /// Filter of the resize.
    pub interpolation: Interpolation,
    /// Centre crop `[height, width]` in pixels: the network's input.
    pub crop: [usize; 2],
    /// Order of the channels handed to the network.
    pub channels: Channels,
    /// Multiplies the 8-bit value: 1/255 for a range of 0 to 1, 1 for 0 to 255.
    pub scale: f32,
    /// Subtracted after scaling, in the network's channel order.
    pub mean: [f32; 3],
    /// Divides after the subtraction, in the network's channel order.
    pub std: [f32; 3],
}

impl Preprocess {
    /// The usual evaluation transform of ImageNet networks: shorter side `resize`, centre crop
    /// `crop`, ImageNet mean and deviation.
    pub fn imagenet(resize: usize, crop: usize, interpolation: Interpolation) -> Self {
        Self {
            resize: Resize::Shorter(resize),
            interpolation,
            crop: [crop, crop],
            channels: Channels::Rgb,
            scale: 1.0 / 255.0,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
        }
    }
}

/// Where a network comes from and how it wants its input.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Name in the catalogue, or the file's.
    pub name: String,
    /// Framework the weights were trained in: `pytorch`, `tensorflow`, `keras`, `caffe`.
    pub framework: String,
    /// Data set of the source task, for instance `ImageNet-1k`.
    pub dataset: String,
    /// SPDX expression, or `unknown`.
    pub licence: String,
    /// Who made it and where it was published.
    pub origin: String,
    /// How a picture becomes its input.
    pub preprocess: Preprocess,
    /// Class names in the order of the outputs; empty when not known.
    pub labels: Vec<String>,
    /// Layer after which the crown goes by default: its output is the feature vector.
    pub cut: Option<String>,
    /// Layer that gives the class scores before any softmax.
    pub logits: Option<String>,
    /// Layers where a part of the network ends, lowest first: stem, blocks, head; empty when not
    /// known.
    pub blocks: Vec<String>,
}

impl Card {
    /// A card of which nothing is known but the name: everything else is `unknown`, and pictures are
    /// prepared as most ImageNet networks want them.
    pub fn blank(name: &str) -> Self {
        let unknown = || "unknown".to_owned();
        Self {
            name: name.to_owned(),
            framework: unknown(),
            dataset: unknown(),
            licence: unknown(),
            origin: unknown(),
            preprocess: Preprocess::imagenet(256, 224, Interpolation::Bilinear),
            labels: Vec::new(),
            cut: None,
            logits: None,
            blocks: Vec::new(),
        }
    }
}
