//! A plan and metrics as a real fit would make them.

use std::collections::BTreeMap;

use regraft_run::{
    Covariance, DataPlan, EnginePlan, FORMAT, HeadPlan, KeptImage, LeftOutClass, Loo, Metrics,
    MetricsFile, NetworkPlan, Plan, PreprocessPlan, Provenance, Reason, ResizePlan, Skipped,
    TrainFacts, UnknownFacts, UnknownFile, UnknownPlan,
};

pub(crate) fn plan() -> Plan {
    Plan {
        format: FORMAT,
        regraft_version: "0.1.0".into(),
        strategy: "probe".into(),
        seed: 0,
        data: DataPlan {
            root: "hymenoptera".into(),
            layout: "splits".into(),
            classes: vec!["ants".into(), "bees".into()],
            split_origin: "given: train, val".into(),
            notes: vec!["only `val` is given beside `train`: it is the test set".into()],
            images: BTreeMap::from([("train".into(), 244), ("test".into(), 153)]),
        },
        network: NetworkPlan {
            name: "efficientnet-lite0".into(),
            source: "efficientnet-lite0".into(),
            weights_sha256: "0".repeat(64),
            notation: "network.txt".into(),
            cut: "pool".into(),
            features: "trunk".into(),
            feature_len: 1280,
            provenance: Provenance::default(),
        },
        engine: EnginePlan {
            precision: "bf16".into(),
            instructions: "avx512-bf16".into(),
            tried: 8,
            least_cosine: Some(0.9991),
            mean_cosine: Some(0.9995),
            same_class: Some(8),
        },
        preprocess: PreprocessPlan {
            resize: ResizePlan::Shorter(256),
            interpolation: "bicubic".into(),
            crop: [224, 224],
            channels: "rgb".into(),
            scale: 1.0 / 255.0,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
        },
        head: HeadPlan {
            kind: "ridge".into(),
            penalty: 0.1,
            temperature: 0.37,
            folds: 5,
            class_weights: Vec::new(),
            share_bias: vec![0.0, -0.25],
            thresholds: Vec::new(),
        },
        tuning: None,
        unknown: Some(UnknownPlan {
            method: "neighbours".into(),
            false_alarms: 0.05,
            kept: 0.05,
            threshold: 0.1 + 0.2,
            held_out: 244,
            images: 244,
        }),
        reasons: vec![Reason {
            choice: "cut after `pool`".into(),
            because: "244 training images".into(),
            rule: "few images: train the head only".into(),
            source: "Kornblith et al. 2019".into(),
        }],
    }
}

pub(crate) fn metrics_file() -> MetricsFile {
    let classes = ["ants".to_owned(), "bees".to_owned()];
    let test = Metrics::new(&classes, &[0, 1, 1], &[0.9, 0.1, 0.2, 0.8, 0.7, 0.3]).unwrap();
    MetricsFile {
        format: FORMAT,
        network: "efficientnet-lite0".into(),
        frontier: "pool".into(),
        train: TrainFacts { images: 244, images_per_class: vec![123, 121] },
        test,
        without_leaks: None,
        loo: Loo { top1: 0.9467213114754098 },
        tuning: None,
        unknown: Some(UnknownFacts {
            images: 3,
            unknown: 0,
            rate: 0.0,
            interval: [0.0, 0.56],
            left_out: vec![LeftOutClass { method: "neighbours".into(), auroc: 0.9, error: 0.1 }],
        }),
        skipped: vec![Skipped { file: "ants/imageNotFound.gif".into(), reason: "a GIF".into() }],
        notes: vec![],
    }
}

pub(crate) fn unknown() -> UnknownFile {
    UnknownFile {
        format: FORMAT,
        method: "mahalanobis".into(),
        threshold: 0.1 + 0.2,
        kept: 0.05,
        neighbours: 2,
        features: 3,
        covariance: Some(Covariance { classes: 2, axes: 3, rest: Some(1e-17) }),
        images: vec![KeptImage { file: "ants/a \"b\".jpg".into(), class: 1 }],
    }
}
