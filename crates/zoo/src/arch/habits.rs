//! How frameworks usually turn a picture into the input of an architecture: what holds when nothing
//! else is known of a weights file.

use regraft_net::card::{Channels, Interpolation, Preprocess, Resize};

use super::{ArchInfo, Family, Naming};

/// Half of the range on both sides: `[0, 1]` to `[-1, 1]`.
const HALF: [f32; 3] = [0.5; 3];

impl ArchInfo {
    /// Shorter side and centre crop, `ImageNet`'s mean and deviation, in torchvision (its
    /// `*_Weights.transforms`, first version) and timm (`default_cfg`), where they do not say
    /// otherwise; the whole picture squeezed, and a mode for each family, in Keras
    /// (`keras.applications.*.preprocess_input`); blue first and no scale in Caffe.
    pub(super) fn preprocess(&self) -> Preprocess {
        match self.naming {
            Naming::Torchvision => self.torchvision(),
            Naming::Timm => self.timm(),
            Naming::Transformers => self.of_transformers(),
            Naming::Keras => self.keras_mode(),
            Naming::Caffe => Preprocess {
                resize: Resize::Exact([256, 256]),
                mean: [104.0, 117.0, 123.0],
                ..self.blue_first()
            },
            Naming::Lukemelas => Preprocess {
                mean: [127.0 / 255.0; 3],
                std: [128.0 / 255.0; 3],
                ..self.shorter(0.875, Interpolation::Bicubic)
            },
        }
    }

    /// The shorter side such that the crop is this share of it.
    fn shorter(&self, share: f64, interpolation: Interpolation) -> Preprocess {
        let side = (self.size as f64 / share).round() as usize;
        Preprocess::imagenet(side, self.size, interpolation)
    }

    fn torchvision(&self) -> Preprocess {
        if self.family == Family::Dcgan {
            let whole = self.shorter(1.0, Interpolation::Bilinear);
            return Preprocess { mean: HALF, std: HALF, ..whole };
        }
        if self.family == Family::EfficientNet {
            let side = match self.size {
                224 | 240 => 256,
                300 => 320,
                380 => 384,
                size => size,
            };
            return Preprocess::imagenet(side, self.size, Interpolation::Bicubic);
        }
        let side = match self.name {
            "torchvision/convnext_tiny" => 236,
            "torchvision/convnext_small" => 230,
            "torchvision/convnext_base" | "torchvision/convnext_large" => 232,
            "torchvision/vit_l_16" => 242,
            _ => return self.shorter(0.875, Interpolation::Bilinear),
        };
        Preprocess::imagenet(side, self.size, Interpolation::Bilinear)
    }

    /// As the `preprocessor_config.json` of the first weights of each family says.
    fn of_transformers(&self) -> Preprocess {
        let is = |families: &[Family]| families.contains(&self.family);
        if is(&[Family::Vit]) {
            let usual = self.shorter(1.0, Interpolation::Bilinear);
            let resize = Resize::Exact([self.size; 2]);
            return Preprocess { resize, mean: HALF, std: HALF, ..usual };
        }
        self.shorter(0.875, Interpolation::Bicubic)
    }

    /// The crop's share of `EfficientNet`s in timm, where it is not the usual one.
    fn timm_share(&self) -> Option<f64> {
        Some(match self.name {
            "timm/efficientnet_b1" => 0.9,
            "timm/efficientnet_b5" => 1.0,
            "timm/efficientnet_b6" | "timm/tf_efficientnet_b6" => 0.942,
            "timm/efficientnet_b7" | "timm/tf_efficientnet_b7" => 0.949,
            "timm/tf_efficientnet_b1" => 0.882,
            "timm/tf_efficientnet_b2" => 0.89,
            "timm/tf_efficientnet_b3" => 0.904,
            "timm/tf_efficientnet_b4" => 0.922,
            "timm/tf_efficientnet_b5" => 0.934,
            _ => return None,
        })
    }

    fn timm(&self) -> Preprocess {
        let is = |families: &[Family]| families.contains(&self.family);
        let share = if let Some(share) = self.timm_share() {
            share
        } else if is(&[Family::ResNet, Family::ResNeXt, Family::ConvNext]) {
            0.95
        } else if is(&[Family::Vit, Family::Deit]) {
            0.9
        } else if is(&[Family::NasNet]) {
            0.911
        } else if is(&[Family::DinoV2]) {
            1.0
        } else {
            0.875
        };
        let usual = self.shorter(share, Interpolation::Bicubic);
        if is(&[Family::Vit, Family::InceptionV3, Family::NasNet]) {
            return Preprocess { mean: HALF, std: HALF, ..usual };
        }
        usual
    }

    fn keras_mode(&self) -> Preprocess {
        let usual = self.shorter(1.0, Interpolation::Bilinear);
        let usual = Preprocess { resize: Resize::Exact([self.size; 2]), ..usual };
        let is = |families: &[Family]| families.contains(&self.family);
        if is(&[Family::DenseNet, Family::EfficientNet, Family::ConvNext]) {
            return usual;
        }
        if is(&[Family::ResNet, Family::Vgg]) {
            return Preprocess { mean: [103.939, 116.779, 123.68], ..self.blue_first() };
        }
        Preprocess { mean: HALF, std: HALF, ..usual }
    }

    /// Bytes less a mean, blue first.
    fn blue_first(&self) -> Preprocess {
        Preprocess {
            resize: Resize::Exact([self.size; 2]),
            channels: Channels::Bgr,
            scale: 1.0,
            std: [1.0; 3],
            ..self.shorter(1.0, Interpolation::Bilinear)
        }
    }
}
