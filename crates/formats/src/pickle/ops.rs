//! The opcodes, in families. Each function says whether the opcode was one of its own.
//! Letters and numbers are those of Python's `pickletools`.

use super::machine::{MAX_VALUES, Machine, Step};
use super::{Id, Node};
use crate::PickleFault;

/// A text when the bytes are UTF-8.
fn text(bytes: &[u8]) -> Node<'_> {
    std::str::from_utf8(bytes).map_or(Node::Bytes(bytes), Node::Str)
}

/// A text of protocol 0.
fn plain(bytes: &[u8], quoted: bool) -> Node<'_> {
    // Without quotes a byte is a character, never a part of UTF-8.
    let escaped = bytes.contains(&b'\\') || !quoted && !bytes.is_ascii();
    if escaped { Node::Escaped { quoted, text: bytes } } else { text(bytes) }
}

/// A whole number, little-endian two's complement.
fn long(bytes: &[u8]) -> Node<'_> {
    let Some(last) = bytes.last() else { return Node::Int(0) };
    if bytes.len() > 8 {
        return Node::Long(bytes);
    }
    let mut whole = [if last & 0x80 == 0 { 0 } else { 0xff }; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    Node::Int(i64::from_le_bytes(whole))
}

/// A whole number in decimal: `12`, `12L`, and `00`, `01` for false and true.
fn decimal<'a>(line: &[u8]) -> Step<Node<'a>> {
    match line {
        b"00" => return Ok(Node::Bool(false)),
        b"01" => return Ok(Node::Bool(true)),
        _ => {}
    }
    let digits = line.strip_suffix(b"L").unwrap_or(line);
    let number = std::str::from_utf8(digits).map_err(|_| PickleFault::Number)?;
    if let Ok(n) = number.trim().parse() {
        return Ok(Node::Int(n));
    }
    let all_digits = number.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit());
    if all_digits && number.len() > 18 { Ok(Node::Inert) } else { Err(PickleFault::Number) }
}

/// Whether items put into this value are forgotten with it.
fn swallows(node: &Node<'_>) -> bool {
    matches!(node, Node::Foreign { .. } | Node::Inert)
}

