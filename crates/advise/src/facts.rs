//! What was measured, by name: the only thing that rules see.

use serde::{Deserialize, Serialize};

use crate::scores::{distributions, random_precision};
use crate::{AdviseError, Table};

/// A place to cut, and what a linear head on the features there is worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Depth {
    /// The layer after which the crown would go.
    pub cut: String,
    /// How far up the network it is, 0 to 1 (1: the whole trunk).
    pub share: f64,
    /// Leave-one-out accuracy of a ridge head on its features, 0 to 1.
    pub loo_top1: f64,
    /// Accuracy of the same head on the images it was fitted on, 0 to 1.
    pub training_top1: f64,
    /// Effective degrees of freedom of that head.
    pub df: f64,
}

/// Everything that [`resolve`](crate::resolve()) is told. `None`: not measured; a rule that asks for it does
/// not apply.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Training images of each target class, `[C]`.
    pub images_per_class: Vec<usize>,
    /// Where images have any number of labels: `images_per_class` are then images with each label, and what is
    /// called an accuracy or `top1` here is mean average precision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub several: Option<Labelled>,
    /// Images that accuracies were measured on; all of them when not said.
    pub judged_on: Option<usize>,
    /// From low to high; the last one is the whole trunk.
    pub depths: Vec<Depth>,
    /// Leave-one-out accuracy of a ridge head on the features of all depths joined, 0 to 1, where that is
    /// clearly better than on the whole trunk's: what a probe then reads.
    pub joined_top1: Option<f64>,
    /// Images that the network was trained on.
    pub source_images: Option<f64>,
    /// Classes that it was trained on.
    pub source_classes: Option<usize>,
    /// Target classes that are among them.
    pub shared_classes: Option<usize>,
    /// Leave-one-out accuracy of a linear classifier on the network's output probabilities, 0 to 1.
    pub output_top1: Option<f64>,
    /// Distance of feature statistics to the source's: how far what reaches the batch norms is from the
    /// statistics that they keep of the source's images, a mean over norms and channels: deviations between
    /// the means, and the logarithm of the ratio of deviations. 0 is the same.
    pub feature_distance: Option<f64>,
    /// How sure the network's own head is of the target images: see [`certainty`].
    pub certainty: Option<Certainty>,
    /// Parameters of the network.
    pub parameters: Option<f64>,
    /// Bytes that tuning all of it wants.
    pub memory_wanted: Option<f64>,
    /// Bytes there are for it.
    pub memory_given: Option<f64>,
    /// Accuracy on held-out images of the same network from random weights, 0 to 1.
    pub scratch_top1: Option<f64>,
    /// Networks equal to this one within noise, each with its parameters.
    pub equals: Vec<(String, f64)>,
}

/// Images of which each has any number of labels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labelled {
    /// How many they are.
    pub images: usize,
    /// Standard error of the probe's mean average precision.
    pub error: f64,
}

/// How sure the source's head is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certainty {
    /// Mean of the largest probability, 0 to 1.
    pub confidence: f64,
    /// Mean entropy as a share of that of the uniform distribution, 0 to 1.
    pub entropy: f64,
}

/// Mean confidence and mean entropy of a network's outputs: probabilities `[n, Z]` of its own classes.
///
/// Fails for rows that are no distribution, and when they cannot be read.
pub fn certainty(outputs: Table<'_>) -> Result<Certainty, AdviseError> {
    distributions(outputs)?;
    let (mut confidence, mut entropy) = (0.0, 0.0);
    outputs.every(|_, row| {
        confidence += row.iter().copied().fold(0.0, f64::max);
        entropy -= row.iter().filter(|&&p| p > 0.0).map(|p| p * p.ln()).sum::<f64>();
    })?;
    let n = outputs.rows() as f64;
    let most = (outputs.columns() as f64).ln();
    let entropy = if most > 0.0 { (entropy / n / most).clamp(0.0, 1.0) } else { 0.0 };
    Ok(Certainty { confidence: (confidence / n).min(1.0), entropy })
}

