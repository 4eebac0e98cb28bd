//! What each type of layer is here.

use regraft_net::op::{Activation, Conv2d, Pad, Rounding, Window};
use regraft_net::{LayerId, Op};

use super::build::Builder;
use super::message::Msg;
use super::net::{Def, Part};
use super::weights::{Learned, Take};
use crate::FormatError;

/// Channels for which constants are written out one by one.
pub(super) const MOST_CONSTANTS: usize = 1 << 16;

impl<'n, 'a> Builder<'n, 'a> {
    /// Adds what a layer is; gives the layer that has its value.
    pub(super) fn take(
        &mut self,
        place: usize,
        def: &'n Def<'a>,
        inputs: &[LayerId],
    ) -> Result<LayerId, FormatError> {
        if inputs.is_empty() {
            return Err(self.refused(def, "reads nothing"));
        }
        match &*def.kind {
            "Concat" => return self.concat(def, inputs),
            "Eltwise" => return self.eltwise(def, inputs),
            "Scale" if inputs.len() == 2 => return self.gate(def, inputs),
            // Some files give `Reshape` and the like a second bottom for its shape.
            _ if inputs.len() > 1 => return Err(self.refused(def, "reads more than one blob")),
            _ => {}
        }
        let x = inputs[0];
        match &*def.kind {
            "Convolution" | "DepthwiseConvolution" | "ConvolutionDepthwise" => self.conv(def, x),
            "InnerProduct" => self.inner_product(def, x),
            "Pooling" => self.pooling(def, x),
            "BatchNorm" => self.batch_norm(place, def, x),
            "Scale" => self.scale(place, def, x),
            "Power" => self.power(def, x),
            "PReLU" => self.prelu(def, x),
            "Bias" => self.bias(def, x),
            "Slice" => self.slice(def, x),
            "Flatten" => self.flatten(def, x),
            "Reshape" => self.reshape(def, x),
            "Softmax" => self.softmax(def, x),
            "LRN" => self.lrn(def, x),
            _ => {
                let op = self.plain(def)?;
                self.push(def, &def.name, op, &[x])
            }
        }
    }

    /// A function of each value.
    fn plain(&self, def: &Def<'_>) -> Result<Op, FormatError> {
        Ok(match &*def.kind {
            "ReLU" => match def.param("relu_param")?.float("negative_slope")? {
                None | Some(0.0) => Op::Relu,
                Some(slope) => Op::Activate(Activation::LeakyRelu { slope }),
            },
            "ReLU6" => Op::Relu6,
            "ELU" => {
                let alpha = def.param("elu_param")?.float("alpha")?.unwrap_or(1.0);
                Op::Activate(Activation::Elu { alpha })
            }
            "Clip" => {
                let p = def.param("clip_param")?;
                let (min, max) = (p.float("min")?, p.float("max")?);
                match (min, max) {
                    (Some(0.0), Some(6.0)) => Op::Relu6,
                    (Some(min), Some(max)) => Op::Activate(Activation::Clip { min, max }),
                    _ => return Err(self.refused(def, "wants `min` and `max`")),
                }
            }
            "ShuffleChannel" => {
                let groups = def.param("shuffle_channel_param")?.count("group")?.unwrap_or(1);
                Op::Shuffle { groups }
            }
            "Sigmoid" => Op::Activate(Activation::Sigmoid),
            "TanH" => Op::Activate(Activation::Tanh),
            "Dropout" => {
                let rate = def.param("dropout_param")?.float("dropout_ratio")?.unwrap_or(0.5);
                if !(0.0..1.0).contains(&rate) {
                    return Err(self.refused(def, format!("drops a share of {rate}")));
                }
                Op::Dropout { rate }
            }
            _ => return Err(self.refused(def, "there is nothing like it here")),
        })
    }

