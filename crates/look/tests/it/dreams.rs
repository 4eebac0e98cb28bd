//! Dreams on a picture, and a picture found again from a layer.

use regraft_look::{DreamSettings, InvertSettings, LookError, Objective, dream, invert, resized};
use regraft_net::Network;
use regraft_tensor::Tensor;

use crate::tiny::{TEXT, network};

/// A soft picture, `[3, height, width]`, in `0..1`.
fn photograph(height: usize, width: usize) -> Tensor {
    let value = |i: usize| {
        let (c, y, x) = (i / (height * width), i / width % height, i % width);
        let wave = (0.35 * x as f64 + 0.2 * y as f64 + c as f64).sin() + (0.25 * y as f64).cos();
        (0.5 + 0.2 * wave) as f32
    };
    Tensor::new([3, height, width], (0..3 * height * width).map(value).collect()).unwrap()
}

fn few() -> DreamSettings {
    DreamSettings { octaves: 3, steps: 6, jitter: 5, ..DreamSettings::default() }
}

#[test]
fn a_dream_makes_more_of_what_a_layer_sees_and_keeps_the_size() {
    let below = network(TEXT).cut("relu2").unwrap();
    let picture = photograph(40, 52);
    for objective in [Objective::Everything, Objective::Unit(3)] {
        let dreamt = dream(&below, &picture, &objective, &few(), &mut |_, _| true).unwrap();
        assert!(dreamt.after > 1.05 * dreamt.before, "{} {}", dreamt.before, dreamt.after);
        assert_eq!(dreamt.colours.shape(), picture.shape());
        assert!(dreamt.colours.data().iter().all(|v| (0.0..=1.0).contains(v)));
        assert_eq!(dreamt.sizes, [[20, 27], [29, 37], [40, 52]]);
        let again = dream(&below, &picture, &objective, &few(), &mut |_, _| true).unwrap();
        assert_eq!(again, dreamt);
    }
}

#[test]
fn a_network_that_cannot_be_built_for_a_size_sees_the_picture_at_its_own() {
    let text = "x = input 3x16x16
        conv = conv2d x out=4 size=3 pad=1 bias=yes
        relu = relu conv
        flat = flatten relu
        fc = linear flat out=3
        -> fc";
    let network = network(text);
    assert!(resized(&network, [32, 32]).is_err());
    let dreamt =
        dream(&network, &photograph(24, 32), &Objective::Unit(1), &few(), &mut |_, _| true)
            .unwrap();
    assert!(dreamt.after > dreamt.before);
}

#[test]
fn a_network_of_another_size_gives_what_its_layers_give_there() {
    let below = resized(&network(TEXT).cut("relu2").unwrap(), [20, 12]).unwrap();
    assert_eq!(below.facts().unwrap().output().shape.dims(), [6, 10, 6]);
}

fn found(network: &Network, layer: &str) -> regraft_look::Inverted {
    let below = network.cut(layer).unwrap();
    let settings = InvertSettings { steps: 200, variation: 0.01, ..InvertSettings::default() };
    invert(&below, &photograph(24, 24), &settings, &mut |_, _| true).unwrap()
}

#[test]
fn a_low_layer_knows_the_picture_and_a_high_one_less() {
    // More channels than colours, and kernels that have nothing to do with each other, so that the lowest layer tells
    // everything.
    let plain = network(&TEXT.replace("out=4 size=3", "out=24 size=3"));
    let params = regraft_net::formula::formula_params(plain.graph()).unwrap();
    let network = Network::new(plain.graph().clone(), &params, plain.card().clone()).unwrap();
    let (low, high) = (found(&network, "conv1"), found(&network, "mean"));
    assert!(low.after < 0.1 * low.before, "{} {}", low.before, low.after);
    assert!(low.alike > 0.95, "{}", low.alike);
    assert!(high.after < 0.2, "{}", high.after);
    assert!(high.alike < low.alike, "{} {}", high.alike, low.alike);
}

#[test]
fn what_cannot_be_dreamt_or_found_is_named() {
    let below = network(TEXT).cut("relu2").unwrap();
    let picture = photograph(24, 24);
    let of = |objective: Objective, settings: DreamSettings| {
        dream(&below, &picture, &objective, &settings, &mut |_, _| true).unwrap_err().to_string()
    };
    assert!(of(Objective::Unit(6), few()).contains("6 units"));
    assert!(of(Objective::Everything, DreamSettings { octaves: 0, ..few() }).contains("octaves"));
    assert!(of(Objective::Everything, DreamSettings { scale: 1.0, ..few() }).contains("1.4"));
    assert!(of(Objective::Everything, DreamSettings { steps: 0, ..few() }).contains("steps"));
    let small = photograph(24, 4);
    let error = dream(&below, &small, &Objective::Everything, &few(), &mut |_, _| true);
    assert!(error.unwrap_err().to_string().contains("16"));
    let stopped = dream(&below, &picture, &Objective::Everything, &few(), &mut |n, _| n < 3);
    assert!(matches!(stopped, Err(LookError::Stopped)));
    let none = InvertSettings { steps: 0, ..InvertSettings::default() };
    assert!(invert(&below, &picture, &none, &mut |_, _| true).is_err());
    let stopped = invert(&below, &picture, &InvertSettings::default(), &mut |n, _| n < 3);
    assert!(matches!(stopped, Err(LookError::Stopped)));
    let mut params = below.params().clone();
    params.get_mut("conv2.weight").unwrap().data_mut().fill(0.0);
    params.get_mut("conv2.bias").unwrap().data_mut().fill(-1.0);
    let dead = Network::new(below.graph().clone(), &params, below.card().clone()).unwrap();
    let error = invert(&dead, &picture, &InvertSettings::default(), &mut |_, _| true);
    assert!(error.unwrap_err().to_string().contains("only zeros"));
}
