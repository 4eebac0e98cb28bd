//! Where in a layer's map an answer comes from.

use regraft_net::Network;
use regraft_tensor::Tensor;

use crate::LookError;
use crate::pass::{Pass, Target};

/// How gradients and activations make a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cam {
    /// `Σₖ (mean of ∂y/∂Aₖ) Aₖ` (Selvaraju et al. 2017, equations 1 and 2, before the rectification).
    Grad,
    /// `Σₖ ∂y/∂Aₖ ⊙ Aₖ` (Draelos and Carin 2021): for a network that is linear above the layer exactly what each
    /// place adds.
    HiRes,
}

/// A network ready for class maps of one layer, for several classes of many pictures.
pub struct ClassMaps {
    pass: Pass,
    layer: String,
    size: [usize; 2],
}

impl ClassMaps {
    /// For the maps that `layer` gives.
    ///
    /// # Errors
    /// When there is no such layer, or it gives no map.
    pub fn new(network: &Network, layer: &str) -> Result<Self, LookError> {
        let shape = network.facts()?.layer(network.graph().find(layer)?).shape.clone();
        let [_, height, width] = *shape.dims() else {
            return Err(LookError::NoMap { layer: layer.to_owned(), shape });
        };
        let pass = Pass::tapped(network, layer)?;
        Ok(Self { pass, layer: layer.to_owned(), size: [height, width] })
    }

    /// The maps `[H', W']` of a picture `[1, C, H, W]`, one for each target; see [`activation_map`].
    ///
    /// # Errors
    /// When the picture or a target does not fit the network, or the layer does not lead to the output.
    pub fn of(
        &mut self,
        picture: &Tensor,
        targets: &[Target],
        cam: Cam,
    ) -> Result<Vec<Tensor>, LookError> {
        self.pass.check(picture)?;
        self.pass.forward(picture)?;
        let [height, width] = self.size;
        let pixels = height * width;
        let map = |target: &Target| {
            let seed = self.pass.seed(*target, 1)?;
            let (activations, gradients) = self.pass.at_tap(&seed, &self.layer)?;
            let mut map = vec![0.0; pixels];
            let planes =
                activations.data().chunks_exact(pixels).zip(gradients.data().chunks_exact(pixels));
            for (a, g) in planes {
                let mean = g.iter().map(|v| f64::from(*v)).sum::<f64>() / pixels as f64;
                for ((m, a), g) in map.iter_mut().zip(a).zip(g) {
                    let weight = match cam {
                        Cam::Grad => mean,
                        Cam::HiRes => f64::from(*g),
                    };
                    *m += weight * f64::from(*a);
                }
            }
            Ok(Tensor::new([height, width], map.into_iter().map(|v| v as f32).collect())?)
        };
        targets.iter().map(map).collect()
    }
}

/// The map `[H', W']` of a layer, `A` `[K, H', W']`, for `target`: signed, as it comes; its rectified part is what
/// Grad-CAM shows. What goes around the layer plays no role: `∂y/∂A` is what changes with the layer alone.
///
/// # Errors
/// When the picture or the target does not fit the network, or the layer gives no map or does not lead to the output.
pub fn activation_map(
    network: &Network,
    layer: &str,
    picture: &Tensor,
    target: Target,
    cam: Cam,
) -> Result<Tensor, LookError> {
    let mut maps = ClassMaps::new(network, layer)?.of(picture, &[target], cam)?;
    // There is one for each target.
    Ok(maps.pop().unwrap_or_else(|| Tensor::zeros([0])))
}
