//! Nodes that move a window over a map: convolution, pooling, local norm, borders.

use std::sync::Arc;

use regraft_net::op::{Conv2d, Pad, Rounding, Window};
use regraft_net::{Op, Role};
use regraft_tensor::{Shape, Tensor};

use super::{Args, Live, Lower, Lowered, Value, wanted};
use crate::operators::consts::Const;
use crate::operators::fold::axis_of;
use crate::operators::layout::{Atom, Layout};

/// Largest kernel, stride, padding or dilation, in pixels.
const LARGEST: i64 = 1 << 20;

/// The settings of a window.
struct Frame {
    size: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    pad: Pad,
}

impl<'a> Lower<'_, 'a, '_> {
    /// Two numbers of the node in hand.
    fn pair(&self, name: &str, least: i64, usual: i64) -> Lowered<[usize; 2]> {
        match self.here().ints(name) {
            None => Ok([usual as usize; 2]),
            Some([a, b]) if (least..=LARGEST).contains(a) && (least..=LARGEST).contains(b) => {
                Ok([*a as usize, *b as usize])
            }
            Some(_) => Err(wanted(format!("two numbers from {least} to {LARGEST} as {name}"))),
        }
    }

    fn frame(&self, size: [usize; 2], input: [usize; 2]) -> Lowered<Frame> {
        let stride = self.pair("strides", 1, 1)?;
        let dilation = self.pair("dilations", 1, 1)?;
        let pad = match self.here().text("auto_pad").unwrap_or("NOTSET") {
            "SAME_UPPER" => Pad::same(input, size, stride, dilation),
            "SAME_LOWER" => {
                let Pad { top, left, bottom, right } = Pad::same(input, size, stride, dilation);
                Pad { top: bottom, left: right, bottom: top, right: left }
            }
            "VALID" => Pad::all(0),
            _ => match self.here().ints("pads") {
                None => Pad::all(0),
                Some(pads) => four(pads).ok_or_else(|| wanted("four paddings from 0"))?,
            },
        };
        Ok(Frame { size, stride, dilation, pad })
    }

    /// `Conv`.
    pub(super) fn conv(&mut self, args: &Args<'a>) -> Lowered<Live> {
        let weight = args.constant(1, "a kernel")?;
        let bias = args.maybe_constant(2, "a bias")?;
        if let &[1, 1, size] = &weight.dims[..] {
            return self.across_channels(args.value(0)?, size, weight, bias);
        }
        let &[out, per_group, kh, kw] = &weight.dims[..] else {
            return Err(wanted("a kernel of 4 axes: out, in, rows, columns"));
        };
        let live = self.map(args.value(0)?)?;
        let groups = usize::try_from(self.here().int("group").unwrap_or(1)).unwrap_or(0);
        let origin = weight.origin;
        let mut params = Vec::new();
        let name = self.name(origin);
        let (layer, op, layout) = if let &[c] = self.shape(live.layer) {
            if groups != 1 || [kh, kw] != [1, 1] || c != per_group {
                return Err(wanted("a kernel of 1 x 1 in one group for a map of one pixel"));
            }
            let values = weight.into_floats(&mut self.store)?;
            params.push(tensor(Role::Weight, [out, c], values)?);
            (live.layer, Op::Linear { out, bias: bias.is_some() }, live.layout)
        } else if self.ours && self.here().ints("kernel_shape").is_none() && [kh, kw] == [1, 1] {
            // A matrix for each pixel: our exporter says so by saying nothing of a window.
            let values = weight.into_floats(&mut self.store)?;
            params.push(tensor(Role::Weight, [out, per_group], values)?);
            (live.layer, Op::Linear { out, bias: bias.is_some() }, live.layout)
        } else {
            let (layer, conv) = self.conv2d(&live, [out, kh, kw], groups, bias.is_some())?;
            let values = weight.into_floats(&mut self.store)?;
            params.push(tensor(Role::Weight, [out, per_group, kh, kw], values)?);
            (layer, Op::Conv2d(conv), live.layout)
        };
        if let Some(bias) = bias {
            let values = bias.into_floats(&mut self.store)?;
            params.push(tensor(Role::Bias, [out], values)?);
        }
        let layer = self.push(name, op, &[layer], params)?;
        let natural = Layout::natural(self.shape(layer));
        let layout = if self.shape(layer).len() == 3 {
            natural
        } else {
            Layout { axes: vec![vec![], Layout::whole(0, out), vec![], vec![]], ..layout }
        };
        Ok(Live::of(layer, layout))
    }

