//! Captum 0.9 in f64 (occlusion: its overlap weights in f32), target class 1.

use regraft_look::{
    Cam, ReluRule, Target, Upsample, Window, activation_map, input_times_gradient,
    integrated_gradients, occlusion, outputs, signal, upsample,
};
use regraft_tensor::Tensor;

use crate::tiny::{TEXT, formula, network, picture};

const CLASS: Target = Target::Class(1);

/// The sum, the sum of absolute values, the largest value and its place, and the first values.
fn check(name: &str, got: &Tensor, sums: [f64; 2], largest: (f64, usize), first: &[f64]) {
    let values: Vec<f64> = got.data().iter().map(|v| f64::from(*v)).collect();
    let close = |got: f64, wanted: f64, what: &str| {
        let off = (got - wanted).abs();
        assert!(off < 1e-5 * sums[1].max(1.0), "{name}: {what} {got}, wanted {wanted}");
    };
    close(values.iter().sum(), sums[0], "sum");
    close(values.iter().map(|v| v.abs()).sum(), sums[1], "absolute sum");
    // Of values that are equal but for rounding the first.
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let top = values.iter().position(|v| *v > most - 1e-7).unwrap();
    assert_eq!(top, largest.1, "{name}");
    assert!((values[top] - largest.0).abs() < 1e-6, "{name}: {} wanted {}", values[top], largest.0);
    for (got, wanted) in values.iter().zip(first) {
        assert!((got - wanted).abs() < 1e-6, "{name}: {got} wanted {wanted}");
    }
}

#[test]
fn signals_are_captums() {
    let (network, picture) = (network(TEXT), picture());
    let of = |rule| signal(&network, &picture, CLASS, rule).unwrap();
    check(
        "gradient",
        &of(ReluRule::Gradient),
        [-0.085867054293, 4.686074984924],
        (0.097169923348, 157),
        &[-0.014385953387, -0.008315890259, 0.008876568746, 0.010157128911],
    );
    check(
        "guided",
        &of(ReluRule::Guided),
        [-0.102195276931, 0.899131018566],
        (0.014763892254, 92),
        &[0.0, 0.0, 0.004212712639, 0.011533951065],
    );
    check(
        "deconvnet",
        &of(ReluRule::Deconvnet),
        [-0.192023146731, 1.257886326481],
        (0.024304571766, 76),
        &[-0.002343179411, -0.005858278126, 0.00223535482, 0.017528590034],
    );
    let product = input_times_gradient(&network, &picture, CLASS).unwrap();
    check("product", &product, [-0.806670971300, 3.032709986869], (0.066064816769, 30), &[]);
}

#[test]
fn a_units_projection_is_captums() {
    let below = network(TEXT).cut("relu2").unwrap();
    let unit = Target::Unit(2, 1, 1);
    let got = signal(&below, &picture(), unit, ReluRule::Deconvnet).unwrap();
    let sums = [-2.406062637765, 26.271864467076];
    check("unit", &got, sums, (0.646520387616, 18), &[0.112142436487, -0.004721208037]);
}

#[test]
fn class_maps_are_captums() {
    let (network, picture) = (network(TEXT), picture());
    let of = |layer| activation_map(&network, layer, &picture, CLASS, Cam::Grad).unwrap();
    check(
        "before the ReLU",
        &of("conv2"),
        [-0.075179132439, 0.122454930265],
        (0.007032898539, 7),
        &[0.001036374339, -0.010856364134, -0.006126939775, 0.001412166074],
    );
    let mut map = of("relu2");
    map.data_mut().iter_mut().for_each(|v| *v = v.max(0.0));
    let sum = 0.006631268888;
    check("after it", &map, [sum, sum], (0.003875550720, 12), &[0.0; 4]);
    for (how, place) in [(Upsample::Nearest, 48), (Upsample::Bilinear, 56)] {
        let large = upsample(&map, [8, 8], how).unwrap();
        let values: Vec<f64> = large.data().iter().map(|v| f64::from(*v)).collect();
        assert!((values.iter().sum::<f64>() - 0.026525075552).abs() < 1e-7, "{how:?}");
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let top = values.iter().position(|v| *v > most - 1e-9).unwrap();
        assert_eq!(top, place, "{how:?}");
    }
    let guided = signal(&network, &picture, CLASS, ReluRule::Guided).unwrap();
    let large = upsample(&map, [8, 8], Upsample::Nearest).unwrap();
    let product: Vec<f32> =
        guided.data().iter().enumerate().map(|(i, v)| v * large.data()[i % 64]).collect();
    let product = Tensor::new([3, 8, 8], product).unwrap();
    let sums = [-0.000009554259, 0.000377994852];
    check("guided map", &product, sums, (0.000034306256, 57), &[]);
}

#[test]
fn occlusion_is_captums() {
    let (network, picture) = (network(TEXT), picture());
    let of = |side, stride| {
        occlusion(&network, &picture, CLASS, Window { side, stride, cover: 0.0 }).unwrap()
    };
    let first = [-0.115027532, -0.115027532, 0.029443810, 0.029443810];
    check("4 by 2", &of(4, 2), [11.66521065, 15.35330589], (0.18766731, 48), &first);
    let first = [-0.214789167, -0.214789167, -0.087042138, 0.040704884];
    check("3 by 2", &of(3, 2), [2.37259626, 13.52826405], (0.17058985, 56), &first);
    check("5 by 2", &of(5, 2), [-5.51108985, 7.53947508], (0.04405134, 63), &[]);
}

#[test]
fn integrated_gradients_are_captums() {
    let (network, picture) = (network(TEXT), picture());
    let baseline = Tensor::zeros([1, 3, 8, 8]);
    let got = integrated_gradients(&network, &picture, &baseline, CLASS, 50).unwrap();
    let sums = [-0.690028399378, 2.152168787842];
    check("integrated", &got.attribution, sums, (0.043427804606, 75), &[-0.012275410678]);
}

/// PyTorch's figures for Caffe's layers.
#[test]
fn caffes_normalisation_and_the_switches_of_its_pools_are_pytorchs() {
    let norm =
        network("x = input 6x2x2\n    n = lrn x size=5 alpha=0.0001 beta=0.75 k=1\n    -> n");
    let values = Tensor::new([1, 6, 2, 2], formula(24, 16.0, 30.0)).unwrap();
    let got = outputs(&norm, &values).unwrap();
    let sum: f64 = got.iter().map(|v| f64::from(*v)).sum();
    assert!((sum - -49.064_557_637_073_69).abs() < 1e-3, "{sum}");
    for (got, wanted) in got.iter().zip([28.519_007_667, 23.403_171_601, 14.089_232_787]) {
        assert!((f64::from(*got) - wanted).abs() < 1e-4, "{got} {wanted}");
    }
    let pool =
        network("x = input 2x5x5\n    p = max_pool x size=3 stride=2 rounding=ceil\n    -> p");
    let values = Tensor::new([1, 2, 5, 5], formula(50, 17.0, 1.0)).unwrap();
    let switches: Vec<usize> = (0..8)
        .map(|i| {
            let target = Target::Unit(i / 4, i / 2 % 2, i % 2);
            let signal = signal(&pool, &values, target, ReluRule::Gradient).unwrap();
            let won = signal.data().iter().position(|v| *v == 1.0).unwrap();
            won % 25
        })
        .collect();
    assert_eq!(switches, [7, 8, 22, 22, 12, 12, 12, 12]);
}
