//! Files of both generations, what stands beside them, and the card.

use std::path::Path;

use regraft_formats::{caffe, open_model};
use regraft_net::card::{Channels, Resize};
use regraft_net::{Op, facts::facts};

use crate::opencv::distance;
use crate::{bytes, caffemodel, fixture, golden, put};

/// Files by name.
type Files<'a> = &'a [(&'a str, &'a [u8])];

/// A folder with these files.
fn folder(files: Files<'_>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, body) in files {
        #[expect(clippy::disallowed_methods, reason = "a file for a test")]
        std::fs::write(folder.path().join(name), body).unwrap();
    }
    folder
}

#[test]
fn caffemodels_of_every_kind_hold_the_same_numbers() {
    // Doubles; the first generation with four extents and each number on its own; the second, packed.
    for name in ["lenet", "caffenet_v1", "inception"] {
        let wanted = &golden()[name];
        let text = bytes(&format!("{name}.prototxt"));
        let weights = bytes(&format!("{name}.caffemodel"));
        let made = caffe::from_bytes(Some(&text), &caffemodel(wanted, |_| true)).unwrap();
        let model = caffe::from_bytes(Some(&text), &weights).unwrap();
        assert_eq!(model.network.params(), made.network.params(), "{name}");
        assert!(model.unused.is_empty(), "{:?}", model.unused);
        // The layers that the caffemodel itself has make the same network.
        let alone = caffe::from_bytes(None, &weights).unwrap();
        assert_eq!(alone.network.graph(), model.network.graph(), "{name}");
        let far = distance(&alone, wanted)[0];
        assert!(far < 1e-5, "{name}: {far}");
    }
}