    /// A convolution over the channels of a vector (Wang et al. 2019, "ECA-Net"), as the matrix that it is.
    fn across_channels(
        &mut self,
        value: &Value<'a>,
        size: usize,
        weight: Const<'a>,
        bias: Option<Const<'a>>,
    ) -> Lowered<Live> {
        let not = || wanted("a convolution of stride 1 over the channels of a vector [1, 1, C]");
        let live = self.solid(value)?;
        let live = self.flat(&live)?;
        let &[c] = self.shape(live.layer) else { return Err(not()) };
        let whole = live.layout.axes == [vec![], vec![], Layout::whole(0, c)];
        let one = |name| self.here().ints(name).is_none_or(|v| *v == [1]);
        let fits = |pad: i64| (0..size as i64).contains(&pad);
        let before = match self.here().ints("pads") {
            None if size == 1 => 0,
            Some([a, b]) if fits(*a) && fits(*b) && a + b + 1 == size as i64 => *a as usize,
            Some(_) | None => return Err(not()),
        };
        let auto = self.here().text("auto_pad").is_none_or(|t| t == "NOTSET");
        if !whole || !one("strides") || !one("dilations") || !auto {
            return Err(not());
        }
        let name = self.name(weight.origin);
        let taps = weight.into_floats(&mut self.store)?;
        self.store.budget.steps(c.saturating_mul(size), "layers")?;
        self.room(c.saturating_mul(c), 1)?;
        let mut values = vec![0.0; c * c];
        for out in 0..c {
            for (i, tap) in taps.iter().enumerate() {
                let from = (out + i).checked_sub(before).filter(|from| *from < c);
                if let Some(from) = from {
                    values[out * c + from] = *tap;
                }
            }
        }
        let mut params = vec![tensor(Role::Weight, [c, c], values)?];
        let biased = bias.is_some();
        if let Some(bias) = bias {
            let bias = bias.scalar(&mut self.store)?.ok_or_else(not)?;
            self.room(c, 1)?;
            params.push(tensor(Role::Bias, [c], vec![bias as f32; c])?);
        }
        let op = Op::Linear { out: c, bias: biased };
        let layer = self.push(name, op, &[live.layer], params)?;
        Ok(Live::of(layer, live.layout))
    }

    /// A convolution, and the layer it reads: borders of zeros before it become its padding.
    fn conv2d(
        &self,
        live: &Live,
        [out, kh, kw]: [usize; 3],
        groups: usize,
        bias: bool,
    ) -> Lowered<(usize, Conv2d)> {
        let (mut layer, mut border) = (live.layer, Pad::all(0));
        if let Op::Pad { pad, crop } = &self.drafts.at(layer).op
            && *crop == Pad::all(0)
            && !self.ours
            && !self.lowest.contains_key(&layer)
        {
            border = *pad;
            layer = self.drafts.at(layer).inputs[0];
        }
        let &[_, h, w] = self.shape(live.layer) else { return Err(wanted("a map")) };
        let frame = self.frame([kh, kw], [h, w])?;
        let pad = Pad {
            top: frame.pad.top + border.top,
            left: frame.pad.left + border.left,
            bottom: frame.pad.bottom + border.bottom,
            right: frame.pad.right + border.right,
        };
        let Frame { size, stride, dilation, .. } = frame;
        Ok((layer, Conv2d { out, size, stride, pad, dilation, groups, bias }))
    }

    /// `MaxPool`, `AveragePool`, `GlobalAveragePool`, `GlobalMaxPool`, `LRN`, `Pad`.
    pub(super) fn windowed(&mut self, args: &Args<'a>) -> Lowered<Live> {
        let kind = self.here().op.to_string();
        if kind == "Pad" {
            return self.border(args);
        }
        let live = self.map(args.value(0)?)?;
        if let Some(pad) = self.lowest.get(&live.layer).copied()
            && kind == "MaxPool"
        {
            return self.bordered_maximum(&live, pad);
        }
        let name = self.name(None);
        let &[_, h, w] = self.shape(live.layer) else {
            // One pixel is its own mean and its own maximum.
            return if kind.starts_with("Global") { Ok(live) } else { Err(wanted("a map")) };
        };
        let op = match &*kind {
            "GlobalAveragePool" => Op::GlobalAvgPool,
            "GlobalMaxPool" => Op::MaxPool(Window { size: [h, w], ..Window::new(1, 1, 0) }),
            "LRN" => self.local_norm()?,
            _ => self.pool(&kind, [h, w])?,
        };
        let layer = self.push(name, op, &[live.layer], vec![])?;
        let shape = self.shape(layer);
        let mut layout = Layout::natural(shape);
        layout.axes.resize(4, vec![]);
        Ok(Live::of(layer, layout))
    }

    /// A maximum whose border of minus infinity a node before it has put.
    fn bordered_maximum(&mut self, live: &Live, border: Pad) -> Lowered<Live> {
        let &[_, h, w] = self.shape(live.layer) else { return Err(wanted("a map")) };
        let Op::MaxPool(window) = self.pool("MaxPool", [h, w])? else {
            return Err(wanted("a maximum"));
        };
        let pad = Pad {
            top: window.pad.top + border.top,
            left: window.pad.left + border.left,
            bottom: window.pad.bottom + border.bottom,
            right: window.pad.right + border.right,
        };
        let name = self.name(None);
        let from = self.drafts.at(live.layer).inputs.clone();
        let layer = self.push(name, Op::MaxPool(Window { pad, ..window }), &from, vec![])?;
        Ok(Live::of(layer, Layout::natural(self.shape(layer))))
    }

