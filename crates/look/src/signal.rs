//! What of a unit comes back to the pixels.

use regraft_grad::ReluRule;
use regraft_net::Network;
use regraft_tensor::Tensor;

use crate::LookError;
use crate::pass::{Pass, Target, alone};

/// The signal of `target` at the pixels of `picture`, `[C, H, W]`: its gradient (Simonyan et al. 2014), guided
/// backpropagation, or the deconvnet's projection, with the switches of the picture's own pooling. An input that won
/// several overlapping windows gets the sum of their signals; the bias plays no role on the way back.
///
/// # Errors
/// When picture or target do not fit the network, or the rule is not defined for one of its layers.
pub fn signal(
    network: &Network,
    picture: &Tensor,
    target: Target,
    rule: ReluRule,
) -> Result<Tensor, LookError> {
    let mut pass = Pass::new(network, 1)?;
    pass.check(picture)?;
    let seed = pass.seed(target, 1)?;
    pass.forward(picture)?;
    alone(pass.back(&seed, rule)?)
}

/// The gradient times the picture, `[C, H, W]`: what each value adds, were the network linear around it.
///
/// # Errors
/// As [`signal`].
pub fn input_times_gradient(
    network: &Network,
    picture: &Tensor,
    target: Target,
) -> Result<Tensor, LookError> {
    let mut gradient = signal(network, picture, target, ReluRule::Gradient)?;
    gradient.data_mut().iter_mut().zip(picture.data()).for_each(|(g, x)| *g *= x);
    Ok(gradient)
}
