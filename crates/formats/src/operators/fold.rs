//! Arithmetic on constants: shapes, and the little that exporters leave to do on weights.

use std::rc::Rc;

use regraft_tensor::Shape;

use super::OnnxFault;
use super::consts::{Const, Data, Numbers, Store};
use super::curve::Binary;
use super::ir::{Node, Setting};

pub(super) mod elementwise;
pub(super) mod moves;
mod product;
mod scatter;

/// Most axes of a value.
pub(super) const MAX_RANK: usize = 32;

/// What folding a node gives: its outputs, `None` when the operation cannot be folded, or words for
/// what was wanted.
pub(super) type Folded<'a> = Result<Option<Vec<Const<'a>>>, Trouble>;

/// Why a node cannot be folded.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The inputs do not fit; what was wanted.
    Wanted(String),
    /// Something else.
    Fault(OnnxFault),
}

impl From<OnnxFault> for Trouble {
    fn from(fault: OnnxFault) -> Self {
        Self::Fault(fault)
    }
}

/// Words for what was wanted.
pub(super) fn wanted(words: impl Into<String>) -> Trouble {
    Trouble::Wanted(words.into())
}

/// Axes, also negative ones, as positions; `None` when one is outside.
pub(super) fn axes_of(axes: &[i64], rank: usize) -> Option<Vec<usize>> {
    axes.iter().map(|a| axis_of(*a, rank)).collect()
}

/// An axis, also a negative one, as a position.
pub(super) fn axis_of(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis.checked_add(rank as i64)? } else { axis };
    usize::try_from(axis).ok().filter(|a| *a < rank)
}

/// The extents that a `Reshape` asks for, for a value of `dims`.
pub(super) fn reshape_dims(dims: &[usize], asked: &[i64], allow_zero: bool) -> Option<Vec<usize>> {
    let count = Shape::from(dims).checked_len().filter(|_| asked.len() <= MAX_RANK)?;
    let mut made = Vec::with_capacity(asked.len());
    let mut open = None;
    for (i, ask) in asked.iter().enumerate() {
        made.push(match ask {
            -1 if open.replace(i).is_none() => 1,
            0 if !allow_zero => *dims.get(i)?,
            ask => usize::try_from(*ask).ok()?,
        });
    }
    let known = Shape::from(made.as_slice()).checked_len()?;
    if let Some(open) = open {
        if known == 0 || !count.is_multiple_of(known) {
            return None;
        }
        made[open] = count / known;
    } else if known != count {
        return None;
    }
    Some(made)
}

/// A node whose inputs are all constants, being folded.
pub(super) struct Fold<'n, 'a, 's, 'p> {
    pub(super) node: &'n Node<'a>,
    pub(super) inputs: Vec<Option<Const<'a>>>,
    pub(super) store: &'s mut Store<'p>,
}