impl Machine<'_> {
    /// Numbers, truth values, none; and marks of the protocol that mean nothing here.
    pub(super) fn make_number(&mut self, opcode: u8) -> Step<bool> {
        let node = match opcode {
            0x80 => return self.byte().map(|_| true),       // PROTO
            0x95 => return self.array::<8>().map(|_| true), // FRAME
            b'N' => Node::Inert,
            0x88 => Node::Bool(true),
            0x89 => Node::Bool(false),
            b'J' => Node::Int(i64::from(i32::from_le_bytes(self.array()?))),
            b'K' => Node::Int(i64::from(self.byte()?)),
            b'M' => Node::Int(i64::from(u16::from_le_bytes(self.array()?))),
            0x8a => {
                let n = self.byte()?;
                long(self.take(u64::from(n))?)
            }
            0x8b => {
                let n = u32::from_le_bytes(self.array()?);
                long(self.take(u64::from(n))?)
            }
            b'I' | b'L' => decimal(self.line()?)?,
            b'F' => {
                self.line()?;
                Node::Inert
            }
            b'G' => {
                self.array::<8>()?;
                Node::Inert
            }
            _ => return Ok(false),
        };
        self.push(node).map(|()| true)
    }

    /// Texts and bytes.
    pub(super) fn make_text(&mut self, opcode: u8) -> Step<bool> {
        let length = match opcode {
            b'U' | 0x8c | b'C' => u64::from(self.byte()?),
            b'T' | b'X' | b'B' => u64::from(u32::from_le_bytes(self.array()?)),
            0x8d | 0x8e | 0x96 => u64::from_le_bytes(self.array()?),
            b'V' => {
                let line = self.long_line()?;
                return self.push(plain(line, false)).map(|()| true);
            }
            b'S' => {
                let line = self.long_line()?.trim_ascii();
                let quoted = line.split_first().zip(line.split_last());
                let node = match quoted {
                    Some(((open, _), (close, _))) if line.len() >= 2 && open == close => {
                        plain(&line[1..line.len() - 1], true)
                    }
                    _ => return Err(PickleFault::Kind { wanted: "a text in quotes" }),
                };
                return self.push(node).map(|()| true);
            }
            _ => return Ok(false),
        };
        let bytes = self.take(length)?;
        // Bytes of Python 3 (`B`, `C`, 0x8e, 0x96) are never names; those of Python 2 are.
        let is_text = matches!(opcode, b'U' | b'T' | b'X' | 0x8c | 0x8d);
        self.push(if is_text { text(bytes) } else { Node::Bytes(bytes) }).map(|()| true)
    }

    /// Tuples, lists, sets, dicts.
    pub(super) fn make_container(&mut self, opcode: u8) -> Step<bool> {
        match opcode {
            b')' | b']' | 0x8f => self.push(Node::Seq(Vec::new()))?,
            b'}' => self.push(Node::Dict(Vec::new()))?,
            b't' | b'l' | 0x91 => {
                let items = self.pop_mark()?;
                self.push(Node::Seq(items))?;
            }
            b'd' => {
                let items = self.pop_mark()?;
                self.push(Node::Dict(Vec::new()))?;
                self.set_items(&items)?;
            }
            0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0x85..=opcode {
                    items.push(self.pop()?);
                }
                items.reverse();
                self.push(Node::Seq(items))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' | 0x90 => {
                let items = self.pop_mark()?;
                self.append(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set_items(&items)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Appends to the list on top; a foreign list swallows them.
    fn append(&mut self, items: &[Id]) -> Step {
        let list = self.top()?;
        let list = self.node_mut(list);
        if let Node::Seq(all) = list {
            all.extend_from_slice(items);
        } else if !swallows(list) {
            return Err(PickleFault::Kind { wanted: "a list" });
        }
        Ok(())
    }

    /// Puts keys and values, in turn, into the dict on top; a foreign dict swallows them.
    fn set_items(&mut self, items: &[Id]) -> Step {
        let (pairs, odd) = items.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(PickleFault::Kind { wanted: "a value for each key" });
        }
        let dict = self.top()?;
        let dict = self.node_mut(dict);
        if let Node::Dict(all) = dict {
            all.extend(pairs.iter().map(|&[key, value]| (key, value)));
        } else if !swallows(dict) {
            return Err(PickleFault::Kind { wanted: "a dict" });
        }
        Ok(())
    }

    /// Stack and memo.
    pub(super) fn move_values(&mut self, opcode: u8) -> Step<bool> {
        match opcode {
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                // Python lets POP take back a mark that has nothing above it.
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop()?;
                }
            }
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'q' => {
                let index = u64::from(self.byte()?);
                self.store(index)?;
            }
            b'r' => {
                let index = u64::from(u32::from_le_bytes(self.array()?));
                self.store(index)?;
            }
            0x94 => self.store(self.memo.len() as u64)?,
            b'h' => {
                let index = u64::from(self.byte()?);
                self.fetch(index)?;
            }
            b'j' => {
                let index = u64::from(u32::from_le_bytes(self.array()?));
                self.fetch(index)?;
            }
            b'p' | b'g' => {
                let line = self.line()?;
                let index = std::str::from_utf8(line).ok().and_then(|l| l.trim().parse().ok());
                let index = index.ok_or(PickleFault::Number)?;
                if opcode == b'p' { self.store(index)? } else { self.fetch(index)? }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn store(&mut self, index: u64) -> Step {
        let top = self.top()?;
        if self.memo.len() >= MAX_VALUES {
            return Err(PickleFault::TooManyValues { limit: MAX_VALUES });
        }
        self.memo.insert(index, top);
        Ok(())
    }

    fn fetch(&mut self, index: u64) -> Step {
        let id = self.memo.get(&index).copied().ok_or(PickleFault::Memo { index })?;
        self.stack.push(id);
        Ok(())
    }

    /// Names, calls of them, state of objects, objects kept outside.
    pub(super) fn make_call(&mut self, opcode: u8) -> Step<bool> {
        match opcode {
            b'c' => {
                let (module, name) = self.two_lines()?;
                self.push_global(module, name)?;
            }
            0x93 => {
                let name = self.pop()?;
                let module = self.pop()?;
                self.push_global(module, name)?;
            }
            b'R' | 0x81 => {
                let args = self.pop()?;
                let callee = self.pop()?;
                self.call(callee, args)?;
            }
            0x92 => {
                self.pop()?;
                let args = self.pop()?;
                let callee = self.pop()?;
                self.call(callee, args)?;
            }
            b'i' => {
                let (module, name) = self.two_lines()?;
                let items = self.pop_mark()?;
                self.push_global(module, name)?;
                self.call_with(items)?;
            }
            b'o' => {
                let mut items = self.pop_mark()?;
                if items.is_empty() {
                    return Err(PickleFault::StackUnderflow);
                }
                let callee = items.remove(0);
                self.stack.push(callee);
                self.call_with(items)?;
            }
            b'b' => {
                // State of an object: `_metadata` of a state dict, fields of a foreign object.
                let state = self.pop()?;
                let of = self.top()?;
                self.set_state(of, state);
            }
            b'P' => {
                let id = text(self.line()?);
                let id = self.add(id)?;
                self.push(Node::Persistent(id))?;
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Node::Persistent(id))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Calls what is on top with these arguments.
    fn call_with(&mut self, items: Vec<Id>) -> Step {
        let callee = self.pop()?;
        let args = self.add(Node::Seq(items))?;
        self.call(callee, args)
    }

    fn two_lines(&mut self) -> Step<(Id, Id)> {
        let module = text(self.line()?);
        let name = text(self.line()?);
        Ok((self.add(module)?, self.add(name)?))
    }
}