    fn conv(&mut self, def: &Def<'_>, x: LayerId) -> Result<LayerId, FormatError> {
        let p = def.param("convolution_param")?;
        let out = p.count("num_output")?.unwrap_or(0);
        let size = pair(&p, "kernel_size", ["kernel_h", "kernel_w"], 0)?;
        let stride = pair(&p, "stride", ["stride_h", "stride_w"], 1)?;
        let [ph, pw] = pair(&p, "pad", ["pad_h", "pad_w"], 0)?;
        let dilation = pair(&p, "dilation", ["", ""], 1)?;
        let bias = p.flag("bias_term")?.unwrap_or(true);
        let c = self.shape(x).first().copied().unwrap_or_default();
        let depthwise = def.kind != "Convolution";
        let groups = p.count("group")?.unwrap_or(if depthwise { c } else { 1 });
        let op = if self.shape(x).len() == 1 {
            if size != [1, 1] || groups != 1 || [ph, pw] != [0, 0] {
                return Err(self.refused(def, "of more than 1 x 1 over a map of one pixel"));
            }
            Op::Linear { out, bias }
        } else {
            let pad = Pad { top: ph, bottom: ph, left: pw, right: pw };
            Op::Conv2d(Conv2d { out, size, stride, pad, dilation, groups, bias })
        };
        let id = self.push(def, &def.name, op, &[x])?;
        self.learn(def, id, Take::Plain { transposed: false });
        Ok(id)
    }

    fn inner_product(&mut self, def: &Def<'_>, x: LayerId) -> Result<LayerId, FormatError> {
        let p = def.param("inner_product_param")?;
        if !matches!(p.int("axis")?, None | Some(1)) {
            return Err(self.refused(def, "runs along another axis than the channels"));
        }
        let bias = p.flag("bias_term")?.unwrap_or(true);
        let out = p.count("num_output")?.unwrap_or(0);
        let transposed = p.flag("transpose")?.unwrap_or(false);
        let x = self.vector(def, x)?;
        let id = self.push(def, &def.name, Op::Linear { out, bias }, &[x])?;
        self.learn(def, id, Take::Plain { transposed });
        Ok(id)
    }

    fn pooling(&mut self, def: &Def<'_>, x: LayerId) -> Result<LayerId, FormatError> {
        let p = def.param("pooling_param")?;
        let mean = matches!(p.text("pool")?.as_deref(), Some("AVE" | "1"));
        let global = p.flag("global_pooling")?.unwrap_or(false);
        let &[_, h, w] = self.shape(x).dims() else {
            let op =
                if global { Op::Identity } else { return Err(self.refused(def, "pools a vector")) };
            return self.push(def, &def.name, op, &[x]);
        };
        let mut window = Window::new(1, 1, 0);
        window.size = [h, w];
        if !global {
            window.size = pair(&p, "kernel_size", ["kernel_h", "kernel_w"], 0)?;
            window.stride = pair(&p, "stride", ["stride_h", "stride_w"], 1)?;
            let [ph, pw] = pair(&p, "pad", ["pad_h", "pad_w"], 0)?;
            window.pad = Pad { top: ph, bottom: ph, left: pw, right: pw };
            let floor = matches!(p.text("round_mode")?.as_deref(), Some("FLOOR" | "1"))
                || p.flag("ceil_mode")? == Some(false);
            window.rounding = if floor { Rounding::Floor } else { Rounding::Ceil };
        }
        let op = if mean && window.size == [h, w] && window.pad == Pad::default() {
            Op::GlobalAvgPool
        } else if mean {
            Op::AvgPool { window, count_pad: true }
        } else {
            Op::MaxPool(window)
        };
        let id = self.push(def, &def.name, op, &[x])?;
        if let &[_, oh, ow] = self.shape(id).dims()
            && [caffe_extent(h, 0, &window), caffe_extent(w, 1, &window)] != [Some(oh), Some(ow)]
        {
            return Err(self.refused(def, "has a last window that lies outside the map"));
        }
        Ok(id)
    }

    fn batch_norm(
        &mut self,
        place: usize,
        def: &Def<'_>,
        x: LayerId,
    ) -> Result<LayerId, FormatError> {
        if let Some(scale) = self.only_scale(place) {
            self.norms.insert(scale, place);
            return Ok(x);
        }
        self.norm(def, def, None, x)
    }

