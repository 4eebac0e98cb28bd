//! Heads with hidden layers.

use std::fmt::Write;

use regraft_net::{Card, Network, Params, notation};
use regraft_tensor::Tensor;

use crate::Error;
use crate::head::HEAD;

/// A layer of a head below its last one.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Hidden {
    Linear(usize),
    Relu,
    Dropout(f32),
}

/// What lies between the network and the last layer of a head.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeadLayers(Vec<Hidden>);

/// Widest layer that can be asked for.
const WIDEST: usize = 65536;

impl HeadLayers {
    /// From layers with commas between them: a width for a linear layer, `relu`, or `dropout=RATE`, for
    /// instance `256,relu,dropout=0.5`. The last layer, one output for each class, is not named.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let layer = |word: &str| {
            if word == "relu" {
                return Ok(Hidden::Relu);
            }
            if let Some(rate) = word.strip_prefix("dropout=") {
                let rate = rate.parse().ok().filter(|r| (0.0..1.0).contains(r));
                return rate
                    .map(Hidden::Dropout)
                    .ok_or_else(|| format!("`{word}`: wants a share from 0 to below 1"));
            }
            let width = word.parse().ok().filter(|w| (1..=WIDEST).contains(w));
            width.map(Hidden::Linear).ok_or_else(|| {
                format!("`{word}`: wants a width up to {WIDEST}, relu or dropout=RATE")
            })
        };
        text.split(',').map(|word| layer(word.trim())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for HeadLayers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<String> = self
            .0
            .iter()
            .map(|layer| match layer {
                Hidden::Linear(width) => width.to_string(),
                Hidden::Relu => "relu".to_owned(),
                Hidden::Dropout(rate) => format!("dropout={rate}"),
            })
            .collect();
        f.write_str(&words.join(","))
    }
}

/// The trunk with a random head: hidden layers called `head_1`, `head_2`, …, then `head`. Hidden weights
/// are uniform with the variance of He et al. 2015, equation 10; the last are uniform in ±1/√d, PyTorch's
/// default; biases are 0.
pub(super) fn with_random_head(
    trunk: &Network,
    layers: &HeadLayers,
    labels: &[String],
    seed: u64,
) -> Result<Network, Error> {
    let mut below = trunk.graph().layer(trunk.graph().output()?).name.clone();
    let mut width = trunk.facts()?.output().shape.count();
    let mut text = format!("{below} = input {width}\n");
    let mut params = Params::new();
    let mut linear = |name: &str, from: usize, to: usize, bound: f64| -> Result<(), Error> {
        let values = regraft_data::uniform(seed, name, to * from);
        let values = values.into_iter().map(|u| ((2.0 * u - 1.0) * bound) as f32).collect();
        params.insert(format!("{name}.weight"), Tensor::new([to, from], values)?);
        params.insert(format!("{name}.bias"), Tensor::zeros([to]));
        Ok(())
    };
    for (i, layer) in layers.0.iter().enumerate() {
        let name = format!("{HEAD}_{}", i + 1);
        // Writing to a String cannot fail.
        let _ = match *layer {
            Hidden::Linear(to) => {
                linear(&name, width, to, (6.0 / width.max(1) as f64).sqrt())?;
                width = to;
                writeln!(text, "{name} = linear {below} out={to}")
            }
            Hidden::Relu => writeln!(text, "{name} = relu {below}"),
            Hidden::Dropout(rate) => writeln!(text, "{name} = dropout {below} rate={rate}"),
        };
        below = name;
    }
    linear(HEAD, width, labels.len(), 1.0 / (width.max(1) as f64).sqrt())?;
    let _ = writeln!(text, "{HEAD} = linear {below} out={}\n-> {HEAD}", labels.len());
    let card =
        Card { labels: labels.to_vec(), logits: Some(HEAD.to_owned()), ..Card::blank("head") };
    let crown = Network::new(notation::parse(&text)?, &params, card)?;
    Ok(trunk.graft(&crown)?)
}
