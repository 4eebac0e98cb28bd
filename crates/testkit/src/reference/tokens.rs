//! Layers of networks that work on sequences, and borders.

use regraft_net::op::{Pad, Rearrange};
use regraft_tensor::Shape;

use super::Value;

pub(super) fn layer_norm(x: &Value, weight: &[f64], bias: &[f64], eps: f64) -> Value {
    let [c, h, w] = x.chw();
    let mut value = x.clone();
    for pixel in 0..h * w {
        let of = |ci: usize| x.data[ci * h * w + pixel];
        let mean = (0..c).map(of).sum::<f64>() / c as f64;
        let var = (0..c).map(|ci| (of(ci) - mean).powi(2)).sum::<f64>() / c as f64;
        for ci in 0..c {
            value.data[ci * h * w + pixel] =
                (of(ci) - mean) / (var + eps).sqrt() * weight[ci] + bias[ci];
        }
    }
    value
}

pub(super) fn padded(x: &Value, pad: Pad, crop: Pad, out: &Shape) -> Value {
    let [_, h, w] = x.chw();
    let mut data = Vec::with_capacity(out.count());
    for c in 0..out[0] {
        for row in 0..out[1] {
            for column in 0..out[2] {
                let y = (row + crop.top).checked_sub(pad.top).filter(|y| *y < h);
                let x_ = (column + crop.left).checked_sub(pad.left).filter(|x| *x < w);
                data.push(y.zip(x_).map_or(0.0, |(y, x_)| x.data[(c * h + y) * w + x_]));
            }
        }
    }
    Value { shape: out.clone(), data }
}

pub(super) fn sequence(
    x: &Value,
    first: usize,
    token: &[f64],
    position: &[f64],
    out: &Shape,
) -> Value {
    let [d, h, w] = x.chw();
    let mut data = Vec::with_capacity(out.count());
    for c in 0..d {
        for t in 0..out[1] {
            let own = match t.checked_sub(first) {
                Some(pixel) => x.data[c * h * w + pixel],
                None => token[t * d + c],
            };
            data.push(own + position[t * d + c]);
        }
    }
    Value { shape: out.clone(), data }
}

/// By indices along each axis of the view, one value after another.
pub(super) fn rearranged(x: &Value, how: &Rearrange) -> Value {
    let turned: Vec<usize> = how.order.iter().map(|axis| how.view[*axis]).collect();
    let mut data = Vec::with_capacity(x.data.len());
    for i in 0..x.data.len() {
        let mut rest = i;
        let mut index = vec![0; turned.len()];
        for (axis, size) in turned.iter().enumerate().rev() {
            index[how.order[axis]] = rest % size;
            rest /= size;
        }
        let from = index.iter().zip(&how.view).fold(0, |at, (index, size)| at * size + index);
        data.push(x.data[from]);
    }
    Value { shape: how.to.clone(), data }
}

pub(super) fn attention(x: &Value, heads: usize, biases: &[f64], out: &Shape) -> Value {
    let (d, t, w) = (out[0], out[1], out[2]);
    let size = d / heads;
    let mut data = vec![0.0; d * t * w];
    for (column, head) in (0..w).flat_map(|column| (0..heads).map(move |head| (column, head))) {
        // Channel `c` of the queries (0), keys (1) or values (2) of a token.
        let of = |which: usize, c: usize, token: usize| {
            x.data[((which * d + c) * t + token) * w + column]
        };
        let bias = |i: usize, j: usize| match biases.len() / (t * t) {
            0 => 0.0,
            n => biases[((column * heads + head) % n * t + i) * t + j],
        };
        let channels = head * size..(head + 1) * size;
        for i in 0..t {
            let score = |j: usize| {
                let terms = channels.clone().map(|c| of(0, c, i) * of(1, c, j));
                terms.sum::<f64>() / (size as f64).sqrt() + bias(i, j)
            };
            let scores: Vec<f64> = (0..t).map(score).collect();
            let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = scores.iter().map(|s| (s - top).exp()).sum();
            for c in channels.clone() {
                let terms = scores.iter().enumerate().map(|(j, s)| (s - top).exp() * of(2, c, j));
                data[(c * t + i) * w + column] = terms.sum::<f64>() / sum;
            }
        }
    }
    Value { shape: out.clone(), data }
}
