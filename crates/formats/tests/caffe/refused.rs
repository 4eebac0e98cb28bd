//! What is said of files that make no network.

use regraft_formats::caffe;
use serde_json::Value;

use crate::{bytes, caffemodel, golden};

fn message(text: &str) -> String {
    caffe::graph_from_bytes(text.as_bytes()).unwrap_err().to_string()
}

fn said(error: &str, wanted: &[&str]) {
    for word in wanted {
        assert!(error.contains(word), "{word:?} is not in:\n{error}");
    }
}

const INPUT: &str = "input: \"data\"\ninput_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n";

fn layer(rest: &str) -> String {
    format!("{INPUT}layer {{ name: \"x\" bottom: \"data\" top: \"x\" {rest} }}\n")
}

#[test]
fn all_layers_that_cannot_be_are_named_at_once_with_their_lines() {
    let text = format!(
        "{INPUT}layer {{ name: \"up\" type: \"Deconvolution\" bottom: \"data\" top: \"up\" }}\n\
         layer {{ name: \"norm\" type: \"LRN\" bottom: \"up\" top: \"norm\" lrn_param {{ norm_region: WITHIN_CHANNEL }} }}\n\
         layer {{ name: \"most\" type: \"Eltwise\" bottom: \"up\" bottom: \"norm\" top: \"most\" eltwise_param {{ operation: LEAST }} }}\n\
         layer {{ name: \"less\" type: \"Eltwise\" bottom: \"up\" bottom: \"norm\" top: \"less\" eltwise_param {{ coeff: 1 coeff: -1 }} }}\n\
         layer {{ name: \"odd\" bottom: \"less\" top: \"odd\" }}\n"
    );
    said(
        &message(&text),
        &[
            "4 layers of this network",
            "line 3, column 8: `up` (Deconvolution): there is nothing like it here",
            "`most` (Eltwise): is neither SUM nor PROD nor MAX",
            "`less` (Eltwise): sums with coefficients",
            "`odd` (no type)",
        ],
    );
}

#[test]
fn faults_of_a_network_say_where_and_what_was_wanted() {
    let conv = |p: &str| layer(&format!("type: \"Convolution\" convolution_param {{ {p} }}"));
    let pool = |p: &str| layer(&format!("type: \"Pooling\" pooling_param {{ {p} }}"));
    let cases: [(String, &[&str]); 17] = [
        (conv("num_output: ten"), &["line 3", "`num_output` wants a whole number, got ten"]),
        (conv("num_output: 99999999999"), &["`num_output` wants a number from 0 to 16777216"]),
        (conv("num_output: 4 kernel_size: 9"), &["line 3", "layer `x` (conv2d) got 3x8x8", "kernel's size 9x9"]),
        (conv("num_output: 4 kernel_size: 1 group: 2"), &["channels in (3) and out (4) in 2 groups"]),
        (conv("num_output: 4 kernel_size: 1 stride: 0"), &["a stride"]),
        (conv("num_output: 4 kernel_size: 3 axis: 2"), &["along another axis"]),
        (pool("kernel_size: 1 stride: 5"), &["`x` (Pooling): has a last window that lies outside the map"]),
        (pool("kernel_size: 2 pool: STOCHASTIC"), &["pools at random"]),
        (layer("type: \"Power\" power_param { power: 0.5 }"), &["raises to the power 0.5"]),
        (layer("type: \"Reshape\" reshape_param { shape { dim: 0 dim: 8 dim: 24 } }"), &["makes [8, 24] of 3x8x8"]),
        (layer("type: \"LRN\" lrn_param { local_size: 4 }"), &["an odd size"]),
        (layer("type: \"LRN\" lrn_param { local_size: 99 norm_region: WITHIN_CHANNEL }"), &["over 99 pixels within 3 channels"]),
        (layer("type: \"Dropout\" dropout_param { dropout_ratio: 1 }"), &["drops a share of 1"]),
        (format!("{INPUT}layer {{ name: \"x\" type: \"ReLU\" bottom: \"date\" top: \"x\" }}"), &["line 3", "layer `x` reads `date`", "did you mean `data`?"]),
        ("layer { name: \"d\" type: \"Data\" top: \"d\" } layer { name: \"x\" type: \"ReLU\" bottom: \"d\" top: \"x\" }".to_owned(), &["the size of the input `d`", "crop_size"]),
        ("layers { layer { name: \"x\" type: \"relu\" } }".to_owned(), &["line 1", "upgrade_net_proto"]),
        ("net: \"train_val.prototxt\" base_lr: 0.01".to_owned(), &["no `layer` in it; is this a solver?"]),
    ];
    for (text, wanted) in cases {
        said(&message(&text), wanted);
    }
    let big = "input: \"data\" input_shape { dim: 1 dim: 3 dim: 99999999999 dim: 3 }\n";
    let text = format!("{big}layer {{ name: \"x\" type: \"ReLU\" bottom: \"data\" top: \"x\" }}");
    said(&message(&text), &["the input `data` is [1, 3, 99999999999, 3]"]);
}

#[test]
fn missing_weights_are_a_table_with_near_names() {
    let text = bytes("caffenet.prototxt");
    let wanted = &golden()["caffenet"];
    let error = |model: &[u8]| caffe::from_bytes(Some(&text), model).unwrap_err().to_string();

    let mut renamed = wanted.clone();
    renamed["blobs"][7][0] = Value::from("fc8_mine");
    renamed["blobs"][0][1][0][0] = serde_json::json!([6, 3, 121, 1]);
    said(
        &error(&caffemodel(&renamed, |_| true)),
        &[
            "3 blobs of the weights",
            "layer `conv1`, blob 0: weight 6x3x11x11 wanted, the weights have 6x3x121x1",
            "layer `fc8`, blob 0: weight 10x64 wanted, the weights have no such layer; near: `fc8_mine`",
            "layers with weights that this network does not have:\n  fc8_mine",
        ],
    );
    said(&error(&caffemodel(wanted, |n| n.starts_with("fc"))), &["10 blobs of the weights"]);
    said(&error(&[0x0a]), &["byte 1"]);

    // Left-over weights are no fault; they are listed.
    let mut more = caffemodel(wanted, |_| true);
    more.extend(caffemodel(&golden()["lenet"], |n| n.starts_with("ip")));
    let model = caffe::from_bytes(Some(&text), &more).unwrap();
    assert_eq!(model.unused, ["ip1", "ip2"]);
}
