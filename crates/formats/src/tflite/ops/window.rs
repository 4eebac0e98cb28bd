//! Operators that move a window over a map: convolution, pooling, local norm, borders.

use super::{Operator, Settings};
use crate::FormatError;
use crate::operators::ir::{Setting, ValueId};
use crate::tflite::flat::Field;
use crate::tflite::options::{conv, depthwise, local, pool};
use crate::tflite::read::Reader;

/// Fields that say how a window moves: padding, strides and dilations, rows before columns.
struct Frame {
    padding: Field,
    stride: [Field; 2],
    dilation: Option<[Field; 2]>,
}

impl<'a> Operator<'a, '_> {
    fn pair(&self, fields: [Field; 2], usual: i32) -> Result<Vec<i64>, FormatError> {
        let [a, b] = fields;
        Ok(vec![i64::from(self.int(a, usual)?), i64::from(self.int(b, usual)?)])
    }

    fn frame(&self, frame: &Frame) -> Result<Settings<'a>, FormatError> {
        let Some(options) = self.options else {
            return Err(self.wants("no options", "strides and a padding"));
        };
        let padding = match options.byte(frame.padding)? {
            0 => "SAME_UPPER",
            1 => "VALID",
            other => {
                let got = format!("{} = {other}", frame.padding.0);
                return Err(self.wants(got, "SAME (0) or VALID (1)"));
            }
        };
        let mut settings = vec![
            ("auto_pad", Setting::Text(padding.into())),
            ("strides", Setting::Ints(self.pair(frame.stride, 0)?)),
        ];
        if let Some(dilation) = frame.dilation {
            settings.push(("dilations", Setting::Ints(self.pair(dilation, 1)?)));
        }
        Ok(settings)
    }
}

