//! What the file says of the network beside its graph.

use std::collections::BTreeMap;

use regraft_net::card::Resize;
use regraft_net::{Card, Graph, LayerId, Op, surgery};
use serde_json::Value;

use super::ir::Ir;

/// Most labels read.
const LABELS: usize = 1 << 20;

/// The card: metadata that our own exporter writes, and what the graph shows. Notes say what cannot
/// be read.
pub(super) fn card(ir: &Ir<'_>, graph: &Graph, notes: &mut Vec<String>) -> Card {
    let entries: BTreeMap<String, String> =
        ir.metadata.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let mut card = Card::blank(&ir.name);
    framework(&ir.producer).clone_into(&mut card.framework);
    if let Some(license) = entries.get("license") {
        card.licence.clone_from(license);
    }
    if let Some([_, h, w]) = input_shape(graph) {
        card.preprocess.crop = [h, w];
        card.preprocess.resize = Resize::Shorter(h.min(w).saturating_mul(8) / 7);
    }
    for key in crate::card::read_entries(&entries, &mut card) {
        notes.push(format!("the file's `{key}` cannot be read"));
    }
    if card.labels.is_empty() {
        card.labels = entries.get("names").map(|t| labels(t)).unwrap_or_default();
    }
    if ir.producer == "regraft" {
        // What a card of ours does not say nobody said.
        let known = |name: &String| graph.find(name).is_ok();
        card.logits = card.logits.filter(known);
        card.cut = card.cut.filter(known);
        card.blocks.retain(known);
        return card;
    }
    let (logits, cut) = head(graph);
    card.logits = card.logits.filter(|n| graph.find(n).is_ok()).or(logits);
    card.cut = card.cut.filter(|n| graph.find(n).is_ok()).or(cut);
    if card.blocks.is_empty() || card.blocks.iter().any(|n| graph.find(n).is_err()) {
        card.blocks = surgery::block_ends(graph);
    }
    card
}

/// The height and width that pictures have where the graph leaves them open.
pub(super) fn size(ir: &Ir<'_>) -> usize {
    let text = ir.metadata.iter().find(|(k, _)| k == "preprocess");
    let json = text.and_then(|(_, v)| serde_json::from_str::<Value>(v).ok());
    let crop = json.as_ref().and_then(|j| j.get("crop")?.get(0)?.as_u64());
    crop.filter(|n| (1..=4096).contains(n)).map_or(224, |n| n as usize)
}

fn input_shape(graph: &Graph) -> Option<[usize; 3]> {
    let Op::Input { shape } = &graph.layer(graph.input().ok()?).op else { return None };
    if let &[c, h, w] = shape.dims() { Some([c, h, w]) } else { None }
}

fn framework(producer: &str) -> &'static str {
    let producer = producer.to_lowercase();
    let known = [
        ("pytorch", "pytorch"),
        ("tf2onnx", "tensorflow"),
        ("tflite", "tensorflow"),
        ("keras", "keras"),
        ("caffe", "caffe"),
        ("mxnet", "mxnet"),
        ("paddle", "paddle"),
        ("cntk", "cntk"),
    ];
    known.iter().find(|(part, _)| producer.contains(part)).map_or("unknown", |(_, name)| name)
}

/// Labels: a JSON list, or an object from index to label.
fn labels(text: &str) -> Vec<String> {
    let word = |v: &Value| v.as_str().map(str::to_owned);
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(all)) if all.len() <= LABELS => {
            all.iter().map(word).collect::<Option<_>>().unwrap_or_default()
        }
        Ok(Value::Object(all)) if all.len() <= LABELS => (0..all.len())
            .map(|i| all.get(&i.to_string()).and_then(word))
            .collect::<Option<_>>()
            .unwrap_or_default(),
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// The layer with the class scores before a last softmax, and the features that the last linear layer
/// reads.
fn head(graph: &Graph) -> (Option<String>, Option<String>) {
    let Ok(mut last) = graph.output() else { return (None, None) };
    let name = |id: LayerId| graph.layer(id).name.clone();
    let below = |id: LayerId| graph.layer(id).inputs.first().copied();
    while matches!(graph.layer(last).op, Op::Softmax | Op::Identity) {
        let Some(next) = below(last) else { break };
        last = next;
    }
    let mut at = Some(last);
    // Between the matrix and the scores there may be a flatten, no more.
    while let Some(id) = at.filter(|id| matches!(graph.layer(*id).op, Op::Flatten)) {
        at = below(id);
    }
    let classifier = at.filter(|id| matches!(graph.layer(*id).op, Op::Linear { .. }));
    let mut features = classifier.and_then(below);
    while let Some(id) = features.filter(|id| matches!(graph.layer(*id).op, Op::Dropout { .. })) {
        features = below(id);
    }
    let features = features.filter(|id| !matches!(graph.layer(*id).op, Op::Input { .. }));
    (Some(name(last)), features.map(name))
}
