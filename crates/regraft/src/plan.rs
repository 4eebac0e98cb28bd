//! The plan of a fit: what was decided and why.

use std::collections::BTreeMap;
use std::path::Path;

use regraft_data::{Dataset, Layout, Split, SplitOrigin};
use regraft_net::card::{Channels, Interpolation, Preprocess, Resize};
use regraft_run::{
    DataPlan, EnginePlan, FORMAT, HeadPlan, NetworkPlan, Plan, PreprocessPlan, Provenance, Reason,
    ResizePlan, UnknownPlan,
};

use crate::balance::uneven;
use crate::features::Chosen;
use crate::journal::Rows;
use crate::notes::Words;
use crate::reading::Classes;
use crate::tuning::TunedRun;
use crate::{Error, FeatureKind, FitOptions, Loaded, Strategy, VERSION};

/// Everything the plan is made of.
pub(crate) struct Decided<'a> {
    pub(crate) options: &'a FitOptions,
    pub(crate) dataset: &'a Dataset,
    pub(crate) loaded: &'a Loaded,
    pub(crate) chosen: &'a Chosen,
    pub(crate) engine: EnginePlan,
    pub(crate) tuned: Option<&'a TunedRun>,
    pub(crate) unknown: Option<UnknownPlan>,
    pub(crate) reasons: Vec<Reason>,
}

/// The plan, nothing blank.
pub(crate) fn plan(d: Decided<'_>) -> Plan {
    let kept = Kept {
        cut: &d.chosen.cut,
        features: d.tuned.map_or(d.chosen.kind, |_| FeatureKind::Trunk),
        feature_len: d.tuned.map_or(d.chosen.columns.len(), |t| t.feature_len),
    };
    let data = data_plan(d.options, d.dataset, Classes::Classes, &d.dataset.classes);
    Plan {
        strategy: d.tuned.map_or(Strategy::Probe, |t| t.strategy).name().to_owned(),
        tuning: d.tuned.map(|t| t.plan.clone()),
        unknown: d.unknown.clone(),
        ..probe_plan(d.options, data, d.loaded, &kept, (d.engine.clone(), head_plan(&d), d.reasons))
    }
}

/// What is kept of a network.
pub(crate) struct Kept<'a> {
    pub(crate) cut: &'a str,
    pub(crate) features: FeatureKind,
    pub(crate) feature_len: usize,
}

/// The plan of a head on frozen features.
pub(crate) fn probe_plan(
    options: &FitOptions,
    data: DataPlan,
    loaded: &Loaded,
    kept: &Kept<'_>,
    (engine, head, reasons): (EnginePlan, HeadPlan, Vec<Reason>),
) -> Plan {
    let card = loaded.network.card();
    Plan {
        format: FORMAT,
        regraft_version: VERSION.to_owned(),
        strategy: Strategy::Probe.name().to_owned(),
        seed: options.seed,
        data,
        network: NetworkPlan {
            name: card.name.clone(),
            source: loaded.source.clone(),
            weights_sha256: loaded.sha256.clone(),
            notation: regraft_run::RunFile::Network.name().to_owned(),
            cut: kept.cut.to_owned(),
            features: kept.features.name().to_owned(),
            feature_len: kept.feature_len,
            provenance: Provenance {
                framework: card.framework.clone(),
                dataset: card.dataset.clone(),
                licence: card.licence.clone(),
                origin: card.origin.clone(),
            },
        },
        engine,
        preprocess: preprocess_plan(&card.preprocess),
        head,
        tuning: None,
        unknown: None,
        reasons,
    }
}

/// The data of a plan, with the names of what its images are.
pub(crate) fn data_plan(
    options: &FitOptions,
    dataset: &Dataset,
    are: Classes,
    names: &[String],
) -> DataPlan {
    DataPlan {
        root: options.data.display().to_string(),
        layout: match dataset.layout {
            Layout::ClassFolders => "folders",
            Layout::SplitFolders => "splits",
            Layout::Table { .. } => "csv",
        }
        .to_owned(),
        classes: names.to_vec(),
        split_origin: split_origin(dataset, are),
        notes: Words::new(&options.data, dataset).all(&dataset.notes),
        images: images(dataset),
    }
}

/// The head that was fitted, or from which training started.
fn head_plan(d: &Decided<'_>) -> HeadPlan {
    let fitted = match d.tuned {
        None => Some(&d.chosen.fitted),
        Some(tuned) => tuned.head.as_ref(),
    };
    let Some(fitted) = fitted else {
        return HeadPlan {
            kind: "random".to_owned(),
            penalty: 0.0,
            temperature: 1.0,
            folds: 0,
            class_weights: Vec::new(),
            share_bias: Vec::new(),
            thresholds: Vec::new(),
        };
    };
    HeadPlan {
        kind: fitted.method.name().to_owned(),
        penalty: fitted.penalty,
        temperature: f64::from(fitted.head.temperature),
        folds: fitted.folds.iter().max().map_or(0, |m| m + 1),
        class_weights: match d.tuned {
            None => d.chosen.counted.weights.clone().unwrap_or_default(),
            Some(_) => Vec::new(),
        },
        share_bias: match d.tuned {
            None => d.chosen.share_bias.clone(),
            Some(_) => Vec::new(),
        },
        thresholds: Vec::new(),
    }
}

/// Images in each split.
pub(crate) fn images(dataset: &Dataset) -> BTreeMap<String, usize> {
    let mut images = BTreeMap::new();
    for example in &dataset.examples {
        *images.entry(example.split.name().to_owned()).or_insert(0) += 1;
    }
    images
}

