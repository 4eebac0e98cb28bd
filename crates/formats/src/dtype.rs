//! Number types of weight files, and their way to `f32`.

use half::{bf16, f16};

/// A number type, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dtype {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
    /// Known only by its size in bytes: complex, quantised.
    Opaque(usize),
}

/// A torch storage class or dtype name with its number type.
pub(crate) type Named = (&'static str, Dtype);

/// Names of storage classes (`torch.FloatStorage`), without `Storage`.
const STORAGES: [Named; 18] = [
    ("Double", Dtype::F64),
    ("Float", Dtype::F32),
    ("Half", Dtype::F16),
    ("BFloat16", Dtype::Bf16),
    ("Long", Dtype::I64),
    ("Int", Dtype::I32),
    ("Short", Dtype::I16),
    ("Char", Dtype::I8),
    ("Byte", Dtype::U8),
    ("Bool", Dtype::Bool),
    ("Untyped", Dtype::U8),
    ("ComplexDouble", Dtype::Opaque(16)),
    ("ComplexFloat", Dtype::Opaque(8)),
    ("QInt32", Dtype::Opaque(4)),
    ("QInt8", Dtype::Opaque(1)),
    ("QUInt8", Dtype::Opaque(1)),
    ("QUInt4x2", Dtype::Opaque(1)),
    ("QUInt2x4", Dtype::Opaque(1)),
];

/// Names of dtypes (`torch.float32`).
const DTYPES: [Named; 20] = [
    ("float64", Dtype::F64),
    ("double", Dtype::F64),
    ("float32", Dtype::F32),
    ("float", Dtype::F32),
    ("float16", Dtype::F16),
    ("half", Dtype::F16),
    ("bfloat16", Dtype::Bf16),
    ("int64", Dtype::I64),
    ("long", Dtype::I64),
    ("int32", Dtype::I32),
    ("int", Dtype::I32),
    ("int16", Dtype::I16),
    ("short", Dtype::I16),
    ("int8", Dtype::I8),
    ("uint64", Dtype::U64),
    ("uint32", Dtype::U32),
    ("uint16", Dtype::U16),
    ("uint8", Dtype::U8),
    ("bool", Dtype::Bool),
    ("complex64", Dtype::Opaque(8)),
];

impl Dtype {
    /// The type of a storage class of torch, `FloatStorage`.
    pub(crate) fn of_storage(class: &str) -> Option<Self> {
        let stem = class.strip_suffix("Storage")?;
        STORAGES.iter().find(|(name, _)| *name == stem).map(|(_, dtype)| *dtype)
    }

    /// The type for a dtype of torch, `float32`.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        DTYPES.iter().find(|(n, _)| *n == name).map(|(_, dtype)| *dtype)
    }

    /// Bytes of one value.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::Opaque(size) => size,
        }
    }

    /// The values of `bytes` that `pick` names, as `f32`: integers beyond 2^24 and doubles are
    /// rounded to the nearest. `None` for a type that has no `f32`.
    pub(crate) fn read(self, bytes: &[u8], pick: &impl Pick) -> Option<Vec<f32>> {
        Some(match self {
            Self::F64 => pick.values(bytes.as_chunks().0, |b| f64::from_le_bytes(b) as f32),
            Self::F32 => pick.values(bytes.as_chunks().0, f32::from_le_bytes),
            Self::F16 => pick.values(bytes.as_chunks().0, |b| f16::from_le_bytes(b).to_f32()),
            Self::Bf16 => pick.values(bytes.as_chunks().0, |b| bf16::from_le_bytes(b).to_f32()),
            Self::I64 => pick.values(bytes.as_chunks().0, |b| i64::from_le_bytes(b) as f32),
            Self::I32 => pick.values(bytes.as_chunks().0, |b| i32::from_le_bytes(b) as f32),
            Self::I16 => pick.values(bytes.as_chunks().0, |b| i16::from_le_bytes(b) as f32),
            Self::I8 => pick.values(bytes.as_chunks().0, |b| i8::from_le_bytes(b) as f32),
            Self::U64 => pick.values(bytes.as_chunks().0, |b| u64::from_le_bytes(b) as f32),
            Self::U32 => pick.values(bytes.as_chunks().0, |b| u32::from_le_bytes(b) as f32),
            Self::U16 => pick.values(bytes.as_chunks().0, |b| u16::from_le_bytes(b) as f32),
            Self::U8 => pick.values(bytes.as_chunks().0, |[b]| b as f32),
            Self::Bool => pick.values(bytes.as_chunks().0, |[b]| f32::from(b != 0)),
            Self::Opaque(_) => return None,
        })
    }
}

/// Which values of a storage to read, in which order.
pub(crate) trait Pick {
    /// The values picked, each turned by `turn`.
    fn values<const N: usize>(&self, all: &[[u8; N]], turn: impl Fn([u8; N]) -> f32) -> Vec<f32>;
}
