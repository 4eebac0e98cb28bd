//! Formula weights: every value is a hash of the parameter's name and its index, so that the
//! reference framework and we build the same network without exchanging a file.

use regraft_tensor::{Shape, Tensor};

use crate::facts::facts;
use crate::{Graph, NetError, ParamSpec, Params};

/// `count` values in `[-1, 1)` from a name: FNV-1a-64 of the name, then `SplitMix64` of each index.
pub fn formula_values(name: &str, count: usize) -> impl Iterator<Item = f64> + use<> {
    let seed = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    (0..count as u64).map(move |i| {
        let mut z = seed.wrapping_add((i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 40) as f64 / f64::from(1 << 23) - 1.0
    })
}

/// All parameters of a graph, scaled so that signals neither die nor explode.
///
/// # Errors
/// When shapes do not fit along the graph.
pub fn formula_params(graph: &Graph) -> Result<Params, NetError> {
    let facts = facts(graph)?;
    Ok(facts.params().map(|s| (s.name.clone(), tensor(s))).collect())
}

fn tensor(spec: &ParamSpec) -> Tensor {
    let mut tensor = Tensor::zeros(spec.shape.clone());
    tensor.data_mut().copy_from_slice(&formula_param(FormulaRules::Torch, &spec.name, &spec.shape));
    tensor
}

/// How values in `[-1, 1)` are scaled, by what a framework calls its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormulaRules {
    /// `weight`, `running_var`, …; kernels `[out, in / groups, kh, kw]`.
    Torch,
    /// `kernel`, `moving_variance`, …; kernels `[kh, kw, in, out]`.
    Keras,
}

/// A parameter as a framework has it, row-major in its own shape, by its own name.
///
/// Variances are near 1, means and offsets near 0, scales near 1, and kernels `u · √(6 / fan-in)`.
pub fn formula_param(rules: FormulaRules, name: &str, shape: &Shape) -> Vec<f32> {
    let kind = match rules {
        FormulaRules::Torch => torch(name, shape),
        FormulaRules::Keras => keras(name, shape),
    };
    let [offset, factor] = kind;
    formula_values(name, shape.count()).map(|u| (offset + factor * u) as f32).collect()
}

/// Offset and factor; the first rule that fits.
fn torch(name: &str, shape: &Shape) -> [f64; 2] {
    let fan_in: usize = shape.iter().skip(1).product();
    if name.ends_with("num_batches_tracked") {
        [0.0, 0.0]
    } else if name.ends_with("running_var") {
        [1.0, 0.5]
    } else if name.ends_with("running_mean") || name.contains("token") || name.contains("pos_emb") {
        [0.0, 0.1]
    } else if name.contains("layer_scale") || name.rsplit('.').next() == Some("gamma") {
        [0.5, 0.1]
    } else if shape.len() >= 2 {
        [0.0, (6.0 / fan_in as f64).sqrt()]
    } else if name.ends_with("weight") {
        [1.0, 0.1]
    } else {
        [0.0, 0.1]
    }
}

fn keras(name: &str, shape: &Shape) -> [f64; 2] {
    let leaf = name.rsplit('/').next().unwrap_or(name);
    let all_but_last: usize = shape.iter().rev().skip(1).product();
    match leaf {
        "moving_variance" => [1.0, 0.5],
        "moving_mean" => [0.0, 0.1],
        "gamma" => [1.0, 0.1],
        "depthwise_kernel" => [0.0, (6.0 / (shape[0] * shape[1]) as f64).sqrt()],
        _ if shape.len() >= 2 => [0.0, (6.0 / all_but_last as f64).sqrt()],
        _ => [0.0, 0.1],
    }
}

/// The input that goes with formula weights, `[1, 3, size, size]` in `[-1, 1)`.
pub fn formula_input(size: usize) -> Tensor {
    formula_batch(&Shape::from([3, size, size]))
}

/// A batch of one input of that shape, in `[-1, 1)`.
pub fn formula_batch(shape: &Shape) -> Tensor {
    let mut batch = Tensor::zeros([&[1], shape.dims()].concat());
    let values = formula_values("input", shape.count());
    batch.data_mut().iter_mut().zip(values).for_each(|(x, u)| *x = u as f32);
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formula_gives_the_published_check_values() {
        let close = |name: &str, wanted: [f64; 4]| {
            for (a, b) in formula_values(name, 4).zip(wanted) {
                assert!((a - b).abs() < 1e-7, "{name}: {a} is not {b}");
            }
        };
        close("conv1.weight", [0.09014988, 0.49032342, -0.95415664, 0.47239554]);
        close("input", [-0.80436337, 0.30472076, -0.5927515, -0.45111072]);
    }
}
