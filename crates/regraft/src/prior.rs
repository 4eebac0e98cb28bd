//! Class shares of where a run is used, which may not be those it learned from.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use regraft_advise::shift::{adjust, correct, estimate_shares};
use regraft_net::nearest;
use regraft_run::{Plan, RunFile, RunFolder};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Most bytes of a file of shares: a hundred thousand classes with long names.
const LIMIT: u64 = 16 << 20;
/// How far from 1 given shares may add up to, by being rounded.
const ROUNDED: f64 = 0.01 + 1e-9;
/// A ratio whose chance is below this speaks for a shift.
const DOUBT: f64 = 0.05;

/// How frequent each class is where a run is used.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Prior {
    /// As in the training images.
    #[default]
    Training,
    /// All classes the same.
    Uniform,
    /// Estimated from the images at hand; as in training when nothing speaks for a shift.
    Estimate,
    /// The share of each class, in a CSV table `class,share` with that header line, or in JSON: an object
    /// from class to share, or a list of objects with `class` and `share`.
    File(PathBuf),
}

impl Prior {
    /// `training`, `uniform`, `estimate`, or a file.
    pub fn parse(text: &str) -> Self {
        match text {
            "training" => Self::Training,
            "uniform" => Self::Uniform,
            "estimate" => Self::Estimate,
            path => Self::File(path.into()),
        }
    }
}

/// What is wrong with given shares.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ShareFault {
    /// Neither of the forms.
    #[error(
        "wants a CSV table with the header `class,share` and a line for each class, or JSON like \
         {{\"ants\": 0.9, \"bees\": 0.1}}: {0}"
    )]
    Form(String),
    /// A class that the run does not know.
    #[error(
        "class `{class}` is not one of the run's{}",
        near.first().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default()
    )]
    Unknown {
        /// The class.
        class: String,
        /// Classes with names like it.
        near: Vec<String>,
    },
    /// A class without a share.
    #[error("class `{0}` has no share; give 0 for a class that does not occur")]
    Missing(String),
    /// A class given more than once.
    #[error("class `{0}` is given more than once")]
    Twice(String),
    /// A share that is none.
    #[error("the share of class `{class}` is {share}; wants a number from 0 to 1")]
    Range {
        /// The class.
        class: String,
        /// Given.
        share: f64,
    },
    /// Shares that are not shares of a whole.
    #[error("the shares add up to {0}; wants 1, to a hundredth")]
    Sum(f64),
}

/// A class, and how frequent it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassShare {
    /// Its name.
    pub class: String,
    /// Its share in use, 0 to 1: probabilities were turned to this.
    pub share: f64,
    /// Its share in training, 0 to 1; with class weights, that of the weighed images.
    pub training: f64,
    /// The likeliest share given the images, where it was estimated, be it taken or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<f64>,
}

/// How sure an estimate of shares is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShareTest {
    /// Images it rests on: those that were read and are not called unknown.
    pub images: usize,
    /// Twice the log-likelihood ratio of the estimated shares against those of training, 0 or more.
    pub ratio: f64,
    /// Chance of a ratio as large without a shift, 0 to 1, with Williams' correction for few images.
    pub chance: f64,
    /// Whether that is below 0.05; if not, the shares of training are kept.
    pub shifted: bool,
    /// Whether the estimate has settled.
    pub converged: bool,
}

/// Which shares probabilities were turned to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PriorFacts {
    /// `uniform`, `estimate`, or the file.
    pub prior: String,
    /// Each class, in the order of the run.
    pub shares: Vec<ClassShare>,
    /// Of an estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<ShareTest>,
}

/// The class shares that a run's probabilities stand for, `[C]`: those of its training images, times what
/// each class counted.
///
/// # Errors
/// When the run has no `metrics.json`, or one of other classes.
pub(crate) fn trained_shares(folder: &RunFolder, plan: &Plan) -> Result<Vec<f64>, Error> {
    let counts = folder.metrics()?.train.images_per_class;
    let weights = plan.tuning.as_ref().map_or(&plan.head.class_weights, |t| &t.class_weights);
    let wrong = |wanted| Error::Head { path: folder.file(RunFile::Metrics), wanted };
    if counts.len() != plan.data.classes.len() || counts.contains(&0) {
        return Err(wrong("training images of each class of plan.toml in `images_per_class`"));
    }
    if !weights.is_empty() && weights.len() != counts.len() {
        return Err(wrong("as many classes as `class_weights` of plan.toml has"));
    }
    let weight = |c: usize| weights.get(c).map_or(1.0, |w| f64::from(*w));
    let parts: Vec<f64> = counts.iter().enumerate().map(|(c, n)| *n as f64 * weight(c)).collect();
    let sum: f64 = parts.iter().sum();
    let shares: Vec<f64> = parts.into_iter().map(|part| part / sum).collect();
    if shares.iter().all(|share| *share > 0.0 && share.is_finite()) {
        Ok(shares)
    } else {
        Err(wrong("class weights above 0 in plan.toml"))
    }
}