impl<'a> Fold<'_, 'a, '_, '_> {
    /// The outputs of the node. What was needed on the way is given back, and what they hold once they
    /// are dropped.
    pub(super) fn run(&mut self) -> Folded<'a> {
        let before = self.store.budget.spent();
        let mut made = self.folded()?;
        let budget = &self.store.budget;
        for output in made.iter_mut().flatten() {
            output.hold(budget);
        }
        drop(budget.held(budget.spent().saturating_sub(before)));
        Ok(made)
    }

    fn folded(&mut self) -> Folded<'a> {
        let made = match &*self.node.op {
            "Constant" => self.constant()?,
            "Identity" | "Dropout" => self.input(0)?.clone(),
            "Shape" => self.shape()?,
            "Size" => Const::ints_of(vec![], vec![self.input(0)?.count() as i64]),
            "Cast" | "CastLike" => self.cast()?,
            "Reshape" => self.reshape()?,
            "Flatten" => self.flatten()?,
            "Squeeze" => self.squeeze()?,
            "Unsqueeze" => self.unsqueeze()?,
            "Transpose" => self.transpose()?,
            "Concat" => self.concat()?,
            "Gather" => self.gather()?,
            "Slice" => self.slice()?,
            "Split" => return self.split().map(Some),
            "Expand" => self.expand()?,
            "Range" => self.range()?,
            "ConstantOfShape" => self.constant_of_shape()?,
            "MatMul" | "Gemm" => self.product()?,
            "BatchNormalization" => self.norm()?,
            "Add" => self.arithmetic(Binary::Add)?,
            "Sub" => self.arithmetic(Binary::Sub)?,
            "Mul" => self.arithmetic(Binary::Mul)?,
            "Div" => self.arithmetic(Binary::Div)?,
            "Pow" => self.arithmetic(Binary::Pow)?,
            "Min" => self.arithmetic(Binary::Min)?,
            "Max" => self.arithmetic(Binary::Max)?,
            "Mod" | "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "And"
            | "Or" => self.integral()?,
            "Where" => self.choose()?,
            "Clip" => self.limited()?,
            "Not" | "Neg" | "Abs" | "Floor" | "Ceil" | "Round" | "Sqrt" | "Exp" | "Reciprocal"
            | "Sign" => self.each()?,
            "ReduceProd" | "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" => {
                self.reduce()?
            }
            "GatherND" => self.gather_parts()?,
            "ScatterND" => self.scatter()?,
            "DequantizeLinear" => self.dequantize()?,
            _ => return Ok(None),
        };
        Ok(Some(vec![made]))
    }

    /// An input that must be there.
    pub(super) fn input(&self, i: usize) -> Result<&Const<'a>, Trouble> {
        self.maybe(i).ok_or_else(|| wanted(format!("an input {}", i + 1)))
    }

    /// An input that may be there.
    pub(super) fn maybe(&self, i: usize) -> Option<&Const<'a>> {
        self.inputs.get(i).and_then(Option::as_ref)
    }

    /// Takes room for `factor` numbers of 4 bytes for each of a tensor; how many it has. Empty axes
    /// count as 1, so that nothing is large beside them.
    fn room(&mut self, dims: &[usize], factor: usize) -> Result<usize, Trouble> {
        let all = dims.iter().fold(1usize, |n, d| n.saturating_mul((*d).max(1)));
        self.store.budget.numbers(all.saturating_mul(factor), "constants")?;
        Ok(if dims.contains(&0) { 0 } else { all })
    }

    /// Integers of an input that may be there.
    pub(super) fn ints(&mut self, i: usize) -> Result<Option<Rc<Numbers<i64>>>, Trouble> {
        match self.inputs.get(i) {
            Some(Some(input)) => Ok(Some(input.ints(self.store)?)),
            Some(None) | None => Ok(None),
        }
    }

    /// Axes from the setting (old) or the input (new); `None` when neither is there.
    pub(super) fn axes(&mut self, i: usize, rank: usize) -> Result<Option<Vec<usize>>, Trouble> {
        let axes = match self.node.ints("axes") {
            Some(axes) => Some(axes.to_vec()),
            None => self.ints(i)?.map(|v| v.to_vec()),
        };
        let outside = || wanted(format!("axes of {rank} extents"));
        axes.map(|a| axes_of(&a, rank).ok_or_else(outside)).transpose()
    }

    fn constant(&mut self) -> Result<Const<'a>, Trouble> {
        for (name, setting) in &self.node.settings {
            return Ok(match (&**name, setting) {
                ("value", Setting::Tensor(raw)) => {
                    Const { dims: raw.dims.clone(), data: Data::Raw(Rc::clone(raw)), origin: None }
                }
                ("value_float", Setting::Float(v)) => Const::floats_of(vec![], vec![*v]),
                ("value_int", Setting::Int(v)) => Const::ints_of(vec![], vec![*v]),
                ("value_floats", Setting::Floats(v)) => Const::floats_of(vec![v.len()], v.clone()),
                ("value_ints", Setting::Ints(v)) => Const::row(v.clone()),
                _ => continue,
            });
        }
        Err(wanted("a value that is a tensor or numbers"))
    }

    fn shape(&self) -> Result<Const<'a>, Trouble> {
        let dims: Vec<i64> = self.input(0)?.dims.iter().map(|d| *d as i64).collect();
        shape_part(self.node, &dims).map(Const::row).ok_or_else(|| wanted("a part of the extents"))
    }

    fn cast(&mut self) -> Result<Const<'a>, Trouble> {
        let input = self.input(0)?.clone();
        let float = match self.node.int("to") {
            Some(1 | 10 | 11 | 16) => true,
            Some(_) => false,
            None => self.input(1)?.is_float(),
        };
        let truth = self.node.int("to") == Some(9);
        if float == input.is_float() && !truth {
            return Ok(input);
        }
        let dims = input.dims.clone();
        let data = if truth {
            let values = input.floats(self.store)?;
            self.store.budget.numbers(2 * values.len(), "constants")?;
            Data::Ints(Rc::new(
                values.iter().map(|v| i64::from(*v != 0.0)).collect::<Vec<_>>().into(),
            ))
        } else if float {
            Data::Floats(input.floats(self.store)?)
        } else {
            Data::Ints(input.ints(self.store)?)
        };
        Ok(Const { dims, data, origin: input.origin })
    }
}

/// The part of the extents that `Shape` asks for since opset 15.
pub(super) fn shape_part(node: &Node<'_>, dims: &[i64]) -> Option<Vec<i64>> {
    let rank = dims.len() as i64;
    let place = |v: i64| (if v < 0 { v.saturating_add(rank) } else { v }).clamp(0, rank) as usize;
    let start = place(node.int("start").unwrap_or(0));
    let end = place(node.int("end").unwrap_or(rank));
    Some(dims.get(start..end.max(start))?.to_vec())
}
