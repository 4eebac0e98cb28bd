//! HTML that cannot be written wrongly: templates are literals, values are escaped.

use std::fmt::{self, Write};

/// Growing HTML. Markup comes from literals of this crate only; every value goes through [`Show`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Html(String);

/// A value that knows how to appear in HTML, in text as well as in a quoted attribute.
pub(crate) trait Show {
    /// Appends the value, escaped.
    fn show(&self, out: &mut String);
}

impl Html {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Appends markup.
    pub(crate) fn raw(&mut self, markup: &'static str) {
        self.0.push_str(markup);
    }

    /// Appends a template, each `{}` replaced by the next value.
    pub(crate) fn put(&mut self, template: &'static str, values: &[&dyn Show]) {
        debug_assert_eq!(template.matches("{}").count(), values.len(), "{template}");
        let mut pieces = template.split("{}");
        self.0.push_str(pieces.next().unwrap_or_default());
        for (piece, value) in pieces.zip(values) {
            value.show(&mut self.0);
            self.0.push_str(piece);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// Already HTML.
impl Show for Html {
    fn show(&self, out: &mut String) {
        out.push_str(&self.0);
    }
}

impl Show for &str {
    fn show(&self, out: &mut String) {
        for c in self.chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                // HTML has no way to write these.
                c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
                c => out.push(c),
            }
        }
    }
}

impl Show for String {
    fn show(&self, out: &mut String) {
        self.as_str().show(out);
    }
}

impl Show for usize {
    fn show(&self, out: &mut String) {
        push(out, format_args!("{self}"));
    }
}

/// A name from outside, in its own writing direction, so that it cannot turn the text around it.
pub(crate) struct Name<'a>(pub(crate) &'a str);

impl Show for Name<'_> {
    fn show(&self, out: &mut String) {
        if self.0.trim().is_empty() {
            out.push_str("<i>(no name)</i>");
            return;
        }
        out.push_str("<bdi>");
        self.0.show(out);
        out.push_str("</bdi>");
    }
}

/// A sentence from outside; what stands between two backticks is set as code.
pub(crate) struct Prose<'a>(pub(crate) &'a str);

impl Show for Prose<'_> {
    fn show(&self, out: &mut String) {
        let mut rest = self.0;
        while let Some((before, inside, after)) = between(rest) {
            before.show(out);
            out.push_str("<code>");
            Name(inside).show(out);
            out.push_str("</code>");
            rest = after;
        }
        rest.show(out);
    }
}

/// What is before, in and after the first pair of backticks.
fn between(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('`')?;
    let (inside, after) = rest.split_once('`')?;
    Some((before, inside, after))
}

/// A number of a drawing: two decimals at most, and always a number.
#[derive(Clone, Copy)]
pub(crate) struct Num(pub(crate) f64);

impl Show for Num {
    fn show(&self, out: &mut String) {
        let value = if self.0.is_finite() { (self.0 * 100.0).round() / 100.0 } else { 0.0 };
        // Adding zero makes of a negative zero a plain one.
        push(out, format_args!("{}", value + 0.0));
    }
}

fn push(out: &mut String, text: fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_escaped() {
        let cases = [
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("a\" onerror='x' & b", "a&quot; onerror=&#39;x&#39; &amp; b"),
            ("tab\tnul\0bell\u{7}", "tab\tnul\u{fffd}bell\u{fffd}"),
            ("{} &lt;", "{} &amp;lt;"),
        ];
        for (given, wanted) in cases {
            let mut html = Html::new();
            html.put("<p title=\"{}\">{}</p>", &[&given, &given.to_owned()]);
            assert_eq!(html.into_string(), format!("<p title=\"{wanted}\">{wanted}</p>"));
        }
    }

    #[test]
    fn backticks_are_code_and_all_is_escaped() {
        let cases = [
            ("only `val<` is > 0", "only <code><bdi>val&lt;</bdi></code> is &gt; 0"),
            ("a lone ` & none", "a lone ` &amp; none"),
            ("`a``b`", "<code><bdi>a</bdi></code><code><bdi>b</bdi></code>"),
            ("", ""),
        ];
        for (given, wanted) in cases {
            let mut out = String::new();
            Prose(given).show(&mut out);
            assert_eq!(out, wanted);
        }
    }

    #[test]
    fn a_number_is_never_nan_nor_infinite() {
        for (given, wanted) in
            [(f64::NAN, "0"), (f64::INFINITY, "0"), (-0.0, "0"), (1.239, "1.24"), (5.0, "5")]
        {
            let mut out = String::new();
            Num(given).show(&mut out);
            assert_eq!(out, wanted);
        }
    }
}
