//! Field numbers and number types of `onnx.proto3`, as far as networks use them.

/// `ModelProto`.
pub(crate) mod model {
    pub(crate) const PRODUCER: u32 = 2;
    pub(crate) const GRAPH: u32 = 7;
    pub(crate) const OPSET: u32 = 8;
    pub(crate) const METADATA: u32 = 14;
}

/// `OperatorSetIdProto`.
pub(crate) mod opset {
    pub(crate) const DOMAIN: u32 = 1;
    pub(crate) const VERSION: u32 = 2;
}

/// `StringStringEntryProto`.
pub(crate) mod entry {
    pub(crate) const KEY: u32 = 1;
    pub(crate) const VALUE: u32 = 2;
}

/// `GraphProto`.
pub(crate) mod graph {
    pub(crate) const NODE: u32 = 1;
    pub(crate) const NAME: u32 = 2;
    pub(crate) const INITIALIZER: u32 = 5;
    pub(crate) const INPUT: u32 = 11;
    pub(crate) const OUTPUT: u32 = 12;
}

/// `NodeProto`.
pub(crate) mod node {
    pub(crate) const INPUT: u32 = 1;
    pub(crate) const OUTPUT: u32 = 2;
    pub(crate) const NAME: u32 = 3;
    pub(crate) const OP: u32 = 4;
    pub(crate) const ATTRIBUTE: u32 = 5;
    pub(crate) const DOMAIN: u32 = 7;
}

/// `AttributeProto`.
pub(crate) mod attribute {
    pub(crate) const NAME: u32 = 1;
    pub(crate) const FLOAT: u32 = 2;
    pub(crate) const INT: u32 = 3;
    pub(crate) const TEXT: u32 = 4;
    pub(crate) const TENSOR: u32 = 5;
    pub(crate) const FLOATS: u32 = 7;
    pub(crate) const INTS: u32 = 8;
    pub(crate) const TYPE: u32 = 20;
    /// What [`TYPE`] says of integers.
    pub(crate) const TYPE_INTS: i64 = 7;
}

/// `TensorProto`.
pub(crate) mod tensor {
    pub(crate) const DIMS: u32 = 1;
    pub(crate) const TYPE: u32 = 2;
    pub(crate) const FLOATS: u32 = 4;
    pub(crate) const INT32S: u32 = 5;
    pub(crate) const INT64S: u32 = 7;
    pub(crate) const NAME: u32 = 8;
    pub(crate) const RAW: u32 = 9;
    pub(crate) const DOUBLES: u32 = 10;
    pub(crate) const UINT64S: u32 = 11;
    pub(crate) const EXTERNAL: u32 = 13;
    pub(crate) const LOCATION: u32 = 14;
}

/// `ValueInfoProto`, and on the way to its extents `TypeProto`, `TypeProto.Tensor`,
/// `TensorShapeProto` and `TensorShapeProto.Dimension`.
pub(crate) mod value {
    pub(crate) const NAME: u32 = 1;
    pub(crate) const TYPE: u32 = 2;
    pub(crate) const TENSOR_TYPE: u32 = 1;
    pub(crate) const SHAPE: u32 = 2;
    pub(crate) const DIM: u32 = 1;
    pub(crate) const DIM_VALUE: u32 = 1;
}
