//! From what a pickle says of an array to where its values are.

use std::borrow::Cow;

use regraft_tensor::Shape;

use crate::TensorFault;
use crate::dtype::Dtype;
use crate::pickle::{Id, Make, Node, Pickle};
use crate::view::View;

/// Most axes of an array; `NumPy` itself stops at 64.
pub(super) const MAX_AXES: usize = 64;

/// An array, or the name of a number type that has no `f32`.
pub(super) enum Lookup<'a> {
    Found {
        view: View,
        data: Cow<'a, [u8]>,
        /// Whether values are written big end first.
        big: bool,
    },
    NoF32(String),
}

/// The parts of an array in a pickle.
struct Parts {
    shape: Option<Id>,
    dtype: Id,
    fortran: bool,
    data: Id,
}

fn parts(pickle: &Pickle<'_>, id: Id) -> Option<Parts> {
    let Node::Array { make, args, state, .. } = pickle.node(id) else { return None };
    let args = pickle.seq(*args)?;
    match make {
        Make::Scalar => {
            let [dtype, data, ..] = *args else { return None };
            Some(Parts { shape: None, dtype, fortran: false, data })
        }
        Make::FromBuffer => {
            let [data, dtype, shape, order] = *args else { return None };
            let fortran = pickle.str(order) == Some("F");
            Some(Parts { shape: Some(shape), dtype, fortran, data })
        }
        Make::Reconstruct => {
            let state = pickle.seq((*state)?)?;
            // The first formats had no number in front.
            let (&[shape, dtype, fortran, data] | &[_, shape, dtype, fortran, data]) = state else {
                return None;
            };
            let node = pickle.node(fortran);
            let fortran = if let Node::Bool(yes) = node { *yes } else { pickle.int(fortran)? != 0 };
            Some(Parts { shape: Some(shape), dtype, fortran, data })
        }
    }
}

/// Code and byte order of a number type: `f4`, `<`.
fn number<'a>(pickle: &Pickle<'a>, id: Id) -> Option<(&'a str, Option<&'a str>)> {
    let Node::NumberType { args, state } = pickle.node(id) else { return None };
    let code = pickle.str(*pickle.seq(*args)?.first()?)?;
    let order = state.and_then(|state| pickle.str(*pickle.seq(state)?.get(1)?));
    Some((code, order))
}

/// The values of an array of objects, and whether it has no axes.
pub(super) fn objects<'p>(pickle: &'p Pickle<'_>, id: Id) -> Option<(bool, &'p [Id])> {
    let parts = parts(pickle, id)?;
    let (code, _) = number(pickle, parts.dtype)?;
    let axes = parts.shape.and_then(|shape| pickle.seq(shape)).map_or(0, <[Id]>::len);
    let items = pickle.seq(parts.data)?;
    code.contains('O').then_some((axes == 0, items))
}

/// The array that a pickle makes.
pub(super) fn locate<'a>(pickle: &Pickle<'a>, id: Id) -> Result<Lookup<'a>, TensorFault> {
    let call = |wanted| TensorFault::Call { wanted };
    let parts = parts(pickle, id).ok_or(call("shape, number type, order and values"))?;
    let (code, order) = number(pickle, parts.dtype).ok_or(call("a number type"))?;
    let sizes = |shape: Id| {
        let items = pickle.seq(shape).filter(|items| items.len() <= MAX_AXES)?;
        items.iter().map(|item| pickle.size(*item)).collect::<Option<Vec<usize>>>()
    };
    let shape = match parts.shape {
        Some(shape) => sizes(shape).ok_or(call("a shape"))?,
        None => Vec::new(),
    };
    let Some((dtype, big)) = dtype(code, order) else {
        return Ok(Lookup::NoF32(format!("numpy {}", code.chars().take(20).collect::<String>())));
    };
    let data = pickle.bytes(parts.data).ok_or(call("the bytes of the values"))?;
    Ok(found(dtype, big, shape, parts.fortran, data))
}

/// An array of `shape`, the first axis running fastest when it is Fortran's.
pub(super) fn found(
    dtype: Dtype,
    big: bool,
    shape: Vec<usize>,
    fortran: bool,
    data: Cow<'_, [u8]>,
) -> Lookup<'_> {
    let strides = if fortran {
        let steps = shape.iter().scan(1usize, |step, n| {
            let next = step.saturating_mul(*n);
            Some(std::mem::replace(step, next))
        });
        steps.collect()
    } else {
        View::dense_strides(&shape)
    };
    let shape = Shape::new(shape);
    Lookup::Found {
        view: View { storage: String::new(), dtype, offset: 0, shape, strides },
        data,
        big,
    }
}

/// The number type of a code, `f4`, or with its byte order, `<f4`; and whether that is big end first.
pub(super) fn dtype(code: &str, order: Option<&str>) -> Option<(Dtype, bool)> {
    const CODES: [(&str, Dtype); 12] = [
        ("f2", Dtype::F16),
        ("f4", Dtype::F32),
        ("f8", Dtype::F64),
        ("i1", Dtype::I8),
        ("i2", Dtype::I16),
        ("i4", Dtype::I32),
        ("i8", Dtype::I64),
        ("u1", Dtype::U8),
        ("u2", Dtype::U16),
        ("u4", Dtype::U32),
        ("u8", Dtype::U64),
        ("b1", Dtype::Bool),
    ];
    let bare = code.trim_start_matches(['<', '>', '=', '|']);
    let big = order == Some(">") || code.starts_with('>');
    CODES.iter().find(|(name, _)| *name == bare).map(|(_, dtype)| (*dtype, big))
}
