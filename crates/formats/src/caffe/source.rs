//! What comes into a network from outside.

use regraft_tensor::Shape;

use super::blobs::Blobs;
use super::fault::CaffeFault;
use super::message::LARGEST;
use super::net::Def;
use crate::FormatError;

/// A blob that no layer computes.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// Its extents, the batch first; empty when the file does not say.
    Dims(Vec<i64>),
    /// A picture of this height and width; how many channels it has, where that is said.
    Picture { size: [usize; 2], channels: Option<usize> },
}

impl Source {
    /// From `input_dim`, `input_shape` or the like.
    pub(super) fn of_dims(dims: Vec<i64>) -> Self {
        Self::Dims(dims)
    }

    /// Whether the file does not say how large it is.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self, Self::Dims(dims) if dims.is_empty())
    }

    /// The shape of one example, without the batch. `reader` is the layer that reads it.
    pub(super) fn shape(
        &self,
        blob: &str,
        reader: &Def<'_>,
        weights: Option<&Blobs<'_>>,
    ) -> Result<Shape, FormatError> {
        match self {
            Self::Dims(dims) if dims.is_empty() => {
                Err(CaffeFault::NoInputSize { blob: blob.to_owned() }.into())
            }
            Self::Dims(dims) => {
                let sound = dims.iter().all(|d| (1..=LARGEST).contains(d));
                if !sound || !matches!(dims.len(), 2 | 4) {
                    let shown: Vec<String> = dims.iter().take(8).map(ToString::to_string).collect();
                    let got = format!("[{}]", shown.join(", "));
                    return Err(CaffeFault::InputShape { blob: blob.to_owned(), got }.into());
                }
                Ok(Shape::new(dims[1..].iter().map(|d| *d as usize).collect::<Vec<_>>()))
            }
            Self::Picture { size: [h, w], channels } => {
                let c = match channels {
                    Some(c) => *c,
                    None => channels_of(reader, weights)?.unwrap_or(3),
                };
                Ok(Shape::from([c, *h, *w]))
            }
        }
    }
}

/// How many channels the weights of the layer that reads the picture want.
fn channels_of(
    reader: &Def<'_>,
    weights: Option<&Blobs<'_>>,
) -> Result<Option<usize>, FormatError> {
    if reader.kind != "Convolution" {
        return Ok(None);
    }
    let Some(blob) = weights.map(|w| w.get(&reader.name, 0)).transpose()?.flatten() else {
        return Ok(None);
    };
    let groups = reader.param("convolution_param")?.count("group")?.unwrap_or(1);
    Ok(match blob.shape[..] {
        [_, c, _, _] if (1..=4).contains(&c) && groups == 1 => Some(c as usize),
        _ => None,
    })
}

/// What the `nth` top of a data layer is; `None` for labels.
pub(super) fn of_layer(def: &Def<'_>, nth: usize) -> Result<Option<Source>, FormatError> {
    let shapes = |key: &str| -> Result<Option<Vec<i64>>, FormatError> {
        let all = def.param(key)?.messages("shape")?;
        all.get(nth).or(all.first()).map(|s| s.ints("dim")).transpose()
    };
    match &*def.kind {
        "Input" => return Ok(Some(Source::Dims(shapes("input_param")?.unwrap_or_default()))),
        "DummyData" => {
            if let Some(dims) = shapes("dummy_data_param")? {
                return Ok(Some(Source::Dims(dims)));
            }
            let param = def.param("dummy_data_param")?;
            let mut dims = Vec::new();
            for key in ["num", "channels", "height", "width"] {
                let all = param.ints(key)?;
                dims.extend(all.get(nth).or(all.first()));
            }
            return Ok(Some(Source::Dims(dims)));
        }
        _ if nth > 0 => return Ok(None),
        "MemoryData" => {
            let param = def.param("memory_data_param")?;
            let mut dims = vec![1];
            for key in ["channels", "height", "width"] {
                dims.extend(param.int(key)?);
            }
            return Ok(Some(Source::Dims(dims)));
        }
        _ => {}
    }
    picture(def).map(Some)
}

/// The picture of a data layer: as large as it is cut, or as it is resized.
fn picture(def: &Def<'_>) -> Result<Source, FormatError> {
    let transform = def.param("transform_param")?;
    let image = def.param("image_data_param")?;
    let gray =
        transform.flag("force_gray")?.unwrap_or(false) || image.flag("is_color")? == Some(false);
    let channels = gray.then_some(1);
    let mut crop = transform.count("crop_size")?;
    for key in ["data_param", "image_data_param", "window_data_param"] {
        crop = crop.or(def.param(key)?.count("crop_size")?);
    }
    let size = match crop.filter(|n| *n > 0) {
        Some(n) => Some([n, n]),
        None => image.count("new_height")?.zip(image.count("new_width")?).map(|(h, w)| [h, w]),
    };
    Ok(match size {
        Some(size) if size != [0, 0] => Source::Picture { size, channels },
        Some(_) | None => Source::Dims(Vec::new()),
    })
}
