//! The engine faces the slow reference on every small network, with every instruction set.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use proptest::prelude::*;
use regraft_infer::{Engine, InferError, Precision, Threads};
use regraft_kernels::Isa;
use regraft_net::op::{Conv2d, Pad, Rounding, Window};
use regraft_net::{Forward, Graph, Network, Op};
use regraft_tensor::Tensor;
use regraft_testkit::{
    Reference, formula_values, relative_l2, small_networks, with_formula_weights,
};

/// How far results in `bf16` may be from exact ones: a few roundings to 8 bits.
const BF16: f64 = 0.03;

fn batch(network: &Network, images: usize) -> Tensor {
    let facts = network.facts().unwrap();
    let input = facts.layer(network.graph().input().unwrap()).shape.clone();
    let mut dims = vec![images];
    dims.extend_from_slice(&input);
    let data = formula_values("batch", images * input.count()).map(|x| x as f32).collect();
    Tensor::new(dims, data).unwrap()
}

fn agree(name: &str, network: &Network, outputs: &[&str], tolerance: f64) {
    let batch = batch(network, 2);
    let wanted = Reference::new(network).unwrap().forward(&batch, outputs).unwrap();
    for isa in Isa::available() {
        for (precision, tolerance) in [(Precision::F32, tolerance), (Precision::Bf16, BF16)] {
            let mut engine = Engine::compile_for(network, outputs, precision, isa).unwrap();
            let got = engine.forward(&batch, outputs).unwrap();
            for ((a, b), output) in got.iter().zip(&wanted).zip(outputs) {
                assert_eq!(a.shape(), b.shape(), "{name}, {output}");
                let distance = relative_l2(a.data(), b.data());
                let on = (isa.name(), precision.name());
                assert!(distance <= tolerance, "{name}, `{output}`, {on:?}: {distance:e}");
            }
        }
    }
}

#[test]
fn the_engine_equals_the_reference_on_every_small_network() {
    for (name, network) in small_networks() {
        let last = network.graph().layer(network.graph().output().unwrap()).name.clone();
        agree(name, &network, &[&last], 1e-6);
    }
}

