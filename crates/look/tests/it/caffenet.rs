//! The deconvnet through what CaffeNet is made of: overlapping pools that round up, local response normalisation and
//! convolutions in groups, against loops in `f64` written from the definitions (Zeiler and Fergus 2014, section 2.1).

use regraft_look::{ReluRule, Target, signal};
use regraft_net::op::{Conv2d, Rounding};
use regraft_net::{Network, Op};
use regraft_tensor::Tensor;

use crate::tiny::{formula, network};

/// CaffeNet's first two stages and its third, with fewer channels and a smaller picture.
const CAFFENET: &str = "x = input 3x79x79
    conv1 = conv2d x out=8 size=11 stride=4 bias=yes
    relu1 = relu conv1
    pool1 = max_pool relu1 size=3 stride=2 rounding=ceil
    norm1 = lrn pool1 size=5 alpha=0.5 beta=0.75 k=1
    conv2 = conv2d norm1 out=12 size=5 pad=2 groups=2 bias=yes
    relu2 = relu conv2
    pool2 = max_pool relu2 size=3 stride=2 rounding=ceil
    norm2 = lrn pool2 size=5 alpha=0.5 beta=0.75 k=1
    conv3 = conv2d norm2 out=8 size=3 pad=1 groups=2 bias=yes
    relu3 = relu conv3
    -> relu3";

/// A map `[C, H, W]`.
#[derive(Clone)]
struct Map {
    channels: usize,
    height: usize,
    width: usize,
    data: Vec<f64>,
}

impl Map {
    fn zeros([channels, height, width]: [usize; 3]) -> Self {
        Self { channels, height, width, data: vec![0.0; channels * height * width] }
    }

    fn at(&self, c: usize, y: usize, x: usize) -> usize {
        (c * self.height + y) * self.width + x
    }
}

/// Every place of a layer's output with the place of the input that it reads through a window, `[c, y, x, c', y', x']`
/// and the row of the kernel.
fn windows(
    (input, output): (&Map, &Map),
    (size, stride, pad): (usize, usize, usize),
    mut see: impl FnMut(usize, usize, usize, [usize; 3], [usize; 2]),
) {
    for c in 0..output.channels {
        for y in 0..output.height {
            for x in 0..output.width {
                for i in 0..size {
                    for j in 0..size {
                        let (row, column) = (y * stride + i, x * stride + j);
                        if row >= pad
                            && column >= pad
                            && row - pad < input.height
                            && column - pad < input.width
                        {
                            see(c, y, x, [c, row - pad, column - pad], [i, j]);
                        }
                    }
                }
            }
        }
    }
}

/// Zeros on each side.
fn padding(conv: &Conv2d) -> usize {
    conv.pad.top
}

fn wide(network: &Network, name: &str) -> Vec<f64> {
    network.params().get(name).unwrap().data().iter().map(|v| f64::from(*v)).collect()
}

/// The value of each layer, and of each pool which input won each window.
#[expect(clippy::wildcard_enum_match_arm, reason = "what else there is, is not in CaffeNet")]
fn forward(network: &Network, picture: &[f64]) -> (Vec<Map>, Vec<Vec<usize>>) {
    let (graph, facts) = (network.graph(), network.facts().unwrap());
    let shape = |id| {
        let dims = facts.layer(id).shape.to_vec();
        [dims[0], dims[1], dims[2]]
    };
    let mut values: Vec<Map> = Vec::new();
    let mut switches: Vec<Vec<usize>> = Vec::new();
    for (id, layer) in graph.layers() {
        let mut out = Map::zeros(shape(id));
        let mut winners = Vec::new();
        match &layer.op {
            Op::Input { .. } => out.data.copy_from_slice(picture),
            Op::Relu => {
                let below = &values[values.len() - 1];
                out.data = below.data.iter().map(|v| v.max(0.0)).collect();
            }
            Op::Conv2d(conv) => {
                let below = values[values.len() - 1].clone();
                let [weight, bias] =
                    ["weight", "bias"].map(|role| wide(network, &format!("{}.{role}", layer.name)));
                let (inside, outside) = (below.channels / conv.groups, out.channels / conv.groups);
                let (k, s, p) = (conv.size[0], conv.stride[0], padding(conv));
                let frame = out.clone();
                for c in 0..out.channels {
                    out.data[c * out.height * out.width..][..out.height * out.width].fill(bias[c]);
                }
                windows((&below, &frame), (k, s, p), |c, y, x, [_, row, column], [i, j]| {
                    for d in 0..inside {
                        let from = below.at(c / outside * inside + d, row, column);
                        let w = weight[((c * inside + d) * k + i) * k + j];
                        out.data[frame.at(c, y, x)] += w * below.data[from];
                    }
                });
            }
            Op::MaxPool(w) => {
                assert_eq!(w.rounding, Rounding::Ceil);
                let below = values[values.len() - 1].clone();
                let frame = out.clone();
                out.data.fill(f64::NEG_INFINITY);
                winners = vec![0; out.data.len()];
                windows((&below, &frame), (w.size[0], w.stride[0], 0), |c, y, x, [d, r, q], _| {
                    let (to, from) = (frame.at(c, y, x), below.at(d, r, q));
                    // The first of equals.
                    if below.data[from] > out.data[to] {
                        (out.data[to], winners[to]) = (below.data[from], from);
                    }
                });
            }
            Op::Lrn { size, alpha, beta, k } => {
                let below = &values[values.len() - 1];
                let plane = out.height * out.width;
                for (place, to) in out.data.iter_mut().enumerate() {
                    let (c, at) = (place / plane, place % plane);
                    let first = c.saturating_sub(size / 2);
                    let last = (c + size / 2).min(below.channels - 1);
                    let sum: f64 = (first..=last).map(|d| below.data[d * plane + at].powi(2)).sum();
                    let scale = f64::from(*k) + f64::from(*alpha) / *size as f64 * sum;
                    *to = below.data[place] / scale.powf(f64::from(*beta));
                }
            }
            other => panic!("not in CaffeNet: {other:?}"),
        }
        values.push(out);
        switches.push(winners);
    }
    (values, switches)
}

