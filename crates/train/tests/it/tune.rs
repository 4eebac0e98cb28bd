//! The training loop: it learns, keeps frozen what is frozen, and stops and goes on without a trace.

use std::path::{Path, PathBuf};

use regraft_data::{Augment, Strength};
use regraft_infer::Engine;
use regraft_net::{Network, Params, notation};
use regraft_testkit::with_formula_weights;
use regraft_train::{
    Asked, Epoch, FeatureStore, Flow, Inputs, Optimiser, Rates, Recipe, Schedule, Table,
    TrainError, Trunk, Truth, Tuned, Unfreeze, tune,
};

const FRONTIER: &str = "a1";

pub(crate) fn network() -> Network {
    let text = "x = input 3x32x32
        c1 = conv2d x out=8 size=5 stride=4 pad=2 bias=yes
        n1 = batch_norm c1 eps=0.001
        a1 = relu n1
        c2 = conv2d a1 out=16 size=3 pad=1
        n2 = batch_norm c2 eps=0.001
        a2 = relu n2
        pool = global_avg_pool a2
        drop = dropout pool rate=0.1
        head = linear drop out=2
        -> head";
    let plain = with_formula_weights(notation::parse(text).unwrap());
    let mut card = plain.card().clone();
    card.blocks = ["a1", "a2"].map(str::to_owned).to_vec();
    Network::new(plain.graph().clone(), plain.params(), card).unwrap()
}

/// Pictures told apart by whether stripes lie or stand, and their labels.
pub(crate) fn pictures(n: usize) -> (tempfile::TempDir, Vec<PathBuf>, Vec<usize>) {
    let folder = tempfile::tempdir().unwrap();
    let labels: Vec<usize> = (0..n).map(|i| i % 2).collect();
    let files = labels.iter().enumerate().map(|(i, label)| {
        let path = folder.path().join(format!("{i:03}.png"));
        let pixel = |x: u32, y: u32| {
            let at = if *label == 0 { x } else { y } + i as u32;
            image::Rgb([if at % 8 < 4 { 220 } else { 30 }; 3])
        };
        image::RgbImage::from_fn(40, 40, pixel).save(&path).unwrap();
        path
    });
    let files = files.collect();
    (folder, files, labels)
}

pub(crate) fn table(unfreeze: &str, batch_norm: bool) -> Table {
    let asked = Asked {
        unfreeze: Unfreeze::parse(unfreeze).unwrap(),
        rates: Rates::Same(0.03),
        overrides: Vec::new(),
        batch_norm,
    };
    Table::new(&network(), &|layer| layer == "head", &asked).unwrap()
}

pub(crate) fn recipe(epochs: u64) -> Recipe {
    Recipe {
        epochs,
        batch: 8,
        optimiser: Optimiser::SGD,
        schedule: Schedule::Cosine,
        warm_up: 0.1,
        decay: 1e-4,
        anchor: false,
        smoothing: 0.0,
        class_weights: None,
        clip: Some(5.0),
        average: None,
        gradual: false,
        patience: None,
        recompute: false,
        seed: 3,
    }
}

fn light() -> Augment {
    Strength::Light.augment(true)
}

pub(crate) fn as_pictures(files: &[PathBuf], augment: Augment) -> Inputs {
    let preprocess = network().card().preprocess;
    Inputs::Pictures { files: files.to_vec(), preprocess, augment, seed: 3 }
}

fn kept(folder: &Path, files: &[PathBuf], augment: &Augment) -> Inputs {
    let frozen = network().cut(FRONTIER).unwrap();
    let engine = Engine::compile(&frozen, &[FRONTIER]).unwrap();
    let trunk = Trunk::new(&frozen, engine).unwrap();
    let mut store = FeatureStore::open(folder, trunk.key(), trunk.feature_len()).unwrap();
    Inputs::keep(&trunk, files, (augment, 3), 3, &mut store, &|_| Flow::Continue).unwrap()
}

