//! The numbers of a caffemodel as parameters of a graph.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use regraft_net::facts::facts;
use regraft_net::{Graph, ParamSpec, Params, Role, nearest};
use regraft_tensor::Tensor;

use super::blobs::{Blob, Blobs};
use super::fault::{CaffeFault, WeightFault};
use crate::FormatError;

/// A layer whose parameters come from the weights.
#[derive(Debug)]
pub(super) struct Learned {
    /// Our name of it.
    pub(super) layer: String,
    /// Caffe's name of it.
    pub(super) caffe: String,
    /// How.
    pub(super) take: Take,
}

/// How parameters come from blobs.
#[derive(Debug)]
pub(super) enum Take {
    /// Weight and bias, as they are; or the weight is `[in, out]`.
    Plain {
        /// Whether it is.
        transposed: bool,
    },
    /// Mean, variance and their factor from `norm`; scale and offset from the layer itself.
    Norm {
        /// The `BatchNorm`.
        norm: String,
        /// Whether a `Scale` follows, and with an offset.
        scaled: Option<bool>,
        /// The `eps`, where scale and offset are to hold mean and variance too.
        folded: Option<f32>,
    },
    /// The blob is an offset; the scale is 1.
    Offset,
    /// One number for all channels.
    Shared,
    /// Of each row of the weight one number is 1, the others 0; nothing of it is in the file.
    One(Place),
}

/// Which number of a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// The first of the first row, the second of the second, and from the beginning again.
    InTurn,
    /// The one in the middle.
    Middle,
}

/// What is said of a layer that the weights lack.
const NO_LAYER: &str = "the weights have no such layer";
/// Layers for which near names are looked for: the table is for a person.
const HINTED: usize = 20;

/// The parameters of a graph, and the weights that no layer uses.
pub(super) fn params(
    graph: &Graph,
    learned: &[Learned],
    blobs: &Blobs<'_>,
) -> Result<(Params, Vec<String>), FormatError> {
    let facts = facts(graph)?;
    let mut taking =
        Taking { blobs, params: Params::new(), faults: Vec::new(), used: BTreeSet::new() };
    for item in learned {
        let specs = &facts.layer(graph.find(&item.layer)?).params;
        if let (Take::Norm { norm, scaled, folded: Some(eps) }, [weight, bias]) =
            (&item.take, &specs[..])
        {
            taking.fold(item, norm, *scaled, *eps, [weight, bias])?;
            continue;
        }
        for spec in specs {
            taking.take(item, spec)?;
        }
    }
    let Taking { params, mut faults, used, .. } = taking;
    let unused: Vec<String> =
        blobs.names().filter(|n| !used.contains(n)).map(str::to_owned).collect();
    if faults.is_empty() {
        return Ok((params, unused));
    }
    // Only what no other layer takes can have been meant.
    for fault in faults.iter_mut().filter(|f| f.why.ends_with(NO_LAYER)).take(HINTED) {
        let near = nearest(&fault.layer, unused.iter().map(String::as_str));
        let near: Vec<String> = near.iter().map(|n| format!("`{n}`")).collect();
        if !near.is_empty() {
            let _ = write!(fault.why, "; near: {}", near.join(", "));
        }
    }
    Err(CaffeFault::Weights { faults, unused }.into())
}

struct Taking<'b, 'a> {
    blobs: &'b Blobs<'a>,
    params: Params,
    faults: Vec<WeightFault>,
    used: BTreeSet<&'b str>,
}

