//! Layers whose arrays are a list without names: `conv1/0`, `conv1/1`.

use std::collections::BTreeMap;

use regraft_net::facts::facts;
use regraft_net::{Graph, ParamSpec};
use regraft_tensor::Tensor;

use super::source::{SourceParam, flattened, kernel};
use crate::ZooError;

/// Gives the arrays of such lists the names and shapes of the graph. The order in a list is that of
/// Keras's `get_weights`: kernel, bias; of a norm scale, shift, mean, variance. Kernels lie as in Keras,
/// `[kh, kw, in, out]`, if all of them fit so, else as in Caffe and PyTorch, `[out, in, kh, kw]`: one
/// kernel alone may fit both ways.
pub(super) fn adopt(graph: &Graph, tensors: &mut BTreeMap<String, Tensor>) -> Result<(), ZooError> {
    let facts = facts(graph).map_err(ZooError::Net)?;
    let mut found: Vec<(String, ParamSpec, SourceParam)> = Vec::new();
    for (id, layer) in graph.layers() {
        let flat = flattened(graph, &facts, &layer.inputs);
        for (place, spec) in facts.layer(id).params.iter().enumerate() {
            let name = format!("{}/{place}", layer.name);
            if tensors.contains_key(&name) && !tensors.contains_key(&spec.name) {
                let theirs = kernel(&layer.name, spec.shape.dims(), &layer.op, flat);
                found.push((name, spec.clone(), theirs));
            }
        }
    }
    let keras = found.iter().all(|(name, _, theirs)| {
        tensors.get(name).is_none_or(|tensor| *tensor.shape() == theirs.shape)
    });
    for (name, spec, theirs) in found {
        let Some(tensor) = tensors.remove(&name) else { continue };
        let tensor = if keras { theirs.ours(tensor.data(), &spec) } else { tensor };
        tensors.insert(spec.name, tensor);
    }
    Ok(())
}
