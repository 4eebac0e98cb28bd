//! The stack machine: bytes, stack, marks, memo.

use std::collections::BTreeMap;

use super::globals::{self, Known};
use super::{Id, Node, Pickle, Stop};
use crate::PickleFault;

/// Most values, and most entries copied between them, in one pickle. A large checkpoint with its
/// optimiser has some hundred thousand.
pub(super) const MAX_VALUES: usize = 4_000_000;
/// Longest line of a text opcode, in bytes.
const MAX_LINE: usize = 4096;

const STOP: u8 = b'.';

pub(super) type Step<T = ()> = Result<T, PickleFault>;

pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Offset of the opcode at work.
    op_at: usize,
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) stack: Vec<Id>,
    pub(super) marks: Vec<usize>,
    pub(super) memo: BTreeMap<u64, Id>,
    copied: usize,
    /// A call that is refused; checked after each opcode.
    refused: Option<String>,
}

pub(super) fn run(bytes: &[u8], start: usize) -> Result<Pickle<'_>, Stop> {
    let mut machine = Machine {
        bytes,
        at: start,
        op_at: start,
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: BTreeMap::new(),
        copied: 0,
        refused: None,
    };
    loop {
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => {
                return Ok(Pickle { nodes: machine.nodes, root, end: machine.at });
            }
            Err(fault) => return Err(Stop::Fault { offset: machine.op_at, fault }),
        }
        if let Some(global) = machine.refused {
            return Err(Stop::Code { offset: machine.op_at, global });
        }
    }
}

impl<'a> Machine<'a> {
    /// One opcode; the value of the pickle when that was the last.
    fn step(&mut self) -> Step<Option<Id>> {
        self.op_at = self.at;
        let opcode = self.byte()?;
        if opcode == STOP {
            return self.pop().map(Some);
        }
        let done = self.make_number(opcode)?
            || self.make_text(opcode)?
            || self.make_container(opcode)?
            || self.move_values(opcode)?
            || self.make_call(opcode)?;
        if done { Ok(None) } else { Err(PickleFault::Opcode { opcode }) }
    }