    /// The place of the `Scale` that alone reads the value of the norm at `place`.
    fn only_scale(&self, place: usize) -> Option<usize> {
        let top = self.net.layers.get(place)?.tops.first()?;
        let mut found = None;
        for (i, def) in self.net.layers.iter().enumerate().skip(place + 1) {
            if def.part() != Part::Source && def.bottoms.contains(top) {
                if found.is_some() || def.kind != "Scale" || def.bottoms.len() != 1 {
                    return None;
                }
                found = Some(i);
            }
            if def.tops.contains(top) {
                break;
            }
        }
        found
    }

    fn scale(&mut self, place: usize, def: &Def<'_>, x: LayerId) -> Result<LayerId, FormatError> {
        let p = def.param("scale_param")?;
        self.per_channel(def, &p)?;
        let bias = p.flag("bias_term")?.unwrap_or(false);
        if let Some(norm) = self.norms.remove(&place) {
            let net = self.net;
            return self.norm(def, &net.layers[norm], Some(bias), x);
        }
        let id = self.push(def, &def.name, Op::Scale { bias }, &[x])?;
        self.learn(def, id, Take::Plain { transposed: false });
        Ok(id)
    }

    /// The norm `norm` as the layer `def`, which is itself or the `Scale` behind it. Over a vector its
    /// statistics become a scale and an offset: there is no `batch_norm` of vectors.
    fn norm(
        &mut self,
        def: &Def<'_>,
        norm: &Def<'_>,
        scaled: Option<bool>,
        x: LayerId,
    ) -> Result<LayerId, FormatError> {
        let eps = norm.param("batch_norm_param")?.float("eps")?.unwrap_or(1e-5);
        if eps < 0.0 {
            return Err(self.refused(norm, format!("has an eps of {eps}")));
        }
        let vector = self.shape(x).len() == 1;
        let op = if vector { Op::Scale { bias: true } } else { Op::BatchNorm { eps } };
        let id = self.push(def, &def.name, op, &[x])?;
        let folded = vector.then_some(eps);
        if vector {
            let layer = self.graph.layer(id).name.clone();
            self.notes.push(format!(
                "`{layer}` is a norm over a vector; its statistics are kept as scale and offset"
            ));
        }
        self.learn(def, id, Take::Norm { norm: norm.name.to_string(), scaled, folded });
        Ok(id)
    }

    fn per_channel(&self, def: &Def<'_>, p: &Msg<'_>) -> Result<(), FormatError> {
        if !matches!(p.int("axis")?, None | Some(1 | -3))
            || !matches!(p.int("num_axes")?, None | Some(1))
        {
            return Err(self.refused(def, "has other parameters than one for each channel"));
        }
        Ok(())
    }

    fn bias(&mut self, def: &Def<'_>, x: LayerId) -> Result<LayerId, FormatError> {
        self.per_channel(def, &def.param("bias_param")?)?;
        let id = self.push(def, &def.name, Op::Scale { bias: true }, &[x])?;
        self.learn(def, id, Take::Offset);
        Ok(id)
    }

    fn prelu(&mut self, def: &Def<'_>, x: LayerId) -> Result<LayerId, FormatError> {
        let shared = def.param("prelu_param")?.flag("channel_shared")?.unwrap_or(false);
        let channels = self.shape(x).first().copied().unwrap_or_default();
        if shared && channels > MOST_CONSTANTS {
            return Err(
                self.refused(def, format!("on {channels} channels, at most 65536 are taken"))
            );
        }
        let id = self.push(def, &def.name, Op::Prelu, &[x])?;
        self.learn(def, id, if shared { Take::Shared } else { Take::Plain { transposed: false } });
        Ok(id)
    }

    /// Each top is a layer of its own, called `LAYER.TOP`.
    fn slice(&mut self, def: &'n Def<'a>, x: LayerId) -> Result<LayerId, FormatError> {
        let p = def.param("slice_param")?;
        let last = if self.shape(x).len() == 1 { -1 } else { -3 };
        let axis = p.int("axis")?.or(p.int("slice_dim")?).unwrap_or(1);
        if axis != 1 && axis != last {
            return Err(self.refused(def, "cuts along another axis than the channels"));
        }
        let channels = self.shape(x).first().copied().unwrap_or_default();
        let count = def.tops.len();
        let mut ends = p.counts("slice_point")?;
        if ends.is_empty() && count > 0 && channels.is_multiple_of(count) {
            ends = (1..count).map(|n| n * (channels / count)).collect();
        }
        ends.push(channels);
        if ends.len() != count {
            return Err(self.refused(def, format!("cuts {channels} channels into {count} parts")));
        }
        let (mut from, mut id) = (0, x);
        for (top, to) in def.tops.iter().zip(ends) {
            let name = format!("{}.{top}", def.name);
            id = self.push(def, &name, Op::Slice { from, to }, &[x])?;
            self.give(top, id);
            from = to;
        }
        Ok(id)
    }

