//! Reading fields, and seeing that a whole text is sound.

use super::fault::ProtoFault;
use super::lex::{Kind, Lexer, Token, fault, line_column};

/// Brackets inside one another; Caffe's own networks have four.
pub(super) const DEPTH: usize = 64;

/// What follows the name of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start {
    /// A number, word or texts: the bytes it is.
    Scalar(usize, usize),
    /// `{` or `<`, taken; the mark that closes it.
    Message(u8),
    /// `[`, taken.
    List,
}

/// The name of a field (bytes), whether a `:` follows, and how its value starts. `None` at the end.
pub(super) fn field(
    text: &str,
    lexer: &mut Lexer<'_>,
) -> Result<Option<(Token, bool, Start)>, ProtoFault> {
    let mut name = lexer.next()?;
    match name.kind {
        Kind::End => return Ok(None),
        Kind::Word => {}
        Kind::Mark(b'[') => {
            // The name of an extension, `[package.name]`.
            while name.end == name.start + 1 || text.as_bytes().get(name.end - 1) != Some(&b']') {
                let part = lexer.next()?;
                if part.kind == Kind::End || part.end - name.start > 1000 {
                    return Err(fault(text, name.start, "`[extension.name]`"));
                }
                name.end = part.end;
            }
        }
        Kind::Number | Kind::Text | Kind::Mark(_) => {
            return Err(fault(text, name.start, "the name of a field or a closing bracket"));
        }
    }
    let mut next = lexer.peek()?;
    let colon = next.kind == Kind::Mark(b':');
    if colon {
        lexer.next()?;
        next = lexer.peek()?;
    }
    let opens = matches!(next.kind, Kind::Mark(b'{' | b'<' | b'['));
    if !colon && !opens {
        return Err(fault(text, next.start, "`:` or `{` after the name of a field"));
    }
    Ok(Some((name, colon, start(text, lexer)?)))
}

/// How a value starts.
pub(super) fn start(text: &str, lexer: &mut Lexer<'_>) -> Result<Start, ProtoFault> {
    let first = lexer.next()?;
    let wanted = "a value: a number, a word, a text in quotes or a bracket";
    Ok(match first.kind {
        Kind::Mark(b'{') => Start::Message(b'}'),
        Kind::Mark(b'<') => Start::Message(b'>'),
        Kind::Mark(b'[') => Start::List,
        Kind::Word | Kind::Number => Start::Scalar(first.start, first.end),
        Kind::Mark(b'-') => {
            let after = lexer.next()?;
            let word = text[after.start..after.end].to_ascii_lowercase();
            let named = matches!(word.as_str(), "inf" | "infinity" | "nan");
            if after.kind != Kind::Number && !(after.kind == Kind::Word && named) {
                return Err(fault(text, after.start, "a number after `-`"));
            }
            Start::Scalar(first.start, after.end)
        }
        Kind::Text => {
            let mut end = first.end;
            while lexer.peek()?.kind == Kind::Text {
                end = lexer.next()?.end;
            }
            Start::Scalar(first.start, end)
        }
        Kind::Mark(_) | Kind::End => return Err(fault(text, first.start, wanted)),
    })
}

/// Takes a `,` or `;` when one follows; says where the field then ends.
pub(super) fn separator(lexer: &mut Lexer<'_>, end: usize) -> Result<usize, ProtoFault> {
    match lexer.peek()?.kind {
        Kind::Mark(b',' | b';') => Ok(lexer.next()?.end),
        Kind::Word | Kind::Number | Kind::Text | Kind::Mark(_) | Kind::End => Ok(end),
    }
}

/// Goes behind the bracket that closes the one just taken; gives the bytes where it starts and ends.
pub(super) fn close(text: &str, lexer: &mut Lexer<'_>) -> Result<(usize, usize), ProtoFault> {
    let mut depth = 1usize;
    loop {
        let token = lexer.next()?;
        match token.kind {
            Kind::Mark(b'{' | b'<' | b'[') => depth += 1,
            Kind::Mark(b'}' | b'>' | b']') => depth -= 1,
            Kind::End => return Err(fault(text, token.start, "a closing bracket")),
            Kind::Word | Kind::Number | Kind::Text | Kind::Mark(_) => {}
        }
        if depth == 0 {
            return Ok((token.start, token.end));
        }
    }
}

/// An open bracket: where it is, and what closes it.
#[derive(Clone, Copy)]
struct Open {
    at: usize,
    close: u8,
}

/// Sees that a whole text is sound. Works without recursion: nesting costs no stack.
pub(super) fn check(text: &str) -> Result<(), ProtoFault> {
    let mut lexer = Lexer::new(text, 0, text.len());
    let mut open: Vec<Open> = Vec::new();
    loop {
        let token = lexer.peek()?;
        let close = open.last().map(|o| o.close);
        match token.kind {
            Kind::End => break,
            Kind::Mark(mark) if Some(mark) == close => {
                lexer.next()?;
                open.pop();
                after_value(text, &mut lexer, &open)?;
                continue;
            }
            Kind::Word | Kind::Number | Kind::Text | Kind::Mark(_) => {}
        }
        let begins = if close == Some(b']') {
            start(text, &mut lexer)?
        } else {
            match field(text, &mut lexer)? {
                Some((_, _, begins)) => begins,
                None => break,
            }
        };
        let close = match begins {
            Start::Scalar(..) => {
                after_value(text, &mut lexer, &open)?;
                continue;
            }
            Start::Message(close) => close,
            Start::List => b']',
        };
        if open.len() == DEPTH {
            let (line, column) = line_column(text, token.start);
            return Err(ProtoFault::Depth { line, column, limit: DEPTH });
        }
        open.push(Open { at: token.start, close });
    }
    let Some(last) = open.last() else { return Ok(()) };
    let marks = match last.close {
        b'}' => ('{', '}'),
        b'>' => ('<', '>'),
        _ => ('[', ']'),
    };
    let (line, column) = line_column(text, last.at);
    Err(ProtoFault::Unclosed { line, column, open: marks.0, close: marks.1 })
}

/// Between the fields of a message a separator may be, between the values of a list one must be.
fn after_value(text: &str, lexer: &mut Lexer<'_>, open: &[Open]) -> Result<(), ProtoFault> {
    if open.last().is_none_or(|o| o.close != b']') {
        return separator(lexer, 0).map(|_| ());
    }
    let next = lexer.peek()?;
    match next.kind {
        Kind::Mark(b']') => Ok(()),
        Kind::Mark(b',') => {
            lexer.next()?;
            match lexer.peek()? {
                Token { kind: Kind::Mark(b']'), start, .. } => {
                    Err(fault(text, start, "a value after `,`"))
                }
                _ => Ok(()),
            }
        }
        Kind::Word | Kind::Number | Kind::Text | Kind::Mark(_) | Kind::End => {
            Err(fault(text, next.start, "`,` or `]` in a list"))
        }
    }
}