/// A figure that a rule may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// Training images.
    Images,
    /// Target classes.
    Classes,
    /// Images for each class, in the mean.
    ImagesPerClass,
    /// Images of the largest class for one of the smallest.
    Imbalance,
    /// Target images for one of the source.
    TargetToSource,
    /// Share of the target's classes that the source has.
    ClassOverlap,
    /// Accuracy of the probe, left out: on the whole trunk, or on all depths joined where that is better.
    Probe,
    /// The same above chance, as a share of what there is above chance: 0 chance, 1 perfect.
    Skill,
    /// The same above chance, in standard errors.
    Evidence,
    /// How far up the probe is best, 0 to 1.
    PeakDepth,
    /// What the best cut has over the probe, in standard errors.
    PeakGain,
    /// What all depths joined have over the whole trunk, in standard errors.
    JoinedGain,
    /// What the best lower cut alone has over the whole trunk, in standard errors.
    AloneGain,
    /// What the outputs have over the features, in standard errors.
    OutputGain,
    /// Accuracy on images fitted less accuracy left out: how much the probe learns by heart.
    Gap,
    /// Effective degrees of freedom of the probe for each image.
    Flexibility,
    /// Distance of feature statistics to the source's.
    FeatureDistance,
    /// Mean confidence of the source's head.
    Confidence,
    /// Mean entropy of the source's head, as a share of the largest.
    Entropy,
    /// Parameters of the network.
    Parameters,
    /// The same for each training image.
    ParametersPerImage,
    /// Memory that tuning everything wants, for one of what there is.
    MemoryShare,
    /// What the network from random weights has over the probe, in standard errors.
    ScratchGain,
    /// Parameters of this network for one of the smallest that is equal within noise.
    TimesSmallestEqual,
}

/// In what a fact is measured, and so how far is far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A count or a ratio: compared by factors.
    Ratio,
    /// A share of 1.
    Share,
    /// Standard errors.
    Errors,
}

impl Fact {
    /// What a person reads where images have any number of labels.
    pub fn words_for_labels(self) -> &'static str {
        match self {
            Self::Classes => "labels",
            Self::ImagesPerClass => "images per label",
            Self::ClassOverlap => "share of labels the source knows",
            Self::Probe => "leave-one-out mean average precision of a linear probe",
            Self::Skill => "probe above the labels' shares (0 these, 1 perfect)",
            Self::Evidence => "probe above a random order in standard errors",
            Self::Gap => "training mean average precision less leave-one-out",
            Self::Images
            | Self::Imbalance
            | Self::TargetToSource
            | Self::PeakDepth
            | Self::PeakGain
            | Self::JoinedGain
            | Self::AloneGain
            | Self::OutputGain
            | Self::Flexibility
            | Self::FeatureDistance
            | Self::Confidence
            | Self::Entropy
            | Self::Parameters
            | Self::ParametersPerImage
            | Self::MemoryShare
            | Self::ScratchGain
            | Self::TimesSmallestEqual => self.words(),
        }
    }

    /// What a person reads.
    pub fn words(self) -> &'static str {
        match self {
            Self::Images => "training images",
            Self::Classes => "classes",
            Self::ImagesPerClass => "images per class",
            Self::Imbalance => "largest class over smallest",
            Self::TargetToSource => "target images over source images",
            Self::ClassOverlap => "share of classes the source knows",
            Self::Probe => "leave-one-out accuracy of a linear probe",
            Self::Skill => "probe above chance (0 chance, 1 perfect)",
            Self::Evidence => "probe above chance in standard errors",
            Self::PeakDepth => "depth at which the probe peaks",
            Self::PeakGain => "gain of an earlier cut in standard errors",
            Self::JoinedGain => "gain of all depths joined in standard errors",
            Self::AloneGain => "gain of a lower cut alone over the last in standard errors",
            Self::OutputGain => "gain of outputs over features in standard errors",
            Self::Gap => "training accuracy less leave-one-out accuracy",
            Self::Flexibility => "effective dimensions per image",
            Self::FeatureDistance => "distance of feature statistics to the source",
            Self::Confidence => "mean confidence of the source's head",
            Self::Entropy => "mean entropy of the source's head",
            Self::Parameters => "parameters of the network",
            Self::ParametersPerImage => "parameters per training image",
            Self::MemoryShare => "memory wanted over memory given",
            Self::ScratchGain => "gain of random weights in standard errors",
            Self::TimesSmallestEqual => "times the size of the smallest equal network",
        }
    }

    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::Images
            | Self::Classes
            | Self::ImagesPerClass
            | Self::Imbalance
            | Self::TargetToSource
            | Self::FeatureDistance
            | Self::Parameters
            | Self::ParametersPerImage
            | Self::MemoryShare
            | Self::TimesSmallestEqual => Unit::Ratio,
            Self::ClassOverlap
            | Self::Probe
            | Self::Skill
            | Self::PeakDepth
            | Self::Gap
            | Self::Flexibility
            | Self::Confidence
            | Self::Entropy => Unit::Share,
            Self::Evidence
            | Self::PeakGain
            | Self::JoinedGain
            | Self::AloneGain
            | Self::OutputGain
            | Self::ScratchGain => Unit::Errors,
        }
    }
}

