use std::collections::BTreeMap;

use regraft_probe::{Features, LabelSets, Labels};
use serde::{Deserialize, Serialize};

use crate::scores::{
    EPSILON, Outputs, Spread, gbc, h_score, leep, logme, logme_of_sets, nce, nearest_mean,
    ridge_out, shrunk_h_score, transrate,
};
use crate::{AdviseError, Moments};

/// Penalties tried by the ridge head.
const PENALTIES: usize = 12;

/// A figure of how well a network suits the images; larger is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// Mean over standard deviation of a ridge head's leave-one-out margins.
    Sureness,
    /// Share of the squared error of guessing that a ridge head takes away, leave-one-out.
    Explained,
    /// Leave-one-out accuracy of a ridge head; of label sets mean average precision.
    RidgeOut,
    /// Logarithm of maximum evidence.
    LogMe,
    /// H-score with a shrunk covariance.
    ShrunkH,
    /// H-score.
    H,
    /// `TransRate`.
    TransRate,
    /// Gaussian Bhattacharyya coefficient, a variance for each axis.
    GbcDiagonal,
    /// The same with one variance for all axes.
    GbcSpherical,
    /// Leave-one-out accuracy by the nearest class mean.
    NearestMean,
    /// Log expected empirical prediction; asks the network's own outputs.
    Leep,
    /// Negative conditional entropy; asks the network's own outputs.
    Nce,
}

impl Score {
    /// All of them, those that lead first.
    pub const ALL: [Self; 12] = [
        Self::Sureness,
        Self::Explained,
        Self::RidgeOut,
        Self::LogMe,
        Self::ShrunkH,
        Self::H,
        Self::TransRate,
        Self::GbcDiagonal,
        Self::GbcSpherical,
        Self::NearestMean,
        Self::Leep,
        Self::Nce,
    ];
    /// Those that are defined where images have any number of labels.
    pub const OF_SETS: [Self; 4] = [Self::Sureness, Self::Explained, Self::RidgeOut, Self::LogMe];
    /// Those that the combined score is made of.
    pub const LEADING: [Self; 3] = [Self::Sureness, Self::Explained, Self::RidgeOut];

    /// The word used in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sureness => "LOO margin",
            Self::Explained => "LOO explained",
            Self::RidgeOut => "probe LOO",
            Self::LogMe => "LogME",
            Self::ShrunkH => "shrunk H",
            Self::H => "H",
            Self::TransRate => "TransRate",
            Self::GbcDiagonal => "GBC diagonal",
            Self::GbcSpherical => "GBC spherical",
            Self::NearestMean => "nearest mean LOO",
            Self::Leep => "LEEP",
            Self::Nce => "NCE",
        }
    }
}

/// Every score of one network on the images, and what [`rank`](super::rank) needs to say how sure they
/// are.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// The scores; [`Score::Leep`] and [`Score::Nce`] only where outputs were given; of label sets
    /// [`Score::OF_SETS`].
    pub scores: BTreeMap<Score, f64>,
    /// Share of images that the ridge head fitted on all of them predicts rightly, 0 to 1; of label sets its mean
    /// average precision.
    pub training_top1: f64,
    /// Effective degrees of freedom of the ridge head.
    pub df: f64,
    /// Share of the round covariance in the shrunk one, 0 to 1; none where nothing is shrunk.
    pub alpha: Option<f64>,
    /// Number of features.
    pub features: usize,
    /// What each image adds to each of [`Score::LEADING`], `[n]`: see
    /// [`RidgeOut::contributions`](crate::scores::RidgeOut::contributions).
    pub contributions: [Vec<f64>; 3],
}

/// Computes every score from features `[n, d]` and, where the network still has its own head, its
/// outputs. `groups` has images that [`ridge_out`] leaves out together.
///
/// Cost: two eigendecompositions of the smaller of `[n, n]` and `[d, d]` here and one in the probe; with
/// more images than features some passes over them, each `n·d·(d + C)` products at most, nothing of size
/// `[n, n]`.
pub fn assess(
    features: Features<'_>,
    labels: &Labels<'_>,
    outputs: Option<&Outputs<'_>>,
    groups: &[usize],
) -> Result<Assessment, AdviseError> {
    let moments = Moments::new(features.into(), labels)?;
    let (me, h) = (logme(&moments)?, shrunk_h_score(&moments)?);
    let ridge = ridge_out(features, labels, PENALTIES, groups)?;
    let mut scores = BTreeMap::from([
        (Score::Sureness, ridge.sureness()),
        (Score::Explained, ridge.explained()),
        (Score::RidgeOut, ridge.top1),
        (Score::LogMe, me.score),
        (Score::ShrunkH, h.score),
        (Score::H, h_score(&moments)),
        (Score::TransRate, transrate(&moments, EPSILON)?),
        (Score::GbcDiagonal, gbc(&moments, Spread::Diagonal)?),
        (Score::GbcSpherical, gbc(&moments, Spread::Spherical)?),
        (Score::NearestMean, nearest_mean(&moments)?.top1),
    ]);
    if let Some(outputs) = outputs {
        scores.insert(Score::Leep, leep(outputs)?);
        scores.insert(Score::Nce, nce(outputs)?);
    }
    Ok(Assessment {
        scores,
        training_top1: ridge.training_top1,
        df: ridge.df,
        alpha: Some(h.alpha),
        features: features.columns(),
        contributions: ridge.contributions(),
    })
}

/// [`assess`] where images have any number of labels: [`Score::OF_SETS`]. The ridge head and the evidence answer each
/// label for itself from one decomposition; the other scores rest on classes that exclude one another.
///
/// Cost: an eigendecomposition here and one in the probe, of the smaller of `[n, n]` and `[d, d]`.
pub fn assess_sets(
    features: Features<'_>,
    sets: &LabelSets<'_>,
    groups: &[usize],
) -> Result<Assessment, AdviseError> {
    let evidence = logme_of_sets(features.into(), sets)?;
    let ridge = ridge_out(features, sets, PENALTIES, groups)?;
    Ok(Assessment {
        scores: BTreeMap::from([
            (Score::Sureness, ridge.sureness()),
            (Score::Explained, ridge.explained()),
            (Score::RidgeOut, ridge.top1),
            (Score::LogMe, evidence.score),
        ]),
        training_top1: ridge.training_top1,
        df: ridge.df,
        alpha: None,
        features: features.columns(),
        contributions: ridge.contributions(),
    })
}
