//! A network that looks at pictures of colours.

use std::collections::BTreeMap;

use rayon::prelude::*;
use regraft_grad::ReluRule;
use regraft_net::card::Preprocess;
use regraft_net::{Graph, LayerId, NetError, Network, Op};
use regraft_tensor::{Shape, Tensor};

use super::chance::Chance;
use super::view::{Sway, View};
use crate::LookError;
use crate::pass::Pass;

/// The size at which a network looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    /// Its own: pictures are scaled to it.
    Own,
    /// The picture's, where the network can be built for it; otherwise its own.
    Picture,
}

/// A network for pictures of another size `[height, width]`: the same layers and parameters. Padding stays as it is,
/// also where it followed from the size it had.
///
/// # Errors
/// When a layer or a parameter does not fit that size, as above maps that are laid flat.
pub fn resized(network: &Network, [height, width]: [usize; 2]) -> Result<Network, NetError> {
    let from = network.graph();
    let mut to = Graph::new();
    let mut ids: BTreeMap<LayerId, LayerId> = BTreeMap::new();
    for (id, layer) in from.layers() {
        let mut op = layer.op.clone();
        if let Op::Input { shape } = &mut op
            && let [channels, _, _] = *shape.dims()
        {
            *shape = Shape::new([channels, height, width]);
        }
        let inputs: Vec<LayerId> =
            layer.inputs.iter().filter_map(|i| ids.get(i).copied()).collect();
        ids.insert(id, to.push(layer.name.clone(), op, &inputs)?);
    }
    let outputs: Vec<&str> =
        from.outputs().iter().map(|id| from.layer(*id).name.as_str()).collect();
    to.set_outputs(&outputs)?;
    Network::new(to, network.params(), network.card().clone())
}

/// A network ready to look at pictures `[3, height, width]`, with its card's preprocessing.
pub(crate) struct Lens {
    pass: Pass,
    card: Preprocess,
    layer: String,
    output: Shape,
    picture: [usize; 2],
    window: [usize; 2],
}

impl Lens {
    /// For pictures of a size, up to `room` views at a time.
    pub(crate) fn new(
        network: &Network,
        picture: [usize; 2],
        window: Window,
        room: usize,
    ) -> Result<Self, LookError> {
        let own = network.facts()?.layer(network.graph().input()?).shape.clone();
        let [3, height, width] = *own.dims() else {
            return Err(LookError::Colours { shape: own });
        };
        let another = match window {
            Window::Picture if picture != [height, width] => resized(network, picture).ok(),
            Window::Picture | Window::Own => None,
        };
        let (network, window) = match &another {
            Some(network) => (network, picture),
            None => (network, [height, width]),
        };
        let output = network.graph().output()?;
        Ok(Self {
            pass: Pass::new(network, room)?,
            card: network.card().preprocess,
            layer: network.graph().layer(output).name.clone(),
            output: network.facts()?.layer(output).shape.clone(),
            picture,
            window,
        })
    }

    pub(crate) fn card(&self) -> &Preprocess {
        &self.card
    }

    /// The layer that is looked at.
    pub(crate) fn layer(&self) -> &str {
        &self.layer
    }

    /// Shape of its output for one view.
    pub(crate) fn output(&self) -> &Shape {
        &self.output
    }

    /// The picture as it is.
    pub(crate) fn whole(&self) -> View {
        View::whole(self.picture, self.window)
    }

    /// One of the views that `sway` allows.
    pub(crate) fn drawn(&self, sway: &Sway, chance: &mut Chance) -> View {
        View::drawn(self.picture, self.window, sway, chance)
    }

    /// The layer's outputs `[views, …]`; pictures have equally many views each, one after another.
    pub(crate) fn forward(
        &mut self,
        pictures: &[Vec<f64>],
        views: &[View],
    ) -> Result<Tensor, LookError> {
        let each = views.len() / pictures.len().max(1);
        let len = 3 * self.window[0] * self.window[1];
        let mut batch = vec![0.0; views.len() * len];
        batch.par_chunks_exact_mut(len).zip(views).enumerate().for_each(|(i, (out, view))| {
            view.seen(&pictures[i / each], &self.card, out);
        });
        self.pass.forward(&Tensor::new([views.len(), 3, self.window[0], self.window[1]], batch)?)
    }

    /// For each of `pictures` the gradient of its colours, from that of the last outputs.
    pub(crate) fn back(
        &mut self,
        seed: &Tensor,
        rule: ReluRule,
        views: &[View],
        pictures: usize,
    ) -> Result<Vec<Vec<f64>>, LookError> {
        let input = self.pass.back(seed, rule)?;
        let (each, len) = (views.len() / pictures.max(1), input.row_len());
        let own = views.par_chunks(each.max(1)).zip(input.data().par_chunks(each.max(1) * len));
        Ok(own
            .map(|(views, rows)| {
                let mut gradient = vec![0.0; 3 * self.picture[0] * self.picture[1]];
                for (view, row) in views.iter().zip(rows.chunks_exact(len)) {
                    view.back(row, &self.card, &mut gradient);
                }
                gradient
            })
            .collect())
    }
}