/// Who decided what is tested, in words.
pub(crate) fn split_origin(dataset: &Dataset, are: Classes) -> String {
    match &dataset.split_origin {
        SplitOrigin::Given { names } => format!("given: {}", names.join(", ")),
        SplitOrigin::Drawn { share, seed } => {
            let word = are.word();
            format!("drawn: {:.0} % of each {word}, seed {seed}", 100.0 * share)
        }
    }
}

/// Why the network is kept as it is and where it is cut; the head adds its own reasons.
pub(crate) fn reasons(
    d: &Dataset,
    options: &FitOptions,
    loaded: &Loaded,
    rows: &Rows,
    chosen: &Chosen,
) -> Vec<Reason> {
    let per_class = rows.train.len() / d.classes.len().max(1);
    let mut reasons = network_reasons(options, loaded, (chosen.kind, &chosen.cut, &chosen.because));
    let per_class = format!(
        "{} training images in {} classes, about {per_class} a class",
        rows.train.len(),
        d.classes.len()
    );
    match options.strategy {
        Strategy::Probe => reasons.push(Reason {
            choice: "strategy probe: the network stays frozen, a linear classifier learns on its \
                     features"
                .to_owned(),
            because: per_class,
            rule:
                "with few images a linear head on frozen features is hard to beat, with many it is \
                   the figure to beat"
                    .to_owned(),
            source: "Kornblith et al. 2019; Yosinski et al. 2014".to_owned(),
        }),
        // Training gives its own reason.
        Strategy::Auto => {}
        Strategy::LpFt | Strategy::FineTune | Strategy::Scratch => reasons.push(Reason {
            choice: format!("strategy {}", options.strategy.name()),
            because: per_class,
            rule: "you asked for it".to_owned(),
            source: "`--strategy`".to_owned(),
        }),
    }
    reasons.extend(chosen.counted.reasons.iter().cloned());
    reasons.extend(uneven(options, d, rows));
    reasons.extend(validation_reason(d));
    reasons
}

/// Why this network, and these features of it: their kind, the cut, and why.
pub(crate) fn network_reasons(
    options: &FitOptions,
    loaded: &Loaded,
    (kind, cut, because): (FeatureKind, &str, &str),
) -> Vec<Reason> {
    let facts = loaded.network.facts().ok();
    let cost = facts.map_or_else(String::new, |f| {
        format!(
            "{:.1} million parameters, {:.2} billion multiply-adds an image, ",
            f.learned() as f64 / 1e6,
            f.macs() as f64 / 1e9
        )
    });
    let card = loaded.network.card();
    vec![
        Reason {
            choice: format!("network {}", card.name),
            because: format!("{cost}trained on {}, licence {}", card.dataset, card.licence),
            rule: if options.network.is_some() {
                "you asked for it".to_owned()
            } else {
                "the default: small, fast on any processor, free to use".to_owned()
            },
            source: if options.network.is_some() {
                "`--network`".to_owned()
            } else {
                "the catalogue; Tan and Le 2019".to_owned()
            },
        },
        Reason {
            choice: format!("the probe's features: {} `{cut}`", kind.phrase()),
            because: because.to_owned(),
            rule: "the shorter features, unless the longer ones predict held-out images clearly \
                   better: far from the source, parts seen halfway up help"
                .to_owned(),
            source: "Razavian et al. 2014; Yosinski et al. 2014".to_owned(),
        },
    ]
}

/// What becomes of validation images, where there are some.
pub(crate) fn validation_reason(d: &Dataset) -> Option<Reason> {
    d.split(Split::Val).next().map(|_| Reason {
        choice: "validation images join the training images".to_owned(),
        because: "the probe chooses its penalty on held-out training images and needs no separate \
                  validation set; the test images stay untouched"
            .to_owned(),
        rule: "use every label that the choice of settings does not need".to_owned(),
        source: "Kornblith et al. 2019, appendix".to_owned(),
    })
}

impl FeatureKind {
    fn phrase(self) -> &'static str {
        match self {
            Self::Auto | Self::Trunk => "the output of",
            Self::Depths => "several depths up to",
            Self::Logits => "the source's class probabilities, from",
        }
    }
}

fn preprocess_plan(p: &Preprocess) -> PreprocessPlan {
    PreprocessPlan {
        resize: match p.resize {
            Resize::Shorter(side) => ResizePlan::Shorter(side),
            Resize::Exact(size) => ResizePlan::Exact(size),
        },
        interpolation: p.interpolation.name().to_owned(),
        crop: p.crop,
        channels: match p.channels {
            Channels::Rgb => "rgb",
            Channels::Bgr => "bgr",
        }
        .to_owned(),
        scale: p.scale,
        mean: p.mean,
        std: p.std,
    }
}

/// The preprocessing of a plan.
///
/// # Errors
/// When a word in it is not known.
pub(crate) fn preprocess_of(plan: &Plan, path: &Path) -> Result<Preprocess, Error> {
    let p = &plan.preprocess;
    let wrong = |wanted| Error::Head { path: path.to_owned(), wanted };
    Ok(Preprocess {
        resize: match p.resize {
            ResizePlan::Shorter(side) => Resize::Shorter(side),
            ResizePlan::Exact(size) => Resize::Exact(size),
        },
        interpolation: Interpolation::parse(&p.interpolation).ok_or_else(|| {
            wrong("`interpolation` to be one of nearest, bilinear, bicubic, lanczos")
        })?,
        crop: p.crop,
        channels: match p.channels.as_str() {
            "rgb" => Channels::Rgb,
            "bgr" => Channels::Bgr,
            _ => return Err(wrong("`channels` to be rgb or bgr")),
        },
        scale: p.scale,
        mean: p.mean,
        std: p.std,
    })
}
