//! The text format of protocol buffers, without loss.
//!
//! A [`Prototxt`] is its text, once that is seen to be sound; a [`Message`] is a window on it. Nothing
//! is copied into a tree, so comments, blanks, order and unknown fields are kept by themselves, and a
//! file costs no more memory than its own size.

mod check;
mod edit;
mod fault;
mod lex;

use std::borrow::Cow;

pub use edit::{Literal, Place};
pub use fault::ProtoFault;

pub(crate) use lex::line_column;

use check::Start;
use lex::Lexer;

/// Largest text read, in bytes: the largest networks have less than a megabyte.
pub const MAX_TEXT_BYTES: usize = 64 << 20;

/// A network's definition as Caffe writes it: text in which every comment, blank and field keeps its
/// place.
///
/// ```
/// use regraft_formats::caffe::{Literal, Place, Prototxt};
///
/// let text = "name: \"small\"  # mine\nlayer { name: 'fc' inner_product_param { num_output: 10 } }\n";
/// let mut net = Prototxt::parse(text)?;
/// assert_eq!(net.text(), text);
/// let fc = net.layer("fc").expect("it is there");
/// net.set(&fc.field("inner_product_param", 0), "num_output", &Literal::Int(2))?;
/// assert_eq!(net.text(), text.replace("10", "2"));
/// # Ok::<(), regraft_formats::caffe::ProtoFault>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prototxt {
    text: String,
}

impl Prototxt {
    /// Reads a text.
    ///
    /// # Errors
    /// With line, column and what was wanted there.
    pub fn parse(text: impl Into<String>) -> Result<Self, ProtoFault> {
        let text = text.into();
        if text.len() > MAX_TEXT_BYTES {
            return Err(ProtoFault::TooLong { bytes: text.len(), limit: MAX_TEXT_BYTES });
        }
        check::check(&text)?;
        Ok(Self { text })
    }

    /// The text: byte for byte what was read, where it was not changed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The fields at the top.
    pub fn root(&self) -> Message<'_> {
        Message { text: &self.text, start: 0, end: self.text.len() }
    }
}

impl std::fmt::Display for Prototxt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// The fields between two brackets, or of a whole text.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}

impl<'a> Message<'a> {
    /// All fields, in the order of the text.
    pub fn fields(self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let mut lexer = Lexer::new(self.text, self.start, self.end);
        // The whole text was seen to be sound, so no fault can come.
        std::iter::from_fn(move || field(self.text, &mut lexer))
    }

    /// The fields of that name.
    pub fn all<'n>(self, name: &'n str) -> impl Iterator<Item = Field<'a>> + use<'a, 'n> {
        self.fields().filter(move |f| f.name == name)
    }

    /// The whole text, and the byte where this begins.
    pub(crate) fn place(self) -> (&'a str, usize) {
        (self.text, self.start)
    }

    /// The first field of that name.
    pub fn first(self, name: &str) -> Option<Field<'a>> {
        self.all(name).next()
    }
}

fn field<'a>(text: &'a str, lexer: &mut Lexer<'a>) -> Option<Field<'a>> {
    let (name, colon, start) = check::field(text, lexer).ok()??;
    let (value, end) = value(text, lexer, start)?;
    let end_with_separator = check::separator(lexer, end).ok()?;
    let name_text = &text[name.start..name.end];
    Some(Field { text, name: name_text, colon, value, start: name.start, end, end_with_separator })
}

/// The value that starts so, and the byte behind it.
fn value<'a>(text: &'a str, lexer: &mut Lexer<'a>, begins: Start) -> Option<(Value<'a>, usize)> {
    Some(match begins {
        Start::Scalar(start, end) => (Value::Scalar(Scalar { text, start, end }), end),
        Start::Message(_) | Start::List => {
            let start = lexer.place();
            let (inner_end, end) = check::close(text, lexer).ok()?;
            let value = if matches!(begins, Start::List) {
                Value::List(List { text, start, end: inner_end })
            } else {
                Value::Message(Message { text, start, end: inner_end })
            };
            (value, end)
        }
    })
}

/// A field: a name and a value.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    text: &'a str,
    name: &'a str,
    colon: bool,
    value: Value<'a>,
    start: usize,
    end: usize,
    end_with_separator: usize,
}

impl<'a> Field<'a> {
    /// Its name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Its value.
    pub fn value(&self) -> Value<'a> {
        self.value
    }

    /// Its values: those of a list, or the one it has.
    pub fn values(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let (one, list) = match self.value {
            Value::List(list) => (None, Some(list)),
            Value::Scalar(_) | Value::Message(_) => (Some(self.value), None),
        };
        one.into_iter().chain(list.into_iter().flat_map(List::values))
    }

    /// Offset of its name in the text, in bytes.
    pub fn offset(&self) -> usize {
        self.start
    }

    /// Line of its name, from 1.
    pub fn line(&self) -> usize {
        lex::line_column(self.text, self.start).0
    }
}

/// The value of a field.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// A number, a word, or texts in a row.
    Scalar(Scalar<'a>),
    /// Fields in brackets.
    Message(Message<'a>),
    /// Values in square brackets.
    List(List<'a>),
}

/// A list of values in square brackets.
#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}

impl<'a> List<'a> {
    /// Its values, in order.
    pub fn values(self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let mut lexer = Lexer::new(self.text, self.start, self.end);
        std::iter::from_fn(move || {
            let start = check::start(self.text, &mut lexer).ok()?;
            let (value, end) = value(self.text, &mut lexer, start)?;
            check::separator(&mut lexer, end).ok()?;
            Some(value)
        })
    }
}

/// A number, a word, or texts in a row.
#[derive(Debug, Clone, Copy)]
pub struct Scalar<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}

impl<'a> Scalar<'a> {
    /// As it is written.
    pub fn raw(&self) -> &'a str {
        &self.text[self.start..self.end]
    }

    /// The whole text, and the byte where this begins.
    pub(crate) fn place(&self) -> (&'a str, usize) {
        (self.text, self.start)
    }

    /// The value of texts in quotes: put together, escapes turned.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        let raw = self.raw();
        let quote = raw.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        match raw[1..].find([quote, '\\']) {
            Some(at) if at + 2 == raw.len() && raw.ends_with(quote) => {
                Some(Cow::Borrowed(&raw[1..=at]))
            }
            Some(_) | None => Some(Cow::Owned(lex::unquoted(raw))),
        }
    }

    /// A bare word.
    pub fn word(&self) -> Option<&'a str> {
        let raw = self.raw();
        raw.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then_some(raw)
    }

    /// A whole number: decimal, hexadecimal, octal.
    pub fn int(&self) -> Option<i64> {
        let (negative, word) = self.sign();
        let value = i128::from(lex::whole(word)?);
        i64::try_from(if negative { -value } else { value }).ok()
    }

    /// A number, `inf` and `nan` too.
    pub fn float(&self) -> Option<f64> {
        let (negative, word) = self.sign();
        let value = match word.to_ascii_lowercase().as_str() {
            "inf" | "infinity" => f64::INFINITY,
            "nan" => f64::NAN,
            _ => lex::number(word)?,
        };
        Some(if negative { -value } else { value })
    }

    /// Whether it is negative, and the rest.
    fn sign(&self) -> (bool, &'a str) {
        let raw = self.raw();
        match raw.strip_prefix('-') {
            // Blanks and comments may stand between the sign and its number.
            Some(rest) => {
                let mut lexer = Lexer::new(rest, 0, rest.len());
                (true, lexer.next().map_or("", |t| &rest[t.start..t.end]))
            }
            None => (false, raw),
        }
    }
}