#[test]
fn the_other_file_is_found_beside_the_one_given() {
    let text = bytes("inception.prototxt");
    let weights = bytes("inception.caffemodel");
    let other = bytes("lenet.caffemodel");
    let solver: &[u8] = b"net: \"train.prototxt\"\n";
    let cases: [(Files<'_>, &str); 5] = [
        (
            &[("a.prototxt", &text), ("a.caffemodel", &weights), ("b.caffemodel", &other)],
            "a.prototxt",
        ),
        (&[("deploy.prototxt", &text), ("iter_9.caffemodel", &weights)], "deploy.prototxt"),
        (
            &[("deploy.prototxt", &text), ("train.prototxt", b"x"), ("b.caffemodel", &weights)],
            "b.caffemodel",
        ),
        (
            &[("n.prototxt", &text), ("solver.prototxt", solver), ("b.caffemodel", &weights)],
            "b.caffemodel",
        ),
        (&[("alone.caffemodel", &weights)], "alone.caffemodel"),
    ];
    for (files, given) in cases {
        let folder = folder(files);
        let model =
            open_model(&folder.path().join(given)).unwrap_or_else(|e| panic!("{given}: {e}"));
        assert_eq!(model.network.card().logits.as_deref(), Some("fc"), "{given}");
    }
    let lone = folder(&[("deploy.prototxt", &text)]);
    let path = lone.path().join("deploy.prototxt");
    let error = caffe::open(&path, None).unwrap_err().to_string();
    assert!(error.contains("0 .caffemodel files in"), "{error}");
    let definition = caffe::definition(&path).unwrap().unwrap();
    assert_eq!(definition.graph.layers().count(), 47);
    assert!(caffe::definition(&fixture("inception.caffemodel")).unwrap().is_none());
    let model = caffe::open(&path, Some(&fixture("inception.caffemodel"))).unwrap();
    assert_eq!(model.network.card().name, "Inception with one-sided kernels");
}

#[test]
fn a_caffenet_has_the_card_of_one_and_is_cut_by_caffes_names() {
    let wanted = &golden()["caffenet"];
    let model = caffe::from_bytes(Some(&bytes("caffenet.prototxt")), &caffemodel(wanted, |_| true))
        .unwrap();
    let card = model.network.card();
    assert_eq!((card.name.as_str(), card.framework.as_str()), ("CaffeNet", "caffe"));
    assert_eq!(card.cut.as_deref(), Some("relu7"));
    assert_eq!(card.logits.as_deref(), Some("fc8"));
    assert_eq!(card.blocks, ["relu1", "relu2", "relu5", "pool5", "drop6", "drop7", "prob"]);
    let prepared = &card.preprocess;
    assert_eq!(prepared.channels, Channels::Bgr);
    assert_eq!((prepared.scale, prepared.mean), (1.0, [104.0, 117.0, 123.0]));
    assert_eq!((prepared.resize, prepared.crop), (Resize::Exact([99, 99]), [99, 99]));
    for (layer, shape) in [("conv5", "16x5x5"), ("fc6", "64"), ("fc7", "64"), ("norm1", "6x11x11")]
    {
        let trunk = model.network.cut(layer).unwrap();
        assert_eq!(trunk.facts().unwrap().output().shape.to_string(), shape, "{layer}");
    }
}

const TRAIN: &str = r#"
name: "mine"
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { mirror: true crop_size: 20 mean_file: "/home/them/data/mean.binaryproto" } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 20 mean_file: "/home/them/data/mean.binaryproto" scale: 0.5 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" param { lr_mult: 0 } }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "split" type: "Split" bottom: "conv" top: "left" top: "right" }
layer { name: "noise" type: "Dropout" bottom: "left" top: "left" include { phase: TRAIN } }
layer { name: "early" type: "InnerProduct" bottom: "left" top: "early"
  inner_product_param { num_output: 5 } }
layer { name: "early_loss" type: "SoftmaxWithLoss" bottom: "early" bottom: "label" top: "l1"
  loss_weight: 0.3 }
layer { name: "pool" type: "Pooling" bottom: "right" top: "pool"
  pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
  inner_product_param { num_output: 5 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "l2" }
layer { name: "flat_label" type: "Flatten" bottom: "label" top: "flat_label" }
layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "flat_label" top: "accuracy"
  include { phase: TEST } }
"#;

/// A mean picture of 2 x 2 pixels whose channels have the means 10, 20 and 30.
fn mean() -> Vec<u8> {
    let mut file = Vec::new();
    for (number, n) in [(1u32, 1u8), (2, 3), (3, 2), (4, 2)] {
        put(&mut file, number, 0, &[n]);
    }
    let values = [9.0f32, 11.0, 10.0, 10.0, 20.0, 20.0, 20.0, 20.0, 0.0, 60.0, 0.0, 60.0];
    put(&mut file, 5, 2, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
    file
}

#[test]
fn a_training_file_becomes_the_network_that_is_tested() {
    let labels: &[u8] = b"n01440764 tench, Tinca tinca\nn01443537 goldfish\nthree\nfour\nfive\n";
    let files: [(&str, &[u8]); 3] = [
        ("net.prototxt", TRAIN.as_bytes()),
        ("mean.binaryproto", &mean()),
        ("synset_words.txt", labels),
    ];
    let folder = folder(&files);
    let caffe::Definition { graph, card, notes } =
        caffe::graph(&folder.path().join("net.prototxt")).unwrap();
    let names: Vec<&str> = graph.layers().map(|(_, l)| l.name.as_str()).collect();
    assert_eq!(names, ["data", "conv", "scale", "relu", "pool", "fc"]);
    let norm = graph.layer(graph.find("scale").unwrap());
    assert!(matches!(norm.op, Op::BatchNorm { eps } if eps == 1e-5));
    assert_eq!(facts(&graph).unwrap().layer(graph.input().unwrap()).shape.dims(), [3, 20, 20]);
    assert_eq!(card.logits.as_deref(), Some("fc"));
    assert_eq!(card.cut.as_deref(), Some("pool"));
    // Caffe subtracts first and multiplies then.
    assert_eq!((card.preprocess.scale, card.preprocess.mean), (0.5, [5.0, 10.0, 15.0]));
    assert_eq!(card.labels, ["tench, Tinca tinca", "goldfish", "three", "four", "five"]);
    let all = notes.join("\n");
    for said in [
        "`early`",
        "`early_loss`, `loss`",
        "1 layer is for training only",
        "mean.binaryproto (2 x 2)",
    ] {
        assert!(all.contains(said), "{said} is not in:\n{all}");
    }
}

#[test]
fn a_mean_picture_is_read_in_the_networks_channel_order() {
    let picture = caffe::mean_from_bytes(&mean()).unwrap();
    assert_eq!(picture.shape().dims(), [3, 2, 2]);
    assert_eq!(picture.data()[..2], [9.0, 11.0]);
    let error = caffe::mean_from_bytes(&mean()[..20]).unwrap_err().to_string();
    assert!(error.contains("byte"), "{error}");
    let mut short = Vec::new();
    put(&mut short, 2, 0, &[3]);
    let error = caffe::mean_from_bytes(&short).unwrap_err().to_string();
    assert!(error.contains("[1, C, H, W] is wanted"), "{error}");
}

#[test]
fn files_are_known_by_their_content() {
    for (name, text, weights) in [
        ("caffenet.prototxt", true, false),
        ("caffenet_v1.prototxt", true, false),
        ("lenet.caffemodel", false, true),
        ("caffenet_v1.caffemodel", false, true),
        ("opencv.json", false, false),
    ] {
        let all = bytes(name);
        for part in [&all[..], &all[..all.len().min(4096)]] {
            assert_eq!(caffe::is_prototxt(part), text, "{name}");
            assert_eq!(caffe::is_caffemodel(part), weights, "{name}");
        }
    }
    let others = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let onnx = std::fs::read_dir(others.join("onnx")).into_iter().flatten();
    for entry in std::fs::read_dir(others).unwrap().chain(onnx) {
        let path = entry.unwrap().path();
        let Ok(all) = std::fs::read(&path) else { continue };
        assert!(!caffe::is_prototxt(&all) && !caffe::is_caffemodel(&all), "{path:?}");
    }
    for word in
        ["shopping list", "version https://git-lfs", "<html>", "", "a = input 3x4x4\n-> a\n"]
    {
        assert!(!caffe::is_prototxt(word.as_bytes()), "{word}");
    }
    assert!(caffe::is_prototxt(b"# a comment\n\nlayer\n{ }"));
}

#[test]
fn norms_within_channels_powers_and_the_largest_of_several_are_what_caffe_computes() {
    let text = "input: \"data\" input_dim: 1 input_dim: 2 input_dim: 4 input_dim: 5
        layer { name: \"n\" type: \"LRN\" bottom: \"data\" top: \"n\"
                lrn_param { local_size: 3 alpha: 4 beta: 0.75 k: 7 norm_region: WITHIN_CHANNEL } }
        layer { name: \"p\" type: \"Power\" bottom: \"data\" top: \"p\"
                power_param { power: 3 scale: 0.5 shift: 0.25 } }
        layer { name: \"m\" type: \"Eltwise\" bottom: \"n\" bottom: \"p\" top: \"m\"
                eltwise_param { operation: MAX } }";
    let model = caffe::from_bytes(Some(text.as_bytes()), &[]).unwrap();
    let x: Vec<f64> =
        regraft_testkit::formula_values("input", 40).map(|v| f64::from(v as f32)).collect();
    let at = |c: usize, row: i64, column: i64| {
        let inside = (0..4).contains(&row) && (0..5).contains(&column);
        if inside { x[c * 20 + row as usize * 5 + column as usize] } else { 0.0 }
    };
    // `norm_layer.cpp`: squares, the mean of each window with its padding, 1 and that to the power.
    let wanted = |i: usize| {
        let (c, row, column) = (i / 20, (i % 20 / 5) as i64, (i % 5) as i64);
        let near = (0..9).map(|k| at(c, row + k / 3 - 1, column + k % 3 - 1).powi(2));
        let normed = x[i] * (1.0 + 4.0 * near.sum::<f64>() / 9.0).powf(-0.75);
        normed.max((0.5 * x[i] + 0.25).powi(3))
    };
    let got = regraft_testkit::Reference::new(&model.network).unwrap().output(&x, 1);
    assert_eq!(got.len(), 40);
    for (i, got) in got.into_iter().enumerate() {
        assert!((got - wanted(i)).abs() < 1e-7, "{i}: {got}, wanted {}", wanted(i));
    }
    let noted = model.notes.iter().any(|n| n.contains("`n.near` puts neighbouring pixels"));
    assert!(noted, "{:?}", model.notes);
}