#[test]
fn every_layer_asked_for_as_output_has_its_own_value_in_spite_of_fusion() {
    for (name, network) in small_networks() {
        let names: Vec<String> = network.graph().layers().map(|(_, l)| l.name.clone()).collect();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        agree(name, &network, &all, 1e-6);
        for one in &all {
            agree(name, &network, &[one], 1e-6);
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for (name, network) in small_networks() {
        let last = network.graph().layer(network.graph().output().unwrap()).name.clone();
        let batch = batch(&network, 7);
        for precision in [Precision::F32, Precision::Bf16] {
            let run = |threads, images| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let engine = Engine::compile_in(&network, &[&last], precision).unwrap();
                pool.install(|| {
                    let (mut scratch, mut row) =
                        (engine.scratch(), vec![0.0; engine.results_len()]);
                    let mut all = Vec::new();
                    for i in 0..batch.rows() {
                        engine.run_watched(images, batch.row(i), &mut scratch, &mut row, |_| {});
                        all.extend(row.iter().map(|x| x.to_bits()));
                    }
                    all
                })
            };
            let alone = run(1, Threads::One);
            for threads in [2, 3, 5] {
                assert_eq!(run(threads, Threads::All), alone, "{name}, {threads} threads");
            }
        }
    }
}

#[test]
fn a_batch_of_another_shape_is_refused_with_both_shapes() {
    let (_, network) = small_networks().swap_remove(0);
    let mut engine = Engine::compile(&network, &["prob"]).unwrap();
    let wrong = Tensor::zeros([1, 3, 8, 8]);
    let error = engine.forward(&wrong, &["prob"]).unwrap_err();
    assert_eq!(error.to_string(), "the network wants images of 3x19x23, got a batch of 1x3x8x8");
    let right = batch(&network, 1);
    assert!(matches!(engine.forward(&right, &["fc"]), Err(InferError::NotCompiled { .. })));
}

#[derive(Debug, Clone)]
struct ConvCase {
    input: [usize; 3],
    conv: Conv2d,
}

fn conv_case() -> impl Strategy<Value = ConvCase> {
    let pad = (0..3usize, 0..3usize, 0..3usize, 0..3usize);
    let groups = prop_oneof![Just((1, 1, 1)), Just((2, 3, 1)), Just((4, 1, 1)), Just((3, 16, 8))];
    (
        (1..40usize, 6..20usize, 6..20usize),
        (1..50usize, 1..5usize, 1..5usize),
        (1..3usize, 1..4usize, 1..3usize),
        (pad, groups, any::<bool>(), any::<bool>()),
    )
        .prop_map(|((c, h, w), (out, kh, kw), (sh, sw, dilation), (pad, groups, bias, deep))| {
            let (g, ins, outs) = groups;
            // A third of the cases are grouped, and some of them depthwise.
            let (c, out, groups) = match (g, deep) {
                (4, true) => (c, c, c),
                (1 | 4, _) => (c, out, 1),
                _ => (g * ins, g * outs * (1 + out % 3), g),
            };
            let (kh, kw) = (kh.min((h - 1) / dilation + 1), kw.min((w - 1) / dilation + 1));
            ConvCase {
                input: [c, h, w],
                conv: Conv2d {
                    out,
                    size: [kh, kw],
                    stride: [sh, sw],
                    pad: Pad { top: pad.0, left: pad.1, bottom: pad.2, right: pad.3 },
                    dilation: [dilation, dilation],
                    groups,
                    bias,
                },
            }
        })
        .prop_filter("the kernel fits", |case| {
            let [_, h, w] = case.input;
            let c = &case.conv;
            (c.size[0] - 1) * c.dilation[0] < h && (c.size[1] - 1) * c.dilation[1] < w
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_convolution_with_norm_residual_and_activation_equals_the_reference(case in conv_case()) {
        let mut graph = Graph::new();
        let x = graph.push("x", Op::Input { shape: case.input.into() }, &[]).unwrap();
        let first = graph.push("first", Op::Conv2d(case.conv), &[x]).unwrap();
        let norm = graph.push("norm", Op::BatchNorm { eps: 0.001 }, &[first]).unwrap();
        let act = graph.push("act", Op::Relu6, &[norm]).unwrap();
        let second = graph.push("second", Op::Conv2d(Conv2d::new(case.conv.out, 1)), &[act]).unwrap();
        let sum = graph.push("sum", Op::Add, &[second, act]).unwrap();
        graph.push("out", Op::Relu, &[sum]).unwrap();
        agree(&format!("{case:?}"), &with_formula_weights(graph), &["out", "act"], 1e-6);
    }

    #[test]
    fn any_pooling_equals_the_reference(
        (c, h, w) in (1..40usize, 5..14usize, 5..14usize),
        (kh, kw, sh, sw) in (1..5usize, 1..5usize, 1..4usize, 1..4usize),
        (top, left, bottom, right) in (0..4usize, 0..4usize, 0..4usize, 0..4usize),
        (ceil, count_pad) in any::<(bool, bool)>(),
    ) {
        let window = Window {
            size: [kh, kw],
            stride: [sh, sw],
            pad: Pad { top: top.min(kh - 1), left: left.min(kw - 1), bottom: bottom.min(kh - 1), right: right.min(kw - 1) },
            rounding: if ceil { Rounding::Ceil } else { Rounding::Floor },
        };
        let mut graph = Graph::new();
        let x = graph.push("x", Op::Input { shape: [c, h, w].into() }, &[]).unwrap();
        graph.push("max", Op::MaxPool(window), &[x]).unwrap();
        graph.push("mean", Op::AvgPool { window, count_pad }, &[x]).unwrap();
        agree(&format!("{window:?}"), &with_formula_weights(graph), &["max", "mean"], 1e-6);
    }
}

proptest! {
    // Few: these maps are large for the slow reference.
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_convolution_by_minimal_filtering_equals_the_reference(
        (c, out, act) in (2..5usize, 32..70usize, any::<bool>()),
        (h, w) in (12..20usize, 12..20usize),
        (top, left, bottom, right) in (0..3usize, 0..3usize, 0..3usize, 0..3usize),
    ) {
        let conv = |out, pad| Conv2d { pad, bias: true, ..Conv2d::new(out, 3) };
        let pad = Pad { top: 1 + top, left: 1 + left, bottom: 1 + bottom, right: 1 + right };
        let mut graph = Graph::new();
        let x = graph.push("x", Op::Input { shape: [5, h, w].into() }, &[]).unwrap();
        // The layer's input has borders for another reader too, and its output is another's residual.
        let first = graph.push("first", Op::Conv2d(Conv2d::new(16 * c, 1)), &[x]).unwrap();
        let second = graph.push("second", Op::Conv2d(conv(out, pad)), &[first]).unwrap();
        let wide = Conv2d { pad: Pad { top: 2 + top, left: 2 + left, bottom: 2 + bottom, right: 2 + right }, ..Conv2d::new(out, 5) };
        let other = graph.push("other", Op::Conv2d(wide), &[first]).unwrap();
        let sum = graph.push("sum", Op::Add, &[second, other]).unwrap();
        graph.push("out", if act { Op::Relu } else { Op::Identity }, &[sum]).unwrap();
        agree(&format!("{c} {out} {h} {w} {pad:?}"), &with_formula_weights(graph), &["out"], 1e-5);
    }
}
