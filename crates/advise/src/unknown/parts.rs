//! The model in pieces: what a file holds of it, few settings and many numbers.

use serde::{Deserialize, Serialize};

use super::bank::Bank;
use super::tied::Tied;
use super::{Method, Parts, UnknownModel};
use crate::AdviseError;

/// All of a model but its many numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How unknown images are told.
    pub method: Method,
    /// Scores above it are unknown.
    pub threshold: f64,
    /// Share of known images above the threshold, at most.
    pub alarms: f64,
    /// The k of the k-th nearest.
    pub neighbours: usize,
    /// Number of features `d`.
    pub features: usize,
    /// Class of each image of the bank, `[m]`.
    pub labels: Vec<usize>,
    /// Of the covariance, where the method has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tied: Option<TiedSettings>,
}

/// Of a covariance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TiedSettings {
    /// Class means.
    pub classes: usize,
    /// Axes.
    pub axes: usize,
    /// Variance of every direction that no image of the bank has; none where they have all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<f64>,
}

/// A matrix of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Values<'a> {
    /// Its name: `bank`, `means`, `axes`.
    pub name: &'static str,
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Row by row.
    pub values: &'a [f32],
}

impl UnknownModel {
    /// All but the many numbers.
    pub fn settings(&self) -> Settings {
        let Parts { method, threshold, alarms, neighbours, bank, tied } = &self.0;
        Settings {
            method: *method,
            threshold: *threshold,
            alarms: *alarms,
            neighbours: *neighbours,
            features: bank.features,
            labels: bank.labels.clone(),
            tied: tied.as_ref().map(|t| TiedSettings {
                classes: t.means.len() / t.features,
                axes: t.axes.len() / t.features,
                rest: t.rest,
            }),
        }
    }

    /// The many numbers.
    pub fn values(&self) -> Vec<Values<'_>> {
        let Parts { bank, tied, .. } = &self.0;
        let of = |name, values: &'_ [f32]| (name, values.len() / bank.features);
        let matrix = |name, values| {
            let (name, rows) = of(name, values);
            Values { name, shape: [rows, bank.features], values }
        };
        let mut all = vec![matrix("bank", bank.points.as_slice())];
        if let Some(tied) = tied {
            all.extend([matrix("means", &tied.means), matrix("axes", &tied.axes)]);
        }
        all
    }

    /// The shapes of the matrices that settings ask for, by name.
    pub fn shapes(settings: &Settings) -> Vec<(&'static str, [usize; 2])> {
        let d = settings.features;
        let tied = settings.tied.iter();
        let tied = tied.flat_map(|t| [("means", [t.classes, d]), ("axes", [t.axes, d])]);
        std::iter::once(("bank", [settings.labels.len(), d])).chain(tied).collect()
    }

    /// Puts a model together again; the rows of its bank are then `0..m`. `take` gives a matrix by its name.
    ///
    /// Fails with the part that is missing or does not fit the settings.
    pub fn from_parts(
        settings: Settings,
        mut take: impl FnMut(&str) -> Option<Vec<f32>>,
    ) -> Result<Self, AdviseError> {
        let mut matrix = |name: &'static str, rows: usize| -> Result<Vec<f32>, AdviseError> {
            let values = take(name).ok_or(AdviseError::Model { part: name })?;
            let fits = rows.checked_mul(settings.features) == Some(values.len());
            if fits { Ok(values) } else { Err(AdviseError::Model { part: name }) }
        };
        let points = matrix("bank", settings.labels.len())?;
        let tied = match &settings.tied {
            None => None,
            Some(t) => Some(Tied {
                features: settings.features,
                means: matrix("means", t.classes)?,
                axes: matrix("axes", t.axes)?,
                rest: t.rest,
            }),
        };
        let rows = (0..settings.labels.len()).collect();
        let bank = Bank { features: settings.features, rows, labels: settings.labels, points };
        let Settings { method, threshold, alarms, neighbours, .. } = settings;
        Parts { method, threshold, alarms, neighbours, bank, tied }.whole()
    }
}

impl Parts {
    /// The model, if it can be one.
    pub(super) fn whole(self) -> Result<UnknownModel, AdviseError> {
        let bad = |part| Err(AdviseError::Model { part });
        if !self.bank.is_whole() {
            return bad("bank");
        }
        let d = self.bank.features;
        let whole = match (self.method, &self.tied) {
            (_, Some(tied)) => tied.is_whole() && tied.features == d,
            (Method::Mahalanobis, None) => false,
            (Method::Neighbours | Method::Energy, None) => true,
        };
        if !whole {
            return bad("covariance");
        }
        if self.neighbours == 0 || self.neighbours > self.bank.rows.len() {
            return bad("neighbours");
        }
        if !self.threshold.is_finite() || !(0.0..1.0).contains(&self.alarms) {
            return bad("threshold");
        }
        Ok(UnknownModel(self))
    }
}
