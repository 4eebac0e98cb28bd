//! Tables, operators and number types of `TFLite`'s `schema.fbs`, version 3, as far as networks use them.
//!
//! A field is its name and its number in the table.

use super::flat::Field;
use crate::dtype::Dtype;

/// The bytes at 4 of every file.
pub(super) const IDENTIFIER: &[u8] = b"TFL3";
/// The version of the schema.
pub(super) const VERSION: usize = 3;

/// `Model`.
pub(super) mod model {
    use super::Field;
    pub(in crate::tflite) const VERSION: Field = ("Model.version", 0);
    pub(in crate::tflite) const CODES: Field = ("Model.operator_codes", 1);
    pub(in crate::tflite) const SUBGRAPHS: Field = ("Model.subgraphs", 2);
    pub(in crate::tflite) const DESCRIPTION: Field = ("Model.description", 3);
    pub(in crate::tflite) const BUFFERS: Field = ("Model.buffers", 4);
    pub(in crate::tflite) const METADATA: Field = ("Model.metadata", 6);
}

/// `OperatorCode`.
pub(super) mod code {
    use super::Field;
    pub(in crate::tflite) const OLD: Field = ("OperatorCode.deprecated_builtin_code", 0);
    pub(in crate::tflite) const CUSTOM: Field = ("OperatorCode.custom_code", 1);
    pub(in crate::tflite) const BUILTIN: Field = ("OperatorCode.builtin_code", 3);
}

/// `SubGraph`.
pub(super) mod graph {
    use super::Field;
    pub(in crate::tflite) const TENSORS: Field = ("SubGraph.tensors", 0);
    pub(in crate::tflite) const INPUTS: Field = ("SubGraph.inputs", 1);
    pub(in crate::tflite) const OUTPUTS: Field = ("SubGraph.outputs", 2);
    pub(in crate::tflite) const OPERATORS: Field = ("SubGraph.operators", 3);
}

/// `Tensor`.
pub(super) mod tensor {
    use super::Field;
    pub(in crate::tflite) const SHAPE: Field = ("Tensor.shape", 0);
    pub(in crate::tflite) const TYPE: Field = ("Tensor.type", 1);
    pub(in crate::tflite) const BUFFER: Field = ("Tensor.buffer", 2);
    pub(in crate::tflite) const NAME: Field = ("Tensor.name", 3);
    pub(in crate::tflite) const QUANTIZATION: Field = ("Tensor.quantization", 4);
    pub(in crate::tflite) const SPARSITY: Field = ("Tensor.sparsity", 6);
    pub(in crate::tflite) const SIGNATURE: Field = ("Tensor.shape_signature", 7);
    pub(in crate::tflite) const EXTERNAL: Field = ("Tensor.external_buffer", 10);
}

/// `QuantizationParameters`.
pub(super) mod quantization {
    use super::Field;
    pub(in crate::tflite) const SCALE: Field = ("QuantizationParameters.scale", 2);
    pub(in crate::tflite) const ZERO: Field = ("QuantizationParameters.zero_point", 3);
    pub(in crate::tflite) const DETAILS: Field = ("QuantizationParameters.details_type", 4);
    pub(in crate::tflite) const AXIS: Field = ("QuantizationParameters.quantized_dimension", 6);
}

/// `Buffer`.
pub(super) mod buffer {
    use super::Field;
    pub(in crate::tflite) const DATA: Field = ("Buffer.data", 0);
    pub(in crate::tflite) const OFFSET: Field = ("Buffer.offset", 1);
    pub(in crate::tflite) const SIZE: Field = ("Buffer.size", 2);
}

/// `Metadata`.
pub(super) mod metadata {
    use super::Field;
    pub(in crate::tflite) const NAME: Field = ("Metadata.name", 0);
    pub(in crate::tflite) const BUFFER: Field = ("Metadata.buffer", 1);
    /// The entry that describes the model.
    pub(in crate::tflite) const OF_MODEL: &str = "TFLITE_METADATA";
}

/// `Operator`.
pub(super) mod operator {
    use super::Field;
    pub(in crate::tflite) const CODE: Field = ("Operator.opcode_index", 0);
    pub(in crate::tflite) const INPUTS: Field = ("Operator.inputs", 1);
    pub(in crate::tflite) const OUTPUTS: Field = ("Operator.outputs", 2);
    pub(in crate::tflite) const KIND: Field = ("Operator.builtin_options_type", 3);
    pub(in crate::tflite) const OPTIONS: Field = ("Operator.builtin_options", 4);
}

/// Number types, by their number.
const TYPES: [(&str, Option<Dtype>); 21] = [
    ("FLOAT32", Some(Dtype::F32)),
    ("FLOAT16", Some(Dtype::F16)),
    ("INT32", Some(Dtype::I32)),
    ("UINT8", Some(Dtype::U8)),
    ("INT64", Some(Dtype::I64)),
    ("STRING", None),
    ("BOOL", Some(Dtype::Bool)),
    ("INT16", Some(Dtype::I16)),
    ("COMPLEX64", None),
    ("INT8", Some(Dtype::I8)),
    ("FLOAT64", Some(Dtype::F64)),
    ("COMPLEX128", None),
    ("UINT64", Some(Dtype::U64)),
    ("RESOURCE", None),
    ("VARIANT", None),
    ("UINT32", Some(Dtype::U32)),
    ("UINT16", Some(Dtype::U16)),
    ("INT4", None),
    ("BFLOAT16", Some(Dtype::Bf16)),
    ("INT2", None),
    ("UINT4", None),
];

/// The number type for a number, and what it is called.
pub(super) fn dtype(code: u8) -> (&'static str, Option<Dtype>) {
    TYPES.get(usize::from(code)).copied().unwrap_or(("a number type of a later version", None))
}

/// Number of a number type in ONNX, for conversions of constants.
pub(super) fn onnx_type(dtype: Option<Dtype>) -> i64 {
    match dtype {
        Some(Dtype::F32 | Dtype::F16 | Dtype::Bf16 | Dtype::F64) => 1,
        Some(Dtype::Bool) => 9,
        Some(
            Dtype::I64
            | Dtype::I32
            | Dtype::I16
            | Dtype::I8
            | Dtype::U64
            | Dtype::U32
            | Dtype::U16
            | Dtype::U8
            | Dtype::Opaque(_),
        )
        | None => 7,
    }
}
