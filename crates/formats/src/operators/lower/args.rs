//! What a node is given.

use super::{Lowered, Value};
use crate::operators::consts::Const;
use crate::operators::fold::wanted;

/// The inputs of a node.
pub(super) struct Args<'a> {
    pub(super) values: Vec<Option<Value<'a>>>,
}

impl<'a> Args<'a> {
    /// An input that must be there.
    pub(super) fn value(&self, i: usize) -> Lowered<&Value<'a>> {
        self.maybe(i).ok_or_else(|| wanted(format!("an input {}", i + 1)))
    }

    /// An input that may be there.
    pub(super) fn maybe(&self, i: usize) -> Option<&Value<'a>> {
        self.values.get(i).and_then(Option::as_ref)
    }

    /// A constant that must be there.
    pub(super) fn constant(&self, i: usize, what: &str) -> Lowered<Const<'a>> {
        self.maybe_constant(i, what)?.ok_or_else(|| wanted(format!("{what} as an input {}", i + 1)))
    }

    /// A constant that may be there.
    pub(super) fn maybe_constant(&self, i: usize, what: &str) -> Lowered<Option<Const<'a>>> {
        match self.maybe(i) {
            None => Ok(None),
            Some(Value::Const(c)) => Ok(Some(c.clone())),
            Some(
                Value::Live(_)
                | Value::Tokens(_)
                | Value::Scores(_)
                | Value::Stat(_)
                | Value::Unknown,
            ) => Err(wanted(format!("{what} that does not depend on the picture"))),
        }
    }
}
