//! The fields of a message, whether it stands in a prototxt or in a caffemodel.

use std::borrow::Cow;

use super::fault::{CaffeFault, Spot};
use super::schema::{Kind, Schema};
use super::text;
use crate::FormatError;
use crate::wire::{Field, Fields};

/// A message to ask for fields by name. A field that is not there has its default; the last of several
/// counts where one is wanted.
#[derive(Debug, Clone)]
pub(super) enum Msg<'a> {
    /// Of a prototxt.
    Text(text::Message<'a>),
    /// Of a caffemodel.
    Wire(Fields<'a>, &'static Schema),
    /// Not there: every field has its default.
    None,
}

/// A value, as far as its file says what it is.
#[derive(Debug, Clone)]
enum Item<'a> {
    Scalar(text::Scalar<'a>),
    Int(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Msg(Msg<'a>),
}

/// Where a value stands. Lines are counted only for a fault: to count them for every value would cost
/// the square of the file's size.
#[derive(Debug, Clone, Copy)]
pub(super) enum At<'a> {
    /// A byte of a text.
    Text(&'a str, usize),
    /// A byte of a binary file.
    Byte(usize),
}

impl At<'_> {
    /// The place for a person.
    pub(super) fn spot(self) -> Spot {
        match self {
            Self::Text(text, at) => {
                let (line, column) = text::line_column(text, at);
                Spot::Line(line, column)
            }
            Self::Byte(at) => Spot::Byte(at),
        }
    }
}

/// A value and where it stands.
type Found<'a> = (Item<'a>, At<'a>);

impl<'a> Msg<'a> {
    /// Hands every value of the field `key` to `each`, those of lists one by one.
    fn each(
        &self,
        key: &str,
        each: &mut dyn FnMut(Found<'a>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        match self {
            Self::None => Ok(()),
            Self::Text(message) => {
                for value in message.all(key).flat_map(|f| f.values()) {
                    each(match value {
                        text::Value::Scalar(scalar) => {
                            let (text, at) = scalar.place();
                            (Item::Scalar(scalar), At::Text(text, at))
                        }
                        text::Value::Message(m) => {
                            let (text, at) = m.place();
                            (Item::Msg(Msg::Text(m)), At::Text(text, at))
                        }
                        text::Value::List(_) => continue,
                    })?;
                }
                Ok(())
            }
            Self::Wire(fields, schema) => {
                let Some((number, kind)) = schema.find(key) else { return Ok(()) };
                for field in fields.clone() {
                    let field = field?;
                    if field.number == number {
                        wire_items(key, &field, kind, each)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn last<T>(
        &self,
        key: &str,
        mut turn: impl FnMut(Found<'a>) -> Result<T, FormatError>,
    ) -> Result<Option<T>, FormatError> {
        let mut last = None;
        self.each(key, &mut |found| {
            last = Some(turn(found)?);
            Ok(())
        })?;
        Ok(last)
    }

    fn list<T>(
        &self,
        key: &str,
        mut turn: impl FnMut(Found<'a>) -> Result<T, FormatError>,
    ) -> Result<Vec<T>, FormatError> {
        let mut all = Vec::new();
        self.each(key, &mut |found| {
            all.push(turn(found)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// Whether the field is there.
    pub(super) fn has(&self, key: &str) -> Result<bool, FormatError> {
        Ok(self.last(key, |_| Ok(()))?.is_some())
    }

    /// A whole number.
    pub(super) fn int(&self, key: &str) -> Result<Option<i64>, FormatError> {
        self.last(key, |found| int(key, found))
    }

    /// Whole numbers.
    pub(super) fn ints(&self, key: &str) -> Result<Vec<i64>, FormatError> {
        self.list(key, |found| int(key, found))
    }

    /// A count of at most [`LARGEST`]: channels, pixels.
    pub(super) fn count(&self, key: &str) -> Result<Option<usize>, FormatError> {
        self.last(key, |found| count(key, found))
    }

    /// Counts.
    pub(super) fn counts(&self, key: &str) -> Result<Vec<usize>, FormatError> {
        self.list(key, |found| count(key, found))
    }

    /// A number.
    pub(super) fn float(&self, key: &str) -> Result<Option<f32>, FormatError> {
        self.last(key, |found| float(key, found))
    }

    /// Numbers.
    pub(super) fn floats(&self, key: &str) -> Result<Vec<f32>, FormatError> {
        self.list(key, |found| float(key, found))
    }

    /// A truth value.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, FormatError> {
        self.last(key, |(item, at)| {
            Ok(match &item {
                Item::Int(n) => *n != 0,
                Item::Scalar(s) => match s.raw() {
                    "true" | "True" | "t" | "1" => true,
                    "false" | "False" | "f" | "0" => false,
                    _ => return Err(wants(key, "true or false", &item, at)),
                },
                Item::Real(_) | Item::Text(_) | Item::Msg(_) => {
                    return Err(wants(key, "true or false", &item, at));
                }
            })
        })
    }

    /// A text, or the word of an enum.
    pub(super) fn text(&self, key: &str) -> Result<Option<Cow<'a, str>>, FormatError> {
        self.last(key, |found| word(key, found))
    }

    /// Texts.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<Cow<'a, str>>, FormatError> {
        self.list(key, |found| word(key, found))
    }

    /// A message; one without fields when it is not there.
    pub(super) fn message(&self, key: &str) -> Result<Msg<'a>, FormatError> {
        Ok(self.last(key, |found| message(key, found))?.unwrap_or(Msg::None))
    }

    /// Messages.
    pub(super) fn messages(&self, key: &str) -> Result<Vec<Msg<'a>>, FormatError> {
        self.list(key, |found| message(key, found))
    }

    /// Every message of that name, with the offset where it begins.
    pub(super) fn each_message(
        &self,
        key: &str,
        each: &mut dyn FnMut(Msg<'a>, At<'a>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        self.each(key, &mut |found| {
            let at = found.1;
            each(message(key, found)?, at)
        })
    }
}

/// Largest extent, count or padding taken: beyond it numbers are slips or attacks.
pub(super) const LARGEST: i64 = 1 << 24;

/// Bytes of packed numbers in a setting.
const MOST_PACKED: usize = 4096;

fn wire_items<'a>(
    key: &str,
    field: &Field<'a>,
    kind: Kind,
    each: &mut dyn FnMut(Found<'a>) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let at = At::Byte(field.at);
    // Settings have a few values each; more is a damaged length, and would grow in memory.
    if matches!(kind, Kind::Int | Kind::Bool | Kind::Float)
        && field.bytes().is_ok_and(|b| b.len() > MOST_PACKED)
    {
        let wanted = "at most a few hundred values";
        let got = "more".to_owned();
        return Err(CaffeFault::Value { at: at.spot(), key: key.to_owned(), wanted, got }.into());
    }
    match kind {
        Kind::Int | Kind::Bool => {
            let mut ints = Vec::new();
            field.ints(&mut ints)?;
            ints.into_iter().try_for_each(|n| each((Item::Int(n), at)))
        }
        Kind::Float => {
            let mut floats = Vec::new();
            field.floats(&mut floats)?;
            floats.into_iter().try_for_each(|x| each((Item::Real(f64::from(x)), at)))
        }
        Kind::Text => each((Item::Text(Cow::Borrowed(field.text()?)), at)),
        Kind::Enum(words) => {
            let value = field.int()?;
            let word = words.iter().find(|(n, _)| *n == value);
            let word = word.map_or_else(|| Cow::Owned(value.to_string()), |w| Cow::Borrowed(w.1));
            each((Item::Text(word), at))
        }
        Kind::Message(schema) => each((Item::Msg(Msg::Wire(field.message()?, schema)), at)),
    }
}

fn wants(key: &str, wanted: &'static str, item: &Item<'_>, at: At<'_>) -> FormatError {
    let got = match item {
        Item::Scalar(s) => s.raw().chars().take(40).collect(),
        Item::Int(n) => n.to_string(),
        Item::Real(x) => x.to_string(),
        Item::Text(t) => format!("\"{}\"", t.chars().take(40).collect::<String>()),
        Item::Msg(_) => "a message".to_owned(),
    };
    CaffeFault::Value { at: at.spot(), key: key.to_owned(), wanted, got }.into()
}

fn int(key: &str, (item, at): Found<'_>) -> Result<i64, FormatError> {
    match &item {
        Item::Int(n) => Some(*n),
        Item::Scalar(s) => s.int(),
        Item::Real(_) | Item::Text(_) | Item::Msg(_) => None,
    }
    .ok_or_else(|| wants(key, "a whole number", &item, at))
}

fn count(key: &str, (item, at): Found<'_>) -> Result<usize, FormatError> {
    let value = int(key, (item.clone(), at))?;
    if (0..=LARGEST).contains(&value) {
        Ok(value as usize)
    } else {
        Err(wants(key, "a number from 0 to 16777216", &item, at))
    }
}

fn float(key: &str, (item, at): Found<'_>) -> Result<f32, FormatError> {
    match &item {
        Item::Int(n) => Some(*n as f32),
        Item::Real(x) => Some(*x as f32),
        Item::Scalar(s) => s.float().map(|x| x as f32),
        Item::Text(_) | Item::Msg(_) => None,
    }
    .filter(|x| x.is_finite())
    .ok_or_else(|| wants(key, "a finite number", &item, at))
}

fn word<'a>(key: &str, (item, at): Found<'a>) -> Result<Cow<'a, str>, FormatError> {
    match &item {
        Item::Text(t) => Some(t.clone()),
        // Enums may be given by their number.
        Item::Scalar(s) => s
            .text()
            .or_else(|| s.word().map(Cow::Borrowed))
            .or_else(|| s.int().map(|n| Cow::Owned(n.to_string()))),
        Item::Int(_) | Item::Real(_) | Item::Msg(_) => None,
    }
    .ok_or_else(|| wants(key, "a text", &item, at))
}

fn message<'a>(key: &str, (item, at): Found<'a>) -> Result<Msg<'a>, FormatError> {
    match item {
        Item::Msg(m) => Ok(m),
        Item::Scalar(_) | Item::Int(_) | Item::Real(_) | Item::Text(_) => {
            Err(wants(key, "fields in brackets", &item, at))
        }
    }
}