    /// A map times a value for each channel: `Scale` with two bottoms.
    fn gate(&mut self, def: &Def<'_>, inputs: &[LayerId]) -> Result<LayerId, FormatError> {
        let axis = def.param("scale_param")?.int("axis")?.unwrap_or(1);
        let same = self.shape(inputs[0]) == self.shape(inputs[1]);
        if axis != 0 && !(same && axis == 1) {
            return Err(self.refused(def, "scales along another axis than batch and channels"));
        }
        self.push(def, &def.name, Op::Mul, inputs)
    }

    fn power(&mut self, def: &Def<'_>, x: LayerId) -> Result<LayerId, FormatError> {
        let p = def.param("power_param")?;
        let (scale, shift) = (p.float("scale")?.unwrap_or(1.0), p.float("shift")?.unwrap_or(0.0));
        // Nothing but whole powers is let through.
        let power = p.float("power")?.unwrap_or(1.0) as usize;
        if (scale, shift) == (1.0, 0.0) && power == 1 {
            return self.push(def, &def.name, Op::Identity, &[x]);
        }
        let c = self.shape(x).first().copied().unwrap_or_default();
        if c > MOST_CONSTANTS {
            return Err(self.refused(def, format!("on {c} channels, at most 65536 are taken")));
        }
        let mut line = x;
        if (scale, shift) != (1.0, 0.0) {
            let name = if power == 1 { def.name.to_string() } else { format!("{}.line", def.name) };
            let op = Op::Affine { scale: vec![scale; c], shift: vec![shift; c] };
            line = self.push(def, &name, op, &[x])?;
        }
        let mut made = line;
        for n in 2..=power {
            let last = n == power;
            let name = if last { def.name.to_string() } else { format!("{}.{n}", def.name) };
            made = self.push(def, &name, Op::Mul, &[made, line])?;
        }
        Ok(made)
    }

    fn concat(&mut self, def: &Def<'_>, inputs: &[LayerId]) -> Result<LayerId, FormatError> {
        let p = def.param("concat_param")?;
        let inputs = self.alike(def, inputs)?;
        let axis = p.int("axis")?.or(p.int("concat_dim")?).unwrap_or(1);
        let vectors = self.shape(inputs[0]).len() == 1;
        if axis != 1 && axis != if vectors { -1 } else { -3 } {
            return Err(self.refused(def, "joins along another axis than the channels"));
        }
        self.push(def, &def.name, Op::Concat, &inputs)
    }

    fn eltwise(&mut self, def: &Def<'_>, inputs: &[LayerId]) -> Result<LayerId, FormatError> {
        let p = def.param("eltwise_param")?;
        let inputs = self.alike(def, inputs)?;
        match p.text("operation")?.as_deref() {
            Some("PROD" | "0") => {}
            Some("MAX" | "2") => return self.most(def, &inputs),
            Some(_) | None => return self.push(def, &def.name, Op::Add, &inputs),
        }
        let (Some((first, rest)), last) = (inputs.split_first(), inputs.len() - 1) else {
            return Err(self.refused(def, "reads nothing"));
        };
        let mut product = *first;
        for (i, factor) in rest.iter().enumerate() {
            let name =
                if i + 1 == last { def.name.to_string() } else { format!("{}.{i}", def.name) };
            product = self.push(def, &name, Op::Mul, &[product, *factor])?;
        }
        Ok(product)
    }

