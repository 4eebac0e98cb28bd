//! Integrated gradients (Sundararajan, Taly, Yan 2017, equation 1).

use regraft_grad::ReluRule;
use regraft_net::Network;
use regraft_tensor::Tensor;

use crate::LookError;
use crate::pass::{Pass, Target};
use crate::quadrature::gauss_legendre;

/// Most pictures run together.
const TOGETHER: usize = 10;

/// What each value of a picture adds.
#[derive(Debug, Clone, PartialEq)]
pub struct Integrated {
    /// `[C, H, W]`.
    pub attribution: Tensor,
    /// The target for the picture less that for the baseline, which the attributions should add up to.
    pub difference: f64,
}

/// The mean gradient of `target` on the way from `baseline` to `picture`, both `[1, C, H, W]`, times their
/// difference; the mean by `steps` points of Gauss and Legendre (50 are usual).
///
/// # Errors
/// When pictures or target do not fit the network, or no step is asked for.
pub fn integrated_gradients(
    network: &Network,
    picture: &Tensor,
    baseline: &Tensor,
    target: Target,
    steps: usize,
) -> Result<Integrated, LookError> {
    if steps == 0 {
        let wanted = "one step or more; 50 are usual";
        return Err(LookError::Option { what: "the number of steps", given: steps, wanted });
    }
    let mut pass = Pass::new(network, TOGETHER)?;
    pass.check(picture)?;
    pass.check(baseline)?;
    let len = picture.data().len();
    let mut mean = vec![0.0; len];
    for points in gauss_legendre(steps).chunks(TOGETHER) {
        let mut between = Vec::with_capacity(points.len() * len);
        for (share, _) in points {
            let pairs = picture.data().iter().zip(baseline.data());
            between
                .extend(pairs.map(|(x, b)| {
                    (f64::from(*b) + share * (f64::from(*x) - f64::from(*b))) as f32
                }));
        }
        let mut dims = picture.shape().to_vec();
        dims[0] = points.len();
        pass.forward(&Tensor::new(dims, between)?)?;
        let seed = pass.seed(target, points.len())?;
        let gradients = pass.back(&seed, ReluRule::Gradient)?;
        for (gradient, (_, weight)) in gradients.data().chunks_exact(len).zip(points) {
            mean.iter_mut().zip(gradient).for_each(|(m, g)| *m += weight * f64::from(*g));
        }
    }
    let value = |pass: &mut Pass, picture: &Tensor| -> Result<f64, LookError> {
        let outputs = pass.forward(picture)?;
        Ok(pass.values(target, &outputs)?.first().copied().unwrap_or_default())
    };
    let difference = value(&mut pass, picture)? - value(&mut pass, baseline)?;
    let pairs = picture.data().iter().zip(baseline.data()).zip(&mean);
    let values = pairs.map(|((x, b), m)| ((f64::from(*x) - f64::from(*b)) * m) as f32).collect();
    let dims: Vec<usize> = picture.shape().iter().skip(1).copied().collect();
    Ok(Integrated { attribution: Tensor::new(dims, values)?, difference })
}
