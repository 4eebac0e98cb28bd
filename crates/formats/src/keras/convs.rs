//! Convolutions and matrices.

use regraft_net::Op;
use regraft_net::op::{Conv2d, Pad};
use regraft_tensor::Tensor;

use super::acts;
use super::build::{At, Build, Val, fits, reorder};
use super::config::Fields;
use crate::FormatError;

/// Size, step and padding of a window, as a layer's configuration has them.
struct Sliding {
    size: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    same: bool,
}

impl Sliding {
    fn read(at: &At<'_, '_>) -> Result<Self, FormatError> {
        let config = &at.spec.config;
        channels_last(at)?;
        let size = config.pair("kernel_size", 1)?;
        let stride = config.pair("strides", 1)?;
        let dilation = config.pair("dilation_rate", 1)?;
        Ok(Self { size, stride, dilation, same: same(config)? })
    }

    fn pad(&self, extent: [usize; 2]) -> Pad {
        if self.same {
            Pad::same(extent, self.size, self.stride, self.dilation)
        } else {
            Pad::all(0)
        }
    }

    /// Whether it looks at single pixels one after another, which a matrix does too.
    fn is_matrix(&self) -> bool {
        self.size == [1, 1]
    }
}

/// Whether a window is padded so that the output is as large as the input, strides aside.
pub(super) fn same(config: &Fields<'_>) -> Result<bool, FormatError> {
    match config.text("padding").unwrap_or("valid").to_ascii_lowercase().as_str() {
        "same" => Ok(true),
        "valid" => Ok(false),
        _ => Err(config.fault("padding", "`same` or `valid`").into()),
    }
}

/// Refuses maps with the channels before the pixels.
pub(super) fn channels_last(at: &At<'_, '_>) -> Result<(), FormatError> {
    match at.spec.config.text("data_format") {
        None | Some("channels_last") => Ok(()),
        Some(_) => Err(at.unsupported("the order `channels_first`")),
    }
}

/// `[kh, kw, in, out]` to `[out, in, kh, kw]`.
fn kernel(tensor: &Tensor, [o, i, h, w]: [usize; 4]) -> Tensor {
    reorder(tensor, &[o, i, h, w], |place| {
        let (x, rest) = (place % w, place / w);
        let (y, rest) = (rest % h, rest / h);
        let (input, out) = (rest % i, rest / i);
        ((y * w + x) * i + input) * o + out
    })
}

/// Words for weights with or without a bias.
fn words<'w>(kernels: &[&'w str], bias: bool) -> Vec<&'w str> {
    let mut words = kernels.to_vec();
    words.extend(bias.then_some("bias"));
    words
}

/// `Conv2D`.
pub(super) fn conv(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    let config = &at.spec.config;
    let slide = Sliding::read(at)?;
    let (out, bias) = (config.count("filters")?, config.flag("use_bias", true));
    let groups = if config.get("groups").is_some() { config.count("groups")? } else { 1 };
    let channels = b.channels(x);
    let [h, w] = slide.size;
    if !channels.is_multiple_of(groups) || !out.is_multiple_of(groups) {
        return Err(config.fault("groups", "a number that divides the channels").into());
    }
    let inner = channels / groups;
    let [weight, offset, ..] = b.weights::<3>(at, &words(&["kernel"], bias))?;
    let name = format!("{}.weight", at.name);
    let weight = fits(weight, &name, &[h, w, inner, out])?;
    let value = if let Some(extent) = b.extent(x) {
        b.keep(name, kernel(&weight, [out, inner, h, w]));
        let Sliding { size, stride, dilation, .. } = slide;
        let pad = slide.pad(extent);
        b.push(
            &at.name,
            Op::Conv2d(Conv2d { out, size, stride, pad, dilation, groups, bias }),
            &[x],
        )?
    } else if slide.is_matrix() && groups == 1 && x.rank == 4 {
        // A map of one pixel is a vector here.
        b.keep(name, reorder(&weight, &[out, inner], |n| n % inner * out + n / inner));
        b.push(&at.name, Op::Linear { out, bias }, &[x])?
    } else {
        return Err(at.unsupported("a kernel of several pixels over a single one"));
    };
    keep_bias(b, &at.name, bias, offset, out)?;
    acts::behind(b, at, value)
}

