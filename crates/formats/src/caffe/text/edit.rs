//! Changing a prototxt: a stretch of its text is put in or taken out, all else stays as it is.

use std::fmt;

use super::fault::ProtoFault;
use super::{Field, Message, Prototxt, Value};

/// A place in a prototxt: from the top, the name of a field and which one of that name (from 0).
///
/// Written `layer[3].convolution_param`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place(Vec<(String, usize)>);

impl Place {
    /// The top of the text.
    pub fn top() -> Self {
        Self::default()
    }

    /// In the message here, the `nth` field (from 0) called `name`.
    #[must_use]
    pub fn field(&self, name: &str, nth: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push((name.to_owned(), nth));
        Self(steps)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("top of the text");
        }
        for (i, (name, nth)) in self.0.iter().enumerate() {
            let dot = if i == 0 { "" } else { "." };
            write!(f, "{dot}{name}")?;
            if *nth > 0 {
                write!(f, "[{nth}]")?;
            }
        }
        Ok(())
    }
}

/// A value to write.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// Text, put in quotes.
    Text(String),
    /// A bare word: an enum, `true`, `false`.
    Word(String),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f32),
    /// Fields, without the brackets.
    Message(String),
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => {
                f.write_str("\"")?;
                for c in text.chars() {
                    match c {
                        '"' | '\\' => write!(f, "\\{c}")?,
                        '\n' => f.write_str("\\n")?,
                        c => write!(f, "{c}")?,
                    }
                }
                f.write_str("\"")
            }
            Self::Word(word) => f.write_str(word),
            Self::Int(n) => write!(f, "{n}"),
            Self::Float(x) if x.is_finite() => write!(f, "{x:?}"),
            Self::Float(x) if x.is_nan() => f.write_str("nan"),
            Self::Float(x) => f.write_str(if *x > 0.0 { "inf" } else { "-inf" }),
            // The line break ends a comment that the fields may end with.
            Self::Message(fields) if fields.contains('#') => write!(f, "{{ {fields}\n}}"),
            Self::Message(fields) => write!(f, "{{ {fields} }}"),
        }
    }
}

/// Changing the text. Where the result would be no sound prototxt, nothing is changed.
impl Prototxt {
    /// Where the layer of that name is (`layer` or, in the first generation, `layers`).
    pub fn layer(&self, name: &str) -> Option<Place> {
        ["layer", "layers"].into_iter().find_map(|kind| {
            let nth = self.root().all(kind).position(|f| {
                let Value::Message(body) = f.value() else { return false };
                let Some(Value::Scalar(found)) = body.first("name").map(|f| f.value()) else {
                    return false;
                };
                found.text().is_some_and(|t| t == name)
            })?;
            Some(Place::top().field(kind, nth))
        })
    }

