//! Arithmetic number by number, and softmax.

use std::rc::Rc;

use super::Operator;
use crate::FormatError;
use crate::dtype::Dtype;
use crate::operators::ir::{Setting, ValueId};
use crate::operators::raw::{Payload, Raw};
use crate::tflite::options::{arithmetic, softmax};
use crate::tflite::read::Reader;

impl<'a> Reader<'a, '_> {
    /// `ADD`, `SUB`, `MUL`, `DIV`.
    pub(super) fn fused_arithmetic(
        &mut self,
        op: &Operator<'a, '_>,
    ) -> Result<ValueId, FormatError> {
        let node = match op.kind {
            "ADD" => "Add",
            "SUB" => "Sub",
            "MUL" => "Mul",
            _ => "Div",
        };
        let made = self.of_inputs(op, node, vec![])?;
        self.fused(op, made, arithmetic::ACTIVATION)
    }

    /// A number as a value of its own.
    pub(super) fn number(
        &mut self,
        op: &Operator<'a, '_>,
        bytes: &'static [u8],
    ) -> Result<ValueId, FormatError> {
        let payload = Payload::Raw(bytes);
        let raw = Raw { name: "".into(), dims: vec![], dtype: Dtype::F32, payload };
        let value = vec![("value", Setting::Tensor(Rc::new(raw)))];
        self.node("Constant", &op.name, vec![], value)
    }

    /// The square of a value.
    pub(super) fn squared(
        &mut self,
        op: &Operator<'a, '_>,
        value: ValueId,
    ) -> Result<ValueId, FormatError> {
        const TWO: &[u8] = &2f32.to_le_bytes();
        let two = self.number(op, TWO)?;
        self.node("Pow", &op.name, vec![Some(value), Some(two)], vec![])
    }

    /// `SOFTMAX` over the last axis.
    pub(super) fn softmax(&mut self, op: &Operator<'a, '_>) -> Result<ValueId, FormatError> {
        let beta = op.float(softmax::BETA, 1.0)?;
        if beta != 1.0 {
            return Err(op.wants(format!("{} = {beta}", softmax::BETA.0), "1"));
        }
        let value = self.input(op, 0)?;
        let axis = vec![("axis", Setting::Int(-1))];
        self.node("Softmax", &op.name, vec![Some(value)], axis)
    }
}