/// The signal of one unit at the pixels: rectify, transposed filters, switches; the normalisation passes everything.
#[expect(clippy::wildcard_enum_match_arm, reason = "what else there is, is not in CaffeNet")]
fn reference(network: &Network, picture: &[f64], unit: [usize; 3]) -> Vec<f64> {
    let (values, switches) = forward(network, picture);
    let last = values.len() - 1;
    let mut signal = Map::zeros([values[last].channels, values[last].height, values[last].width]);
    let start = signal.at(unit[0], unit[1], unit[2]);
    signal.data[start] = 1.0;
    for (id, layer) in network.graph().layers().rev() {
        let place = id.index();
        match &layer.op {
            Op::Input { .. } => break,
            Op::Relu => signal.data.iter_mut().for_each(|r| *r = r.max(0.0)),
            Op::Conv2d(conv) => {
                let below = &values[place - 1];
                let mut down = Map::zeros([below.channels, below.height, below.width]);
                let weight = wide(network, &format!("{}.weight", layer.name));
                let (inside, outside) =
                    (below.channels / conv.groups, signal.channels / conv.groups);
                let (k, s, p) = (conv.size[0], conv.stride[0], padding(conv));
                windows((below, &signal), (k, s, p), |c, y, x, [_, row, column], [i, j]| {
                    for d in 0..inside {
                        let to = below.at(c / outside * inside + d, row, column);
                        let w = weight[((c * inside + d) * k + i) * k + j];
                        down.data[to] += w * signal.data[signal.at(c, y, x)];
                    }
                });
                signal = down;
            }
            Op::MaxPool(_) => {
                let below = &values[place - 1];
                let mut down = Map::zeros([below.channels, below.height, below.width]);
                for (from, to) in switches[place].iter().enumerate() {
                    down.data[*to] += signal.data[from];
                }
                signal = down;
            }
            Op::Lrn { .. } => {}
            other => panic!("not in CaffeNet: {other:?}"),
        }
    }
    signal.data
}

#[test]
fn the_deconvnet_of_caffenets_layers_is_its_definition() {
    let network = network(CAFFENET);
    let picture = formula(3 * 79 * 79, 100.0, 1.0);
    let wide: Vec<f64> = picture.iter().map(|v| f64::from(*v)).collect();
    let picture = Tensor::new([1, 3, 79, 79], picture).unwrap();
    let shape = network.facts().unwrap().output().shape.to_vec();
    let mut seen = 0;
    for unit in [[0, 0, 0], [3, 1, 2], [7, shape[1] - 1, shape[2] - 1]] {
        let target = Target::Unit(unit[0], unit[1], unit[2]);
        let got = signal(&network, &picture, target, ReluRule::Deconvnet).unwrap();
        let wanted = reference(&network, &wide, unit);
        let norm: f64 = wanted.iter().map(|v| v * v).sum::<f64>().sqrt();
        let off: f64 = got
            .data()
            .iter()
            .zip(&wanted)
            .map(|(g, w)| (f64::from(*g) - w).powi(2))
            .sum::<f64>()
            .sqrt();
        assert!(norm > 0.0, "{unit:?} sends nothing");
        assert!(off / norm < 1e-5, "{unit:?}: {:e}", off / norm);
        seen += 1;
    }
    assert_eq!(seen, 3);
}
