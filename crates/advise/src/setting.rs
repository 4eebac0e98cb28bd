use serde::{Deserialize, Serialize};

use crate::facts::{Fact, Facts};
use crate::rules::figure;

/// Distance of feature statistics from which the domain counts as another one.
const OTHER_DOMAIN: f64 = 0.1;

/// What kind of transfer it is (Pan, Yang, A survey on transfer learning, TKDE 2010, section 2.3 and
/// table 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Another task, labels in the target: inductive, the usual case here.
    Inductive,
    /// The same task in another domain: transductive but for the labels that there are.
    Transductive,
    /// The same task in the same domain: ordinary learning.
    None,
}

/// Source and target in Pan and Yang's terms: a domain is a feature space and a distribution on it, a task
/// is a label space and a function into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// What kind of transfer it is; `None` while the classes of the source are not known.
    pub kind: Option<Kind>,
    /// Whether both domains are the same; `None` when the distance was not measured.
    pub same_domain: Option<bool>,
    /// Whether both tasks are the same; `None` while the classes of the source are not known.
    pub same_task: Option<bool>,
    /// The source's domain and task.
    pub source: String,
    /// The target's domain and task.
    pub target: String,
    /// The kind, in words.
    pub words: String,
}

impl Setting {
    pub(crate) fn new(facts: &Facts) -> Self {
        let classes = facts.images_per_class.len();
        let same_domain = facts.value(Fact::FeatureDistance).map(|d| d < OTHER_DOMAIN);
        let several = facts.several.is_some();
        let same_task = match (facts.source_classes, facts.shared_classes) {
            // Sets of labels are another label space than classes.
            (Some(_), _) if several => Some(false),
            (Some(source), Some(shared)) => Some(source == classes && shared == classes),
            // Another number of classes is another label space, whatever they are called.
            (Some(source), None) if source != classes => Some(false),
            (Some(_), None) | (None, _) => None,
        };
        let kind = match (same_task, same_domain) {
            (Some(false), _) => Some(Kind::Inductive),
            (Some(true), Some(false)) => Some(Kind::Transductive),
            (Some(true), Some(true)) => Some(Kind::None),
            (Some(true), None) | (None, _) => None,
        };
        let count = |n: Option<f64>, what: &str| match n {
            Some(n) => format!("{} {what}", figure(n)),
            None => format!("an unknown number of {what}"),
        };
        let source_classes = facts.source_classes.map(|n| n as f64);
        let domain = match facts.feature_distance {
            Some(d) => format!("domain at distance {} of feature statistics", figure(d)),
            None => "domain at unknown distance".to_owned(),
        };
        let known =
            facts.shared_classes.map_or(String::new(), |s| format!(", {s} of them the source's"));
        let what = if several { "labels, any number of them an image" } else { "classes" };
        let words = match kind {
            Some(Kind::Inductive) => "inductive: another task, and labels in the target domain",
            Some(Kind::Transductive) => {
                "transductive: the same task in another domain (labelled here, so more than it needs)"
            }
            Some(Kind::None) => "no transfer in the strict sense: the same task in the same domain",
            None => {
                "not known: the source's classes, or the distance of the domains, were not given"
            }
        };
        Self {
            kind,
            same_domain,
            same_task,
            source: format!(
                "domain of {}, task of {}",
                count(facts.source_images, "images"),
                count(source_classes, "classes")
            ),
            target: format!(
                "{} images in a {domain}, task of {classes} {what}{known}",
                facts.images()
            ),
            words: words.to_owned(),
        }
    }
}
