//! For tests only: the slow reference that judges the fast executors, formula weights that build
//! large networks without a file, and small networks.

mod nets;
mod reference;

pub use nets::{small_networks, with_formula_weights};
pub use reference::Reference;
pub use regraft_net::formula::{formula_input, formula_params, formula_values};

/// Relative L2 distance `‖a - b‖ / ‖b‖`; infinite when lengths differ or a value is not finite.
pub fn relative_l2(a: &[f32], b: &[f32]) -> f64 {
    if a.len() != b.len() || a.iter().any(|x| !x.is_finite()) {
        return f64::INFINITY;
    }
    let difference: f64 =
        a.iter().zip(b).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum();
    let size: f64 = b.iter().map(|y| f64::from(*y).powi(2)).sum();
    if size == 0.0 { difference.sqrt() } else { (difference / size).sqrt() }
}
