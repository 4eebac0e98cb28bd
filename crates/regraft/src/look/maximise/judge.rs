//! What a network says is on a picture that was made.

use regraft_data::{Picture, Scratch, preprocess};
use regraft_infer::Engine;
use regraft_net::card::Preprocess;
use regraft_net::{Forward, Network};
use regraft_tensor::Tensor;
use serde::Serialize;

use crate::Error;

/// What a network says is on a picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// The network.
    pub by: String,
    /// The class with the highest score.
    pub top: String,
    /// The place of the class that the picture was made for among all by score, from 1; none where the network does
    /// not know a class of that name.
    pub rank: Option<usize>,
}

/// A network that is asked.
pub(super) struct Judge {
    name: String,
    engine: Engine,
    logits: String,
    preprocess: Preprocess,
    labels: Vec<String>,
}

impl Judge {
    pub(super) fn new(name: &str, network: &Network) -> Result<Self, Error> {
        let card = network.card();
        let missing = || Error::NoLogits { name: card.name.clone() };
        let logits = card.logits.clone().ok_or_else(missing)?;
        Ok(Self {
            name: name.to_owned(),
            engine: Engine::compile(network, &[&logits])?,
            logits,
            preprocess: card.preprocess,
            labels: card.labels.clone(),
        })
    }

    /// About a picture for a class, by its name, or by its place where classes have no names.
    pub(super) fn asked(
        &mut self,
        picture: &Picture,
        label: Option<&str>,
        place: usize,
    ) -> Result<Judged, Error> {
        let [height, width] = self.preprocess.crop;
        let mut input = vec![0.0; 3 * height * width];
        preprocess(picture, &self.preprocess, &mut Scratch::default(), &mut input)?;
        let batch = Tensor::new([1, 3, height, width], input)?;
        let outputs = self.engine.forward(&batch, &[&self.logits])?;
        let scores = outputs.first().map(Tensor::data).unwrap_or_default();
        let best =
            (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(b.cmp(a)));
        let best = best.unwrap_or_default();
        let own = match label {
            Some(label) => self.labels.iter().position(|l| l == label),
            None => Some(place),
        };
        let rank = own
            .and_then(|own| scores.get(own))
            .map(|own| 1 + scores.iter().filter(|score| *score > own).count());
        let top = self.labels.get(best).cloned().unwrap_or_else(|| format!("output {best}"));
        Ok(Judged { by: self.name.clone(), top, rank })
    }
}
