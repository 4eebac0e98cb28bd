//! Products with matrices, and sums over axes.

use super::Operator;
use crate::FormatError;
use crate::operators::ir::{Setting, ValueId};
use crate::tflite::options::{matrix, product, reduce};
use crate::tflite::read::Reader;

impl<'a> Reader<'a, '_> {
    /// `FULLY_CONNECTED`: a matrix `[out, in]` over the last axis, of rows laid flat.
    pub(super) fn fully_connected(
        &mut self,
        op: &Operator<'a, '_>,
    ) -> Result<ValueId, FormatError> {
        let format = op.options.map_or(Ok(0), |o| o.byte(matrix::FORMAT))?;
        if format != 0 {
            let got = format!("{} = {format}", matrix::FORMAT.0);
            return Err(op.wants(got, "weights in their usual order (0)"));
        }
        let dims = &self.tensors[op.input(1)?].dims;
        let &[_, k] = &dims[..] else {
            return Err(op.wants(format!("a matrix of {} axes", dims.len()), "2 axes"));
        };
        let mut value = self.input(op, 0)?;
        let rank = self.tensors[op.input(0)?].dims.len();
        if rank != 2 && !op.flag(matrix::KEEP)? {
            let shape = vec![("shape", Setting::Ints(vec![-1, k as i64]))];
            value = self.node("Reshape", &op.name, vec![Some(value)], shape)?;
        }
        let weight = self.input(op, 1)?;
        let bias = op.inputs.get(2).copied().flatten().map(|b| self.value(b)).transpose()?;
        let turned = vec![("transB", Setting::Int(1))];
        let inputs = vec![Some(value), Some(weight), bias];
        let made = self.node("Gemm", &op.name, inputs, turned)?;
        self.fused(op, made, matrix::ACTIVATION)
    }

    /// `BATCH_MATMUL`.
    pub(super) fn product(&mut self, op: &Operator<'a, '_>) -> Result<ValueId, FormatError> {
        let mut inputs = Vec::new();
        for (i, field) in [product::TURN_X, product::TURN_Y].into_iter().enumerate() {
            let mut value = self.input(op, i)?;
            let rank = self.tensors[op.input(i)?].dims.len();
            if op.flag(field)? && rank >= 2 {
                let mut order: Vec<i64> = (0..rank as i64).collect();
                order.swap(rank - 2, rank - 1);
                value = self.turned(op, value, &order)?;
            }
            inputs.push(Some(value));
        }
        self.node("MatMul", &op.name, inputs, vec![])
    }

    /// `MEAN`, `SUM`, `REDUCE_MAX`, `REDUCE_MIN`, `REDUCE_PROD`.
    pub(super) fn reduced(
        &mut self,
        op: &Operator<'a, '_>,
        node: &'static str,
    ) -> Result<ValueId, FormatError> {
        let axes = self.few(op.input(1)?);
        let axes = axes.ok_or_else(|| op.wants("axes that are computed", "known ones"))?;
        let value = self.input(op, 0)?;
        let keep = i64::from(op.flag(reduce::KEEP)?);
        let settings = vec![("axes", Setting::Ints(axes)), ("keepdims", Setting::Int(keep))];
        self.node(node, &op.name, vec![Some(value)], settings)
    }
}
