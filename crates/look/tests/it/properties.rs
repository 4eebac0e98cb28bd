use regraft_look::{
    Cam, LookError, Patch, ReluRule, Signals, Target, Window, activation_map, integrated_gradients,
    occlusion, signal,
};
use regraft_net::{Network, Params};
use regraft_tensor::Tensor;

use crate::tiny::{TEXT, formula, network, picture};

const CLASS: Target = Target::Class(1);

/// The network with weights that are nowhere negative.
fn positive(text: &str) -> Network {
    let plain = network(text);
    let mut params = Params::new();
    for (name, value) in plain.params().iter() {
        let values = value.data().iter().map(|v| v.abs() + 0.01).collect();
        params.insert(name.to_owned(), Tensor::new(value.shape().clone(), values).unwrap());
    }
    Network::new(plain.graph().clone(), &params, plain.card().clone()).unwrap()
}

fn value(network: &Network, picture: &Tensor, class: usize) -> f64 {
    let window = Window { side: 8, stride: 8, cover: 0.0 };
    let lost = occlusion(network, picture, Target::Class(class), window).unwrap();
    f64::from(lost.data()[0])
}

#[test]
fn where_everything_is_positive_all_rules_are_the_gradient() {
    let network = positive(TEXT);
    let picture =
        Tensor::new([1, 3, 8, 8], formula(192, 3.0, 1.0).iter().map(|v| v.abs()).collect())
            .unwrap();
    let of = |rule| signal(&network, &picture, CLASS, rule).unwrap();
    let gradient = of(ReluRule::Gradient);
    assert!(gradient.data().iter().any(|v| *v > 0.0));
    assert_eq!(of(ReluRule::Guided), gradient);
    assert_eq!(of(ReluRule::Deconvnet), gradient);
}

#[test]
fn the_gradient_is_what_small_steps_give() {
    let (network, picture) = (network(TEXT), picture());
    let gradient = signal(&network, &picture, CLASS, ReluRule::Gradient).unwrap();
    for at in [0, 40, 99, 157, 191] {
        let moved = |by: f32| {
            let mut other = picture.clone();
            other.data_mut()[at] += by;
            value(&network, &other, 1)
        };
        let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
        let got = f64::from(gradient.data()[at]);
        assert!((got - slope).abs() < 1e-3, "pixel {at}: {got}, {slope}");
    }
}

#[test]
fn integrated_gradients_add_up_to_what_the_picture_adds() {
    let (network, picture) = (network(TEXT), picture());
    let baseline = Tensor::zeros([1, 3, 8, 8]);
    let got = integrated_gradients(&network, &picture, &baseline, CLASS, 300).unwrap();
    let sum: f64 = got.attribution.data().iter().map(|v| f64::from(*v)).sum();
    assert!((sum - got.difference).abs() < 5e-3, "{sum} {}", got.difference);
    assert!((got.difference - value(&network, &picture, 1)).abs() < 1e-5);
}

#[test]
fn a_window_as_large_as_the_picture_loses_everything_everywhere() {
    let (network, picture) = (network(TEXT), picture());
    let window = Window { side: 8, stride: 3, cover: 0.0 };
    let lost = occlusion(&network, &picture, CLASS, window).unwrap();
    assert!(lost.data().iter().all(|v| (v - lost.data()[0]).abs() < 1e-6));
}

