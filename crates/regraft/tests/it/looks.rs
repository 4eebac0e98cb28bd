//! Signals and class maps of whole networks against Captum's.

use std::path::Path;

use regraft_look::{
    Cam, ReluRule, Target, Window, activation_map, integrated_gradients, occlusion, signal,
};
use regraft_tensor::Tensor;
use serde_json::Value;

/// `fixtures/make/captum_maps.py` wrote it.
fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/captum_maps.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Captum's map in `f64` may be so far, relative, L2, or a little more than PyTorch's own map in `f32` is: there rounding
/// turns a `ReLU` here and there, which moves a few pixels by a percent.
const TOLERANCE: f64 = 1e-4;

fn check(map: &[f32], golden: &Value, method: &str, more: f64) {
    let kept = &golden["f64"][method];
    let (wide, single) = (numbers(kept, "samples"), numbers(&golden["f32"][method], "samples"));
    let off = norm(&mut wide.iter().zip(&single).map(|(a, b)| a - b));
    let own = off / norm(&mut wide.iter().copied());
    let distance = distance(map, kept);
    assert!(distance < TOLERANCE.max(more * own), "{method}: {distance:e}, PyTorch's own {own:e}");
}

fn numbers(kept: &Value, key: &str) -> Vec<f64> {
    kept[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn norm(values: &mut dyn Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

/// The distance of a map from the values that were kept, and of its sums.
fn distance(map: &[f32], kept: &Value) -> f64 {
    assert_eq!(map.len() as u64, kept["len"].as_u64().unwrap());
    let (samples, sums) = (numbers(kept, "samples"), numbers(kept, "sums"));
    let mine: Vec<f64> = (0..samples.len()).map(|i| f64::from(map[i * 7919 % map.len()])).collect();
    let off = norm(&mut mine.iter().zip(&samples).map(|(a, b)| a - b));
    let wide = || map.iter().map(|v| f64::from(*v));
    // A sum of what cancels is judged by what it is a sum of.
    let sum = (wide().sum::<f64>() - sums[0]).abs() / sums[1];
    let absolutes = (wide().map(f64::abs).sum::<f64>() - sums[1]).abs() / sums[1];
    let size = (norm(&mut wide()) - sums[2]).abs() / sums[2];
    (off / norm(&mut samples.iter().copied())).max(sum).max(absolutes).max(size)
}

fn compare(name: &str, layer: &str) {
    let golden = golden();
    let number = |key: &str| golden[key].as_u64().unwrap() as usize;
    let info = regraft_zoo::architecture(name).unwrap();
    let network = info.formula_network().unwrap().cut(info.logits).unwrap();
    let (picture, target) = (info.formula_picture(), Target::Class(number("target")));
    let of = |rule| signal(&network, &picture, target, rule).unwrap();
    let baseline = Tensor::zeros(picture.shape().clone());
    let window = Window { side: 112, stride: 56, cover: 0.0 };
    let integrated =
        integrated_gradients(&network, &picture, &baseline, target, number("steps")).unwrap();
    let occluded = occlusion(&network, &picture, target, window).unwrap();
    let plane = occluded.data()[..224 * 224].to_vec();
    let maps = [
        ("gradient", of(ReluRule::Gradient).into_data()),
        ("guided", of(ReluRule::Guided).into_data()),
        ("deconvnet", of(ReluRule::Deconvnet).into_data()),
        (
            "grad-cam",
            activation_map(&network, layer, &picture, target, Cam::Grad).unwrap().into_data(),
        ),
        ("occlusion", plane),
        ("integrated", integrated.attribution.into_data()),
    ];
    for (method, map) in maps {
        check(&map, &golden[name], method, 1.5);
    }
}

#[test]
fn a_residual_networks_maps_are_captums() {
    compare("torchvision/resnet18", "layer4");
}

#[test]
fn alexnets_maps_are_captums() {
    compare("torchvision/alexnet", "features.11");
}

/// Captum gives the plain gradient for `ReLU`s that are functions, and for `ReLU6`.
fn guided_by_hand(name: &str) {
    let golden = &golden()[name];
    let info = regraft_zoo::architecture(name).unwrap();
    let network = info.formula_network().unwrap().cut(info.logits).unwrap();
    let of = |rule| {
        signal(&network, &info.formula_picture(), Target::Class(5), rule).unwrap().into_data()
    };
    let (gradient, guided) = (of(ReluRule::Gradient), of(ReluRule::Guided));
    check(&gradient, golden, "gradient", 10.0);
    check(&guided, golden, "guided", 10.0);
    check(&gradient, golden, "captum", 10.0);
    assert!(distance(&guided, &golden["f64"]["captum"]) > 0.5);
}

#[test]
fn guided_backpropagation_of_functional_relus_is_the_rule_written_out() {
    guided_by_hand("torchvision/inception_v3");
}

#[test]
fn guided_backpropagation_through_relu6_is_the_rule_written_out() {
    guided_by_hand("torchvision/mobilenet_v2");
}