impl Facts {
    /// Training images.
    pub fn images(&self) -> usize {
        self.several.map_or_else(|| self.images_per_class.iter().sum(), |several| several.images)
    }

    /// Images that accuracies were measured on.
    pub fn judged(&self) -> usize {
        self.judged_on.unwrap_or_else(|| self.images())
    }

    /// Accuracy of always saying the largest class, 0 to 1; of labels the mean share of images that have one, over
    /// labels that some have and some not.
    pub fn chance(&self) -> f64 {
        if let Some(several) = self.several {
            let judged =
                || self.images_per_class.iter().filter(|p| (1..several.images).contains(*p));
            let all = judged().count() * several.images;
            return judged().sum::<usize>() as f64 / all.max(1) as f64;
        }
        let largest = self.images_per_class.iter().max().copied().unwrap_or(0);
        largest as f64 / self.images().max(1) as f64
    }

    /// What a probe without a clue gets: chance, or of labels the mean average precision of a random order, which
    /// is above their shares.
    fn clueless(&self) -> f64 {
        let judged = self.judged() as f64 / self.images().max(1) as f64;
        // On some of the images each label has its share of them.
        let some = |n: &usize| ((*n as f64 * judged).round() as usize).max(usize::from(*n > 0));
        let random = self.several.and_then(|_| {
            let positives: Vec<usize> = self.images_per_class.iter().map(some).collect();
            random_precision(&positives, self.judged())
        });
        random.unwrap_or_else(|| self.chance())
    }

    /// The best cut; of equal ones the highest.
    pub fn peak(&self) -> Option<&Depth> {
        self.depths.iter().max_by(|a, b| a.loo_top1.total_cmp(&b.loo_top1))
    }

    /// The whole trunk.
    pub fn last(&self) -> Option<&Depth> {
        self.depths.last()
    }

    /// Leave-one-out accuracy of the probe: on the whole trunk, or on all depths joined where that is better.
    pub fn probe(&self) -> Option<f64> {
        let trunk = self.last()?.loo_top1;
        Some(self.joined_top1.map_or(trunk, |joined| joined.max(trunk)))
    }

    /// Standard error of an accuracy that was measured here. One more image of each kind (Agresti
    /// and Coull 1998), so that an accuracy of 1 has one, too. Of labels the probe's own, which an order without
    /// a fault does not have: what one image in `n + 2` is worth at the least.
    pub fn error(&self, top1: f64) -> f64 {
        let n = self.judged() as f64;
        if let Some(several) = self.several {
            return several.error.max(1.0 / (n + 2.0));
        }
        let share = (top1 * n + 1.0) / (n + 2.0);
        (share * (1.0 - share) / (n + 2.0)).sqrt()
    }