impl<'a> Reader<'a, '_> {
    /// A kernel turned from `[O, H, W, I]` or `[1, H, W, O]` to `[O, I, H, W]`; its extents before.
    fn kernel(
        &mut self,
        op: &Operator<'a, '_>,
        order: [usize; 4],
    ) -> Result<(ValueId, [usize; 4]), FormatError> {
        let tensor = op.input(1)?;
        let dims = self.tensors[tensor].dims.clone();
        let &[a, h, w, b] = &dims[..] else {
            return Err(op.wants(format!("a kernel of {} axes", dims.len()), "4 axes"));
        };
        let dims = [a, h, w, b];
        let value = self.value(tensor)?;
        let made = if [h, w] == [1, 1] {
            // The same numbers in the same order.
            let shape = order.iter().map(|i| dims[*i] as i64).collect();
            let settings = vec![("shape", Setting::Ints(shape)), ("allowzero", Setting::Int(1))];
            self.node("Reshape", &op.name, vec![Some(value)], settings)?
        } else {
            self.turned(op, value, &order.map(|i| i as i64))?
        };
        Ok((made, dims))
    }

    /// The channels of an operator's first input, by its extents.
    fn channels(&self, op: &Operator<'a, '_>) -> Result<usize, FormatError> {
        let dims = &self.tensors[op.input(0)?].dims;
        let c = dims.last().copied().filter(|c| dims.len() == 4 && *c > 0);
        c.ok_or_else(|| op.wants(format!("{} axes", dims.len()), "a map of 4 axes"))
    }

    /// `CONV_2D`.
    pub(super) fn conv(&mut self, op: &Operator<'a, '_>) -> Result<ValueId, FormatError> {
        let settings = op.frame(&Frame {
            padding: conv::PADDING,
            stride: [conv::STRIDE_H, conv::STRIDE_W],
            dilation: Some([conv::DILATION_H, conv::DILATION_W]),
        })?;
        let (kernel, [out, _, _, per_group]) = self.kernel(op, [0, 3, 1, 2])?;
        let c = self.channels(op)?;
        let groups =
            c.checked_div(per_group).filter(|g| g * per_group == c && out % g.max(&1) == 0);
        let groups = groups.filter(|g| *g > 0).ok_or_else(|| {
            let got = format!("{c} channels, a kernel for {per_group} and {out} out of it");
            op.wants(got, "channels in whole groups")
        })?;
        self.convolved(op, kernel, groups, settings, conv::ACTIVATION)
    }

    /// `DEPTHWISE_CONV_2D`: a group for each channel.
    pub(super) fn depthwise(&mut self, op: &Operator<'a, '_>) -> Result<ValueId, FormatError> {
        let settings = op.frame(&Frame {
            padding: depthwise::PADDING,
            stride: [depthwise::STRIDE_H, depthwise::STRIDE_W],
            dilation: Some([depthwise::DILATION_H, depthwise::DILATION_W]),
        })?;
        let (kernel, [one, _, _, out]) = self.kernel(op, [3, 0, 1, 2])?;
        let c = self.channels(op)?;
        if one != 1 || out % c != 0 || out == 0 {
            let got = format!("{c} channels and a kernel of {one} x .. x {out}");
            return Err(op.wants(got, "a kernel [1, H, W, channels times a whole number]"));
        }
        self.convolved(op, kernel, c, settings, depthwise::ACTIVATION)
    }

    fn convolved(
        &mut self,
        op: &Operator<'a, '_>,
        kernel: ValueId,
        groups: usize,
        mut settings: Settings<'a>,
        activation: Field,
    ) -> Result<ValueId, FormatError> {
        settings.push(("group", Setting::Int(groups as i64)));
        let input = self.input(op, 0)?;
        let input = self.first(op, input)?;
        let bias = op.inputs.get(2).copied().flatten().map(|b| self.value(b)).transpose()?;
        let made = self.node("Conv", &op.name, vec![Some(input), Some(kernel), bias], settings)?;
        let made = self.fused(op, made, activation)?;
        self.last(op, made)
    }

    /// `AVERAGE_POOL_2D`, which leaves the padding out of the mean, and `MAX_POOL_2D`.
    pub(super) fn pool(
        &mut self,
        op: &Operator<'a, '_>,
        node: &'static str,
    ) -> Result<ValueId, FormatError> {
        let mut settings = op.frame(&Frame {
            padding: pool::PADDING,
            stride: [pool::STRIDE_H, pool::STRIDE_W],
            dilation: None,
        })?;
        settings.push(("kernel_shape", Setting::Ints(op.pair([pool::HEIGHT, pool::WIDTH], 0)?)));
        let input = self.input(op, 0)?;
        let input = self.first(op, input)?;
        let made = self.node(node, &op.name, vec![Some(input)], settings)?;
        let made = self.fused(op, made, pool::ACTIVATION)?;
        self.last(op, made)
    }

    /// `LOCAL_RESPONSE_NORMALIZATION`: `alpha` is not divided by the size.
    pub(super) fn local_norm(&mut self, op: &Operator<'a, '_>) -> Result<ValueId, FormatError> {
        let radius = i64::from(op.int(local::RADIUS, 0)?);
        if !(0..=1 << 20).contains(&radius) {
            return Err(op.wants(format!("a radius of {radius}"), "one from 0 to 2^20"));
        }
        let size = 2 * radius + 1;
        let settings = vec![
            ("size", Setting::Int(size)),
            ("alpha", Setting::Float(op.float(local::ALPHA, 0.0)? * size as f32)),
            ("beta", Setting::Float(op.float(local::BETA, 0.0)?)),
            ("bias", Setting::Float(op.float(local::BIAS, 0.0)?)),
        ];
        let input = self.input(op, 0)?;
        let input = self.first(op, input)?;
        let made = self.node("LRN", &op.name, vec![Some(input)], settings)?;
        self.last(op, made)
    }

    /// `PAD`, `PADV2`: what is put before and after each axis.
    pub(super) fn pad(&mut self, op: &Operator<'a, '_>) -> Result<ValueId, FormatError> {
        let pads = self.few(op.input(1)?).filter(|p| p.len() % 2 == 0);
        let pads = pads.ok_or_else(|| {
            op.wants("borders that are computed", "known ones: two numbers for each axis")
        })?;
        let (before, after) = (pads.iter().step_by(2), pads.iter().skip(1).step_by(2));
        let settings = vec![("pads", Setting::Ints(before.chain(after).copied().collect()))];
        let mut inputs = vec![Some(self.input(op, 0)?)];
        if op.kind == "PADV2" {
            let number = self.input(op, 2)?;
            inputs.extend([None, Some(number)]);
        }
        self.node("Pad", &op.name, inputs, settings)
    }
}
