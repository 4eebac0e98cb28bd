//! A tensor as it lies in the file, read when somebody wants its numbers.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path, PathBuf};

use half::{bf16, f16};
use regraft_tensor::Shape;

use super::OnnxFault;
use super::budget::Budget;
use crate::dtype::{Dtype, Pick};
use crate::onnx::schema::tensor as field;
use crate::wire::Fields;

/// Where the numbers are.
#[derive(Debug, Clone)]
pub(crate) enum Payload<'a> {
    /// Little-endian, one after another.
    Raw(&'a [u8]),
    /// In a field of the tensor's message, by its number.
    Field(Fields<'a>, u32),
    /// In another file.
    External { location: Cow<'a, str>, offset: u64, length: Option<u64> },
}

/// A tensor of the file.
#[derive(Debug, Clone)]
pub(crate) struct Raw<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) dims: Vec<usize>,
    pub(crate) dtype: Dtype,
    pub(crate) payload: Payload<'a>,
}

/// The number type for a number of `TensorProto.DataType`.
pub(crate) fn dtype(code: i64) -> Option<Dtype> {
    Some(match code {
        1 => Dtype::F32,
        2 => Dtype::U8,
        3 => Dtype::I8,
        4 => Dtype::U16,
        5 => Dtype::I16,
        6 => Dtype::I32,
        7 => Dtype::I64,
        9 => Dtype::Bool,
        10 => Dtype::F16,
        11 => Dtype::F64,
        12 => Dtype::U32,
        13 => Dtype::U64,
        16 => Dtype::Bf16,
        _ => return None,
    })
}

/// Every value in turn.
struct All;

impl Pick for All {
    fn values<const N: usize>(&self, all: &[[u8; N]], turn: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        all.iter().map(|b| turn(*b)).collect()
    }
}

/// Numbers of a type as integers.
fn integers(dtype: Dtype, bytes: &[u8]) -> Option<Vec<i64>> {
    fn turn<const N: usize>(bytes: &[u8], one: impl Fn([u8; N]) -> i64) -> Vec<i64> {
        bytes.as_chunks::<N>().0.iter().map(|b| one(*b)).collect()
    }
    Some(match dtype {
        Dtype::I64 => turn(bytes, i64::from_le_bytes),
        Dtype::U64 => turn(bytes, |b| u64::from_le_bytes(b) as i64),
        Dtype::I32 => turn(bytes, |b| i32::from_le_bytes(b).into()),
        Dtype::U32 => turn(bytes, |b| u32::from_le_bytes(b).into()),
        Dtype::I16 => turn(bytes, |b| i16::from_le_bytes(b).into()),
        Dtype::U16 => turn(bytes, |b| u16::from_le_bytes(b).into()),
        Dtype::I8 => turn(bytes, |b| i8::from_le_bytes(b).into()),
        Dtype::U8 => turn(bytes, |[b]| b.into()),
        Dtype::Bool => turn(bytes, |[b]| i64::from(b != 0)),
        Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16 | Dtype::Opaque(_) => return None,
    })
}

impl<'a> Raw<'a> {
    /// Whether the numbers are fractions.
    pub(super) fn is_float(&self) -> bool {
        matches!(self.dtype, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16)
    }

    /// How many numbers the extents ask for.
    pub(crate) fn count(&self) -> usize {
        Shape::from(self.dims.as_slice()).count()
    }

    /// Bytes that the file holds for it, at least.
    pub(crate) fn held(&self) -> u64 {
        match &self.payload {
            Payload::Raw(bytes) => bytes.len() as u64,
            Payload::Field(fields, number) => fields
                .clone()
                .filter_map(Result::ok)
                .filter(|f| f.number == *number)
                .map(|f| f.bytes().map_or(1, |b| b.len() as u64))
                .sum(),
            Payload::External { .. } => 0,
        }
    }

    fn fault(&self, problem: impl Into<String>) -> OnnxFault {
        let shape = Shape::from(self.dims.as_slice()).to_string();
        OnnxFault::Tensor { name: self.name.to_string(), shape, problem: problem.into() }
    }

    /// The numbers, row-major, as `f32`.
    pub(super) fn floats(
        &self,
        budget: &mut Budget,
        folder: Option<&Path>,
    ) -> Result<Vec<f32>, OnnxFault> {
        let bytes = match &self.payload {
            Payload::Field(fields, number) => {
                return self.field_floats(fields, *number, budget);
            }
            Payload::Raw(bytes) => Cow::Borrowed(*bytes),
            Payload::External { .. } => Cow::Owned(self.external(budget, folder)?),
        };
        self.check(bytes.len())?;
        budget.numbers(self.count(), "a tensor")?;
        self.dtype.read(&bytes, &All).ok_or_else(|| self.fault("a number type that has no f32"))
    }

    /// The numbers, row-major, as integers.
    pub(super) fn ints(
        &self,
        budget: &mut Budget,
        folder: Option<&Path>,
    ) -> Result<Vec<i64>, OnnxFault> {
        let not = || self.fault("integers are wanted here");
        let bytes = match &self.payload {
            Payload::Field(fields, number) => {
                if self.is_float() {
                    return Err(not());
                }
                return self.field_ints(fields, *number, budget);
            }
            Payload::Raw(bytes) => Cow::Borrowed(*bytes),
            Payload::External { .. } => Cow::Owned(self.external(budget, folder)?),
        };
        self.check(bytes.len())?;
        budget.numbers(self.count().saturating_mul(2), "a tensor")?;
        integers(self.dtype, &bytes).ok_or_else(not)
    }

