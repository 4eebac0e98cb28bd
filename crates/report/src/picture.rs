//! Thumbnails as `data:` URIs.

use crate::html::{Html, Show};

/// Most bytes of a thumbnail; larger ones would make the page heavy.
const LIMIT: usize = 256 << 10;

/// Bytes with which a picture must begin, and what it then is.
const SIGNATURES: [(&[u8], &str); 2] =
    [(b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png")];

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A small JPEG or PNG of a picture by its name.
pub type Thumbnail<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

/// A picture as text.
struct DataUri {
    kind: &'static str,
    bytes: Vec<u8>,
}

impl Show for DataUri {
    fn show(&self, out: &mut String) {
        out.push_str("data:");
        out.push_str(self.kind);
        out.push_str(";base64,");
        base64(&self.bytes, out);
    }
}

/// Bytes as text.
pub(crate) struct Base64(pub(crate) Vec<u8>);

impl Show for Base64 {
    fn show(&self, out: &mut String) {
        base64(&self.0, out);
    }
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8], out: &mut String) {
    out.reserve(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= group.len() { char::from(digit) } else { '=' });
        }
    }
}

/// A drawing of our own, complete by itself, as a picture.
pub(crate) fn drawing(svg: &str, alt: &str) -> Html {
    let mut out = Html::new();
    let uri = DataUri { kind: "image/svg+xml", bytes: svg.as_bytes().to_vec() };
    out.put("<img src=\"{}\" alt=\"{}\">", &[&uri, &alt]);
    out
}

/// The picture of a file with what it shows in words, or a grey field when there is none.
pub(crate) fn thumbnail(of: Thumbnail<'_>, file: &str, alt: &str) -> Html {
    let mut out = Html::new();
    let picture = of(file).filter(|bytes| bytes.len() <= LIMIT);
    let picture = picture.and_then(|bytes| {
        let (_, kind) = SIGNATURES.iter().find(|(start, _)| bytes.starts_with(start))?;
        Some(DataUri { kind, bytes })
    });
    match picture {
        Some(uri) => out.put("<img src=\"{}\" alt=\"{}\">", &[&uri, &alt]),
        None => out.raw("<span class=\"nopic\">no preview</span>"),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_rfc_4648s() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (given, wanted) in cases {
            let mut out = String::new();
            base64(given.as_bytes(), &mut out);
            assert_eq!(out, wanted);
        }
    }
}
