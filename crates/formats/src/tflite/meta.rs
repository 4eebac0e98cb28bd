//! What a file says beside its graph: labels, and how pictures are prepared.
//!
//! Labels lie in a zip archive behind the flatbuffer (as the "Metadata" page of `TFLite` has it), one in a
//! line. How a picture is normalised is in the metadata table `NormalizationOptions` of
//! `metadata_schema.fbs`: `(value - mean) / std`.

use regraft_net::Network;

use super::TfliteFault;
use super::flat::{Field, Flat, Table, floats};
use super::read::buffer_bytes;
use super::schema::{metadata, model};
use crate::torch::Archive;
use crate::{FormatError, Model};

/// Most bytes of labels.
const LABELS: u64 = 1 << 20;
/// `ModelMetadata.subgraph_metadata`.
const SUBGRAPHS: Field = ("ModelMetadata.subgraph_metadata", 3);
/// `SubGraphMetadata.input_tensor_metadata`.
const INPUTS: Field = ("SubGraphMetadata.input_tensor_metadata", 2);
/// `TensorMetadata.process_units`.
const UNITS: Field = ("TensorMetadata.process_units", 5);
/// `ProcessUnit.options_type` and `ProcessUnit.options`.
const UNIT: [Field; 2] = [("ProcessUnit.options_type", 0), ("ProcessUnit.options", 1)];
/// `NormalizationOptions` in the union of process units.
const NORMALIZATION: u8 = 1;
/// `NormalizationOptions.mean` and `NormalizationOptions.std`.
const NORMAL: [Field; 2] = [("NormalizationOptions.mean", 0), ("NormalizationOptions.std", 1)];

/// Puts what the file says into the card. `input` is how the input's numbers are kept.
pub(super) fn complete(
    bytes: &[u8],
    input: Option<(&'static str, f32, i64)>,
    model: &mut Model,
) -> Result<(), FormatError> {
    let network = &model.network;
    let mut card = network.card().clone();
    if let Some((kind, scale, zero)) = input {
        // A byte of a picture is `q`, or `q - 128` where the numbers have a sign.
        let zero = if kind == "INT8" { zero + 128 } else { zero };
        if matches!(kind, "INT8" | "UINT8") && scale.is_finite() && scale > 0.0 {
            card.preprocess.scale = scale;
            card.preprocess.mean = [zero as f32 * scale; 3];
            card.preprocess.std = [1.0; 3];
            model.notes.push(format!(
                "the file takes pictures as {kind}: their preprocessing is its scale {scale} and zero \
                 point"
            ));
        }
    }
    match normalisation(bytes) {
        Ok(Some([mean, std])) => {
            (card.preprocess.scale, card.preprocess.mean, card.preprocess.std) = (1.0, mean, std);
        }
        Ok(None) => {}
        Err(fault) => model.notes.push(format!("the file's metadata cannot be read: {fault}")),
    }
    let classes = outputs(model);
    if card.labels.is_empty()
        && let Some(labels) = labels(bytes, classes)
    {
        card.labels = labels;
    }
    model.network = Network::new(model.network.graph().clone(), model.network.params(), card)?;
    Ok(())
}

/// How many scores there are.
fn outputs(model: &Model) -> Option<usize> {
    let graph = model.network.graph();
    let facts = model.network.facts().ok()?;
    Some(facts.layer(graph.output().ok()?).shape.count())
}

/// The lines of the text file in the archive behind the file that has one for each score.
fn labels(bytes: &[u8], classes: Option<usize>) -> Option<Vec<String>> {
    let mut archive = Archive::within(bytes, LABELS).ok()?;
    for name in archive.names_with(".txt").ok()? {
        let Ok(text) = archive.member(&name) else { continue };
        let Ok(text) = std::str::from_utf8(&text) else { continue };
        if text.len() as u64 > LABELS {
            continue;
        }
        let lines: Vec<String> = text.lines().map(|l| l.trim().to_owned()).collect();
        if Some(lines.len()) == classes {
            return Some(lines);
        }
    }
    None
}

/// Mean and deviation for each of three channels, in units of a byte; `None` when the file says nothing.
fn normalisation(bytes: &[u8]) -> Result<Option<[[f32; 3]; 2]>, TfliteFault> {
    let flat = Flat::new(bytes);
    let root = flat.root("Model")?;
    let (Some(entries), Some(buffers)) =
        (root.vector(model::METADATA, 4)?, root.vector(model::BUFFERS, 4)?)
    else {
        return Ok(None);
    };
    for entry in entries.tables("Metadata") {
        let entry = entry?;
        if entry.text(metadata::NAME)? != metadata::OF_MODEL {
            continue;
        }
        let Some(buffer) = buffers.table("Buffer", entry.index(metadata::BUFFER)?) else {
            continue;
        };
        let Some(inner) = buffer_bytes(flat, &buffer?)? else { continue };
        return of_input(Flat::new(inner).root("ModelMetadata")?);
    }
    Ok(None)
}

/// The same from the description of the model.
fn of_input(root: Table<'_>) -> Result<Option<[[f32; 3]; 2]>, TfliteFault> {
    let mut table = root;
    for (kind, field) in [("SubGraphMetadata", SUBGRAPHS), ("TensorMetadata", INPUTS)] {
        let Some(list) = table.vector(field, 4)? else { return Ok(None) };
        let Some(first) = list.table(kind, 0) else { return Ok(None) };
        table = first?;
    }
    let Some(units) = table.vector(UNITS, 4)? else { return Ok(None) };
    for unit in units.tables("ProcessUnit") {
        let unit = unit?;
        if unit.byte(UNIT[0])? != NORMALIZATION {
            continue;
        }
        let Some(options) = unit.table("NormalizationOptions", UNIT[1])? else { continue };
        let mut made = [[0.0; 3]; 2];
        for (to, field) in made.iter_mut().zip(NORMAL) {
            let bytes = options.bytes(field, 4)?;
            let values: Vec<f32> = floats(bytes.get(..12).unwrap_or(bytes)).collect();
            *to = match values[..] {
                [one] => [one; 3],
                [a, b, c] => [a, b, c],
                _ => return Ok(None),
            };
        }
        let fits = made.iter().flatten().all(|v| v.is_finite()) && made[1].iter().all(|v| *v > 0.0);
        return Ok(fits.then_some(made));
    }
    Ok(None)
}
