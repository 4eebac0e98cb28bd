//! Every layer written from its definition: loops and `f64`, nothing clever. It judges the others.

use std::collections::{BTreeMap, BTreeSet};

use regraft_net::facts::{Facts, facts};
use regraft_net::op::{Activation, Conv2d, Window};
use regraft_net::{Forward, Layer, NetError, Network, Op};
use regraft_tensor::{Shape, Tensor};

mod tokens;

/// A value of one example while the reference runs: shape without the batch, numbers in `f64`.
#[derive(Clone)]
struct Value {
    shape: Shape,
    data: Vec<f64>,
}

impl Value {
    fn chw(&self) -> [usize; 3] {
        match self.shape.dims() {
            &[c, h, w] => [c, h, w],
            &[c] => [c, 1, 1],
            other => panic!("not a map or vector: {other:?}"),
        }
    }

    fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { shape: self.shape.clone(), data: self.data.iter().map(|x| f(*x)).collect() }
    }
}

/// The slow executor.
pub struct Reference {
    network: Network,
    facts: Facts,
    params: BTreeMap<String, Vec<f64>>,
    /// Norms that use the statistics of the batch.
    batch_norms: BTreeSet<String>,
}

impl Reference {
    /// An executor for a network.
    ///
    /// # Errors
    /// When shapes do not fit along the graph.
    pub fn new(network: &Network) -> Result<Self, NetError> {
        let wide = |t: &Tensor| t.data().iter().map(|x| f64::from(*x)).collect();
        Ok(Self {
            network: network.clone(),
            facts: facts(network.graph())?,
            params: network.params().iter().map(|(n, t)| (n.to_owned(), wide(t))).collect(),
            batch_norms: BTreeSet::new(),
        })
    }

