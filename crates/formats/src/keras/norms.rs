//! Norms, and constants for each channel.

use regraft_net::Op;
use regraft_tensor::Tensor;

use super::acts::last_axis;
use super::build::{At, Build, Val, fits, reorder};
use crate::FormatError;

/// Norms without a scale have ones, those without a centre have zeros.
fn plain(n: usize, value: f32) -> Tensor {
    let mut all = Tensor::zeros([n]);
    all.data_mut().fill(value);
    all
}

/// A value for each channel, in our order: behind a map laid flat Keras's is another.
fn ordered(tensor: &Tensor, flat: Option<[usize; 3]>) -> Tensor {
    let Some([c, h, w]) = flat else { return tensor.clone() };
    reorder(tensor, &[c * h * w], |n| n % (h * w) * c + n / (h * w))
}

/// Weights of a norm, by our names, ones and zeros where it has none.
fn channels(
    b: &mut Build,
    at: &At<'_, '_>,
    x: Val,
    params: &[(&str, &str, bool, f32)],
) -> Result<(), FormatError> {
    let n = b.channels(x);
    let words: Vec<&str> = params.iter().filter(|p| p.2).map(|p| p.0).collect();
    let mut taken = b.weights::<4>(at, &words)?.into_iter();
    for (_, ours, there, usual) in params {
        let name = format!("{}.{ours}", at.name);
        let tensor = if *there {
            ordered(&fits(taken.next().flatten(), &name, &[n])?, x.flat)
        } else {
            b.room(&name, n)?;
            plain(n, *usual)
        };
        b.keep(name, tensor);
    }
    Ok(())
}

/// `BatchNormalization` of a vector: a scale and an offset, as norms here are of maps.
fn batch_of_vector(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    let config = &at.spec.config;
    let (n, eps) = (b.channels(x), config.number("epsilon", 1e-3)?);
    let there = [config.flag("scale", true), config.flag("center", true), true, true];
    let all = ["gamma", "beta", "moving_mean", "moving_variance"];
    let words: Vec<&str> = all.into_iter().zip(there).filter(|w| w.1).map(|w| w.0).collect();
    let mut taken = b.weights::<4>(at, &words)?.into_iter();
    let mut of = |n: usize, there: bool, word: &str| {
        if !there {
            return Ok(None);
        }
        let tensor = fits(taken.next().flatten(), &format!("{}/{word}", at.name), &[n])?;
        Ok::<_, FormatError>(Some(ordered(&tensor, x.flat)))
    };
    let [gamma, beta] = [of(n, there[0], "gamma")?, of(n, there[1], "beta")?];
    let [mean, variance] = [of(n, true, "moving_mean")?, of(n, true, "moving_variance")?];
    b.room(&at.name, 2 * n)?;
    let (mut scale, mut shift) = (plain(n, 1.0), plain(n, 0.0));
    for (i, (scale, shift)) in scale.data_mut().iter_mut().zip(shift.data_mut()).enumerate() {
        let value = |t: &Option<Tensor>, usual: f64| {
            t.as_ref().and_then(|t| t.data().get(i)).map_or(usual, |v| f64::from(*v))
        };
        let factor = value(&gamma, 1.0) / (value(&variance, 1.0) + eps).sqrt();
        *scale = factor as f32;
        *shift = (value(&beta, 0.0) - value(&mean, 0.0) * factor) as f32;
    }
    b.keep(format!("{}.weight", at.name), scale);
    b.keep(format!("{}.bias", at.name), shift);
    b.push(&at.name, Op::Scale { bias: true }, &[x])
}

