//! Central differences of the `f64` reference judge every gradient.

use proptest::prelude::*;
use regraft_grad::{Gradients, Tape, Tuning};
use regraft_kernels::Isa;
use regraft_net::op::{Conv2d, Pad, Rounding, Window};
use regraft_net::{Graph, Network, Op};
use regraft_tensor::{Shape, Tensor};
use regraft_testkit::{Reference, formula_values, small_networks, with_formula_weights};

/// Step of a central difference: its error is some 1e-12, its noise some 1e-10.
const STEP: f64 = 1e-6;
/// How far an `f32` gradient may be from the exact one, as a share of the largest of its tensor.
const TOLERANCE: f64 = 2e-5;
/// Values tried of each tensor.
const TRIED: usize = 10;

pub(crate) fn batch(network: &Network, images: usize) -> Tensor {
    let facts = network.facts().unwrap();
    let input = facts.layer(network.graph().input().unwrap()).shape.clone();
    let mut dims = vec![images];
    dims.extend_from_slice(&input);
    let data = formula_values("batch", images * input.count()).map(|x| x as f32).collect();
    Tensor::new(dims, data).unwrap()
}

fn norms(network: &Network) -> Vec<&str> {
    let graph = network.graph();
    let norm = |l: &&regraft_net::Layer| matches!(l.op, Op::BatchNorm { .. });
    graph.layers().map(|(_, l)| l).filter(norm).map(|l| l.name.as_str()).collect()
}

/// Gradients of `Σ out · direction`.
fn gradients(network: &Network, batch_norm: bool, isa: Isa) -> (Gradients, Tensor, Tensor) {
    let tuning = Tuning {
        tuned: &|_| true,
        batch_norm: &|_| batch_norm,
        input_gradient: true,
        recompute: false,
    };
    let batch = batch(network, 3);
    let mut tape = Tape::with_isa(network, 4, &tuning, isa).unwrap();
    let out = tape.forward(&batch, 0).unwrap();
    let direction: Vec<f32> =
        formula_values("direction", out.data().len()).map(|x| x as f32).collect();
    let direction = Tensor::new(out.shape().clone(), direction).unwrap();
    let first = tape.backward(&direction).unwrap();
    // Buffers used before are as good as new ones.
    tape.forward(&batch, 0).unwrap();
    let mut again = tape.backward(&direction).unwrap();
    if batch_norm {
        // Running statistics moved, but nothing that the batch sees.
        assert_eq!(first, again);
    } else {
        assert_eq!(std::mem::take(&mut again), first);
    }
    (first, batch, direction)
}

fn places(name: &str, len: usize) -> Vec<usize> {
    if len <= TRIED {
        return (0..len).collect();
    }
    formula_values(name, TRIED)
        .map(|x| (f64::midpoint(x, 1.0) * len as f64) as usize % len)
        .collect()
}

fn check(name: &str, network: &Network, batch_norm: bool) {
    let norms = if batch_norm { norms(network) } else { Vec::new() };
    let mut reference = Reference::new(network).unwrap().with_batch_norms(norms);
    // The reference is slow: what it says serves all instruction sets.
    let mut wanted = std::collections::BTreeMap::new();
    for isa in Isa::available() {
        let (got, batch, direction) = gradients(network, batch_norm, isa);
        let direction: Vec<f64> = direction.data().iter().map(|x| f64::from(*x)).collect();
        let mut x: Vec<f64> = batch.data().iter().map(|x| f64::from(*x)).collect();
        let images = batch.rows();
        let score = |reference: &Reference, x: &[f64]| -> f64 {
            reference.output(x, images).iter().zip(&direction).map(|(a, b)| a * b).sum()
        };
        let input = got.input.as_ref().unwrap();
        assert_eq!(input.shape(), batch.shape());
        let tensors = got.params.iter().map(|(n, t)| (n.as_str(), t)).chain([("", input)]);
        for (param, tensor) in tensors {
            let largest = tensor.data().iter().fold(0.0f32, |m, x| m.max(x.abs()));
            for place in places(param, tensor.data().len()) {
                let exact = *wanted.entry((param.to_owned(), place)).or_insert_with(|| {
                    let mut at = |by: f64| {
                        if param.is_empty() {
                            x[place] += by;
                        } else {
                            reference.param_mut(param)[place] += by;
                        }
                        score(&reference, &x)
                    };
                    let (up, down) = (at(STEP), at(-2.0 * STEP));
                    at(STEP);
                    (up - down) / (2.0 * STEP)
                });
                let got = f64::from(tensor.data()[place]);
                let far = (got - exact).abs();
                let allowed = TOLERANCE * f64::from(largest).max(1e-3);
                assert!(
                    far <= allowed,
                    "{name}, {}, batch norm {batch_norm}: `{param}`[{place}] is {got}, wanted \
                     {exact} (largest {largest})",
                    isa.name()
                );
            }
        }
    }
}