    /// The next `n` bytes.
    pub(super) fn take(&mut self, n: u64) -> Step<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let short = PickleFault::Truncated { wanted: n, left: rest.len() };
        let Some(taken) = usize::try_from(n).ok().and_then(|n| rest.get(..n)) else {
            return Err(short);
        };
        self.at += taken.len();
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let taken = self.take(N as u64)?;
        taken.first_chunk().copied().ok_or(PickleFault::Truncated { wanted: N as u64, left: 0 })
    }

    pub(super) fn byte(&mut self) -> Step<u8> {
        self.array::<1>().map(|[b]| b)
    }

    /// The bytes up to the end of the line, without it.
    pub(super) fn line(&mut self) -> Step<&'a [u8]> {
        self.line_within(MAX_LINE)
    }

    /// The same for texts, which may be as long as the file.
    pub(super) fn long_line(&mut self) -> Step<&'a [u8]> {
        self.line_within(usize::MAX)
    }

    fn line_within(&mut self, limit: usize) -> Step<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let head = &rest[..rest.len().min(limit)];
        let Some(n) = head.iter().position(|&b| b == b'\n') else {
            return Err(PickleFault::Truncated { wanted: rest.len() as u64 + 1, left: rest.len() });
        };
        self.at += n + 1;
        Ok(&rest[..n])
    }

    /// Makes a value without pushing it.
    pub(super) fn add(&mut self, node: Node<'a>) -> Step<Id> {
        if self.nodes.len() >= MAX_VALUES {
            return Err(PickleFault::TooManyValues { limit: MAX_VALUES });
        }
        let id = Id(self.nodes.len() as u32);
        self.nodes.push(node);
        Ok(id)
    }

    /// Makes a value and pushes it.
    pub(super) fn push(&mut self, node: Node<'a>) -> Step {
        let id = self.add(node)?;
        self.stack.push(id);
        Ok(())
    }

    /// Counts entries copied from one value to another: sharing must not multiply work.
    fn spend(&mut self, entries: usize) -> Step {
        self.copied = self.copied.saturating_add(entries);
        if self.copied > MAX_VALUES {
            return Err(PickleFault::TooManyValues { limit: MAX_VALUES });
        }
        Ok(())
    }

    /// Takes the topmost value, never from below the last mark.
    pub(super) fn pop(&mut self) -> Step<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(PickleFault::StackUnderflow);
        }
        self.stack.pop().ok_or(PickleFault::StackUnderflow)
    }

    /// The topmost value, left in place.
    pub(super) fn top(&self) -> Step<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack.get(floor..).and_then(<[Id]>::last).copied().ok_or(PickleFault::StackUnderflow)
    }

    /// Takes all values above the last mark, and the mark.
    pub(super) fn pop_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or(PickleFault::NoMark)?;
        Ok(self.stack.split_off(mark))
    }

    pub(super) fn node(&self, id: Id) -> &Node<'a> {
        &self.nodes[id.0 as usize]
    }

    pub(super) fn node_mut(&mut self, id: Id) -> &mut Node<'a> {
        &mut self.nodes[id.0 as usize]
    }

    fn str(&self, id: Id) -> Option<&'a str> {
        if let Node::Str(text) = self.node(id) { Some(text) } else { None }
    }

    /// Pushes a global of two texts.
    pub(super) fn push_global(&mut self, module: Id, name: Id) -> Step {
        if self.str(module).is_none() || self.str(name).is_none() {
            return Err(PickleFault::Kind { wanted: "the name of a module and of a thing in it" });
        }
        self.push(Node::Global { module, name, offset: self.op_at })
    }

    /// The global behind a callee: itself, or the class in a persistent id (old torch kept the
    /// classes of pickled modules there, as `('module', class, file, source)` or without the word).
    fn callee(&self, id: Id) -> Option<Id> {
        match self.node(id) {
            Node::Global { .. } => Some(id),
            Node::Persistent(pid) => {
                let Node::Seq(items) = self.node(*pid) else { return None };
                let is_global = |id: &&Id| matches!(self.node(**id), Node::Global { .. });
                items.iter().take(2).find(is_global).copied()
            }
            Node::Foreign { global, .. } => Some(*global),
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
            | Node::Array { .. }
            | Node::NumberType { .. }
            | Node::Tensor { .. } => None,
        }
    }

    /// What a call stands for. Nothing is called: names that are understood become their value,
    /// names that run code stop the reading, all others become [`Node::Foreign`].
    pub(super) fn call(&mut self, callee: Id, args: Id) -> Step {
        let wanted = PickleFault::Kind { wanted: "a function or class" };
        let Some(global) = self.callee(callee) else { return Err(wanted) };
        let Node::Global { module, name, .. } = *self.node(global) else { return Err(wanted) };
        let (Some(module), Some(name)) = (self.str(module), self.str(name)) else {
            return Err(wanted);
        };
        if globals::runs_code(module, name) && globals::known(module, name).is_none() {
            self.refused = Some(globals::full_name(module, name));
            return Ok(());
        }
        let Node::Seq(items) = self.node(args) else {
            return Err(PickleFault::Kind { wanted: "a tuple of arguments" });
        };
        let first = items.first().copied();
        // The result of calling an object that is itself foreign is foreign.
        let known = if global == callee { globals::known(module, name) } else { None };
        match known {
            Some(Known::Tensor(rebuild)) => self.push(Node::Tensor { rebuild, args }),
            Some(Known::First) => self.push_first(first, global),
            Some(Known::OrderedDict) => self.push_ordered(first),
            Some(Known::EmptyDict) => self.push(Node::Dict(Vec::new())),
            Some(Known::Array(make)) => {
                self.push(Node::Array { make, args, state: None, global, offset: self.op_at })
            }
            Some(Known::NumberType) => self.push(Node::NumberType { args, state: None }),
            Some(Known::Encode) => self.push(first.map_or(Node::Inert, Node::Latin1)),
            Some(Known::Inert) => self.push(Node::Inert),
            None => {
                let global = self.behind_copyreg(module, first).unwrap_or(global);
                self.push(Node::Foreign { global, offset: self.op_at })
            }
        }
    }

    /// Keeps the state of an array or number type; that of all other objects means nothing here.
    pub(super) fn set_state(&mut self, of: Id, to: Id) {
        if let Node::Array { state, .. } | Node::NumberType { state, .. } = self.node_mut(of) {
            *state = Some(to);
        }
    }

    /// `copyreg._reconstructor(cls, ...)` and its kin stand for an object of `cls`.
    fn behind_copyreg(&self, module: &str, first: Option<Id>) -> Option<Id> {
        ["copyreg", "copy_reg"]
            .contains(&module)
            .then_some(first)
            .flatten()
            .and_then(|id| self.callee(id))
    }

    fn push_first(&mut self, first: Option<Id>, global: Id) -> Step {
        match first.map(|id| (id, self.node(id))) {
            Some((id, Node::Tensor { .. } | Node::Persistent(_) | Node::Seq(_))) => {
                self.stack.push(id);
                Ok(())
            }
            _ => self.push(Node::Foreign { global, offset: self.op_at }),
        }
    }

    /// `OrderedDict()` or `OrderedDict([[key, value], ...])`.
    fn push_ordered(&mut self, first: Option<Id>) -> Step {
        let wanted = PickleFault::Kind { wanted: "pairs of key and value" };
        let mut pairs = Vec::new();
        if let Some(Node::Seq(items)) = first.map(|id| self.node(id)) {
            for item in items {
                let Node::Seq(pair) = self.node(*item) else { return Err(wanted) };
                let [key, value] = pair[..] else { return Err(wanted) };
                pairs.push((key, value));
            }
        }
        self.spend(pairs.len())?;
        self.push(Node::Dict(pairs))
    }
}