    /// The figure, where what it needs was measured.
    pub fn value(&self, fact: Fact) -> Option<f64> {
        let images = self.images() as f64;
        let classes = self.images_per_class.len() as f64;
        let trunk = self.last().map(|d| d.loo_top1);
        let probe = self.probe();
        let over = |value: Option<f64>| {
            let (value, probe) = (value?, probe?);
            Some((value - probe) / self.error(probe))
        };
        match fact {
            Fact::Images => Some(images),
            Fact::Classes => Some(classes),
            Fact::ImagesPerClass => {
                let all = self.images_per_class.iter().sum::<usize>() as f64;
                (classes > 0.0).then(|| all / classes)
            }
            // Each label is a question of its own: none is drowned by another.
            Fact::Imbalance if self.several.is_some() => None,
            Fact::Imbalance => {
                let (low, high) =
                    (self.images_per_class.iter().min()?, self.images_per_class.iter().max()?);
                Some(*high as f64 / (*low as f64).max(1.0))
            }
            Fact::TargetToSource => self.source_images.filter(|&s| s > 0.0).map(|s| images / s),
            Fact::ClassOverlap => {
                self.shared_classes.filter(|_| classes > 0.0).map(|s| s as f64 / classes)
            }
            Fact::Probe => probe,
            Fact::Skill => probe.map(|p| (p - self.chance()) / (1.0 - self.chance()).max(1e-9)),
            Fact::Evidence => {
                let clueless = self.clueless();
                probe.map(|p| (p - clueless) / self.error(clueless))
            }
            Fact::PeakDepth => self.peak().map(|d| d.share),
            Fact::PeakGain => over(self.peak().map(|d| d.loo_top1)),
            Fact::JoinedGain => {
                let (joined, trunk) = (self.joined_top1.or(trunk)?, trunk?);
                Some((joined - trunk) / self.error(trunk))
            }
            Fact::AloneGain => {
                let (peak, trunk) = (self.peak()?.loo_top1, trunk?);
                Some((peak - trunk) / self.error(trunk))
            }
            Fact::OutputGain => over(self.output_top1),
            Fact::Gap => self.last().map(|d| d.training_top1 - d.loo_top1),
            // A head has more dimensions for each of a few images than for each of all.
            Fact::Flexibility if 2 * self.judged() < self.images() => None,
            Fact::Flexibility => self.last().map(|d| d.df / (self.judged() as f64).max(1.0)),
            Fact::FeatureDistance => self.feature_distance,
            Fact::Confidence => self.certainty.map(|c| c.confidence),
            Fact::Entropy => self.certainty.map(|c| c.entropy),
            Fact::Parameters => self.parameters,
            Fact::ParametersPerImage => self.parameters.map(|p| p / images.max(1.0)),
            Fact::MemoryShare => {
                Some(self.memory_wanted? / self.memory_given.filter(|&m| m > 0.0)?)
            }
            Fact::ScratchGain => over(self.scratch_top1),
            Fact::TimesSmallestEqual => {
                let smallest = self.equals.iter().map(|e| e.1).fold(f64::INFINITY, f64::min);
                Some(self.parameters? / smallest).filter(|t| *t > 0.0)
            }
        }
    }

    /// How many images would tell the probe from chance by `errors` standard errors, were its accuracy what
    /// it seems (or ten points above chance, where it seems no better): `z² c(1-c)/(p-c)²`.
    pub fn images_to_tell(&self, errors: f64) -> usize {
        let chance = self.clueless();
        let seems = self.probe().map_or(0.0, |top1| top1 - chance);
        let gain = seems.max(0.1);
        // The variance that one image has.
        let variance = match self.several {
            Some(_) => self.error(chance).powi(2) * self.judged() as f64,
            None => chance * (1.0 - chance),
        };
        let wanted = errors * errors * variance / (gain * gain);
        ((wanted - 1e-9).ceil() as usize).max(self.images() + 1)
    }
}