    /// The same with norms that normalise by the batch, as in training.
    #[must_use]
    pub fn with_batch_norms<'n>(mut self, layers: impl IntoIterator<Item = &'n str>) -> Self {
        self.batch_norms = layers.into_iter().map(str::to_owned).collect();
        self
    }

    /// A parameter, to change.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn param_mut(&mut self, name: &str) -> &mut [f64] {
        self.params.get_mut(name).expect("a parameter of that name")
    }

    /// The output for `images` examples, `[N, …]`.
    ///
    /// # Panics
    /// When there is not one output, or the batch does not fit.
    pub fn output(&self, batch: &[f64], images: usize) -> Vec<f64> {
        let output = self.network.graph().output().expect("one output");
        let values = self.run(batch, images).swap_remove(output.index());
        values.into_iter().flat_map(|v| v.data).collect()
    }

    fn param(&self, layer: &str, role: &str) -> &[f64] {
        &self.params[&format!("{layer}.{role}")]
    }

    /// Values of each layer, of each example.
    fn run(&self, batch: &[f64], images: usize) -> Vec<Vec<Value>> {
        let mut all: Vec<Vec<Value>> = Vec::new();
        for (id, layer) in self.network.graph().layers() {
            let shape = &self.facts.layer(id).shape;
            let mut values = Vec::new();
            for n in 0..images {
                let inputs: Vec<&Value> = layer.inputs.iter().map(|i| &all[i.index()][n]).collect();
                let image = &batch[n * batch.len() / images..(n + 1) * batch.len() / images];
                let value = self.layer(layer, &inputs, shape, image);
                assert_eq!(value.shape, *shape, "facts and reference disagree on `{}`", layer.name);
                assert_eq!(value.data.len(), shape.count(), "`{}`", layer.name);
                values.push(value);
            }
            if let (Op::BatchNorm { eps }, true) =
                (&layer.op, self.batch_norms.contains(&layer.name))
            {
                let inputs: Vec<&Value> = all[layer.inputs[0].index()].iter().collect();
                values = self.normalised(&layer.name, f64::from(*eps), &inputs);
            }
            all.push(values);
        }
        all
    }

    /// A batch norm by the statistics of the batch.
    fn normalised(&self, layer: &str, eps: f64, inputs: &[&Value]) -> Vec<Value> {
        let [channels, h, w] = inputs[0].chw();
        let mut values: Vec<Value> = inputs.iter().map(|v| (*v).clone()).collect();
        let count = (inputs.len() * h * w) as f64;
        for c in 0..channels {
            let of = |v: &&Value| v.data[c * h * w..(c + 1) * h * w].to_vec();
            let all: Vec<f64> = inputs.iter().flat_map(of).collect();
            let mean = all.iter().sum::<f64>() / count;
            let var = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
            let (gamma, beta) = (self.param(layer, "weight")[c], self.param(layer, "bias")[c]);
            for value in &mut values {
                for x in &mut value.data[c * h * w..(c + 1) * h * w] {
                    *x = (*x - mean) / (var + eps).sqrt() * gamma + beta;
                }
            }
        }
        values
    }

    fn layer(&self, layer: &Layer, inputs: &[&Value], out: &Shape, image: &[f64]) -> Value {
        let name = &layer.name;
        match &layer.op {
            Op::Input { shape } => Value { shape: shape.clone(), data: image.to_vec() },
            Op::Conv2d(conv) => {
                let zeros = vec![0.0; conv.out];
                let bias = if conv.bias { self.param(name, "bias") } else { &zeros };
                conv2d(inputs[0], self.param(name, "weight"), bias, conv, out)
            }
            Op::BatchNorm { eps } => {
                let [gamma, beta, mean, var] = ["weight", "bias", "running_mean", "running_var"]
                    .map(|role| self.param(name, role));
                let [_, h, w] = inputs[0].chw();
                let mut value = inputs[0].clone();
                for (i, x) in value.data.iter_mut().enumerate() {
                    let c = i / (h * w);
                    let deviation = (var[c] + f64::from(*eps)).sqrt();
                    *x = (*x - mean[c]) / deviation * gamma[c] + beta[c];
                }
                value
            }
            Op::Relu => inputs[0].map(|x| x.max(0.0)),
            Op::Relu6 => inputs[0].map(|x| x.clamp(0.0, 6.0)),
            Op::Activate(activation) => inputs[0].map(|x| activate(*activation, x)),
            Op::Affine { scale, shift } => {
                per_channel(inputs[0], |c, x| x * f64::from(scale[c]) + f64::from(shift[c]))
            }
            Op::Scale { bias } => {
                let weight = self.param(name, "weight");
                let bias = bias.then(|| self.param(name, "bias"));
                per_channel(inputs[0], |c, x| x * weight[c] + bias.map_or(0.0, |b| b[c]))
            }
            Op::Prelu => {
                let weight = self.param(name, "weight");
                per_channel(inputs[0], |c, x| if x > 0.0 { x } else { weight[c] * x })
            }
            Op::Slice { from, .. } => picked(inputs[0], |c| from + c, out),
            Op::Shuffle { groups } => {
                let each = out[0] / groups;
                picked(inputs[0], |c| c % groups * each + c / groups, out)
            }
            Op::LayerNorm { eps } => {
                let [weight, bias] = ["weight", "bias"].map(|role| self.param(name, role));
                tokens::layer_norm(inputs[0], weight, bias, f64::from(*eps))
            }
            Op::Pad { pad, crop } => tokens::padded(inputs[0], *pad, *crop, out),
            Op::Mul => product(inputs[0], inputs[1]),
            Op::Tokens { first } => {
                let [token, position] = ["token", "position"].map(|role| self.param(name, role));
                tokens::sequence(inputs[0], *first, token, position, out)
            }
            Op::Rearrange(how) => tokens::rearranged(inputs[0], how),
            Op::Attention { heads, biases, talking } => {
                let biases = if *biases == 0 { &[] } else { self.param(name, "position") };
                let talk = talking.then(|| ["products", "shares"].map(|r| self.param(name, r)));
                tokens::attention(inputs, *heads, (biases, talk), out)
            }
            Op::Token { index } => {
                let [d, t, _] = inputs[0].chw();
                let data = (0..d).map(|c| inputs[0].data[c * t + index]).collect();
                Value { shape: out.clone(), data }
            }
            Op::MaxPool(window) => pool(inputs[0], window, out, |values, _| {
                values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
            }),
            Op::AvgPool { window, count_pad } => pool(inputs[0], window, out, |values, padded| {
                let count = if *count_pad { padded } else { values.len() };
                values.iter().sum::<f64>() / count as f64
            }),
            Op::GlobalAvgPool => means(inputs[0], out),
            Op::Linear { out: n, bias } => {
                let weight = self.param(name, "weight");
                let zeros = vec![0.0; *n];
                let bias = if *bias { self.param(name, "bias") } else { &zeros };
                let [c, h, w] = inputs[0].chw();
                let x = &inputs[0].data;
                let dot = |o: usize, pixel: usize| {
                    let terms = (0..c).map(|i| x[i * h * w + pixel] * weight[o * c + i]);
                    terms.sum::<f64>() + bias[o]
                };
                let all = (0..*n).flat_map(|o| (0..h * w).map(move |pixel| (o, pixel)));
                Value { shape: out.clone(), data: all.map(|(o, pixel)| dot(o, pixel)).collect() }
            }
            Op::Lrn { size, alpha, beta, k } => {
                lrn(inputs[0], *size, f64::from(*alpha), f64::from(*beta), f64::from(*k))
            }
            Op::Add => {
                let mut value = inputs[0].clone();
                for other in &inputs[1..] {
                    value.data.iter_mut().zip(&other.data).for_each(|(a, b)| *a += b);
                }
                value
            }
            Op::Concat => Value {
                shape: out.clone(),
                data: inputs.iter().flat_map(|v| v.data.iter().copied()).collect(),
            },
            Op::Flatten => Value { shape: out.clone(), data: inputs[0].data.clone() },
            Op::Softmax => softmax(inputs[0]),
            Op::Dropout { .. } | Op::Identity => inputs[0].clone(),
        }
    }
}

