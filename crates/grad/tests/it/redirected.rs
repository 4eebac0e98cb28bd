//! What redirected gradients let through.

use regraft_grad::{ReluRule, Tape, Tuning};
use regraft_net::{Card, Graph, Network, Op, Params};
use regraft_tensor::Tensor;

/// The signal at the input `[2, 1, 1, 4]` of an activation, for a seed of its output.
fn signal(op: Op, x: [f32; 8], seed: [f32; 8], rule: ReluRule) -> Vec<f32> {
    let mut graph = Graph::new();
    let input = graph.push("x", Op::Input { shape: [1, 1, 4].into() }, &[]).unwrap();
    graph.push("y", op, &[input]).unwrap();
    graph.set_outputs(&["y"]).unwrap();
    let network = Network::new(graph, &Params::new(), Card::blank("one")).unwrap();
    let none = |_: &str| false;
    let tuning = Tuning { tuned: &none, batch_norm: &none, input_gradient: true, recompute: false };
    let mut tape = Tape::new(&network, 2, &tuning).unwrap();
    tape.forward(&Tensor::new([2, 1, 1, 4], x.to_vec()).unwrap(), 0).unwrap();
    let seed = Tensor::new([2, 1, 1, 4], seed.to_vec()).unwrap();
    tape.backward_by(&seed, rule).unwrap().input.unwrap().into_data()
}

#[test]
fn an_example_that_gets_nothing_gets_what_leads_back_up() {
    // The first example is shut everywhere, the second has one value that is open.
    let x = [-1.0, -2.0, -0.5, -3.0, -1.0, 2.0, -1.0, -1.0];
    let seed = [1.0, -1.0, 0.5, 0.0, 1.0, -1.0, 1.0, -1.0];
    let got = signal(Op::Relu, x, seed, ReluRule::Redirected);
    assert_eq!(got, [1.0, 0.0, 0.5, 0.0, 0.0, -1.0, 0.0, 0.0]);
    let plain = signal(Op::Relu, x, seed, ReluRule::Gradient);
    assert_eq!(plain, [0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0]);
}

#[test]
fn above_six_what_leads_back_down_passes() {
    let x = [7.0, 8.0, -1.0, -1.0, 7.0, 3.0, -1.0, -1.0];
    let seed = [1.0, -1.0, 1.0, -1.0, 1.0, 1.0, 1.0, 1.0];
    let got = signal(Op::Relu6, x, seed, ReluRule::Redirected);
    assert_eq!(got, [0.0, -1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
}

#[test]
fn a_smooth_activation_gives_its_gradient() {
    let x = [-1.0, -2.0, -0.5, -3.0, 1.0, 2.0, -1.0, 0.5];
    let seed = [1.0, -1.0, 0.5, 0.0, 1.0, -1.0, 1.0, -1.0];
    let op = Op::Activate(regraft_net::op::Activation::Silu);
    let got = signal(op.clone(), x, seed, ReluRule::Redirected);
    assert_eq!(got, signal(op, x, seed, ReluRule::Gradient));
    assert!(got.iter().filter(|v| **v != 0.0).count() == 7, "{got:?}");
}
