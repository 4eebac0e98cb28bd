//! Layers under construction: drafts that may turn out to be of no use, and the network in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use regraft_net::facts::facts;
use regraft_net::{Graph, LayerId, NetError, Op, Params, Role};
use regraft_tensor::{Shape, Tensor};

/// A layer that may become part of the network.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) op: Op,
    pub(super) inputs: Vec<usize>,
    /// Shape of its output.
    pub(super) shape: Shape,
    pub(super) params: Vec<(Role, Arc<Tensor>)>,
    pub(super) name: Name,
}

/// What a layer is called, if nobody else is called so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) text: String,
    /// Whether it is the name of the layer's parameters in the file.
    pub(super) own: bool,
}

/// The drafts, inputs before users.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    layers: Vec<Draft>,
}

impl Drafts {
    /// Adds a layer.
    pub(super) fn push(
        &mut self,
        name: Name,
        op: Op,
        inputs: &[usize],
        params: Vec<(Role, Arc<Tensor>)>,
    ) -> Result<usize, NetError> {
        let shapes: Vec<Shape> = inputs.iter().map(|i| self.layers[*i].shape.clone()).collect();
        let shape = output_shape(&op, &shapes)?;
        self.layers.push(Draft { op, inputs: inputs.to_vec(), shape, params, name });
        Ok(self.layers.len() - 1)
    }

    /// One layer.
    pub(super) fn at(&self, layer: usize) -> &Draft {
        &self.layers[layer]
    }

    /// The layers that lead to `output`, each with its final name.
    pub(super) fn finish(&self, output: usize) -> Result<(Graph, Params), NetError> {
        let mut needed = vec![false; self.layers.len()];
        needed[output] = true;
        for i in (0..=output).rev().filter(|i| needed[*i]).collect::<Vec<_>>() {
            needed[i] = true;
        }
        for i in (0..=output).rev() {
            if needed[i] {
                self.layers[i].inputs.iter().for_each(|j| needed[*j] = true);
            }
        }
        let mut names = Names::default();
        // Names of parameters first: what only computes makes way for them.
        let mut called: BTreeMap<usize, String> = BTreeMap::new();
        for own in [true, false] {
            for (i, layer) in self.layers.iter().enumerate() {
                if needed[i] && layer.name.own == own {
                    called.insert(i, names.unique(&layer.name.text));
                }
            }
        }
        let mut graph = Graph::new();
        let mut params = Params::new();
        let mut ids: BTreeMap<usize, LayerId> = BTreeMap::new();
        for (i, layer) in self.layers.iter().enumerate().filter(|(i, _)| needed[*i]) {
            let name = &called[&i];
            let inputs: Vec<LayerId> = layer.inputs.iter().map(|j| ids[j]).collect();
            ids.insert(i, graph.push(name.clone(), layer.op.clone(), &inputs)?);
            for (role, value) in &layer.params {
                params.insert(format!("{name}.{}", role.suffix()), Arc::clone(value));
            }
        }
        graph.set_outputs(&[&called[&output]])?;
        Ok((graph, params))
    }
}

/// The shape that an operation makes of others.
fn output_shape(op: &Op, inputs: &[Shape]) -> Result<Shape, NetError> {
    let mut graph = Graph::new();
    let mut ids = Vec::with_capacity(inputs.len());
    for (i, shape) in inputs.iter().enumerate() {
        ids.push(graph.push(format!("i{i}"), Op::Input { shape: shape.clone() }, &[])?);
    }
    graph.push("layer", op.clone(), &ids)?;
    Ok(facts(&graph)?.output().shape.clone())
}

/// Names given away.
#[derive(Default)]
struct Names {
    taken: BTreeSet<String>,
    /// How often a name was asked for, so that many of one name do not take long.
    asked: BTreeMap<String, usize>,
}

