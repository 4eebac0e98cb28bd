//! Operators that only move values.

use super::{Operator, Settings};
use crate::FormatError;
use crate::operators::ir::{Setting, ValueId};
use crate::tflite::flat::{Field, ints};
use crate::tflite::options::{concat, gather, pack, reshape, squeeze, strided};
use crate::tflite::read::{MAX_RANK, Reader};
use crate::tflite::schema::onnx_type;

/// Behind the end of every axis.
const END: i64 = i64::MAX;

impl Operator<'_, '_> {
    /// Axes that a mask of bits names.
    fn mask(&self, field: Field) -> Result<[bool; MAX_RANK], FormatError> {
        let bits = self.int(field, 0)?;
        Ok(std::array::from_fn(|i| bits >> i & 1 == 1))
    }
}

impl<'a> Reader<'a, '_> {
    /// Integers of an input that must be known.
    fn known(&self, op: &Operator<'a, '_>, i: usize, what: &str) -> Result<Vec<i64>, FormatError> {
        let known = self.few(op.input(i)?);
        known.ok_or_else(|| op.wants(format!("{what} that is computed"), "one that is known"))
    }

    /// `RESHAPE`: its shape is an input, or an option in old files.
    pub(super) fn reshape(&mut self, op: &Operator<'a, '_>) -> Result<ValueId, FormatError> {
        let value = self.input(op, 0)?;
        if let Some(Some(shape)) = op.inputs.get(1).copied() {
            let settings = vec![("allowzero", Setting::Int(1))];
            if let Some(shape) = self.few(shape) {
                let settings = [settings, vec![("shape", Setting::Ints(shape))]].concat();
                return self.node("Reshape", &op.name, vec![Some(value)], settings);
            }
            let shape = self.value(shape)?;
            return self.node("Reshape", &op.name, vec![Some(value), Some(shape)], settings);
        }
        let bytes = op.options.map_or(Ok(&[][..]), |o| o.bytes(reshape::SHAPE, 4))?;
        if bytes.is_empty() || bytes.len() > 4 * MAX_RANK {
            return Err(op.wants("no shape", "one of at most 8 extents"));
        }
        let shape = Setting::Ints(ints(bytes).map(i64::from).collect());
        self.node("Reshape", &op.name, vec![Some(value)], vec![("shape", shape)])
    }

    /// `SQUEEZE`, `EXPAND_DIMS`, `TRANSPOSE`, `SLICE`, `STRIDED_SLICE`, `GATHER`, `CONCATENATION`,
    /// `PACK`, `CAST`, `BROADCAST_TO`.
    pub(super) fn moved(&mut self, op: &Operator<'a, '_>) -> Result<ValueId, FormatError> {
        let (node, settings): (_, Settings<'a>) = match op.kind {
            "CONCATENATION" => return self.concat(op),
            "STRIDED_SLICE" => return self.strided(op),
            "PACK" => return self.pack(op),
            "BROADCAST_TO" => return self.of_inputs(op, "Expand", vec![]),
            "SQUEEZE" => {
                let bytes = op.options.map_or(Ok(&[][..]), |o| o.bytes(squeeze::AXES, 4))?;
                if bytes.len() > 4 * MAX_RANK {
                    return Err(op.wants(format!("{} axes", bytes.len() / 4), "at most 8"));
                }
                let axes = Setting::Ints(ints(bytes).map(i64::from).collect());
                ("Squeeze", if bytes.is_empty() { vec![] } else { vec![("axes", axes)] })
            }
            "EXPAND_DIMS" => {
                let axis = self.known(op, 1, "an axis")?;
                ("Unsqueeze", vec![("axes", Setting::Ints(axis))])
            }
            "TRANSPOSE" => {
                let order = self.known(op, 1, "an order of axes")?;
                ("Transpose", vec![("perm", Setting::Ints(order))])
            }
            "SLICE" => {
                let starts = self.known(op, 1, "a beginning")?;
                let sizes = self.known(op, 2, "a size")?;
                let end = |(s, n): (&i64, &i64)| if *n < 0 { END } else { s.saturating_add(*n) };
                let ends = starts.iter().zip(&sizes).map(end).collect();
                ("Slice", vec![("starts", Setting::Ints(starts)), ("ends", Setting::Ints(ends))])
            }
            "GATHER" => {
                if op.int(gather::BATCH, 0)? != 0 {
                    return Err(op.wants(gather::BATCH.0, "0 in its place"));
                }
                let axis = i64::from(op.int(gather::AXIS, 0)?);
                return self.of_inputs(op, "Gather", vec![("axis", Setting::Int(axis))]);
            }
            _ => {
                let to = op.outputs.first().map_or(1, |o| onnx_type(self.tensors[*o].dtype));
                ("Cast", vec![("to", Setting::Int(to))])
            }
        };
        let value = self.input(op, 0)?;
        self.node(node, &op.name, vec![Some(value)], settings)
    }

    fn concat(&mut self, op: &Operator<'a, '_>) -> Result<ValueId, FormatError> {
        let axis = i64::from(op.int(concat::AXIS, 0)?);
        let made = self.of_inputs(op, "Concat", vec![("axis", Setting::Int(axis))])?;
        self.fused(op, made, concat::ACTIVATION)
    }

    /// `STRIDED_SLICE`: a bit of a mask says that an axis begins or ends where it does, or goes.
    fn strided(&mut self, op: &Operator<'a, '_>) -> Result<ValueId, FormatError> {
        for field in [strided::ELLIPSIS, strided::NEW] {
            if op.int(field, 0)? != 0 {
                return Err(op.wants(field.0, "0 in its place"));
            }
        }
        if op.flag(strided::OFFSET)? {
            return Err(op.wants(strided::OFFSET.0, "ends that are places"));
        }
        let mut starts = self.known(op, 1, "a beginning")?;
        let mut ends = self.known(op, 2, "an end")?;
        let steps = self.known(op, 3, "a step")?;
        if starts.len() > MAX_RANK || ends.len() != starts.len() {
            let got = format!("{} beginnings and {} ends", starts.len(), ends.len());
            return Err(op.wants(got, "one of each for each axis"));
        }
        let (begin, end) = (op.mask(strided::BEGIN)?, op.mask(strided::END)?);
        let shrink = op.mask(strided::SHRINK)?;
        for i in 0..starts.len() {
            if shrink[i] {
                ends[i] = if starts[i] == -1 { END } else { starts[i].saturating_add(1) };
                continue;
            }
            if begin[i] {
                starts[i] = 0;
            }
            if end[i] {
                ends[i] = END;
            }
        }
        let gone: Vec<i64> = (0..starts.len()).filter(|i| shrink[*i]).map(|i| i as i64).collect();
        let value = self.input(op, 0)?;
        let axes = (0..starts.len() as i64).collect();
        let settings = vec![
            ("starts", Setting::Ints(starts)),
            ("ends", Setting::Ints(ends)),
            ("axes", Setting::Ints(axes)),
            ("steps", Setting::Ints(steps)),
        ];
        let made = self.node("Slice", &op.name, vec![Some(value)], settings)?;
        if gone.is_empty() {
            return Ok(made);
        }
        self.node("Squeeze", &op.name, vec![Some(made)], vec![("axes", Setting::Ints(gone))])
    }

    /// `PACK`: inputs behind one another along a new axis.
    fn pack(&mut self, op: &Operator<'a, '_>) -> Result<ValueId, FormatError> {
        let axis = i64::from(op.int(pack::AXIS, 0)?);
        let mut parts = Vec::new();
        for value in self.values(op)? {
            let axes = vec![("axes", Setting::Ints(vec![axis]))];
            parts.push(Some(self.node("Unsqueeze", &op.name, vec![value], axes)?));
        }
        self.node("Concat", &op.name, parts, vec![("axis", Setting::Int(axis))])
    }

    /// `SPLIT`, `SPLIT_V`, `UNPACK`.
    pub(super) fn parts(&mut self, op: &Operator<'a, '_>) -> Result<Vec<ValueId>, FormatError> {
        let count = op.outputs.len();
        let one = |axis: Vec<i64>| axis.first().copied().unwrap_or(0);
        let (input, axis, sizes) = match op.kind {
            "SPLIT" => (1, one(self.known(op, 0, "an axis")?), None),
            "SPLIT_V" => {
                let sizes = self.known(op, 1, "a size")?;
                (0, one(self.known(op, 2, "an axis")?), Some(sizes))
            }
            _ => (0, i64::from(op.int(pack::AXIS, 0)?), None),
        };
        let mut settings = vec![("axis", Setting::Int(axis))];
        if let Some(sizes) = sizes {
            settings.push(("split", Setting::Ints(sizes)));
        }
        let value = self.input(op, input)?;
        let parts = self.nodes("Split", &op.name, vec![Some(value)], settings, count)?;
        if op.kind != "UNPACK" {
            return Ok(parts);
        }
        let mut made = Vec::with_capacity(parts.len());
        for part in parts {
            let axes = vec![("axes", Setting::Ints(vec![axis]))];
            made.push(self.node("Squeeze", &op.name, vec![Some(part)], axes)?);
        }
        Ok(made)
    }
}
