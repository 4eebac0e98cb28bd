//! The tiny network of the golden numbers, its weights and input by one formula.

use regraft_net::{Card, Network, Params, notation};
use regraft_tensor::Tensor;

/// `scale · sin((i + 1) · 12.9898 + seed · 78.233)`.
pub(crate) fn formula(n: usize, seed: f64, scale: f64) -> Vec<f32> {
    let at = |i: usize| scale * ((i + 1) as f64 * 12.9898 + seed * 78.233).sin();
    (0..n).map(|i| at(i) as f32).collect()
}

pub(crate) const TEXT: &str = "x = input 3x8x8
    conv1 = conv2d x out=4 size=3 pad=1 bias=yes
    relu1 = relu conv1
    pool = max_pool relu1 size=2 stride=2
    conv2 = conv2d pool out=6 size=3 pad=1 bias=yes
    relu2 = relu conv2
    mean = global_avg_pool relu2
    fc = linear mean out=3
    -> fc";

/// A network with weights by the formula, seeds from 1 in the order of its parameters.
pub(crate) fn network(text: &str) -> Network {
    let graph = notation::parse(text).unwrap();
    let facts = regraft_net::facts::facts(&graph).unwrap();
    let mut params = Params::new();
    let mut seed = 0.0;
    for (id, _) in graph.layers() {
        for spec in &facts.layer(id).params {
            seed += 1.0;
            let values = formula(spec.shape.count(), seed, 0.5);
            params.insert(spec.name.clone(), Tensor::new(spec.shape.clone(), values).unwrap());
        }
    }
    Network::new(graph, &params, Card::blank("tiny")).unwrap()
}

pub(crate) fn picture() -> Tensor {
    Tensor::new([1, 3, 8, 8], formula(192, 100.0, 1.0)).unwrap()
}
