//! Every network of the script gives `OpenCV`'s values.

use regraft_formats::{Model, caffe};
use regraft_net::Forward as _;
use regraft_tensor::{Shape, Tensor};
use regraft_testkit::{Reference, formula_values, relative_l2};
use serde_json::Value;

use crate::{bytes, caffemodel, golden};

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

/// How far the scores and the first probabilities are from `OpenCV`'s.
pub(crate) fn distance(model: &Model, wanted: &Value) -> [f64; 2] {
    let dims: Vec<usize> = numbers(&wanted["input"]).iter().map(|d| *d as usize).collect();
    let mut batch = Tensor::zeros(Shape::new([vec![1], dims.clone()].concat()));
    let values = formula_values("input", dims.iter().product());
    batch.data_mut().iter_mut().zip(values).for_each(|(x, u)| *x = u as f32);
    let network = &model.network;
    let logits = network.card().logits.clone().unwrap();
    let output = network.graph().layer(network.graph().output().unwrap()).name.clone();
    let mut reference = Reference::new(network).unwrap();
    let got = reference.forward(&batch, &[&logits, &output]).unwrap();
    let prob = got[1].data();
    [
        relative_l2(got[0].data(), &numbers(&wanted["scores"])),
        relative_l2(&prob[..prob.len().min(5)], &numbers(&wanted["prob"])),
    ]
}

#[test]
fn every_network_gives_opencvs_scores() {
    for (name, wanted) in golden() {
        let text = bytes(&format!("{name}.prototxt"));
        let model = caffe::from_bytes(Some(&text), &caffemodel(&wanted, |_| true))
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let far = distance(&model, &wanted);
        assert!(far[0] < 1e-5, "{name}: {far:?}");
    }
}