fn go(_: &Epoch) -> Flow {
    Flow::Continue
}

fn trained(
    crown: &Network,
    table: &Table,
    inputs: &Inputs,
    labels: &[usize],
    epochs: u64,
) -> Tuned {
    let n = labels.len();
    let (learn, held): (Vec<usize>, Vec<usize>) = ((0..n - 8).collect(), (n - 8..n).collect());
    let parts = (Truth::Classes(labels), learn.as_slice(), held.as_slice());
    tune(crown, table, &recipe(epochs), inputs, parts, None, &mut go).unwrap()
}

#[test]
fn labels_are_learned_side_by_side() {
    let (_folder, files, labels) = pictures(40);
    // Lying stripes have both labels, standing ones none.
    let sets: Vec<Vec<usize>> =
        labels.iter().map(|l| if *l == 0 { vec![0, 1] } else { Vec::new() }).collect();
    let (learn, held): (Vec<usize>, Vec<usize>) = ((0..32).collect(), (32..40).collect());
    let parts = (Truth::Labels(&sets), learn.as_slice(), held.as_slice());
    let inputs = as_pictures(&files, light());
    let table = table("all", false);
    let tuned = tune(&network(), &table, &recipe(12), &inputs, parts, None, &mut go).unwrap();
    let held = tuned.held.unwrap();
    assert!(held.top1 > 0.99, "{} right, losses {:?}", held.top1, tuned.losses);
    assert!(tuned.losses[11] < 0.3 * tuned.losses[0], "{:?}", tuned.losses);
    // Two questions of a bit each before anything is learned.
    assert!((0.7..2.8).contains(&tuned.losses[0]), "{:?}", tuned.losses);
}

