//! Runs as real fits would make them, of any number of classes, from a tiny fixed generator.

use std::collections::BTreeMap;
use std::path::Path;

use regraft_report::{About, Inside, NetworkFacts, PenaltyPoint, ReportInput};
use regraft_run::{
    DataPlan, EnginePlan, FORMAT, HeadPlan, Loo, MetricsFile, NetworkPlan, Plan, Prediction,
    Predictions, PreprocessPlan, Provenance, Reason, ResizePlan, Seconds, Skipped, Timings,
    TrainFacts,
};

/// Everything a page borrows from.
pub(crate) struct Sample {
    pub(crate) plan: Plan,
    pub(crate) metrics: MetricsFile,
    pub(crate) predictions: Predictions,
    pub(crate) penalties: Vec<PenaltyPoint<'static>>,
}

/// A linear congruential generator: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    /// A number in 0..1.
    fn roll(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1 << 24) as f32
    }
}

impl Sample {
    /// A run over these classes; each row is (file, class index).
    pub(crate) fn new(classes: &[String], files: &[(String, usize)]) -> Self {
        let mut dice = Dice(7);
        let rows = files.iter().map(|(file, truth)| {
            let mut scores: Vec<f32> = classes.iter().map(|_| dice.roll() * 2.0).collect();
            scores[*truth] += if dice.roll() < 0.93 { 2.0 + dice.roll() * 4.0 } else { 0.1 };
            let other = (truth + 1) % classes.len();
            if dice.roll() < 0.06 {
                scores[other] += 4.0;
            }
            let all: f32 = scores.iter().map(|s| s.exp()).sum();
            let p = scores.iter().map(|s| (s.exp() / all).min(1.0)).collect();
            Prediction::new(file.clone(), "test", *truth, p)
        });
        let predictions = Predictions { classes: classes.to_vec(), rows: rows.collect() };
        let test = predictions.metrics("test").unwrap();
        let metrics = MetricsFile {
            format: FORMAT,
            network: "efficientnet-lite0".into(),
            frontier: "pool".into(),
            train: TrainFacts {
                images: 122 * classes.len(),
                images_per_class: classes.iter().enumerate().map(|(i, _)| 120 + i % 5).collect(),
            },
            test,
            without_leaks: None,
            loo: Loo { top1: 0.9467 },
            tuning: None,
            unknown: None,
            skipped: vec![Skipped {
                file: "train/ants/imageNotFound.gif".into(),
                reason: "a GIF among JPEGs that says \u{201c}image not found\u{201d}: left out"
                    .into(),
            }],
            notes: vec!["3 pictures are 16-bit: brought to 8 bits by rounding".into()],
        };
        Self { plan: plan(classes, files.len()), metrics, predictions, penalties: penalties() }
    }

    /// A run over two classes of `images` images in all.
    pub(crate) fn ants_and_bees(images: usize) -> Self {
        let classes = ["ants".to_owned(), "bees".to_owned()];
        let file = |i: usize| (format!("val/{}/{i:03}.jpg", classes[i % 2]), i % 2);
        let files: Vec<_> = (0..images).map(file).collect();
        Self::new(&classes, &files)
    }

    /// A run over `n` numbered classes, `each` test images of each.
    pub(crate) fn numbered(n: usize, each: usize) -> Self {
        let classes: Vec<_> = (0..n).map(|c| format!("species {c:03}")).collect();
        let file = |i: usize| (format!("{}/{i:05}.jpg", classes[i % n]), i % n);
        let files: Vec<_> = (0..n * each).map(file).collect();
        Self::new(&classes, &files)
    }

    /// What the page is made from.
    pub(crate) fn input<'a>(
        &'a self,
        path: &'a Path,
        thumbnail: &'a dyn Fn(&str) -> Option<Vec<u8>>,
    ) -> ReportInput<'a> {
        let seconds = Seconds { total: 9.52, features: 7.8, head: 0.4 };
        let about = About {
            inside: Inside::default(),
            path,
            name: "bees-1",
            run: "runs/bees-1",
            plan: &self.plan,
            timings: Some(Timings { seconds, images_per_second: 50.9 }),
            notes: &self.metrics.notes,
            skipped: &self.metrics.skipped,
            network: NetworkFacts {
                name: "efficientnet-lite0",
                licence: "Apache-2.0",
                origin: "Google, EfficientNet-Lite (2020); PyTorch weights by Ross Wightman",
                dataset: "ImageNet-1k",
            },
            penalties: &self.penalties,
            audit: &[],
            thumbnail,
        };
        ReportInput { about, metrics: &self.metrics, predictions: &self.predictions }
    }
}

fn penalties() -> Vec<PenaltyPoint<'static>> {
    let ridge = (0..30).map(|i| {
        let t = f64::from(i) / 29.0;
        let miss = (t - 0.62).powi(2);
        let penalty = 10f64.powf(-3.0 + 7.0 * t);
        let top1 = ((0.947 - 0.13 * miss) * 244.0).round() / 244.0;
        PenaltyPoint { kind: "ridge", penalty, top1, nll: 0.155 + 0.3 * miss }
    });
    let logistic = (0..8).map(|i| {
        let t = f64::from(i) / 7.0;
        let penalty = 10f64.powi(i - 4);
        let top1 = ((0.943 - 0.1 * (t - 0.5).powi(2)) * 244.0).round() / 244.0;
        PenaltyPoint { kind: "logistic", penalty, top1, nll: 0.165 + 0.2 * (t - 0.5).powi(2) }
    });
    ridge.chain(logistic).collect()
}

fn plan(classes: &[String], tested: usize) -> Plan {
    let reason = |choice: &str, because: &str, rule: &str, source: &str| Reason {
        choice: choice.into(),
        because: because.into(),
        rule: rule.into(),
        source: source.into(),
    };
    Plan {
        format: FORMAT,
        regraft_version: "0.1.0".into(),
        strategy: "probe".into(),
        seed: 0,
        data: DataPlan {
            root: "data/hymenoptera".into(),
            layout: "splits".into(),
            classes: classes.to_vec(),
            split_origin: "given by the folders train and val".into(),
            notes: vec!["only `val` is given beside `train`: it is the test set".into()],
            images: BTreeMap::from([
                ("test".into(), tested),
                ("train".into(), 122 * classes.len()),
            ]),
        },
        network: NetworkPlan {
            name: "efficientnet-lite0".into(),
            source: "efficientnet-lite0".into(),
            weights_sha256: "ab".repeat(32),
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
            penalty: penalties()[18].penalty,
            temperature: 0.1734,
            folds: 5,
            class_weights: Vec::new(),
            share_bias: Vec::new(),
            thresholds: Vec::new(),
        },
        tuning: None,
        unknown: None,
        reasons: vec![
            reason(
                "train a new head, keep the trunk",
                "244 training images for 2 classes",
                "below about 1000 images a class a linear head on frozen features is as good as \
                 fine-tuning, and hundreds of times faster",
                "Kornblith et al. 2019, section 4.4",
            ),
            reason(
                "cut after pool",
                "the source task is natural pictures, and so are these",
                "the last pooled features transfer best to near tasks",
                "Yosinski et al. 2014; probe curve of this run",
            ),
            reason(
                "ridge head, penalty 23.3",
                "lowest held-out log loss of 38 heads",
                "exact leave-one-out over 30 ridge penalties, 5-fold over 8 logistic ones",
                "measured",
            ),
        ],
    }
}
