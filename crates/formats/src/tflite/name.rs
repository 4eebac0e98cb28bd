//! What layers are called: after the tensors that operators make, whose names the converter joins from
//! those of all that it fused (`net/relu/Relu;net/bn/batchnorm/add_1;net/conv/convolution`).

use crate::operators::build::clean;

/// How the name of a product with weights ends.
const PRODUCTS: [&str; 5] = ["convolution", "Conv2D", "depthwise", "MatMul", "Tensordot"];

/// The first part of all names that have several, the network's own name; `None` when they differ.
pub(super) fn common<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut found = None;
    for name in names.flat_map(|n| n.split(';')).filter(|n| !n.is_empty()) {
        let Some((first, rest)) = plain(name).split_once('/') else { continue };
        if !rest.contains('/') {
            continue;
        }
        if *found.get_or_insert(first) != first {
            return None;
        }
    }
    found
}

/// A name without what converters put around it.
fn plain(name: &str) -> &str {
    let name = name.strip_prefix("StatefulPartitionedCall/").unwrap_or(name);
    name.split(':').next().unwrap_or(name)
}

/// The layer that one part of a name speaks of; `None` when it speaks of none.
fn holder(part: &str, network: Option<&str>) -> Option<String> {
    let mut path: Vec<&str> = plain(part).split('/').collect();
    if path.len() > 1 {
        path.pop();
        if path.last() == Some(&"batchnorm") && path.len() > 1 {
            path.pop();
        }
    }
    if path.len() > 1 && path.first().copied() == network {
        path.remove(0);
    }
    let name = path.join("/");
    let made_up = ["StatefulPartitionedCall", "Identity", "PartitionedCall", "serving_default"];
    if name.is_empty() || made_up.iter().any(|m| name.starts_with(m)) {
        return None;
    }
    Some(clean(&name))
}

/// The name for the layer of an operator that makes the tensor `called`.
pub(super) fn layer(called: &str, kind: &str, network: Option<&str>) -> String {
    let product =
        |part: &&str| plain(part).rsplit('/').next().is_some_and(|e| PRODUCTS.contains(&e));
    let weighted = matches!(kind, "CONV_2D" | "DEPTHWISE_CONV_2D" | "FULLY_CONNECTED");
    let part = called.split(';').find(|p| weighted && product(p)).or(called.split(';').next());
    let name = part.and_then(|p| holder(p, network));
    name.unwrap_or_else(|| clean(&kind.to_lowercase()))
}

/// The name for the activation behind the layer `before`.
pub(super) fn activation(called: &str, before: &str, network: Option<&str>) -> String {
    let own = called.split(';').next().and_then(|p| holder(p, network));
    own.filter(|name| name != before).unwrap_or_else(|| format!("{before}.activation"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_called_as_what_was_fused_into_their_operator() {
        let called = "net/relu_1/Relu6;net/bn_1/batchnorm/add_1;net/conv_1/convolution";
        assert_eq!(
            common([called, "net/a/Add", "StatefulPartitionedCall:0"].into_iter()),
            Some("net")
        );
        assert_eq!(common([called, "other/a/Add"].into_iter()), None);
        assert_eq!(layer(called, "CONV_2D", Some("net")), "conv_1");
        assert_eq!(activation(called, "conv_1", Some("net")), "relu_1");
        assert_eq!(layer("net/bn/batchnorm/add_1", "ADD", None), "net/bn");
        assert_eq!(layer("StatefulPartitionedCall_1:0", "SOFTMAX", Some("net")), "softmax");
        assert_eq!(activation("net/a/Add", "a", Some("net")), "a.activation");
    }
}