/// The shares a person asked for; none where they are those of training.
pub(crate) enum Asked {
    /// These, `[C]`.
    Given(Vec<f64>),
    /// To be estimated.
    Estimate,
}

/// Shares of training and of use, before any image was looked at.
pub(crate) struct Shares {
    /// `uniform`, `estimate`, or the file.
    name: String,
    trained: Vec<f64>,
    /// Makes the run's probabilities stand for `trained`; empty for none.
    bias: Vec<f64>,
    asked: Asked,
}

impl Shares {
    /// Of a run; `None` when nothing is to be changed.
    ///
    /// # Errors
    /// When the shares of training are not known, or a file of shares is not sound.
    pub(crate) fn of(
        prior: &Prior,
        folder: &RunFolder,
        plan: &Plan,
    ) -> Result<Option<Self>, Error> {
        let classes = &plan.data.classes;
        let (name, asked) = match prior {
            Prior::Training => return Ok(None),
            Prior::Uniform => {
                let each = 1.0 / classes.len() as f64;
                ("uniform".to_owned(), Asked::Given(vec![each; classes.len()]))
            }
            Prior::Estimate => ("estimate".to_owned(), Asked::Estimate),
            Prior::File(path) => (path.display().to_string(), Asked::Given(read(path, classes)?)),
        };
        let bias = if plan.tuning.is_none() { plan.head.share_bias.clone() } else { Vec::new() };
        if !bias.is_empty() && bias.len() != classes.len() {
            let path = folder.file(RunFile::Plan);
            return Err(Error::Head { path, wanted: "as many numbers in `share_bias` as classes" });
        }
        Ok(Some(Self { name, trained: trained_shares(folder, plan)?, bias, asked }))
    }

    /// Makes probabilities stand for the shares of training.
    fn correct(&self, probabilities: &mut [f32]) -> Result<(), Error> {
        if self.bias.is_empty() { Ok(()) } else { Ok(correct(probabilities, &self.bias)?) }
    }

    /// Turns probabilities `[n, C]` to these shares; an estimate is made from the rows that `counts`.
    pub(crate) fn turn(
        &self,
        probabilities: &mut [f32],
        classes: &[String],
        counts: impl Fn(usize) -> bool,
    ) -> Result<PriorFacts, Error> {
        let (mut estimate, mut test) = (None, None);
        let shares = match &self.asked {
            Asked::Given(shares) => Some(shares.clone()),
            Asked::Estimate => {
                let rows = probabilities.chunks_exact(classes.len()).enumerate();
                let counted = rows.filter(|(i, _)| counts(*i));
                let mut rows: Vec<f32> = counted.flat_map(|(_, row)| row.iter().copied()).collect();
                let images = rows.len() / classes.len();
                let mut sure =
                    ShareTest { images, ratio: 0.0, chance: 1.0, shifted: false, converged: true };
                if images > 0 {
                    self.correct(&mut rows)?;
                    let made = estimate_shares(&rows, &self.trained)?;
                    (sure.ratio, sure.chance) = (made.ratio, made.chance);
                    (sure.shifted, sure.converged) = (made.chance < DOUBT, made.converged);
                    estimate = Some(made.shares);
                }
                let taken = estimate.clone().filter(|_| sure.shifted);
                test = Some(sure);
                taken
            }
        };
        // What was answered stays as it is where nothing speaks against it.
        if let Some(shares) = &shares {
            self.correct(probabilities)?;
            adjust(probabilities, &self.trained, shares)?;
        }
        let shares = shares.unwrap_or_else(|| self.trained.clone());
        let share = |(c, class): (usize, &String)| ClassShare {
            class: class.clone(),
            share: shares[c],
            training: self.trained[c],
            estimate: estimate.as_ref().map(|e| e[c]),
        };
        let shares = classes.iter().enumerate().map(share).collect();
        Ok(PriorFacts { prior: self.name.clone(), shares, test })
    }
}

/// A row of a file of shares.
#[derive(Debug, Deserialize)]
struct Row {
    class: String,
    share: f64,
}

