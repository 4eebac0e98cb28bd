//! Sequences of tokens: pixels of a map, learned tokens before them, positions added.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use regraft_net::{Op, Role};
use regraft_tensor::{Shape, Tensor};

use super::{Live, Lower, Lowered, Value, wanted};
use crate::operators::build::Name;
use crate::operators::consts::Const;
use crate::operators::fold::elementwise::broadcast;
use crate::operators::layout::{Atom, Layout, extent, walk};

/// A sequence `[1, T, D]` that may still get tokens before it and positions.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    /// The map or sequence whose pixels are the last tokens, whole and plain; its layout is
    /// `[1, H·W, D]`.
    rest: Live,
    /// Length of a token.
    d: usize,
    /// Learned tokens that come first, `[first, D]`.
    first: Rc<Vec<f32>>,
    /// Positions of all, `[first + H·W, D]`; empty while there are none.
    position: Rc<Vec<f32>>,
    name: Name,
    /// The layer, once somebody wanted it as it is.
    made: Rc<OnceCell<Live>>,
}

impl Tokens {
    fn count(&self) -> usize {
        extent(&self.rest.layout.axes[1]) + self.first.len() / self.d
    }

    /// Whether it has its positions.
    pub(super) fn is_placed(&self) -> bool {
        !self.position.is_empty()
    }

    /// Extents of the value.
    pub(super) fn dims(&self) -> Vec<usize> {
        vec![1, self.count(), self.d]
    }
}

impl<'a> Lower<'_, 'a, '_> {
    /// A value as a sequence that can still grow; `None` when it is none.
    pub(super) fn growing(&mut self, value: &Value<'a>) -> Lowered<Option<Tokens>> {
        let live = match value {
            Value::Tokens(tokens) => return Ok(Some(tokens.clone())),
            Value::Live(live) => live,
            Value::Const(_) | Value::Scores(_) | Value::Stat(_) | Value::Unknown => {
                return Ok(None);
            }
        };
        let rest = self.plain(live)?;
        let rest = self.whole(&rest)?;
        let &[d, h, w] = self.shape(rest.layer) else { return Ok(None) };
        let sequence = Layout::natural(&[d, h, w]).transposed(&[0, 2, 3, 1]);
        let sequence = sequence.and_then(|s| s.reshaped(&[1, h * w, d]));
        if Some(&rest.layout) != sequence.as_ref() {
            return Ok(None);
        }
        Ok(Some(Tokens {
            rest,
            d,
            first: Rc::default(),
            position: Rc::default(),
            name: self.tokens_name(None),
            made: Rc::default(),
        }))
    }