fn changed(before: &Params, after: &Params) -> Vec<String> {
    let other = |(name, value): &(&str, &std::sync::Arc<regraft_tensor::Tensor>)| {
        after.get(name).is_some_and(|v| v.data() != value.data())
    };
    before.iter().filter(other).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn it_learns_what_a_frozen_head_alone_could_not_be_given() {
    let (_folder, files, labels) = pictures(40);
    let tuned =
        trained(&network(), &table("all", false), &as_pictures(&files, light()), &labels, 12);
    let held = tuned.held.unwrap();
    assert!(held.top1 > 0.99, "{} right, losses {:?}", held.top1, tuned.losses);
    assert!(tuned.losses[11] < 0.3 * tuned.losses[0], "{:?}", tuned.losses);
}

#[test]
fn only_what_the_table_says_changes() {
    let (_folder, files, labels) = pictures(24);
    let network = network();
    let cases = [
        (table("all", false), "c1.bias c1.weight c2.weight head.bias head.weight"),
        (table("last:1", false), "c2.weight head.bias head.weight"),
        (
            table("c2,n2", true),
            "c2.weight head.bias head.weight n2.bias n2.running_mean n2.running_var n2.weight",
        ),
        (table("none", true), "head.bias head.weight"),
    ];
    for (table, wanted) in cases {
        let tuned = trained(&network, &table, &as_pictures(&files, light()), &labels, 1);
        assert_eq!(changed(network.params(), tuned.network.params()).join(" "), wanted);
    }
}

#[test]
fn kept_values_train_like_the_pictures_they_come_from() {
    let (folder, files, labels) = pictures(32);
    let network = network();
    let table = table("last:1", false);
    assert_eq!(table.frontier.as_deref(), Some(FRONTIER));
    let (_, crown) = network.split(FRONTIER).unwrap();
    let store = folder.path().join("store");
    let by_values = trained(&crown, &table, &kept(&store, &files, &light()), &labels, 3);
    let by_pictures = trained(&network, &table, &as_pictures(&files, light()), &labels, 3).network;
    for name in ["c2.weight", "head.weight", "head.bias"] {
        let (a, b) = (by_values.network.params().get(name), by_pictures.params().get(name));
        let off = regraft_testkit::relative_l2(a.unwrap().data(), b.unwrap().data());
        assert!(off < 1e-3, "{name}: {off}");
    }
    // With as many copies as rounds, each round sees its own changes; without changes it would not.
    let plain = trained(&crown, &table, &kept(&store, &files, &Augment::default()), &labels, 3);
    assert_ne!(plain.network, by_values.network);
}

#[test]
fn stopped_after_any_round_it_goes_on_to_the_same_bits() {
    let (folder, files, labels) = pictures(30);
    let network = network();
    let table = table("all", true);
    let inputs = as_pictures(&files, light());
    let learn: Vec<usize> = (0..30).collect();
    let parts = (Truth::Classes(&labels), learn.as_slice(), &[][..]);
    let whole = tune(&network, &table, &recipe(5), &inputs, parts, None, &mut go).unwrap();
    for stop in 1..=5 {
        let path = folder.path().join(format!("checkpoint-{stop}"));
        let mut until = |e: &Epoch| if e.epoch == stop { Flow::Stop } else { Flow::Continue };
        let stopped = tune(&network, &table, &recipe(5), &inputs, parts, Some(&path), &mut until);
        assert!(matches!(stopped, Err(TrainError::Stopped)));
        let again =
            tune(&network, &table, &recipe(5), &inputs, parts, Some(&path), &mut go).unwrap();
        assert_eq!(again.resumed, stop);
        assert_eq!(again.network, whole.network, "stopped after round {stop}");
        assert_eq!(again.losses, whole.losses);
    }
    // Another recipe, or half a file, is not gone on from.
    let path = folder.path().join("checkpoint-3");
    let other = Recipe { seed: 4, ..recipe(5) };
    let fresh = tune(&network, &table, &other, &inputs, parts, Some(&path), &mut go).unwrap();
    assert_eq!(fresh.resumed, 0);
    let changed = as_pictures(&files, Augment::default());
    let fresh = tune(&network, &table, &other, &changed, parts, Some(&path), &mut go).unwrap();
    assert_eq!(fresh.resumed, 0, "other augmentation");
    let bytes = std::fs::read(&path).unwrap();
    for cut in [0, 7, bytes.len() / 2, bytes.len() - 1] {
        let torn = folder.path().join("torn");
        let mut file = std::fs::File::create(&torn).unwrap();
        std::io::Write::write_all(&mut file, &bytes[..cut]).unwrap();
        let fresh = tune(&network, &table, &other, &inputs, parts, Some(&torn), &mut go).unwrap();
        assert_eq!(fresh.resumed, 0, "{cut} bytes");
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (_folder, files, labels) = pictures(24);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let inputs = as_pictures(&files, light());
        pool.install(|| trained(&network(), &table("all", true), &inputs, &labels, 2)).network
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(5));
}

#[test]
fn a_loss_that_is_no_number_names_the_layer_and_keeps_what_was_good() {
    let (folder, files, labels) = pictures(16);
    let network = network();
    let table = table("all", false);
    let learn: Vec<usize> = (0..16).collect();
    let wild = Recipe { clip: None, ..recipe(6) };
    let mut rates = table.clone();
    for row in &mut rates.layers {
        row.rate = row.rate.map(|_| 1e30);
    }
    let path = folder.path().join("checkpoint");
    let parts = (Truth::Classes(&labels), learn.as_slice(), &[][..]);
    let inputs = as_pictures(&files, Augment::default());
    let error = tune(&network, &rates, &wild, &inputs, parts, Some(&path), &mut go).unwrap_err();
    let TrainError::Diverged { layer, .. } = &error else { panic!("{error}") };
    assert!(layer.as_deref().is_some_and(|l| network.graph().find(l).is_ok()), "{error}");
    assert!(error.to_string().contains("--rates"), "{error}");
}