/// The JSON forms.
#[derive(Deserialize)]
#[serde(untagged)]
enum Json {
    List(Vec<Row>),
    Map(std::collections::BTreeMap<String, f64>),
}

/// The shares in a file, in the order of `classes`, adding up to 1.
fn read(path: &Path, classes: &[String]) -> Result<Vec<f64>, Error> {
    let failed = |source| Error::File { what: "read", path: path.to_owned(), source };
    let wrong = |why| Error::Shares { path: path.to_owned(), why };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LIMIT + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > LIMIT {
        return Err(wrong(ShareFault::Form(format!("it is larger than {LIMIT} bytes"))));
    }
    rows(text.trim_start_matches('\u{feff}').trim_start())
        .and_then(|rows| in_order(&rows, classes))
        .map_err(wrong)
}

fn rows(text: &str) -> Result<Vec<Row>, ShareFault> {
    let form = |error: &dyn std::fmt::Display| ShareFault::Form(error.to_string());
    if text.starts_with(['{', '[']) {
        return Ok(match serde_json::from_str(text).map_err(|e| form(&e))? {
            Json::List(rows) => rows,
            Json::Map(map) => map.into_iter().map(|(class, share)| Row { class, share }).collect(),
        });
    }
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    reader.deserialize().collect::<Result<Vec<Row>, csv::Error>>().map_err(|e| form(&e))
}

/// Checked, in the order of the run's classes.
fn in_order(rows: &[Row], classes: &[String]) -> Result<Vec<f64>, ShareFault> {
    let mut shares = vec![None; classes.len()];
    for Row { class, share } in rows {
        let Some(at) = classes.iter().position(|c| c == class) else {
            let near = nearest(class, classes.iter().map(String::as_str));
            return Err(ShareFault::Unknown { class: class.clone(), near });
        };
        if !(0.0..=1.0).contains(share) {
            return Err(ShareFault::Range { class: class.clone(), share: *share });
        }
        if shares[at].replace(*share).is_some() {
            return Err(ShareFault::Twice(class.clone()));
        }
    }
    let missing = |(class, share): (&String, Option<f64>)| {
        share.ok_or_else(|| ShareFault::Missing(class.clone()))
    };
    let shares = classes.iter().zip(shares).map(missing).collect::<Result<Vec<f64>, _>>()?;
    let sum: f64 = shares.iter().sum();
    if (sum - 1.0).abs() > ROUNDED {
        return Err(ShareFault::Sum(sum));
    }
    Ok(shares.into_iter().map(|share| share / sum).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(text: &str) -> Result<Vec<f64>, String> {
        let classes = ["ants".to_owned(), "bees, wild".to_owned()];
        rows(text).and_then(|rows| in_order(&rows, &classes)).map_err(|e| e.to_string())
    }

    #[test]
    fn shares_come_from_tables_and_from_json() {
        for text in [
            "class,share\nants,0.75\n\"bees, wild\",0.25\n",
            "share, class\n 0.25 ,\"bees, wild\"\n0.75, ants\n",
            "{\"bees, wild\": 0.25, \"ants\": 0.75}",
            "[{\"class\": \"ants\", \"share\": 0.75, \"training\": 0.5}, \
              {\"class\": \"bees, wild\", \"share\": 0.25}]",
        ] {
            assert_eq!(shares(text).unwrap(), [0.75, 0.25], "{text}");
        }
        assert_eq!(shares("class,share\nants,1\n\"bees, wild\",0").unwrap(), [1.0, 0.0]);
        let rounded = shares("{\"ants\": 0.66, \"bees, wild\": 0.33}").unwrap();
        assert!((rounded[0] - 2.0 / 3.0).abs() < 1e-12, "{rounded:?}");
    }

    #[test]
    fn shares_that_are_none_are_refused_by_name() {
        for (text, words) in [
            ("class,share\nants,0.75", "class `bees, wild` has no share"),
            ("{\"ant\": 0.75}", "class `ant` is not one of the run's; did you mean `ants`?"),
            ("class,share\nants,-0.5", "the share of class `ants` is -0.5"),
            ("class,share\nants,NaN", "the share of class `ants` is NaN"),
            ("class,share\nants,0.5\nants,0.5", "class `ants` is given more than once"),
            ("{\"ants\": 0.9, \"bees, wild\": 0.25}", "add up to 1.15"),
            ("class,share\nants,much", "header `class,share`"),
            ("ants,0.5\nbees,0.5", "header `class,share`"),
            ("{\"ants\": }", "JSON like"),
            ("", "class `ants` has no share"),
        ] {
            let said = shares(text).unwrap_err();
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}
