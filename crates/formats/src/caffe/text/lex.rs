//! Words, numbers, texts and marks.

use super::fault::ProtoFault;

/// What kind of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, an enum value, `true`, `inf`.
    Word,
    /// A number without sign.
    Number,
    /// A text in quotes.
    Text,
    /// One of the marks `{}[]<>:;,-` or a sign that means nothing.
    Mark(u8),
    /// The end.
    End,
}

/// A token and the bytes it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Tokens of a stretch of text, one after another; blanks and comments are passed over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    end: usize,
}

impl<'a> Lexer<'a> {
    /// Tokens of the bytes `start..end` of `text`.
    pub(super) fn new(text: &'a str, start: usize, end: usize) -> Self {
        Self { text, at: start, end }
    }

    /// The byte behind the last token.
    pub(super) fn place(&self) -> usize {
        self.at
    }

    /// The token after the last one, without taking it.
    pub(super) fn peek(&self) -> Result<Token, ProtoFault> {
        let mut copy = *self;
        copy.next()
    }

    /// Takes the next token.
    pub(super) fn next(&mut self) -> Result<Token, ProtoFault> {
        self.pass_blanks();
        let start = self.at;
        let Some(&first) = self.bytes().first() else {
            return Ok(Token { kind: Kind::End, start, end: start });
        };
        let kind = match first {
            b'"' | b'\'' => {
                self.quoted(first)?;
                Kind::Text
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                self.pass(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
                Kind::Word
            }
            b'0'..=b'9' | b'.' => {
                self.number()?;
                Kind::Number
            }
            _ => {
                // A character of several bytes is one mark, so that every stretch stays text.
                self.at += self.text[start..].chars().next().map_or(1, char::len_utf8);
                Kind::Mark(first)
            }
        };
        Ok(Token { kind, start, end: self.at })
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..self.end).unwrap_or_default()
    }

    fn pass(&mut self, wanted: impl Fn(u8) -> bool) {
        self.at += self.bytes().iter().take_while(|b| wanted(**b)).count();
    }

    fn pass_blanks(&mut self) {
        loop {
            self.pass(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c));
            match self.bytes() {
                [b'#', ..] => self.pass(|b| b != b'\n'),
                // The byte-order mark that editors of Windows put first.
                [0xef, 0xbb, 0xbf, ..] if self.at == 0 => self.at += 3,
                _ => return,
            }
        }
    }

    fn quoted(&mut self, quote: u8) -> Result<(), ProtoFault> {
        let start = self.at;
        self.at += 1;
        loop {
            self.pass(|b| b != quote && b != b'\\' && b != b'\n');
            match self.bytes() {
                [b, ..] if *b == quote => {
                    self.at += 1;
                    return Ok(());
                }
                [b'\\', next, ..] if b"abfnrtv?\\'\"xXuU01234567".contains(next) => self.at += 2,
                [b'\\', ..] => {
                    return Err(fault(self.text, self.at, "an escape such as \\n or \\x41"));
                }
                _ => return Err(fault(self.text, start, "a text that ends on its line")),
            }
        }
    }

    /// `12`, `0x1F`, `1.5e-3`, `.5`, `1.f`.
    fn number(&mut self) -> Result<(), ProtoFault> {
        let start = self.at;
        if let [b'0', b'x' | b'X', ..] = self.bytes() {
            self.at += 2;
            self.pass(|b| b.is_ascii_hexdigit());
        } else {
            self.pass(|b| b.is_ascii_digit());
            if self.bytes().first() == Some(&b'.') {
                self.at += 1;
                self.pass(|b| b.is_ascii_digit());
            }
            if let [b'e' | b'E', rest @ ..] = self.bytes() {
                self.at += 1 + usize::from(matches!(rest.first(), Some(b'+' | b'-')));
                self.pass(|b| b.is_ascii_digit());
            }
            if let Some(b'f' | b'F') = self.bytes().first() {
                self.at += 1;
            }
        }
        let word = &self.text[start..self.at];
        let follows = self.bytes().first().copied().unwrap_or(b' ');
        if number(word).is_none() || follows.is_ascii_alphanumeric() || b"_.".contains(&follows) {
            return Err(fault(self.text, start, "a number such as 3, 0x1F, 1e-4 or 1.f"));
        }
        Ok(())
    }
}

/// The value of a number without sign.
pub(super) fn number(word: &str) -> Option<f64> {
    if let Some(whole) = whole(word) {
        return Some(whole as f64);
    }
    let plain = word.strip_suffix(['f', 'F']).unwrap_or(word);
    plain.parse().ok().filter(|_| plain.bytes().any(|b| b.is_ascii_digit()))
}

/// The value of a whole number without sign: decimal, hexadecimal or octal.
pub(super) fn whole(word: &str) -> Option<u64> {
    if let Some(hex) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok();
    }
    if !word.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match word.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => u64::from_str_radix(octal, 8).ok(),
        Some(_) | None => word.parse().ok(),
    }
}

/// The value of texts in quotes that follow one another, escapes turned. Bytes that are no UTF-8 are
/// replaced.
pub(super) fn unquoted(raw: &str) -> String {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut lexer = Lexer::new(raw, 0, raw.len());
    while let Ok(Token { kind: Kind::Text, start, end }) = lexer.next() {
        unescape(raw.as_bytes().get(start + 1..end - 1).unwrap_or_default(), &mut bytes);
    }
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

fn unescape(mut raw: &[u8], to: &mut Vec<u8>) {
    while let Some((&first, rest)) = raw.split_first() {
        let Some((&escape, after)) = rest.split_first().filter(|_| first == b'\\') else {
            to.push(first);
            raw = rest;
            continue;
        };
        let (digits, radix, most) = match escape {
            b'x' | b'X' => (after, 16, 2),
            b'u' => (after, 16, 4),
            b'U' => (after, 16, 8),
            b'0'..=b'7' => (rest, 8, 3),
            _ => {
                to.push(match escape {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'a' => 7,
                    b'b' => 8,
                    b'f' => 12,
                    b'v' => 11,
                    other => other,
                });
                raw = after;
                continue;
            }
        };
        let is_digit = |b: &&u8| char::from(**b).is_digit(radix);
        let count = digits.iter().take(most).take_while(is_digit).count();
        let value = digits[..count]
            .iter()
            .fold(0u32, |n, b| (n * radix) | char::from(*b).to_digit(radix).unwrap_or(0));
        if escape == b'u' || escape == b'U' {
            let c = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
            to.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            to.push(value as u8);
        }
        raw = &digits[count..];
    }
}

/// Line and column (in characters) of a byte, from 1.
pub(crate) fn line_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The fault that at `at` something else was wanted.
pub(super) fn fault(text: &str, at: usize, wanted: &'static str) -> ProtoFault {
    let (line, column) = line_column(text, at);
    let rest = text.get(at..).unwrap_or_default();
    let plain = |c: &char| !c.is_whitespace() && !c.is_control();
    let word: String = rest.chars().take_while(plain).take(24).collect();
    let got = if word.is_empty() {
        if rest.is_empty() { "the end of the text".to_owned() } else { "blanks".to_owned() }
    } else {
        format!("`{word}`")
    };
    ProtoFault::Wanted { line, column, wanted, got }
}