    fn check(&self, bytes: usize) -> Result<(), OnnxFault> {
        let wanted = self.count().checked_mul(self.dtype.size());
        if wanted == Some(bytes) {
            return Ok(());
        }
        Err(self.fault(format!(
            "{} bytes are wanted, the file holds {bytes}; it is damaged, fetch it again",
            wanted.map_or("too many".to_owned(), |n| n.to_string())
        )))
    }

    fn wrong_count(&self, got: usize) -> OnnxFault {
        self.fault(format!(
            "{} numbers are wanted, the file holds {got}; it is damaged, fetch it again",
            self.count()
        ))
    }

    /// Numbers of a repeated field, bounded by the bytes that hold them.
    fn field_ints(
        &self,
        fields: &Fields<'a>,
        number: u32,
        budget: &mut Budget,
    ) -> Result<Vec<i64>, OnnxFault> {
        if self.held() < self.count() as u64 {
            return Err(self.wrong_count(self.held() as usize));
        }
        // Integers of one byte grow to eight: they are few, or the budget says no.
        budget.numbers((self.held() as usize).saturating_mul(2), "a tensor")?;
        let mut values = Vec::with_capacity(self.count());
        for item in fields.clone() {
            let item = item.map_err(|f| self.fault(f.to_string()))?;
            if item.number == number {
                item.ints(&mut values).map_err(|f| self.fault(f.to_string()))?;
            }
        }
        if values.len() != self.count() {
            return Err(self.wrong_count(values.len()));
        }
        Ok(values)
    }

    fn field_floats(
        &self,
        fields: &Fields<'a>,
        number: u32,
        budget: &mut Budget,
    ) -> Result<Vec<f32>, OnnxFault> {
        if self.held() < self.count() as u64 {
            return Err(self.wrong_count(self.held() as usize));
        }
        if number != field::FLOATS && number != field::DOUBLES {
            let bits = self.field_ints(fields, number, budget)?;
            budget.numbers(bits.len(), "a tensor")?;
            return Ok(bits.into_iter().map(|b| self.of_bits(b)).collect());
        }
        budget.numbers(self.count(), "a tensor")?;
        let mut values: Vec<f32> = Vec::with_capacity(self.count());
        for item in fields.clone() {
            let item = item.map_err(|f| self.fault(f.to_string()))?;
            if item.number != number {
                continue;
            }
            if number == field::FLOATS {
                item.floats(&mut values).map_err(|f| self.fault(f.to_string()))?;
            } else {
                let mut wide = Vec::new();
                item.doubles(&mut wide).map_err(|f| self.fault(f.to_string()))?;
                values.extend(wide.into_iter().map(|v| v as f32));
            }
        }
        if values.len() != self.count() {
            return Err(self.wrong_count(values.len()));
        }
        Ok(values)
    }

    /// A number that `int32_data` holds for its type: half precision lies there bit by bit.
    fn of_bits(&self, bits: i64) -> f32 {
        match self.dtype {
            Dtype::F16 => f16::from_bits(bits as u16).to_f32(),
            Dtype::Bf16 => bf16::from_bits(bits as u16).to_f32(),
            Dtype::F64
            | Dtype::F32
            | Dtype::I64
            | Dtype::I32
            | Dtype::I16
            | Dtype::I8
            | Dtype::U64
            | Dtype::U32
            | Dtype::U16
            | Dtype::U8
            | Dtype::Bool
            | Dtype::Opaque(_) => bits as f32,
        }
    }

    /// The bytes in another file, which must lie in the model's folder.
    fn external(&self, budget: &mut Budget, folder: Option<&Path>) -> Result<Vec<u8>, OnnxFault> {
        let Payload::External { location, offset, length } = &self.payload else {
            return Ok(Vec::new());
        };
        let fault = |problem: String| OnnxFault::External {
            name: self.name.to_string(),
            location: location.to_string(),
            problem,
        };
        let Some(folder) = folder else {
            return Err(fault("the folder of the model is not known; open it by its path".into()));
        };
        let path = inside(folder, location).map_err(|problem| fault(problem.to_owned()))?;
        let io = |e: std::io::Error| fault(format!("{e}; put it beside the model"));
        let mut file = File::open(path).map_err(io)?;
        let meta = file.metadata().map_err(io)?;
        let wanted = (self.count() as u64).saturating_mul(self.dtype.size() as u64);
        let end = offset.saturating_add(wanted);
        if !meta.is_file() || length.is_some_and(|l| l != wanted) || end > meta.len() {
            return Err(fault(format!(
                "{wanted} bytes from {offset} on are wanted, the model says {} and the file has {}; \
                 fetch both again",
                length.map_or("nothing".to_owned(), |l| l.to_string()),
                meta.len()
            )));
        }
        // The numbers are on the disk: they count as part of the file.
        budget.grow(wanted.saturating_add((self.count() as u64).saturating_mul(12)));
        budget.take(wanted, "a tensor")?;
        file.seek(SeekFrom::Start(*offset)).map_err(io)?;
        let mut bytes = Vec::with_capacity(wanted as usize);
        file.take(wanted).read_to_end(&mut bytes).map_err(io)?;
        Ok(bytes)
    }
}

/// The path of a file in `folder` that the model names; links that lead out do not count as in it.
fn inside(folder: &Path, location: &str) -> Result<PathBuf, &'static str> {
    const OUT: &str = "it points out of the model's folder, nothing was read; get the model from \
                       another source";
    let relative = Path::new(location);
    let plain = |c: Component<'_>| matches!(c, Component::Normal(_) | Component::CurDir);
    if location.is_empty() || location.contains('\\') || !relative.components().all(plain) {
        return Err(OUT);
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let missing = |_| "there is no such file; put it beside the model";
    let whole = folder.join(relative).canonicalize().map_err(missing)?;
    let root = folder.canonicalize().map_err(missing)?;
    if whole.starts_with(&root) { Ok(whole) } else { Err(OUT) }
}