    /// The field at a place.
    pub fn field(&self, place: &Place) -> Option<Field<'_>> {
        let mut message = self.root();
        let (last, path) = place.0.split_last()?;
        for (name, nth) in path {
            let Value::Message(inner) = message.all(name).nth(*nth)?.value() else { return None };
            message = inner;
        }
        message.all(&last.0).nth(last.1)
    }

    /// The fields in the message at a place.
    pub fn message(&self, place: &Place) -> Option<Message<'_>> {
        if place.0.is_empty() {
            return Some(self.root());
        }
        match self.field(place)?.value() {
            Value::Message(message) => Some(message),
            Value::Scalar(_) | Value::List(_) => None,
        }
    }

    /// Gives the first field `key` of the message at `place` another value, or adds it at the end.
    ///
    /// # Errors
    /// When there is no such message, or the value is none.
    pub fn set(&mut self, place: &Place, key: &str, value: &Literal) -> Result<(), ProtoFault> {
        let message = self.message(place).ok_or_else(|| no(place))?;
        let Some(field) = message.first(key) else {
            return self.insert(place, usize::MAX, key, value);
        };
        let start = match field.value() {
            Value::Scalar(scalar) => scalar.start,
            // The bracket that opens lies just before.
            Value::Message(inner) => inner.start - 1,
            Value::List(list) => list.start - 1,
        };
        let needs_colon = !field.colon && !matches!(value, Literal::Message(_));
        let written = format!("{}{value}", if needs_colon { ": " } else { "" });
        let end = field.end;
        self.splice(start, end, &written)
    }

    /// Adds a field to the message at `place`, so that it is its `nth` (from 0); at the end when there
    /// are fewer. It goes on a line of its own where the others do.
    ///
    /// # Errors
    /// When there is no such message, or name or value are none.
    pub fn insert(
        &mut self,
        place: &Place,
        nth: usize,
        key: &str,
        value: &Literal,
    ) -> Result<(), ProtoFault> {
        let message = self.message(place).ok_or_else(|| no(place))?;
        let field = match value {
            Literal::Message(_) => format!("{key} {value}"),
            Literal::Text(_) | Literal::Word(_) | Literal::Int(_) | Literal::Float(_) => {
                format!("{key}: {value}")
            }
        };
        let top = place.0.is_empty();
        let inner = &self.text[message.start..message.end];
        let one_line = !top && !inner.contains('\n');
        let next = message.fields().nth(nth).map(|f| f.start);
        if let Some(start) = next {
            let indent = self.indent(start);
            let gap = if one_line { " ".to_owned() } else { format!("\n{indent}") };
            return self.splice(start, start, &format!("{field}{gap}"));
        }
        if one_line {
            let at = message.start + inner.trim_end().len();
            return self.splice(at, message.end, &format!(" {field} "));
        }
        let (at, indent) = match message.fields().last() {
            Some(last) => (self.line_end(last.end_with_separator), self.indent(last.start)),
            None if top => (message.end, String::new()),
            None => (self.line_end(message.start), format!("{}  ", self.indent(message.start))),
        };
        let first = at == 0 || self.text[..at].ends_with('\n');
        let before = if first { "" } else { "\n" };
        let ends = top && !self.text[at..].starts_with('\n');
        let after = if ends || self.text[at..].starts_with(['}', '>']) { "\n" } else { "" };
        self.splice(at, at, &format!("{before}{indent}{field}{after}"))
    }

    /// Takes the field at `place` out, with its line when it is alone there, and the comment behind it.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove(&mut self, place: &Place) -> Result<(), ProtoFault> {
        let field = self.field(place).ok_or_else(|| no(place))?;
        let (start, end) = (field.start, field.end_with_separator);
        let line = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let alone_before = self.text[line..start].trim().is_empty();
        let line_end = self.line_end(end);
        if alone_before && line_end >= end && self.text[end..line_end].trim().is_empty()
            || alone_before && self.text[end..line_end].trim_start().starts_with('#')
        {
            let behind = usize::from(self.text[line_end..].starts_with('\n'));
            return self.splice(line, line_end + behind, "");
        }
        let blanks =
            self.text[end..].len() - self.text[end..].trim_start_matches([' ', '\t']).len();
        self.splice(start, end + blanks, "")
    }

    /// Adds a layer behind the layer `after`, or at the end; `fields` is what stands between its
    /// brackets. Layers of the first generation get a `layers`, others a `layer`.
    ///
    /// # Errors
    /// When there is no layer `after`, or `fields` are none.
    pub fn add_layer(&mut self, after: Option<&str>, fields: &str) -> Result<(), ProtoFault> {
        let at = match after {
            None => None,
            Some(name) => {
                let missing = || ProtoFault::NoPlace { place: format!("layer \"{name}\"") };
                let place = self.layer(name).ok_or_else(missing)?;
                let start = self.field(&place).ok_or_else(missing)?.start;
                self.root().fields().position(|f| f.start == start).map(|n| n + 1)
            }
        };
        let old = self.root().first("layers").is_some();
        let key = if old { "layers" } else { "layer" };
        let body = Literal::Message(fields.to_owned());
        self.insert(&Place::top(), at.unwrap_or(usize::MAX), key, &body)
    }

    /// The blanks at the start of the line of a byte.
    fn indent(&self, at: usize) -> String {
        let line = self.text[..at].rfind('\n').map_or(0, |at| at + 1);
        self.text[line..at].chars().take_while(|c| matches!(c, ' ' | '\t')).collect()
    }

    /// From the end of a field, the end of its line when only blanks and a comment follow; else `at`.
    fn line_end(&self, at: usize) -> usize {
        let rest = self.text[at..].split('\n').next().unwrap_or_default();
        let follows = rest.trim_start();
        if follows.is_empty() || follows.starts_with('#') { at + rest.len() } else { at }
    }

    fn splice(&mut self, start: usize, end: usize, new: &str) -> Result<(), ProtoFault> {
        let text = [&self.text[..start], new, &self.text[end..]].concat();
        *self = Self::parse(text)?;
        Ok(())
    }
}

fn no(place: &Place) -> ProtoFault {
    ProtoFault::NoPlace { place: place.to_string() }
}