    fn softmax(&mut self, def: &Def<'_>, x: LayerId) -> Result<LayerId, FormatError> {
        let axis = def.param("softmax_param")?.int("axis")?.unwrap_or(1);
        let last = if self.shape(x).len() == 1 { -1 } else { -3 };
        if axis != 1 && axis != last {
            return Err(self.refused(def, "runs along another axis than the channels"));
        }
        self.push(def, &def.name, Op::Softmax, &[x])
    }

    fn flatten(&mut self, def: &Def<'_>, x: LayerId) -> Result<LayerId, FormatError> {
        let p = def.param("flatten_param")?;
        let ends = (p.int("axis")?.unwrap_or(1), p.int("end_axis")?.unwrap_or(-1));
        if !matches!(ends, (1 | -3, -1 | 3)) {
            return Err(self.refused(def, "keeps some of the axes"));
        }
        self.written_out(def, x)
    }

    fn written_out(&mut self, def: &Def<'_>, x: LayerId) -> Result<LayerId, FormatError> {
        let op = if self.shape(x).len() == 1 { Op::Identity } else { Op::Flatten };
        self.push(def, &def.name, op, &[x])
    }

    /// `Reshape`: to a vector, or to what is there already.
    fn reshape(&mut self, def: &Def<'_>, x: LayerId) -> Result<LayerId, FormatError> {
        let p = def.param("reshape_param")?;
        let dims = p.message("shape")?.ints("dim")?;
        let axis = p.int("axis")?.unwrap_or(0);
        let shape = self.shape(x).clone();
        let old: Vec<i64> = shape.iter().map(|n| *n as i64).collect();
        let rest = match axis {
            0 => dims.get(1..).unwrap_or_default(),
            1 => &dims[..],
            _ => return Err(self.refused(def, "changes some of the axes")),
        };
        let whole = p.int("num_axes")?.unwrap_or(-1) == -1;
        let count = shape.count() as i64;
        let mut new: Vec<i64> = rest
            .iter()
            .enumerate()
            .map(|(i, d)| if *d == 0 { old.get(i).copied().unwrap_or(1) } else { *d })
            .collect();
        let known = new.iter().filter(|d| **d != -1).fold(1i64, |n, d| n.saturating_mul(*d));
        for d in new.iter_mut().filter(|d| **d == -1) {
            *d = count.checked_div(known).unwrap_or(0);
        }
        let fits = new.iter().fold(1i64, |n, d| n.saturating_mul(*d)) == count;
        if whole && fits && new == old {
            return self.push(def, &def.name, Op::Identity, &[x]);
        }
        if !whole || !fits || new.first() != Some(&count) {
            let why = format!("makes {new:?} of {shape}; only a vector can be made");
            return Err(self.refused(def, why));
        }
        self.written_out(def, x)
    }

    pub(super) fn learn(&mut self, def: &Def<'_>, id: LayerId, take: Take) {
        let layer = self.graph.layer(id).name.clone();
        self.learned.push(Learned { layer, caffe: def.name.to_string(), take });
    }
}

/// `[h, w]` from a field that may be repeated, or from one for each.
fn pair(
    p: &Msg<'_>,
    both: &str,
    [h, w]: [&str; 2],
    default: usize,
) -> Result<[usize; 2], FormatError> {
    let all = p.counts(both)?;
    let mut pair = match all[..] {
        [] => [default, default],
        [n] => [n, n],
        [h, w, ..] => [h, w],
    };
    for (value, key) in pair.iter_mut().zip([h, w]) {
        if let Some(n) = p.count(key)? {
            *value = n;
        }
    }
    Ok(pair)
}

/// The extent of a pooled map as Caffe computes it: a last window in the padding is dropped, and only
/// where there is padding.
fn caffe_extent(input: usize, axis: usize, window: &Window) -> Option<usize> {
    let pad = if axis == 0 { window.pad.top } else { window.pad.left };
    let (size, stride) = (window.size[axis], window.stride[axis]);
    let room = (input + 2 * pad).checked_sub(size)?;
    let n = match window.rounding {
        Rounding::Floor => room / stride + 1,
        Rounding::Ceil => room.div_ceil(stride) + 1,
    };
    let padded = window.pad != Pad::default();
    Some(if padded && (n - 1) * stride >= input + pad { n - 1 } else { n })
}