#[test]
fn above_the_last_map_both_class_maps_are_the_weights_times_the_map() {
    let (network, picture) = (network(TEXT), picture());
    let of = |cam| activation_map(&network, "relu2", &picture, CLASS, cam).unwrap();
    let (grad, high) = (of(Cam::Grad), of(Cam::HiRes));
    for (a, b) in grad.data().iter().zip(high.data()) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

#[test]
fn overlapping_windows_of_a_pool_add_their_signals() {
    // One pixel wins all four windows of 3 by 3 that move by 2.
    let text = "x = input 1x5x5
        pool = max_pool x size=3 stride=2
        -> pool";
    let mut values = vec![0.0; 25];
    values[12] = 1.0;
    let picture = Tensor::new([1, 1, 5, 5], values).unwrap();
    let got = signal(&network(text), &picture, Target::Channel(0), ReluRule::Deconvnet).unwrap();
    // The mean of four windows, a quarter each.
    assert!((got.data()[12] - 1.0).abs() < 1e-6, "{got:?}");
}

#[test]
fn a_deconvnet_passes_local_response_normalisation_as_it_is() {
    let text = "x = input 3x8x8
        norm = lrn x size=3 alpha=0.5 beta=0.75 k=1
        -> norm";
    let (network, picture) = (network(text), picture());
    let unit = Target::Unit(1, 4, 4);
    let plain = signal(&network, &picture, unit, ReluRule::Deconvnet).unwrap();
    let at = (8 + 4) * 8 + 4;
    for (i, v) in plain.data().iter().enumerate() {
        assert_eq!(*v, if i == at { 1.0 } else { 0.0 });
    }
    let gradient = signal(&network, &picture, unit, ReluRule::Gradient).unwrap();
    assert!(gradient.data()[at] < 1.0 && gradient.data()[at - 64] != 0.0);
}

#[test]
fn rules_that_are_not_defined_are_refused_with_the_layer() {
    let text = TEXT.replace("relu1 = relu conv1", "relu1 = silu conv1");
    let network = network(&text);
    for rule in [ReluRule::Guided, ReluRule::Deconvnet] {
        let error = signal(&network, &picture(), CLASS, rule).unwrap_err().to_string();
        assert!(error.contains("`relu1`") && error.contains("plain gradient"), "{error}");
    }
    assert!(signal(&network, &picture(), CLASS, ReluRule::Gradient).is_ok());
}

#[test]
fn what_is_not_there_is_named() {
    let (network, picture) = (network(TEXT), picture());
    let of = |target| signal(&network, &picture, target, ReluRule::Gradient).unwrap_err();
    for target in [Target::Class(3), Target::Channel(0), Target::Unit(0, 0, 0)] {
        let error = of(target);
        assert!(matches!(&error, LookError::Target { layer, .. } if layer == "fc"), "{error}");
    }
    let two = Tensor::zeros([2, 3, 8, 8]);
    let error = signal(&network, &two, CLASS, ReluRule::Gradient).unwrap_err();
    assert!(matches!(error, LookError::Picture { .. }), "{error}");
    let map = |layer| activation_map(&network, layer, &picture, CLASS, Cam::Grad).unwrap_err();
    assert!(matches!(map("mean"), LookError::NoMap { .. }));
    assert!(map("relu3").to_string().contains("relu2"), "names that are near");
    for (side, stride) in [(0, 1), (9, 1), (4, 0), (4, 5)] {
        let window = Window { side, stride, cover: 0.0 };
        assert!(occlusion(&network, &picture, CLASS, window).is_err(), "{side} {stride}");
    }
    let baseline = Tensor::zeros([1, 3, 8, 8]);
    assert!(integrated_gradients(&network, &picture, &baseline, CLASS, 0).is_err());
}

/// Two paths from one layer, one of them with a layer that the other goes around.
const BRANCHES: &str = "x = input 3x8x8
    conv1 = conv2d x out=4 size=3 pad=1 bias=yes
    relu1 = relu conv1
    conv2 = conv2d relu1 out=4 size=3 pad=1 bias=yes
    relu2 = relu conv2
    sum = add relu1 relu2
    mean = global_avg_pool sum
    fc = linear mean out=3
    -> fc";

#[test]
fn a_class_map_may_be_of_a_layer_that_others_go_around() {
    // Of what is averaged and read by one matrix each path adds its own part.
    let (network, picture) = (network(BRANCHES), picture());
    let maps = |layer: &str| activation_map(&network, layer, &picture, CLASS, Cam::HiRes).unwrap();
    let below = network.cut("relu2").unwrap();
    let values = regraft_look::outputs(&below, &picture).unwrap();
    let weights = network.params().get("fc.weight").unwrap().data()[4..8].to_vec();
    let wanted: Vec<f32> = (0..64)
        .map(|at| (0..4).map(|k| weights[k] * values[k * 64 + at]).sum::<f32>() / 64.0)
        .collect();
    for (got, wanted) in maps("relu2").data().iter().zip(&wanted) {
        assert!((got - wanted).abs() < 1e-6, "{got} {wanted}");
    }
    // Before its activation the layer is another one.
    let grad = |layer: &str| activation_map(&network, layer, &picture, CLASS, Cam::Grad).unwrap();
    assert_ne!(grad("conv2"), grad("relu2"));
    // A layer that nothing of the answer comes from has no map.
    let aside = network_with_an_end_aside();
    let error = activation_map(&aside, "aside", &picture, CLASS, Cam::Grad).unwrap_err();
    assert!(matches!(error, LookError::Nowhere { .. }), "{error}");
}

fn network_with_an_end_aside() -> Network {
    network(&TEXT.replace("    mean =", "    aside = relu conv1\n    mean ="))
}

#[test]
fn the_gradient_at_a_layer_is_what_small_steps_there_give() {
    // The layer's bias moves a whole channel, so its step is the sum of the gradient over the map.
    let (whole, picture) = (network(BRANCHES), picture());
    let tuning = regraft_grad::Tuning {
        tuned: &|_| false,
        batch_norm: &|_| false,
        input_gradient: true,
        recompute: true,
    };
    let mut tape = regraft_grad::Tape::with_tap(&whole, 1, &tuning, "conv1").unwrap();
    let output = tape.forward(&picture, 0).unwrap();
    let seed = Tensor::new([1, 3], vec![0.0, 1.0, 0.0]).unwrap();
    let gradient = tape.backward(&seed).unwrap().tap.unwrap();
    assert_eq!(gradient.shape().dims(), [1, 4, 8, 8]);
    assert_eq!(tape.tapped().unwrap().shape().dims(), [1, 4, 8, 8]);
    for channel in 0..4 {
        let mut params = whole.params().clone();
        params.get_mut("conv1.bias").unwrap().data_mut()[channel] += 1e-3;
        let moved = Network::new(whole.graph().clone(), &params, whole.card().clone()).unwrap();
        let after = regraft_look::outputs(&moved, &picture).unwrap()[1];
        let slope = f64::from(after - output.data()[1]) / 1e-3;
        let sum: f64 = gradient.data()[channel * 64..][..64].iter().map(|v| f64::from(*v)).sum();
        assert!((sum - slope).abs() < 5e-3, "{channel}: {sum} {slope}");
    }
}

#[test]
fn a_patch_at_the_border_lies_as_one_within() {
    let field =
        regraft_net::facts::ReceptiveField { size: [3, 3], stride: [2, 2], start: [-1, -1] };
    let plane: Vec<usize> = (0..36).collect();
    let of = |row, column| Patch::of(Some(field), [row, column], [6, 6]);
    assert_eq!(of(0, 0).cut(&plane, [6, 6], 99), [99, 99, 99, 99, 0, 1, 99, 6, 7]);
    assert_eq!(of(1, 2).cut(&plane, [6, 6], 99), [9, 10, 11, 15, 16, 17, 21, 22, 23]);
    // What sees at least all of it, or no one knows what, sees the picture.
    let large = regraft_net::facts::ReceptiveField { size: [9, 9], ..field };
    for field in [Some(large), None] {
        assert_eq!(Patch::of(field, [1, 1], [6, 6]).cut(&plane, [6, 6], 99), plane);
    }
}

#[test]
fn many_pictures_at_once_are_each_as_alone() {
    let network = network(TEXT).cut("relu2").unwrap();
    let (one, mut other) = (picture(), picture());
    other.data_mut().reverse();
    let both = Tensor::new([2, 3, 8, 8], [one.data(), other.data()].concat()).unwrap();
    let targets = [Target::Unit(2, 1, 1), Target::Channel(4)];
    let rules = [ReluRule::Deconvnet, ReluRule::Gradient];
    let mut signals = Signals::new(&network, 3).unwrap();
    let said = signals.of(&both, &targets, &rules).unwrap();
    for (rule, together) in rules.iter().zip(&said.signals) {
        let alone = [(&one, targets[0]), (&other, targets[1])]
            .map(|(p, target)| signal(&network, p, target, *rule).unwrap().into_data());
        assert_eq!(together.as_ref().unwrap().data(), alone.concat());
    }
    assert!((said.values[0] - 3.744065657495).abs() < 1e-5, "{:?}", said.values);
    assert!(signals.of(&both, &targets[..1], &rules).is_err());
}

#[test]
fn a_look_drops_nothing() {
    let dropping = network(
        &TEXT.replace("fc = linear mean", "some = dropout mean rate=0.9\n    fc = linear some"),
    );
    let of = |n: &Network| signal(n, &picture(), CLASS, ReluRule::Gradient).unwrap();
    assert_eq!(of(&dropping), of(&network(TEXT)));
}