impl<'b> Taking<'b, '_> {
    fn take(&mut self, item: &'b Learned, spec: &ParamSpec) -> Result<(), FormatError> {
        let wanted = spec.shape.dims();
        let values = match (&item.take, spec.role) {
            (Take::Plain { transposed: true }, Role::Weight) => {
                let &[out, inner] = wanted else { return Ok(()) };
                let turned = self.blob(&item.caffe, 0, "weight", &[inner, out])?;
                turned.map(|v| transpose(&v, inner, out))
            }
            (Take::Plain { .. }, Role::Weight) => self.blob(&item.caffe, 0, "weight", wanted)?,
            (Take::Plain { .. }, _) => self.blob(&item.caffe, 1, "bias", wanted)?,
            (Take::Norm { norm, .. }, Role::RunningMean) => self.statistic(norm, 0, wanted)?,
            (Take::Norm { norm, .. }, Role::RunningVar) => self.statistic(norm, 1, wanted)?,
            (Take::Norm { scaled: Some(_), .. }, Role::Weight) => {
                self.blob(&item.caffe, 0, "scale", wanted)?
            }
            (Take::Norm { scaled: Some(true), .. }, _) => {
                self.blob(&item.caffe, 1, "offset", wanted)?
            }
            (Take::One(place), _) => {
                let row: usize = wanted.iter().skip(1).product();
                let mut ones = vec![0.0; spec.shape.count()];
                for (i, values) in ones.chunks_exact_mut(row.max(1)).enumerate() {
                    let at = match place {
                        Place::InTurn => i % row,
                        Place::Middle => row / 2,
                    };
                    values[at] = 1.0;
                }
                Some(ones)
            }
            (Take::Shared, _) => {
                let one = self.blob(&item.caffe, 0, "slope", &[1])?;
                one.map(|v| vec![v.first().copied().unwrap_or_default(); spec.shape.count()])
            }
            (Take::Offset, Role::Weight) => {
                let known = self.shape_fits(&item.caffe, 0, wanted)?;
                known.then(|| vec![1.0; spec.shape.count()])
            }
            (Take::Offset, _) => self.blob(&item.caffe, 0, "offset", wanted)?,
            // What a norm without scale or offset has. Mean and variance are asked for last, so the
            // length is seen to be in the file first.
            (Take::Norm { norm, .. }, role) => {
                let known = self.shape_fits(norm, 0, wanted)?;
                let value = if role == Role::Weight { 1.0 } else { 0.0 };
                known.then(|| vec![value; spec.shape.count()])
            }
        };
        match values {
            Some(values) => self.keep(spec, values),
            None => Ok(()),
        }
    }

    /// Scale and offset that do what a norm with its statistics does, and its `Scale`:
    /// `x · w + b` with `w = scale / sqrt(var + eps)` and `b = offset - mean · w`.
    fn fold(
        &mut self,
        item: &'b Learned,
        norm: &'b str,
        scaled: Option<bool>,
        eps: f32,
        specs: [&ParamSpec; 2],
    ) -> Result<(), FormatError> {
        let wanted = specs[0].shape.dims();
        let mean = self.statistic(norm, 0, wanted)?;
        let var = self.statistic(norm, 1, wanted)?;
        let (Some(mean), Some(var)) = (mean, var) else { return Ok(()) };
        let mut weight = vec![1.0; mean.len()];
        let mut bias = vec![0.0; mean.len()];
        if scaled.is_some() {
            let Some(scale) = self.blob(&item.caffe, 0, "scale", wanted)? else { return Ok(()) };
            weight = scale;
        }
        if scaled == Some(true) {
            let Some(offset) = self.blob(&item.caffe, 1, "offset", wanted)? else { return Ok(()) };
            bias = offset;
        }
        for ((w, b), (m, v)) in weight.iter_mut().zip(&mut bias).zip(mean.iter().zip(&var)) {
            *w /= (v + eps).sqrt();
            *b -= m * *w;
        }
        for (spec, values) in specs.into_iter().zip([weight, bias]) {
            self.keep(spec, values)?;
        }
        Ok(())
    }

    fn keep(&mut self, spec: &ParamSpec, values: Vec<f32>) -> Result<(), FormatError> {
        let tensor = Tensor::new(spec.shape.clone(), values).map_err(|fault| {
            FormatError::Tensor { name: spec.name.clone(), fault: fault.into() }
        })?;
        self.params.insert(spec.name.clone(), tensor);
        Ok(())
    }

    /// A blob of that shape; a fault is noted when there is none.
    fn blob(
        &mut self,
        layer: &'b str,
        index: usize,
        what: &str,
        wanted: &[usize],
    ) -> Result<Option<Vec<f32>>, FormatError> {
        self.used.insert(layer);
        let Some(blob) = self.blobs.get(layer, index)? else {
            self.missing(layer, index, what, wanted);
            return Ok(None);
        };
        if !fits(&blob, wanted) {
            let why = format!(
                "{what} {} wanted, the weights have {} ({} numbers)",
                shown(wanted),
                shown(&blob.shape),
                blob.len
            );
            self.faults.push(WeightFault { layer: layer.to_owned(), blob: index, why });
            return Ok(None);
        }
        blob.values().map(Some)
    }

    fn shape_fits(&self, layer: &str, index: usize, wanted: &[usize]) -> Result<bool, FormatError> {
        Ok(self.blobs.get(layer, index)?.is_some_and(|b| fits(&b, wanted)))
    }

    /// Mean or variance: the sum that Caffe keeps, divided by how much it has summed (blob 2).
    fn statistic(
        &mut self,
        layer: &'b str,
        index: usize,
        wanted: &[usize],
    ) -> Result<Option<Vec<f32>>, FormatError> {
        let what = if index == 0 { "mean" } else { "variance" };
        let Some(mut values) = self.blob(layer, index, what, wanted)? else { return Ok(None) };
        let Some(factor) = self.blob(layer, 2, "factor of mean and variance", &[1])? else {
            return Ok(None);
        };
        let by = match factor.first() {
            Some(0.0) | None => 0.0,
            Some(f) => 1.0 / f,
        };
        for v in &mut values {
            *v *= by;
        }
        Ok(Some(values))
    }

    fn missing(&mut self, layer: &str, index: usize, what: &str, wanted: &[usize]) {
        let count = self.blobs.count(layer);
        let mut why = format!("{what} {} wanted, ", shown(wanted));
        if count > 0 {
            let _ = write!(why, "the layer has {count} only");
        } else {
            why.push_str(NO_LAYER);
        }
        self.faults.push(WeightFault { layer: layer.to_owned(), blob: index, why });
    }
}

/// Whether a blob has that shape, whatever extents of 1 stand between: the first generation has four
/// extents always.
fn fits(blob: &Blob<'_>, wanted: &[usize]) -> bool {
    let real = |d: &i64| *d != 1;
    let wanted: Vec<i64> = wanted.iter().map(|d| *d as i64).filter(real).collect();
    let got: Vec<i64> = blob.shape.iter().copied().filter(real).collect();
    // Without a shape, the count alone can be judged.
    let count = wanted.iter().try_fold(1i64, |n, d| n.checked_mul(*d));
    (got == wanted || blob.shape.is_empty()) && count == i64::try_from(blob.len).ok()
}

fn shown<T: ToString>(shape: &[T]) -> String {
    if shape.is_empty() {
        return "without extents".to_owned();
    }
    shape.iter().take(8).map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// `[inner, out]` to `[out, inner]`.
fn transpose(values: &[f32], inner: usize, out: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(values.len());
    for o in 0..out {
        turned.extend((0..inner).map(|i| values[i * out + o]));
    }
    turned
}
