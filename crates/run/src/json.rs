use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use crate::RunError;

/// Objects on lines of their own, arrays on one line: a confusion matrix stays readable.
#[derive(Default)]
struct Layout<'a>(PrettyFormatter<'a>);

impl Formatter for Layout<'_> {
    fn begin_array_value<W: ?Sized + Write>(&mut self, w: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { w.write_all(b", ") }
    }

    fn begin_object<W: ?Sized + Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.begin_object(w)
    }

    fn end_object<W: ?Sized + Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.end_object(w)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, w: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(w, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.begin_object_value(w)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.end_object_value(w)
    }
}

/// A document as JSON a person can read, with a final newline.
pub(crate) fn pretty(value: &impl Serialize) -> Result<String, RunError> {
    let mut out = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut out, Layout::default());
    value.serialize(&mut serializer).map_err(|source| RunError::JsonOut { source })?;
    out.push(b'\n');
    String::from_utf8(out).map_err(|_| RunError::JsonOut {
        source: <serde_json::Error as serde::ser::Error>::custom("output is not utf-8"),
    })
}
