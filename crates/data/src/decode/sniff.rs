//! What bytes that are no image look like.

use std::fmt;

/// What the bytes of a file look like that is not of a decoded format.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LooksLike {
    /// A web page, as a failed download leaves it.
    Html,
    /// A vector drawing.
    Svg,
    /// Plain text.
    Text,
    /// An image, video or archive format of this name that is not decoded.
    Other(&'static str),
    /// Only zero bytes, as an aborted copy leaves them.
    Zeros,
    /// Nothing known; the first bytes, at most eight.
    Unknown(Vec<u8>),
}

impl fmt::Display for LooksLike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Html => write!(f, "it is a web page (HTML), probably from a failed download"),
            Self::Svg => write!(f, "it is a vector drawing (SVG); save it as PNG"),
            Self::Text => write!(f, "it is text"),
            Self::Other(name) => {
                write!(f, "it is {name}; images are JPEG, PNG, WebP, BMP, TIFF, GIF")
            }
            Self::Zeros => write!(f, "it holds only zero bytes, probably from an aborted copy"),
            Self::Unknown(first) => {
                write!(f, "no known format begins with the bytes")?;
                first.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
            }
        }
    }
}

/// Offset, bytes there, name. The first that fits counts.
const SIGNATURES: [(usize, &[u8], &str); 29] = [
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (4, b"ftypavif", "an AVIF image"),
    (4, b"ftypheic", "a HEIC image (iPhone photo)"),
    (4, b"ftypheix", "a HEIC image (iPhone photo)"),
    (4, b"ftyphevc", "a HEIC image (iPhone photo)"),
    (4, b"ftypmif1", "a HEIF image"),
    (4, b"ftypmsf1", "a HEIF image"),
    (4, b"ftypcrx", "a Canon raw image"),
    (4, b"ftyp", "an MP4 or MOV video"),
    (0, b"\xff\x0a", "a JPEG XL image"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (0, b"II+\0", "a BigTIFF image"),
    (0, b"MM\0+", "a BigTIFF image"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"\0\0\x01\0", "an icon (ICO)"),
    (0, b"DDS ", "a DDS texture"),
    (0, b"#?RADIANCE", "a Radiance HDR image"),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR image"),
    (0, b"qoif", "a QOI image"),
    (0, b"farbfeld", "a farbfeld image"),
    (128, b"DICM", "a DICOM file"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"version https://git-lfs", "a Git LFS pointer (run `git lfs pull`)"),
];

/// Bytes that are looked at.
const WINDOW: usize = 1024;

pub(super) fn looks_like(bytes: &[u8]) -> LooksLike {
    let window = &bytes[..bytes.len().min(WINDOW)];
    let fits = |(at, magic, _): &&(usize, &[u8], &str)| {
        window.get(*at..).is_some_and(|rest| rest.starts_with(magic))
    };
    if let Some((_, _, name)) = SIGNATURES.iter().find(fits) {
        return LooksLike::Other(name);
    }
    if is_netpbm(window) {
        return LooksLike::Other("a Netpbm image (PBM, PGM, PPM)");
    }
    if bytes.iter().all(|b| *b == 0) {
        return LooksLike::Zeros;
    }
    let Some(text) = as_text(window) else {
        return LooksLike::Unknown(window[..window.len().min(8)].to_vec());
    };
    let text = text.to_ascii_lowercase();
    if text.contains("<svg") {
        LooksLike::Svg
    } else if text.contains("<html") || text.contains("<!doctype html") {
        LooksLike::Html
    } else {
        LooksLike::Text
    }
}

fn is_netpbm(window: &[u8]) -> bool {
    matches!(window, [b'P', b'1'..=b'7', space, ..] if space.is_ascii_whitespace())
}

/// The window as text if it holds no control characters; a character cut at its end is left out.
fn as_text(window: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(window) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => {
            std::str::from_utf8(&window[..e.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let plain = |c: char| !c.is_control() || c.is_ascii_whitespace();
    text.chars().all(plain).then_some(text)
}