fn per_channel(x: &Value, f: impl Fn(usize, f64) -> f64) -> Value {
    let [_, h, w] = x.chw();
    let data = x.data.iter().enumerate().map(|(i, v)| f(i / (h * w), *v)).collect();
    Value { shape: x.shape.clone(), data }
}

/// Channel `source(c)` in place of each channel `c`.
fn picked(x: &Value, source: impl Fn(usize) -> usize, out: &Shape) -> Value {
    let [_, h, w] = x.chw();
    let data = (0..out[0]).map(source).flat_map(|c| x.data[c * h * w..(c + 1) * h * w].to_vec());
    Value { shape: out.clone(), data: data.collect() }
}

fn product(x: &Value, gate: &Value) -> Value {
    let [_, h, w] = x.chw();
    let one = gate.data.len() * h * w == x.data.len();
    let mut value = x.clone();
    for (i, x) in value.data.iter_mut().enumerate() {
        *x *= gate.data[if one { i / (h * w) } else { i }];
    }
    value
}

fn means(x: &Value, out: &Shape) -> Value {
    let [_, h, w] = x.chw();
    let mean = |map: &[f64]| map.iter().sum::<f64>() / (h * w) as f64;
    Value { shape: out.clone(), data: x.data.chunks_exact(h * w).map(mean).collect() }
}

fn activate(activation: Activation, x: f64) -> f64 {
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    let hard = (x + 3.0).clamp(0.0, 6.0) / 6.0;
    match activation {
        Activation::Sigmoid => sigmoid,
        Activation::HardSigmoid => hard,
        Activation::HardSwish => x * hard,
        Activation::Silu => x * sigmoid,
        Activation::Gelu => 0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt())),
        Activation::GeluTanh => {
            let root = (2.0 / std::f64::consts::PI).sqrt();
            0.5 * x * (1.0 + (root * (x + 0.044_715 * x.powi(3))).tanh())
        }
        Activation::Tanh => x.tanh(),
        Activation::LeakyRelu { slope } => x.max(0.0) + f64::from(slope) * x.min(0.0),
        Activation::Elu { alpha } if x < 0.0 => f64::from(alpha) * x.exp_m1(),
        Activation::Elu { .. } => x,
        Activation::Clip { min, max } => x.clamp(f64::from(min), f64::from(max)),
    }
}