    /// Learned tokens before a sequence.
    pub(super) fn begun(
        &mut self,
        known: &[Const<'a>],
        rest: &Value<'a>,
        axis: usize,
    ) -> Lowered<Tokens> {
        let not = || wanted("learned tokens [1, n, D] before a sequence [1, T, D], along axis 1");
        let mut tokens = self.growing(rest)?.filter(|_| axis == 1).ok_or_else(not)?;
        let mut first = Vec::new();
        for part in known {
            let [1, _, d] = part.dims[..] else { return Err(not()) };
            if d != tokens.d {
                return Err(not());
            }
            first.extend_from_slice(&part.floats(&mut self.store)?);
        }
        self.room(first.len() + tokens.first.len() + tokens.position.len(), 2)?;
        if !tokens.position.is_empty() {
            let mut position = vec![0.0; first.len()];
            position.extend_from_slice(&tokens.position);
            tokens.position = Rc::new(position);
        }
        first.extend_from_slice(&tokens.first);
        tokens.first = Rc::new(first);
        tokens.made = Rc::default();
        Ok(tokens)
    }

    /// Positions added to a sequence; `None` when the constant is none.
    pub(super) fn positioned(
        &mut self,
        tokens: &Tokens,
        known: &Const<'a>,
    ) -> Lowered<Option<Tokens>> {
        let dims = tokens.dims();
        if known.count() != dims.iter().product::<usize>()
            || broadcast(&known.dims, &dims).is_none_or(|d| d != dims)
        {
            return Ok(None);
        }
        let mut tokens = tokens.clone();
        let mut more = known.clone().into_floats(&mut self.store)?;
        if !tokens.position.is_empty() {
            more.iter_mut().zip(tokens.position.iter()).for_each(|(a, b)| *a += b);
        }
        tokens.position = Rc::new(more);
        tokens.name = self.tokens_name(known.origin);
        tokens.made = Rc::default();
        Ok(Some(tokens))
    }

    /// A number for each pixel and channel added to a map, as a sequence of its pixels.
    pub(super) fn shifted(&mut self, live: &Live, known: &Const<'a>) -> Lowered<Option<Live>> {
        let live = self.plain(live)?;
        let live = self.whole(&live)?;
        let &[d, h, w] = self.shape(live.layer) else { return Ok(None) };
        let dims = live.layout.dims();
        if known.count() != d * h * w || broadcast(&known.dims, &dims).is_none_or(|b| b != dims) {
            return Ok(None);
        }
        self.store.budget.numbers(3 * known.count(), "positions")?;
        let all: Vec<Atom> = live.layout.atoms().copied().collect();
        let to = walk(&all, |dim| [1, w * d, d].get(dim).copied());
        let values = known.floats(&mut self.store)?;
        let mut position = vec![0.0; values.len()];
        for (i, v) in to.into_iter().zip(values.iter()) {
            position[i] = *v;
        }
        let name = self.tokens_name(known.origin);
        let layer = self.sequence(live.layer, name, vec![], position)?;
        Ok(Some(Live::of(layer, as_sequence(&live.layout, w))))
    }

    /// The sequence as a layer.
    pub(super) fn tokens(&mut self, tokens: &Tokens) -> Lowered<Live> {
        if let Some(live) = tokens.made.get() {
            return Ok(live.clone());
        }
        let Tokens { rest, d, first, position, name, made } = tokens.clone();
        let count = tokens.count();
        if first.is_empty() && position.is_empty() {
            return Ok(rest);
        }
        self.room(first.len().saturating_add(count.saturating_mul(d)), 1)?;
        let position = if position.is_empty() { vec![0.0; count * d] } else { position.to_vec() };
        let layer = self.sequence(rest.layer, name, first.to_vec(), position)?;
        let layout = Layout::natural(&[d, count, 1]).transposed(&[0, 2, 3, 1]);
        let layout = layout.and_then(|l| l.reshaped(&[1, count, d]));
        let layout = layout.ok_or_else(|| wanted("a sequence [1, T, D]"))?;
        Ok(made.get_or_init(|| Live::of(layer, layout)).clone())
    }

    fn sequence(
        &mut self,
        of: usize,
        name: Name,
        first: Vec<f32>,
        position: Vec<f32>,
    ) -> Lowered<usize> {
        let d = self.shape(of)[0];
        let tensor = |values: Vec<f32>| {
            let shape = Shape::from([values.len() / d, d]);
            Tensor::new(shape, values).map(Arc::new).map_err(|e| wanted(e.to_string()))
        };
        let op = Op::Tokens { first: first.len() / d };
        let params = vec![(Role::Token, tensor(first)?), (Role::Position, tensor(position)?)];
        self.push(name, op, &[of], params)
    }
}

/// The layout of a map of `w` columns in the sequence of its pixels.
pub(super) fn as_sequence(layout: &Layout, w: usize) -> Layout {
    let mut axes = layout.axes.clone();
    for atom in axes.iter_mut().flatten() {
        match atom.dim {
            1 => atom.stride *= w,
            2 => atom.dim = 1,
            _ => {}
        }
    }
    Layout::new(axes)
}
