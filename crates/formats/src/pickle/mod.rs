//! A reader of pickles that builds inert values and calls nothing.
//!
//! A pickle is a program for a small stack machine. This reader knows the opcodes of protocols 0
//! to 5 that make values, and a fixed list of names it understands ([`globals`]). A call of any
//! other name becomes [`Node::Foreign`], which remembers the name and forgets the arguments' use.
//! Values live in one flat list and point at each other by number: sharing and cycles cost
//! nothing, and neither reading nor dropping recurses.

mod escape;
mod globals;
mod machine;
mod ops;

use std::borrow::Cow;

use crate::{FormatError, PickleFault};

pub(crate) use globals::{Make, Rebuild, dtype, full_name, storage_dtype};

/// Number of a value in its [`Pickle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(u32);

/// An inert value.
#[derive(Debug)]
pub(crate) enum Node<'a> {
    /// None, floats, numbers and texts that no checkpoint needs.
    Inert,
    Bool(bool),
    Int(i64),
    /// A whole number of more than eight bytes, little-endian two's complement.
    Long(&'a [u8]),
    Str(&'a str),
    /// Bytes, or a text of Python 2 that is no UTF-8.
    Bytes(&'a [u8]),
    /// A text of protocol 0 with `\` in it, as it stands in the file. In quotes it was one of Python 2,
    /// whose escapes stand for bytes; else they stand for characters.
    Escaped {
        quoted: bool,
        text: &'a [u8],
    },
    /// A text whose characters stand for bytes.
    Latin1(Id),
    /// A tuple, list or set.
    Seq(Vec<Id>),
    /// A dict, in the order of insertion; of equal keys the last one holds.
    Dict(Vec<(Id, Id)>),
    /// A name that stands for a function or class; both are `Str`.
    Global {
        module: Id,
        name: Id,
        offset: usize,
    },
    /// What a call of a name that is not understood would have given.
    Foreign {
        global: Id,
        offset: usize,
    },
    /// An object kept outside the pickle, by its id.
    Persistent(Id),
    /// A call that rebuilds a tensor from the arguments, a `Seq`.
    Tensor {
        rebuild: Rebuild,
        args: Id,
    },
    /// An array of `NumPy`: the call that made it, and the state it got afterwards.
    Array {
        make: Make,
        args: Id,
        state: Option<Id>,
        global: Id,
        offset: usize,
    },
    /// A number type of `NumPy`, likewise.
    NumberType {
        args: Id,
        state: Option<Id>,
    },
}

/// The values of one pickle.
pub(crate) struct Pickle<'a> {
    nodes: Vec<Node<'a>>,
    /// The value the pickle stands for.
    pub(crate) root: Id,
    /// Offset of the first byte after the pickle.
    pub(crate) end: usize,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle of `bytes` that begins at `start`. Offsets in errors count from the start
    /// of `bytes`, which errors call `member`.
    pub(crate) fn read(bytes: &'a [u8], start: usize, member: &str) -> Result<Self, FormatError> {
        machine::run(bytes, start).map_err(|stop| stop.into_error(member))
    }

    pub(crate) fn node(&self, id: Id) -> &Node<'a> {
        // Every `Id` comes from this list.
        &self.nodes[id.0 as usize]
    }

    /// Numbers of all values, in the order in which they were made.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> + use<> {
        (0..self.nodes.len() as u32).map(Id)
    }

    pub(crate) fn str(&self, id: Id) -> Option<&'a str> {
        if let Node::Str(text) = self.node(id) { Some(text) } else { None }
    }

    pub(crate) fn int(&self, id: Id) -> Option<i64> {
        if let Node::Int(n) = self.node(id) { Some(*n) } else { None }
    }

    /// The bytes that a value stands for.
    pub(crate) fn bytes(&self, id: Id) -> Option<Cow<'a, [u8]>> {
        match self.node(id) {
            Node::Bytes(bytes) => Some(Cow::Borrowed(bytes)),
            // Texts of Python 2 were bytes.
            Node::Str(text) => Some(Cow::Borrowed(text.as_bytes())),
            Node::Escaped { quoted: true, text } => escape::bytes(text).map(Cow::Owned),
            Node::Latin1(inner) => {
                let inner = self.node(*inner);
                if let Node::Str(text) = inner {
                    escape::latin1(text.chars()).map(Cow::Owned)
                } else if let Node::Escaped { quoted: false, text } = inner {
                    escape::latin1(escape::characters(text)?.into_iter()).map(Cow::Owned)
                } else {
                    None
                }
            }
            Node::Inert
            | Node::Bool(_)
            | Node::Int(_)
            | Node::Long(_)
            | Node::Escaped { .. }
            | Node::Seq(_)
            | Node::Dict(_)
            | Node::Global { .. }
            | Node::Foreign { .. }
            | Node::Persistent(_)
            | Node::Tensor { .. }
            | Node::Array { .. }
            | Node::NumberType { .. } => None,
        }
    }

    /// A whole number that is not negative.
    pub(crate) fn size(&self, id: Id) -> Option<usize> {
        self.int(id).and_then(|n| usize::try_from(n).ok())
    }

    pub(crate) fn seq(&self, id: Id) -> Option<&[Id]> {
        if let Node::Seq(items) = self.node(id) { Some(items) } else { None }
    }

    pub(crate) fn dict(&self, id: Id) -> Option<&[(Id, Id)]> {
        if let Node::Dict(pairs) = self.node(id) { Some(pairs) } else { None }
    }

    /// The value under a text key; of equal keys the last one.
    pub(crate) fn get(&self, dict: Id, key: &str) -> Option<Id> {
        self.dict(dict)?.iter().rev().find(|(k, _)| self.str(*k) == Some(key)).map(|(_, v)| *v)
    }

    /// Module and name of a global.
    pub(crate) fn global(&self, id: Id) -> Option<(&'a str, &'a str)> {
        let Node::Global { module, name, .. } = self.node(id) else { return None };
        Some((self.str(*module)?, self.str(*name)?))
    }

    /// `module.name` and offset of what a value is made of, when that is not understood here.
    pub(crate) fn foreign(&self, id: Id) -> Option<(String, usize)> {
        let (global, offset) = match self.node(id) {
            Node::Foreign { global, offset } | Node::Array { global, offset, .. } => {
                (*global, *offset)
            }
            Node::Global { offset, .. } => (id, *offset),
            Node::Inert
            | Node::Bool(_)
            | Node::Int(_)
            | Node::Long(_)
            | Node::Str(_)
            | Node::Bytes(_)
            | Node::Escaped { .. }
            | Node::Latin1(_)
            | Node::Seq(_)
            | Node::Dict(_)
            | Node::Persistent(_)
            | Node::NumberType { .. }
            | Node::Tensor { .. } => return None,
        };
        let (module, name) = self.global(global)?;
        Some((globals::full_name(module, name), offset))
    }
}

/// Why reading stopped, before the member is known.
enum Stop {
    Fault { offset: usize, fault: PickleFault },
    Code { offset: usize, global: String },
}

impl Stop {
    fn into_error(self, member: &str) -> FormatError {
        let member = member.to_string();
        match self {
            Self::Fault { offset, fault } => FormatError::Pickle { member, offset, fault },
            Self::Code { offset, global } => FormatError::CodeInPickle { member, offset, global },
        }
    }
}
