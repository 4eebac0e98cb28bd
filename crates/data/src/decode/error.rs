//! Why bytes could not become a picture.

use std::error::Error;
use std::io;

use image::ImageError;

use super::{Format, LooksLike, MAX_ALLOC, MAX_FILE_BYTES, MAX_SIDE};

/// Why the bytes of one file could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The file has no bytes.
    #[error("the file is empty (0 bytes); copy it again from its source or delete it")]
    Empty,
    /// The first bytes are of no format that is decoded.
    #[error("not an image that can be read: {looks_like}")]
    NotAnImage {
        /// What the bytes look like instead.
        looks_like: LooksLike,
    },
    /// The file ends before its picture does.
    #[error(
        "the {} file is truncated: it ends after {bytes} bytes, before the picture is complete; \
         copy it again from its source or delete it",
        format.name()
    )]
    Truncated {
        /// The file's format.
        format: Format,
        /// Bytes that are there.
        bytes: usize,
    },
    /// The header gives a width or a height of zero.
    #[error("the {} header gives a size of {width} x {height} pixels: there is no picture", format.name())]
    NoPixels {
        /// The file's format.
        format: Format,
        /// Pixels a row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The header claims more pixels than are decoded.
    #[error(
        "the {} header claims {width} x {height} pixels; the most is {MAX_SIDE} a side and {} MiB \
         of pixels: make the picture smaller",
        format.name(), MAX_ALLOC >> 20
    )]
    TooLarge {
        /// The file's format.
        format: Format,
        /// Pixels a row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Decoding asks for more memory than it may have.
    #[error(
        "decoding the {} file needs more than {} MiB of memory: make the picture smaller",
        format.name(), MAX_ALLOC >> 20
    )]
    Memory {
        /// The file's format.
        format: Format,
    },
    /// The file has more bytes than are read.
    #[error("the file has {bytes} bytes; the most that is read is {MAX_FILE_BYTES}")]
    LargeFile {
        /// Bytes of the file.
        bytes: u64,
    },
    /// The file uses a part of its format that is not decoded.
    #[error(
        "the {} file uses a feature that is not supported ({feature}); save it again as 8-bit PNG",
        format.name()
    )]
    Unsupported {
        /// The file's format.
        format: Format,
        /// The feature, in the decoder's words.
        feature: String,
    },
    /// The file contradicts its format.
    #[error("the {} file is damaged ({detail}); copy it again from its source or delete it", format.name())]
    Damaged {
        /// The file's format.
        format: Format,
        /// What is wrong, in the decoder's words.
        detail: String,
    },
    /// The decoder panicked on these bytes.
    #[error(
        "the {} decoder crashed on this file; it is damaged: copy it again or delete it, and please \
         report it",
        format.name()
    )]
    Crashed {
        /// The file's format.
        format: Format,
    },
}

impl DecodeError {
    pub(super) fn from_image(format: Format, bytes: &[u8], error: ImageError) -> Self {
        if ended_early(&error) || is_cut(format, bytes) {
            return Self::Truncated { format, bytes: bytes.len() };
        }
        match error {
            ImageError::Unsupported(e) => Self::Unsupported { format, feature: e.to_string() },
            ImageError::Limits(_) => Self::Memory { format },
            ImageError::Decoding(_)
            | ImageError::Encoding(_)
            | ImageError::Parameter(_)
            | ImageError::IoError(_) => Self::Damaged { format, detail: error.to_string() },
        }
    }
}

/// Whether the container shows that its end is missing, for the decoders that do not say so.
/// Asked only after a failure: they forgive a wrong length and a missing trailer.
fn is_cut(format: Format, bytes: &[u8]) -> bool {
    match format {
        Format::WebP => {
            let Some(&[a, b, c, d]) = bytes.get(4..8) else { return true };
            u64::from(u32::from_le_bytes([a, b, c, d])) + 8 > bytes.len() as u64
        }
        Format::Gif => bytes.iter().rfind(|byte| **byte != 0) != Some(&b';'),
        Format::Jpeg | Format::Png | Format::Bmp | Format::Tiff => false,
    }
}

/// Whether an error, or one that caused it, says that the bytes came to an end.
fn ended_early(error: &ImageError) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = cause {
        let io = match current.downcast_ref::<ImageError>() {
            // Transparent in `source()`: its own kind would be skipped.
            Some(ImageError::IoError(io)) => Some(io),
            _ => current.downcast_ref::<io::Error>(),
        };
        if io.is_some_and(|io| io.kind() == io::ErrorKind::UnexpectedEof) {
            return true;
        }
        cause = current.source();
    }
    false
}