impl Names {
    /// The name, or the name with a number behind it.
    fn unique(&mut self, wanted: &str) -> String {
        if self.taken.insert(wanted.to_owned()) {
            return wanted.to_owned();
        }
        let count = self.asked.entry(wanted.to_owned()).or_insert(1);
        loop {
            *count += 1;
            let name = format!("{wanted}_{count}");
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// A name as a layer may have it, at most 200 characters.
pub(crate) fn clean(name: &str) -> String {
    let fine = |c: char| {
        if c.is_whitespace() || c.is_control() || "=#,".contains(c) { '_' } else { c }
    };
    let name: String = name.trim_start_matches("->").chars().take(200).map(fine).collect();
    if name.is_empty() { "layer".to_owned() } else { name }
}

/// How names of parameters end.
const ENDS: [&str; 16] = [
    ".weight",
    ".bias",
    ".gamma",
    ".beta",
    ".running_mean",
    "_weight",
    "_bias",
    ".scale",
    "/ReadVariableOp",
    "/kernel",
    "/bias",
    "/gamma",
    "/beta",
    "/weights_fused_bn",
    "_w",
    "_b",
];

/// The layer that a parameter's name in the file speaks of: `layer1.0.conv1.weight` of
/// `layer1.0.conv1`. `None` for names that exporters make up.
pub(super) fn layer_of_param(name: &str) -> Option<String> {
    let name = name.strip_prefix("StatefulPartitionedCall/").unwrap_or(name);
    let name = name.split(':').next().filter(|n| !n.is_empty())?;
    if name.starts_with("onnx") || name.starts_with("val_") || name.starts_with("const_fold") {
        return None;
    }
    let stem = ENDS.iter().find_map(|end| name.strip_suffix(end))?;
    let stem = ["/Conv2D", "/BiasAdd", "/MatMul", "/depthwise", "/Add", "/Tensordot"]
        .iter()
        .find_map(|end| stem.strip_suffix(end))
        .unwrap_or(stem);
    (!stem.is_empty()).then(|| clean(stem))
}

/// The layer that a node's name speaks of: `/layer1/layer1.0/conv1/Conv` of `layer1.0.conv1`.
pub(super) fn layer_of_node(name: &str, op: &str) -> String {
    let name = name.strip_prefix("StatefulPartitionedCall/").unwrap_or(name);
    let Some(path) = name.strip_prefix('/') else { return clean(name) };
    // The last part is the operation, with a number where the holder has several.
    let path = match path.rsplit_once('/') {
        Some((holder, last)) if is_numbered(last, op) => holder,
        Some(_) | None => path,
    };
    let mut made = String::new();
    let mut holder = String::new();
    for part in path.split('/') {
        // A list of torch repeats the name of its holder: `layer1`, then `layer1.0`.
        let repeats = !holder.is_empty() && part.starts_with(&format!("{holder}."));
        if repeats {
            made.truncate(made.len() - holder.len());
        } else if !made.is_empty() {
            made.push('.');
        }
        made.push_str(part);
        part.clone_into(&mut holder);
    }
    clean(&made)
}

/// Whether a word is another, perhaps with a number behind it.
fn is_numbered(word: &str, op: &str) -> bool {
    let rest = word.strip_prefix(op);
    rest.is_some_and(|r| {
        r.is_empty() || r.strip_prefix('_').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_called_as_their_parameters() {
        assert_eq!(layer_of_param("layer1.0.conv1.weight").as_deref(), Some("layer1.0.conv1"));
        assert_eq!(layer_of_param("onnx::Conv_497"), None);
        let keras = "StatefulPartitionedCall/resnet50/conv1_conv/Conv2D/ReadVariableOp:0";
        assert_eq!(layer_of_param(keras).as_deref(), Some("resnet50/conv1_conv"));
        assert_eq!(layer_of_node("/layer1/layer1.0/conv1/Conv", "Conv"), "layer1.0.conv1");
        let nested = "/features/features.0/features.0.0/Conv";
        assert_eq!(layer_of_node(nested, "Conv"), "features.0.0");
        assert_eq!(layer_of_node("/layer1/layer1.0/Add_2", "Add"), "layer1.0");
        assert_eq!(layer_of_node("/Flatten", "Flatten"), "Flatten");
    }
}