fn keep_bias(
    b: &mut Build,
    name: &str,
    bias: bool,
    tensor: Option<Tensor>,
    out: usize,
) -> Result<(), FormatError> {
    if bias {
        let name = format!("{name}.bias");
        let tensor = fits(tensor, &name, &[out])?;
        b.keep(name, tensor);
    }
    Ok(())
}

/// `DepthwiseConv2D`.
pub(super) fn depthwise(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    let bias = at.spec.config.flag("use_bias", true);
    let [weight, offset, ..] = b.weights::<3>(at, &words(&["kernel"], bias))?;
    let (value, out) = each_channel(b, at, &at.name, x, weight, bias)?;
    keep_bias(b, &at.name, bias, offset, out)?;
    acts::behind(b, at, value)
}

/// `SeparableConv2D`: two layers, `NAME.depthwise` and `NAME.pointwise`.
pub(super) fn separable(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    let config = &at.spec.config;
    let (out, bias) = (config.count("filters")?, config.flag("use_bias", true));
    let [first, second, offset] =
        b.weights::<3>(at, &words(&["depthwise_kernel", "pointwise_kernel"], bias))?;
    let name = format!("{}.depthwise", at.name);
    let (value, inner) = each_channel(b, at, &name, x, first, false)?;
    let name = format!("{}.pointwise", at.name);
    let weight = fits(second, &format!("{name}.weight"), &[1, 1, inner, out])?;
    b.keep(format!("{name}.weight"), kernel(&weight, [out, inner, 1, 1]));
    let value = b.push(&name, Op::Conv2d(Conv2d { bias, ..Conv2d::new(out, 1) }), &[value])?;
    keep_bias(b, &name, bias, offset, out)?;
    acts::behind(b, at, value)
}

/// A kernel for each channel, or several; the value, and how many channels it has.
fn each_channel(
    b: &mut Build,
    at: &At<'_, '_>,
    name: &str,
    x: Val,
    weight: Option<Tensor>,
    bias: bool,
) -> Result<(Val, usize), FormatError> {
    let config = &at.spec.config;
    let slide = Sliding::read(at)?;
    let times = if config.get("depth_multiplier").is_some() {
        config.count("depth_multiplier")?
    } else {
        1
    };
    let Some(extent) = b.extent(x) else {
        return Err(at.unsupported("a kernel over a single pixel"));
    };
    let channels = b.channels(x);
    let ([h, w], out) = (slide.size, channels.saturating_mul(times));
    let param = format!("{name}.weight");
    let weight = fits(weight, &param, &[h, w, channels, times])?;
    let ours = reorder(&weight, &[out, 1, h, w], |place| {
        let (pixel, channel) = (place % (h * w), place / (h * w));
        pixel * out + channel
    });
    b.keep(param, ours);
    let Sliding { size, stride, dilation, .. } = slide;
    let pad = slide.pad(extent);
    let conv = Conv2d { out, size, stride, pad, dilation, groups: channels, bias };
    Ok((b.push(name, Op::Conv2d(conv), &[x])?, out))
}

/// `Dense`: a matrix on a vector, or on each pixel of a map.
pub(super) fn dense(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    let config = &at.spec.config;
    let (out, bias) = (config.count("units")?, config.flag("use_bias", true));
    let input = b.channels(x);
    let [weight, offset, ..] = b.weights::<3>(at, &words(&["kernel"], bias))?;
    let name = format!("{}.weight", at.name);
    let weight = fits(weight, &name, &[input, out])?;
    let [c, h, w] = x.flat.unwrap_or([input, 1, 1]);
    let ours = reorder(&weight, &[out, input], |place| {
        let (row, column) = (place / input, place % input);
        let (channel, pixel) = (column / (h * w), column % (h * w));
        (pixel * c + channel) * out + row
    });
    b.keep(name, ours);
    let value = b.push(&at.name, Op::Linear { out, bias }, &[x])?;
    let value = Val { flat: None, ..value };
    keep_bias(b, &at.name, bias, offset, out)?;
    acts::behind(b, at, value)
}
