use crate::facts::{Facts, facts};
use crate::{Card, Graph, NetError, Params, nearest, surgery};

/// A graph of named layers, its parameters, and its card.
///
/// Made by [`Network::new`], which checks that every layer has its parameters in the right shapes.
/// Freezing is not in here: it is in the plan, so that one network can be inferred, probed, tuned and
/// drawn without being changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    graph: Graph,
    params: Params,
    card: Card,
}

impl Network {
    /// A network, once its parameters are seen to fit its graph. Parameters that no layer uses are
    /// dropped; [`unused`] lists them.
    ///
    /// # Errors
    /// When parameters are missing or of the wrong shape, or shapes do not fit along the graph.
    pub fn new(graph: Graph, params: &Params, card: Card) -> Result<Self, NetError> {
        let facts = facts(&graph)?;
        let mut kept = Params::new();
        let mut missing = Vec::new();
        for spec in facts.params() {
            match params.get(&spec.name) {
                None => missing.push(spec.name.clone()),
                Some(t) if t.shape() != &spec.shape => {
                    return Err(NetError::ParamShape {
                        name: spec.name.clone(),
                        wanted: spec.shape.clone(),
                        got: t.shape().clone(),
                    });
                }
                Some(t) => kept.insert(spec.name.clone(), t.clone()),
            }
        }
        if let Some(first) = missing.first() {
            let near = nearest(first, params.names());
            return Err(NetError::MissingParams { names: missing, near });
        }
        Ok(Self { graph, params: kept, card })
    }

    /// The layers.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The parameters; exactly those that the graph asks for.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Origin, licence, preprocessing, labels.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// Shapes, cost and receptive field of each layer.
    ///
    /// # Errors
    /// Never for a network that [`Network::new`] accepted.
    pub fn facts(&self) -> Result<Facts, NetError> {
        facts(&self.graph)
    }

    /// The network up to and with `layer`; everything that does not lead there is gone.
    ///
    /// # Errors
    /// When there is no such layer.
    pub fn cut(&self, layer: &str) -> Result<Self, NetError> {
        Self::new(surgery::cut(&self.graph, layer)?, &self.params, self.card.clone())
    }

    /// This network's output fed into `head`; names of both stay.
    ///
    /// # Errors
    /// When shapes or names clash.
    pub fn graft(&self, head: &Network) -> Result<Self, NetError> {
        let graph = surgery::graft(&self.graph, &head.graph)?;
        let mut params = self.params.clone();
        for (name, value) in head.params.iter() {
            params.insert(name, value.clone());
        }
        let card = Card {
            labels: head.card.labels.clone(),
            cut: self.card.cut.clone(),
            logits: head.card.logits.clone(),
            ..self.card.clone()
        };
        Self::new(graph, &params, card)
    }

    /// The part up to and with `frontier`, and the part above it.
    ///
    /// # Errors
    /// When a connection goes around the frontier.
    pub fn split(&self, frontier: &str) -> Result<(Self, Self), NetError> {
        let (trunk, crown) = surgery::split(&self.graph, frontier)?;
        Ok((
            Self::new(trunk, &self.params, self.card.clone())?,
            Self::new(crown, &self.params, self.card.clone())?,
        ))
    }
}

/// Names in `params` that no layer of `graph` uses, sorted.
///
/// # Errors
/// When shapes do not fit along the graph.
pub fn unused(graph: &Graph, params: &Params) -> Result<Vec<String>, NetError> {
    let facts = facts(graph)?;
    let used: std::collections::BTreeSet<&str> = facts.params().map(|p| p.name.as_str()).collect();
    Ok(params.names().filter(|n| !used.contains(n)).map(str::to_owned).collect())
}