    fn local_norm(&self) -> Lowered<Op> {
        let setting = |name: &str, usual| self.here().float(name).unwrap_or(usual);
        let size = self.here().int("size").and_then(|s| usize::try_from(s).ok());
        Ok(Op::Lrn {
            size: size.ok_or_else(|| wanted("a size"))?,
            alpha: setting("alpha", 1e-4),
            beta: setting("beta", 0.75),
            k: setting("bias", 1.0),
        })
    }

    fn pool(&self, kind: &str, input: [usize; 2]) -> Lowered<Op> {
        if self.here().ints("kernel_shape").is_none() {
            return Err(wanted("a kernel_shape"));
        }
        let size = self.pair("kernel_shape", 1, 1)?;
        let frame = self.frame(size, input)?;
        if frame.dilation != [1, 1] {
            return Err(wanted("a window without dilation"));
        }
        let rounding = match self.here().int("ceil_mode") {
            Some(1) => Rounding::Ceil,
            _ => Rounding::Floor,
        };
        let window = Window { size, stride: frame.stride, pad: frame.pad, rounding };
        Ok(if kind == "MaxPool" {
            Op::MaxPool(window)
        } else {
            let count_pad = self.here().int("count_include_pad") == Some(1);
            Op::AvgPool { window, count_pad }
        })
    }

    /// `Pad`: zeros around rows and columns.
    fn border(&mut self, args: &Args<'a>) -> Lowered<Live> {
        let live = self.solid(args.value(0)?)?;
        let rank = live.layout.axes.len();
        if self.here().text("mode").is_some_and(|m| m != "constant") {
            return Err(wanted("a border of zeros"));
        }
        let number = match args.maybe_constant(2, "a number")? {
            Some(number) => number.scalar(&mut self.store)?,
            None => Some(self.here().float("value").unwrap_or(0.0).into()),
        };
        let old = self.here().ints("pads").or(self.here().ints("paddings"));
        let pads = match old {
            Some(pads) => pads.to_vec(),
            None => args.constant(1, "paddings")?.ints(&mut self.store)?.to_vec(),
        };
        let axes = match args.maybe_constant(3, "axes")? {
            Some(axes) => axes.ints(&mut self.store)?.to_vec(),
            None => (0..rank as i64).collect(),
        };
        if pads.iter().all(|p| *p == 0) {
            return Ok(live);
        }
        // Below all values, before a maximum.
        let lowest = number.is_some_and(|n| n < -1e30);
        if number != Some(0.0) && !lowest {
            return Err(wanted("a border of zeros"));
        }
        let not = || wanted("borders along rows and columns only");
        if pads.len() != 2 * axes.len() || self.shape(live.layer).len() != 3 {
            return Err(not());
        }
        // For rows and columns: what is put before and after, negative where it is cut off.
        let mut around = [[0i64; 2]; 2];
        for (i, axis) in axes.iter().enumerate() {
            let ends = [pads[i], pads[i + axes.len()]];
            if ends == [0, 0] {
                continue;
            }
            let axis = axis_of(*axis, rank).ok_or_else(not)?;
            let dim = match live.layout.axes[axis][..] {
                [Atom { dim, size, stride: 1 }] if self.shape(live.layer)[dim] == size => dim,
                _ => return Err(not()),
            };
            *dim.checked_sub(1).and_then(|d| around.get_mut(d)).ok_or_else(not)? = ends;
        }
        if around.iter().flatten().any(|n| n.unsigned_abs() > LARGEST as u64) {
            return Err(wanted(format!("borders of at most {LARGEST} pixels")));
        }
        let side = |sign: i64| {
            let n = |dim: usize, end: usize| (sign * around[dim][end]).max(0) as usize;
            Pad { top: n(0, 0), left: n(1, 0), bottom: n(0, 1), right: n(1, 1) }
        };
        let (name, op) = (self.name(None), Op::Pad { pad: side(1), crop: side(-1) });
        let layer = self.push(name, op, &[live.layer], vec![])?;
        if lowest {
            if side(-1) != Pad::all(0) {
                return Err(wanted("a border of minus infinity that cuts nothing off"));
            }
            self.lowest.insert(layer, side(1));
        }
        let mut layout = live.layout;
        for atom in layout.axes.iter_mut().flatten() {
            atom.size = self.shape(layer)[atom.dim];
        }
        Ok(Live::of(layer, Layout::new(layout.axes)))
    }
}

/// Paddings as ONNX writes them: rows and columns before, rows and columns after.
fn four(pads: &[i64]) -> Option<Pad> {
    let &[top, left, bottom, right] = pads else { return None };
    let one = |n: i64| usize::try_from(n).ok().filter(|_| n <= LARGEST);
    Some(Pad { top: one(top)?, left: one(left)?, bottom: one(bottom)?, right: one(right)? })
}

/// A parameter.
pub(super) fn tensor(
    role: Role,
    shape: impl Into<Shape>,
    values: Vec<f32>,
) -> Lowered<super::Param> {
    let tensor = Tensor::new(shape, values).map_err(|e| wanted(e.to_string()))?;
    Ok((role, Arc::new(tensor)))
}
