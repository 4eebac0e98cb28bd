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

/// Attention from its definition. `learned` has the biases `[n, S, T]`, perhaps none, and the matrices that
/// mix the heads' products and shares.
pub(super) fn attention(
    inputs: &[&Value],
    heads: usize,
    (biases, talk): (&[f64], Option<[&[f64]; 2]>),
    out: &Shape,
) -> Value {
    let [d, s, w] = Value { shape: out.clone(), data: vec![] }.chw();
    let (keys, values) = (inputs[inputs.len() / 2], inputs[inputs.len() - 1]);
    let one = inputs.len() == 1;
    let t = values.chw()[1];
    let [e, from] = if one { [d, d] } else { [inputs[0].chw()[0], 0] };
    let of = |x: &Value, c: usize, token: usize, column: usize| {
        let [_, tokens, w] = x.chw();
        x.data[(c * tokens + token) * w + column]
    };
    let (narrow, wide) = (e / heads, d / heads);
    let mixed = |matrix: &[f64], x: &[f64], head: usize| -> f64 {
        let row = &matrix[head * (heads + 1)..][..=heads];
        row.iter().zip(x).map(|(m, x)| m * x).sum::<f64>() + row[heads]
    };
    let mut data = vec![0.0; d * s * w];
    for (column, i) in (0..w).flat_map(|column| (0..s).map(move |i| (column, i))) {
        // For each token, what each head says.
        let product = |head: usize, j: usize| {
            let terms = (head * narrow..(head + 1) * narrow)
                .map(|c| of(inputs[0], c, i, column) * of(keys, from + c, j, column));
            let bias = match biases.len() / (s * t) {
                0 => 0.0,
                n => biases[((column * heads + head) % n * s + i) * t + j],
            };
            terms.sum::<f64>() / (narrow as f64).sqrt() + bias
        };
        let all = |f: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
            (0..t).map(|j| (0..heads).map(|head| f(head, j)).collect()).collect()
        };
        let mut said = all(&product);
        if let Some([matrix, _]) = talk {
            said = all(&|head, j| mixed(matrix, &said[j], head));
        }
        let sums: Vec<f64> =
            (0..heads).map(|head| said.iter().map(|of| of[head].exp()).sum()).collect();
        let mut shares = all(&|head, j| said[j][head].exp() / sums[head]);
        if let Some([_, matrix]) = talk {
            shares = all(&|head, j| mixed(matrix, &shares[j], head));
        }
        for c in 0..d {
            let terms = (0..t).map(|j| shares[j][c / wide] * of(values, 2 * from + c, j, column));
            data[(c * s + i) * w + column] = terms.sum::<f64>();
        }
    }
    Value { shape: out.clone(), data }
}