/// `BatchNormalization`.
pub(super) fn batch(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    let config = &at.spec.config;
    last_axis(at, x)?;
    if b.extent(x).is_none() {
        return batch_of_vector(b, at, x);
    }
    let eps = config.number("epsilon", 1e-3)? as f32;
    let value = b.push(&at.name, Op::BatchNorm { eps }, &[x])?;
    channels(
        b,
        at,
        x,
        &[
            ("gamma", "weight", config.flag("scale", true), 1.0),
            ("beta", "bias", config.flag("center", true), 0.0),
            ("moving_mean", "running_mean", true, 0.0),
            ("moving_variance", "running_var", true, 1.0),
        ],
    )?;
    Ok(value)
}

/// `LayerNormalization` over the channels.
pub(super) fn layer(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    let config = &at.spec.config;
    last_axis(at, x)?;
    if config.flag("rms_scaling", false) {
        return Err(at.unsupported("a norm without the mean"));
    }
    let eps = config.number("epsilon", 1e-3)? as f32;
    let value = b.push(&at.name, Op::LayerNorm { eps }, &[x])?;
    channels(
        b,
        at,
        x,
        &[
            ("gamma", "weight", config.flag("scale", true), 1.0),
            ("beta", "bias", config.flag("center", true), 0.0),
        ],
    )?;
    Ok(value)
}

/// `LayerScale` of `keras.applications.convnext`.
pub(super) fn layer_scale(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    let value = b.push(&at.name, Op::Scale { bias: false }, &[x])?;
    channels(b, at, x, &[("gamma", "weight", true, 1.0)])?;
    Ok(value)
}

/// `Rescaling`: `x · scale + offset`.
pub(super) fn rescaling(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    let config = &at.spec.config;
    let scale = config.numbers("scale")?;
    let offset = match config.get("offset") {
        None => vec![0.0],
        Some(_) => config.numbers("offset")?,
    };
    b.affine(&at.name, x, &scale, &offset)
}

/// `Normalization`: statistics are constants of the configuration, or weights.
pub(super) fn normalization(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    let config = &at.spec.config;
    last_axis(at, x)?;
    let (mean, variance) = if config.get("mean").is_some() && config.get("variance").is_some() {
        (config.numbers("mean")?, config.numbers("variance")?)
    } else {
        let n = b.channels(x);
        let [mean, variance, _] = b.weights::<3>(at, &["mean", "variance", "count"])?;
        let all = |tensor: Option<Tensor>, word: &str| {
            let name = format!("{}/{word}", at.name);
            let tensor = fits(tensor, &name, &[n])?;
            Ok::<_, FormatError>(tensor.data().iter().map(|v| f64::from(*v)).collect::<Vec<f64>>())
        };
        (all(mean, "mean")?, all(variance, "variance")?)
    };
    // Keras divides by at least its smallest number.
    let deviation: Vec<f64> = variance.iter().map(|v| v.sqrt().max(1e-7)).collect();
    let at_most = |n: usize, all: &[f64]| all.get(n.min(all.len().wrapping_sub(1))).copied();
    let longest = mean.len().max(deviation.len());
    let (mut scale, mut shift) = (Vec::new(), Vec::new());
    for n in 0..longest {
        let deviation = at_most(n, &deviation).unwrap_or(1.0);
        let mean = at_most(n, &mean).unwrap_or(0.0);
        if config.flag("invert", false) {
            scale.push(deviation);
            shift.push(mean);
        } else {
            scale.push(1.0 / deviation);
            shift.push(-mean / deviation);
        }
    }
    b.affine(&at.name, x, &scale, &shift)
}

/// `CustomScaleLayer` of `keras.applications.inception_resnet_v2`: `a + scale · b`.
pub(super) fn scaled_sum(
    b: &mut Build,
    at: &At<'_, '_>,
    values: &[Val],
) -> Result<Val, FormatError> {
    let [first, second] = *values else {
        return Err(at.unsupported(format!("a sum of {} values", values.len())));
    };
    let scale = at.spec.config.number("scale", 1.0)?;
    let name = b.free_name(&format!("{}.scale", at.name), &[]);
    let second = b.affine(&name, second, &[scale], &[0.0])?;
    b.push(&at.name, Op::Add, &[first, second])
}