fn conv2d(x: &Value, weight: &[f64], bias: &[f64], conv: &Conv2d, out: &Shape) -> Value {
    let [c, h, w] = x.chw();
    let (oh, ow) = (out[1], out[2]);
    let (cg, og) = (c / conv.groups, conv.out / conv.groups);
    let [kh, kw] = conv.size;
    let mut data = Vec::with_capacity(out.count());
    for o in 0..conv.out {
        for oy in 0..oh {
            for ox in 0..ow {
                let mut sum = bias[o];
                for ci in 0..cg {
                    for ky in 0..kh {
                        for kx in 0..kw {
                            let y = oy * conv.stride[0] + ky * conv.dilation[0];
                            let x_ = ox * conv.stride[1] + kx * conv.dilation[1];
                            let (Some(y), Some(x_)) =
                                (y.checked_sub(conv.pad.top), x_.checked_sub(conv.pad.left))
                            else {
                                continue;
                            };
                            if y < h && x_ < w {
                                let channel = o / og * cg + ci;
                                sum += x.data[(channel * h + y) * w + x_]
                                    * weight[((o * cg + ci) * kh + ky) * kw + kx];
                            }
                        }
                    }
                }
                data.push(sum);
            }
        }
    }
    Value { shape: out.clone(), data }
}

/// `f` gets the values of a window that lie in the map, and how many places the window has in the
/// map with its padding.
fn pool(x: &Value, win: &Window, out: &Shape, f: impl Fn(&[f64], usize) -> f64) -> Value {
    let [c, h, w] = x.chw();
    let (oh, ow) = (out[1], out[2]);
    let mut data = Vec::with_capacity(out.count());
    for ci in 0..c {
        for oy in 0..oh {
            for ox in 0..ow {
                let mut values = Vec::new();
                let mut padded = 0;
                for py in oy * win.stride[0]..oy * win.stride[0] + win.size[0] {
                    for px in ox * win.stride[1]..ox * win.stride[1] + win.size[1] {
                        if py >= h + win.pad.top + win.pad.bottom
                            || px >= w + win.pad.left + win.pad.right
                        {
                            continue;
                        }
                        padded += 1;
                        if (win.pad.top..h + win.pad.top).contains(&py)
                            && (win.pad.left..w + win.pad.left).contains(&px)
                        {
                            let (y, x_) = (py - win.pad.top, px - win.pad.left);
                            values.push(x.data[(ci * h + y) * w + x_]);
                        }
                    }
                }
                data.push(f(&values, padded));
            }
        }
    }
    Value { shape: out.clone(), data }
}

fn lrn(x: &Value, size: usize, alpha: f64, beta: f64, k: f64) -> Value {
    let [c, h, w] = x.chw();
    let mut value = x.clone();
    for ci in 0..c {
        for i in 0..h * w {
            let near = ci.saturating_sub(size / 2)..(ci + size / 2 + 1).min(c);
            let sum: f64 = near.map(|n| x.data[n * h * w + i].powi(2)).sum();
            value.data[ci * h * w + i] /= (k + alpha / size as f64 * sum).powf(beta);
        }
    }
    value
}

fn softmax(x: &Value) -> Value {
    let [c, h, w] = x.chw();
    let mut value = x.clone();
    for i in 0..h * w {
        let at = |ci: usize| ci * h * w + i;
        let top = (0..c).map(|ci| x.data[at(ci)]).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = (0..c).map(|ci| (x.data[at(ci)] - top).exp()).sum();
        for ci in 0..c {
            value.data[at(ci)] = (x.data[at(ci)] - top).exp() / sum;
        }
    }
    value
}

impl Forward for Reference {
    type Error = NetError;

    fn forward(&mut self, batch: &Tensor, outputs: &[&str]) -> Result<Vec<Tensor>, NetError> {
        let graph = self.network.graph();
        let ids = outputs.iter().map(|n| graph.find(n)).collect::<Result<Vec<_>, _>>()?;
        let images: Vec<f64> = batch.data().iter().map(|x| f64::from(*x)).collect();
        let values = self.run(&images, batch.rows());
        let results = ids.iter().map(|id| {
            values[id.index()].iter().flat_map(|v| v.data.iter().map(|x| *x as f32)).collect()
        });
        let tensor = |(slot, data): (usize, Vec<f32>)| {
            let mut dims = vec![batch.rows()];
            dims.extend_from_slice(&self.facts.layer(ids[slot]).shape);
            Tensor::new(dims, data).expect("each example has the shape the facts say")
        };
        Ok(results.enumerate().map(tensor).collect())
    }
}
