//! What of a unit comes back to the pixels.

use regraft_grad::ReluRule;
use regraft_net::Network;
use regraft_tensor::Tensor;

use crate::LookError;
use crate::pass::{Pass, Target, alone};

/// A network ready to send what its last layer's units say back to the pixels of many pictures.
pub struct Signals {
    pass: Pass,
}

/// What units said, and what came back of it.
#[derive(Debug)]
pub struct Signalled {
    /// The target's value of each picture, `[N]`.
    pub values: Vec<f64>,
    /// For each rule asked for the signal at the pixels, `[N, C, H, W]`; an error where the rule is not defined for
    /// the network.
    pub signals: Vec<Result<Tensor, LookError>>,
}

impl Signals {
    /// For up to `together` pictures at a time.
    ///
    /// # Errors
    /// When the network does not have one input and one output.
    pub fn new(network: &Network, together: usize) -> Result<Self, LookError> {
        Ok(Self { pass: Pass::new(network, together)? })
    }

    /// The signals of one target for each of some pictures `[N, C, H, W]`: its gradient (Simonyan et al. 2014), guided
    /// backpropagation, or the deconvnet's projection, with the switches of the picture's own pooling. An input that
    /// won several overlapping windows gets the sum of their signals; the bias plays no role on the way back.
    ///
    /// # Errors
    /// When pictures or targets do not fit the network, or there is not one target for each picture.
    pub fn of(
        &mut self,
        pictures: &Tensor,
        targets: &[Target],
        rules: &[ReluRule],
    ) -> Result<Signalled, LookError> {
        let outputs = self.pass.forward(pictures)?;
        if targets.len() != pictures.rows() {
            let wanted = "one target for each picture";
            return Err(LookError::Option { what: "targets", given: targets.len(), wanted });
        }
        let (mut seed, mut values) = (Vec::with_capacity(outputs.data().len()), Vec::new());
        for (target, output) in targets.iter().zip(outputs.data().chunks_exact(outputs.row_len())) {
            let one = self.pass.seed(*target, 1)?;
            let weighed = output.iter().zip(one.data());
            values.push(weighed.map(|(v, s)| f64::from(*v) * f64::from(*s)).sum());
            seed.extend_from_slice(one.data());
        }
        let seed = Tensor::new(outputs.shape().clone(), seed)?;
        let signals = rules.iter().map(|rule| self.pass.back(&seed, *rule)).collect();
        Ok(Signalled { values, signals })
    }
}

/// The signal of `target` at the pixels of one picture `[1, C, H, W]`, `[C, H, W]`, as [`Signals::of`] says.
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
