//! Escapes in the texts of protocol 0.

/// The bytes of a text of Python 2 in quotes: `\n`, `\x1f`, `\\`.
pub(super) fn bytes(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'\\' {
            out.push(first);
            continue;
        }
        let (&kind, after) = rest.split_first()?;
        rest = after;
        out.push(match kind {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'\\' | b'\'' | b'"' => kind,
            b'x' => u8::try_from(hex(&mut rest, 2)?).ok()?,
            _ => return None,
        });
    }
    Some(out)
}

/// The characters of a text: `\u0041` and `\U00000041`; a `\` before anything else is itself, and bytes
/// are characters (`raw-unicode-escape`).
pub(super) fn characters(text: &[u8]) -> Option<Vec<char>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let digits = match (first, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                out.push(char::from(first));
                rest = after;
                continue;
            }
        };
        rest = &after[1..];
        out.push(char::from_u32(hex(&mut rest, digits)?)?);
    }
    Some(out)
}

/// Bytes from characters of the first 256.
pub(super) fn latin1(characters: impl Iterator<Item = char>) -> Option<Vec<u8>> {
    characters.map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

/// A number of so many hexadecimal digits, taken from the front.
fn hex(rest: &mut &[u8], digits: usize) -> Option<u32> {
    let (word, after) = rest.split_at_checked(digits)?;
    *rest = after;
    word.iter().try_fold(0u32, |all, d| Some(all << 4 | char::from(*d).to_digit(16)?))
}
