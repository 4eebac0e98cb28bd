//! Formula weights: every value is a hash of the parameter's name and its index, so that the
//! reference framework and we build the same network without exchanging a file.

use regraft_net::facts::facts;
use regraft_net::{Graph, NetError, Params, Role};
use regraft_tensor::{Shape, Tensor};

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
    Ok(facts.params().map(|s| (s.name.clone(), tensor(&s.name, &s.shape, s.role))).collect())
}

fn tensor(name: &str, shape: &Shape, role: Role) -> Tensor {
    let fan_in: usize = shape.iter().skip(1).product();
    let scale = |u: f64| match role {
        Role::RunningVar => 1.0 + 0.5 * u,
        Role::RunningMean | Role::Bias => 0.1 * u,
        Role::Weight if shape.len() >= 2 => u * (6.0 / fan_in as f64).sqrt(),
        Role::Weight => 1.0 + 0.1 * u,
    };
    let data = formula_values(name, shape.count()).map(|u| scale(u) as f32).collect();
    Tensor::new(shape.clone(), data).expect("as many values as the shape holds")
}

/// The input that goes with formula weights, `[1, 3, size, size]` in `[-1, 1)`.
pub fn formula_input(size: usize) -> Tensor {
    let data = formula_values("input", 3 * size * size).map(|u| u as f32).collect();
    Tensor::new([1, 3, size, size], data).expect("as many values as the shape holds")
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