#[test]
fn every_gradient_of_every_small_network_is_the_numeric_one() {
    for (name, network) in small_networks() {
        for batch_norm in [false, true] {
            // Chance drops other values in the reference; see the tests of dropout.
            check(name, &without_dropout(&network), batch_norm);
        }
    }
}

fn without_dropout(network: &Network) -> Network {
    let mut graph = Graph::new();
    let mut ids = std::collections::BTreeMap::new();
    for (id, layer) in network.graph().layers() {
        let drops = matches!(layer.op, Op::Dropout { .. });
        let op = if drops { Op::Identity } else { layer.op.clone() };
        let inputs: Vec<_> = layer.inputs.iter().map(|i| ids[i]).collect();
        ids.insert(id, graph.push(layer.name.clone(), op, &inputs).unwrap());
    }
    Network::new(graph, network.params(), network.card().clone()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_convolution_of_any_geometry_has_the_numeric_gradient(
        (groups, ins, outs) in (1usize..4, 1usize..9, 1usize..20),
        size in [1usize..5, 1usize..6],
        stride in [1usize..4, 1usize..4],
        dilation in [1usize..3, 1usize..3],
        pad in [0usize..4, 0usize..4, 0usize..4, 0usize..4],
        extent in [9usize..14, 9usize..16],
        depthwise in any::<bool>(),
    ) {
        let (groups, ins, outs) = if depthwise { (ins * 3, 1, 1) } else { (groups, ins, outs) };
        let conv = Conv2d {
            out: outs * groups,
            size,
            stride,
            pad: Pad { top: pad[0], left: pad[1], bottom: pad[2], right: pad[3] },
            dilation,
            groups,
            bias: true,
        };
        let mut graph = Graph::new();
        let shape = Shape::from([ins * groups, extent[0], extent[1]]);
        let input = graph.push("input", Op::Input { shape }, &[]).unwrap();
        graph.push("conv", Op::Conv2d(conv), &[input]).unwrap();
        if regraft_net::facts::facts(&graph).is_ok() {
            check(&format!("{conv:?}"), &with_formula_weights(graph), false);
        }
    }

    #[test]
    fn pooling_of_any_geometry_has_the_numeric_gradient(
        channels in 1usize..20,
        size in [1usize..5, 1usize..5],
        stride in [1usize..4, 1usize..4],
        extent in [5usize..10, 5usize..10],
        ceil in any::<bool>(),
        kind in 0usize..3,
    ) {
        let pad = Pad { top: size[0] / 2, left: size[1] / 2, bottom: 0, right: size[1] / 2 };
        let rounding = if ceil { Rounding::Ceil } else { Rounding::Floor };
        let window = Window { size, stride, pad, rounding };
        let op = match kind {
            0 => Op::MaxPool(window),
            1 => Op::AvgPool { window, count_pad: true },
            _ => Op::AvgPool { window, count_pad: false },
        };
        let mut graph = Graph::new();
        let shape = Shape::from([channels, extent[0], extent[1]]);
        let input = graph.push("input", Op::Input { shape }, &[]).unwrap();
        graph.push("pool", op, &[input]).unwrap();
        if regraft_net::facts::facts(&graph).is_ok() {
            check(&format!("{window:?}, {kind}"), &with_formula_weights(graph), false);
        }
    }
}
