//! The numbers of a caffemodel: `BlobProto` of both generations.

use std::collections::BTreeMap;

use regraft_tensor::{Shape, Tensor};

use super::fault::CaffeFault;
use crate::FormatError;
use crate::wire::{Field, Fields};

/// Extents of a blob; Caffe itself stops at 32.
const MAX_AXES: usize = 32;

/// The layers of a caffemodel that hold weights, by name.
#[derive(Debug, Default)]
pub(super) struct Blobs<'a>(BTreeMap<&'a str, Layer<'a>>);

/// The message of a layer and the number of its field `blobs`.
#[derive(Debug)]
struct Layer<'a> {
    fields: Fields<'a>,
    blobs: u32,
    count: usize,
}

impl<'a> Blobs<'a> {
    /// Finds the layers; no number is read yet.
    pub(super) fn find(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut layers = BTreeMap::new();
        for field in Fields::of_file(bytes) {
            let field = field?;
            // Name and blobs, of the first generation and of the second.
            let (name, blobs) = match field.number {
                2 => (4, 6),
                100 => (1, 7),
                _ => continue,
            };
            let fields = field.message()?;
            let (mut called, mut count) = ("", 0);
            for inner in fields.clone() {
                let inner = inner?;
                if inner.number == name {
                    called = inner.text()?;
                }
                count += usize::from(inner.number == blobs);
            }
            if count > 0 {
                layers.insert(called, Layer { fields, blobs, count });
            }
        }
        Ok(Self(layers))
    }

    /// How many blobs a layer has.
    pub(super) fn count(&self, layer: &str) -> usize {
        self.0.get(layer).map_or(0, |l| l.count)
    }

    /// Names of all layers with weights.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0.keys().copied()
    }

    /// One blob of a layer.
    pub(super) fn get(&self, layer: &str, index: usize) -> Result<Option<Blob<'a>>, FormatError> {
        let Some(layer) = self.0.get(layer) else { return Ok(None) };
        let mut at = 0;
        for field in layer.fields.clone() {
            let field = field?;
            if field.number == layer.blobs {
                if at == index {
                    return Blob::read(&field.message()?).map(Some);
                }
                at += 1;
            }
        }
        Ok(None)
    }
}

/// A blob: its shape, and its numbers still on the wire.
#[derive(Debug)]
pub(super) struct Blob<'a> {
    /// Its shape, as the file has it.
    pub(super) shape: Vec<i64>,
    /// How many numbers there are.
    pub(super) len: usize,
    fields: Fields<'a>,
    double: bool,
}

impl<'a> Blob<'a> {
    /// Reads shape and extent of a blob.
    pub(super) fn read(fields: &Fields<'a>) -> Result<Self, FormatError> {
        let (mut legacy, mut shape) = ([None; 4], None);
        let (mut floats, mut doubles) = (0, 0);
        for field in fields.clone() {
            let field = field?;
            match field.number {
                n @ 1..=4 => legacy[n as usize - 1] = Some(field.int()?),
                5 => floats += packed(&field, 4),
                7 => shape = Some(dims(&field.message()?)?),
                8 => doubles += packed(&field, 8),
                _ => {}
            }
        }
        let shape = shape.unwrap_or_else(|| {
            let any = legacy.iter().any(Option::is_some);
            if any { legacy.iter().map(|n| n.unwrap_or(0)).collect() } else { Vec::new() }
        });
        // Caffe reads doubles where there are some.
        let double = doubles > 0;
        let len = if double { doubles } else { floats };
        Ok(Self { shape, len, fields: fields.clone(), double })
    }

    /// How many numbers the shape asks for; one without extents is a single number.
    pub(super) fn wanted(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |n, d| n.checked_mul(usize::try_from(*d).ok()?))
    }

    /// The numbers, `f32` whatever the file has.
    pub(super) fn values(&self) -> Result<Vec<f32>, FormatError> {
        let mut values = Vec::with_capacity(self.len);
        let mut wide = Vec::new();
        for field in self.fields.clone() {
            let field = field?;
            if !self.double && field.number == 5 {
                field.floats(&mut values)?;
            } else if self.double && field.number == 8 {
                wide.clear();
                field.doubles(&mut wide)?;
                values.extend(wide.iter().map(|x| *x as f32));
            }
        }
        Ok(values)
    }
}

/// How many numbers of `size` bytes a field holds, one or packed.
fn packed(field: &Field<'_>, size: usize) -> usize {
    field.bytes().map_or(1, |bytes| bytes.len() / size)
}

fn dims(shape: &Fields<'_>) -> Result<Vec<i64>, FormatError> {
    let mut dims = Vec::new();
    for field in shape.clone() {
        let field = field?;
        // A shape of more axes fits nothing, so the rest need not be read.
        let long = field.bytes().is_ok_and(|b| b.len() > 10 * MAX_AXES);
        if field.number == 1 && !long && dims.len() < MAX_AXES {
            field.ints(&mut dims)?;
        }
    }
    Ok(dims)
}

/// A mean picture (`.binaryproto`): `[C, H, W]` in the channel order of the network, usually blue
/// first, values 0 to 255.
pub(super) fn mean(bytes: &[u8]) -> Result<Tensor, FormatError> {
    let blob = Blob::read(&Fields::of_file(bytes))?;
    let wrong = |why: String| FormatError::from(CaffeFault::Mean { why });
    let dims: Option<Vec<usize>> = blob.shape.iter().map(|d| usize::try_from(*d).ok()).collect();
    let shape = match dims.as_deref() {
        Some(&[1, c, h, w] | &[c, h, w]) if c > 0 && h > 0 && w > 0 => [c, h, w],
        _ => return Err(wrong(format!("its shape is {:?}, [1, C, H, W] is wanted", blob.shape))),
    };
    if blob.wanted() != Some(blob.len) {
        return Err(wrong(format!("shape {:?} with {} numbers", blob.shape, blob.len)));
    }
    let values = blob.values()?;
    Tensor::new(Shape::from(shape), values).map_err(|e| wrong(e.to_string()))
}
