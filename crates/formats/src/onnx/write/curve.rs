//! Activations as ONNX operators.

use regraft_net::op::Activation;

use super::proto::{Attr, GraphWriter};

/// `activation` of `x`, into `out`. Operator set 17 has no `Gelu` and never had `SiLU`: they are written as
/// `PyTorch` exports them, which runtimes know to put together again.
pub(super) fn activate(graph: &mut GraphWriter, activation: Activation, x: &str, out: &str) {
    let inner = |step: &str| format!("{out}/{step}");
    match activation {
        Activation::Sigmoid => graph.node("Sigmoid", &[x], out, &[]),
        Activation::HardSigmoid => {
            let settings = [("alpha", Attr::Float(1.0 / 6.0)), ("beta", Attr::Float(0.5))];
            graph.node("HardSigmoid", &[x], out, &settings);
        }
        Activation::HardSwish => graph.node("HardSwish", &[x], out, &[]),
        Activation::Silu => {
            let gate = graph.inner("Sigmoid", &[x], &inner("sigmoid"), &[]);
            graph.node("Mul", &[x, &gate], out, &[]);
        }
        Activation::Gelu => {
            let root = graph.float(std::f32::consts::SQRT_2);
            let scaled = graph.inner("Div", &[x, &root], &inner("scaled"), &[]);
            let erf = graph.inner("Erf", &[&scaled], &inner("erf"), &[]);
            gate(graph, x, &erf, out);
        }
        Activation::GeluTanh => {
            let [three, cube, root] = [3.0, 0.044_715, (2.0 / std::f32::consts::PI).sqrt()]
                .map(|constant| graph.float(constant));
            let power = graph.inner("Pow", &[x, &three], &inner("cube"), &[]);
            let small = graph.inner("Mul", &[&power, &cube], &inner("small"), &[]);
            let sum = graph.inner("Add", &[x, &small], &inner("sum"), &[]);
            let scaled = graph.inner("Mul", &[&sum, &root], &inner("scaled"), &[]);
            let tanh = graph.inner("Tanh", &[&scaled], &inner("tanh"), &[]);
            gate(graph, x, &tanh, out);
        }
        Activation::Tanh => graph.node("Tanh", &[x], out, &[]),
        Activation::LeakyRelu { slope } => {
            graph.node("LeakyRelu", &[x], out, &[("alpha", Attr::Float(slope))]);
        }
        Activation::Elu { alpha } => {
            graph.node("Elu", &[x], out, &[("alpha", Attr::Float(alpha))]);
        }
        Activation::Clip { min, max } => clip(graph, x, [min, max], out),
    }
}

/// `x · (1 + y) / 2`.
fn gate(graph: &mut GraphWriter, x: &str, y: &str, out: &str) {
    let (one, half) = (graph.float(1.0), graph.float(0.5));
    let above = graph.inner("Add", &[y, &one], &format!("{out}/above"), &[]);
    let twice = graph.inner("Mul", &[x, &above], &format!("{out}/twice"), &[]);
    graph.node("Mul", &[&twice, &half], out, &[]);
}

/// `min(max(x, low), high)`; an infinite limit is left out.
pub(super) fn clip(graph: &mut GraphWriter, x: &str, limits: [f32; 2], out: &str) {
    let [low, high] = limits.map(|limit| {
        let finite = limit.is_finite();
        if finite { graph.float(limit) } else { String::new() }
    });
    let inputs = [x, &low, &high];
    // An empty name is an input that is not there; none may be last.
    let given = inputs.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
    graph.node("Clip", &inputs[..given], out, &[]);
}
