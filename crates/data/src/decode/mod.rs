//! Bytes of an image file to an upright 8-bit sRGB picture.

mod convert;
mod error;
mod jpeg;
mod sniff;

use std::fs::File;
use std::io::{Cursor, Read};
use std::panic::catch_unwind;
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use crate::DataError;
pub use error::DecodeError;
pub use sniff::LooksLike;

/// Longest side of a picture that is decoded, in pixels.
pub const MAX_SIDE: u32 = 30_000;

/// Most memory one decode may ask for, in bytes: 512 MiB.
pub const MAX_ALLOC: u64 = 512 << 20;

/// Largest file that is read, in bytes: 512 MiB.
pub const MAX_FILE_BYTES: u64 = 512 << 20;

/// File formats that are decoded, told apart by their first bytes, never by the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// JPEG, baseline or progressive, grey, `YCbCr` or CMYK.
    Jpeg,
    /// PNG; of an animation the default picture.
    Png,
    /// WebP, lossy or lossless; of an animation the first frame.
    WebP,
    /// Windows bitmap.
    Bmp,
    /// TIFF; of several pages the first.
    Tiff,
    /// GIF; of several frames the first.
    Gif,
}

/// What [`Format`] is called, what `image` calls it, and the extensions its files have.
const FORMATS: [(Format, image::ImageFormat, &str, &[&str]); 6] = [
    (Format::Jpeg, image::ImageFormat::Jpeg, "JPEG", &["jpg", "jpeg", "jpe", "jfif"]),
    (Format::Png, image::ImageFormat::Png, "PNG", &["png"]),
    (Format::WebP, image::ImageFormat::WebP, "WebP", &["webp"]),
    (Format::Bmp, image::ImageFormat::Bmp, "BMP", &["bmp", "dib"]),
    (Format::Tiff, image::ImageFormat::Tiff, "TIFF", &["tif", "tiff"]),
    (Format::Gif, image::ImageFormat::Gif, "GIF", &["gif"]),
];

impl Format {
    /// The usual name, for instance `JPEG`.
    pub fn name(self) -> &'static str {
        FORMATS.iter().find(|f| f.0 == self).map_or("", |f| f.2)
    }

    /// The format files with this extension (without dot, any case) usually have.
    pub fn from_extension(extension: &str) -> Option<Self> {
        let fits = |known: &str| known.eq_ignore_ascii_case(extension);
        FORMATS.iter().find(|f| f.3.iter().any(|known| fits(known))).map(|f| f.0)
    }

    fn of(bytes: &[u8]) -> Option<(Self, image::ImageFormat)> {
        let guess = image::guess_format(bytes).ok()?;
        FORMATS.iter().find(|f| f.1 == guess).map(|f| (f.0, f.1))
    }
}

/// What the file said about its picture before it became 8-bit sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts of a file")]
pub struct PictureFacts {
    /// The file's real format.
    pub format: Format,
    /// EXIF orientation, 1 to 8, already applied; 1 when the file says nothing.
    pub orientation: u8,
    /// The file stores grey values only.
    pub grey: bool,
    /// At least one pixel was not opaque; it was composited on white.
    pub alpha: bool,
    /// The file stores 16 bits a channel; each value became `round(v / 257)`.
    pub sixteen_bit: bool,
    /// The file stores indices into a colour table (told for PNG, GIF and BMP).
    pub palette: bool,
}

impl PictureFacts {
    /// Those of a picture that was in no file.
    pub const DRAWN: Self = Self {
        format: Format::Png,
        orientation: 1,
        grey: false,
        alpha: false,
        sixteen_bit: false,
        palette: false,
    };
}

/// A decoded picture: upright, opaque, 8-bit sRGB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels a row, after the EXIF turn.
    pub width: usize,
    /// Rows, after the EXIF turn.
    pub height: usize,
    /// `[H, W, 3]`, red first, 0 to 255.
    pub rgb: Vec<u8>,
    /// What the file said.
    pub facts: PictureFacts,
}

/// Decodes the bytes of one image file.
///
/// The EXIF orientation is applied; transparency is composited on white; grey and palette pictures
/// become RGB; 16-bit values become `round(v / 257)`; CMYK becomes RGB without a colour profile.
/// Embedded colour profiles are not applied: the values are taken as sRGB.
///
/// A JPEG must reach its end-of-image marker: the decoder would fill what is missing with grey and
/// call it a success, and a network would learn the grey. Bytes after the marker do no harm.
///
/// # Errors
/// See [`DecodeError`]. Sizes are checked against [`MAX_SIDE`], [`MAX_ALLOC`] and
/// [`MAX_FILE_BYTES`] before pixels are allocated. Never panics: a decoder that does is
/// reported as [`DecodeError::Crashed`].
pub fn decode(bytes: &[u8]) -> Result<Picture, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(DecodeError::LargeFile { bytes: bytes.len() as u64 });
    }
    let Some((format, image_format)) = Format::of(bytes) else {
        return Err(DecodeError::NotAnImage { looks_like: sniff::looks_like(bytes) });
    };
    if format == Format::Jpeg && !jpeg::reaches_end(bytes) {
        return Err(DecodeError::Truncated { format, bytes: bytes.len() });
    }
    // One bad file among a hundred thousand must not end a run, whatever a decoder does with it.
    catch_unwind(|| decode_as(bytes, format, image_format))
        .unwrap_or(Err(DecodeError::Crashed { format }))
}

fn decode_as(
    bytes: &[u8],
    format: Format,
    image_format: image::ImageFormat,
) -> Result<Picture, DecodeError> {
    let failed = |error| DecodeError::from_image(format, bytes, error);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_ALLOC);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), image_format);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(failed)?;

    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(DecodeError::NoPixels { format, width, height });
    }
    let too_large = || DecodeError::TooLarge { format, width, height };
    if width.max(height) > MAX_SIDE {
        return Err(too_large());
    }
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.reserve(decoder.total_bytes()).map_err(|_| too_large())?;
    decoder.set_limits(limits).map_err(failed)?;

    // A picture with unreadable metadata is still a picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    let facts = PictureFacts {
        format,
        orientation: orientation.to_exif(),
        grey: !image.color().has_color() && !has_palette(bytes, format),
        alpha: convert::has_transparency(&image),
        sixteen_bit: image.color().bytes_per_pixel() == 2 * image.color().channel_count(),
        palette: has_palette(bytes, format),
    };
    let rgb = convert::to_rgb8(image, facts.alpha)
        .ok_or(DecodeError::Unsupported { format, feature: "floating-point samples".into() })?;
    let mut upright = DynamicImage::ImageRgb8(rgb);
    upright.apply_orientation(orientation);
    let rgb = upright.into_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    Ok(Picture { width, height, rgb: rgb.into_raw(), facts })
}

/// Whether the header says that pixels are indices: PNG colour type 3, BMP with 8 bits or fewer.
fn has_palette(bytes: &[u8], format: Format) -> bool {
    match format {
        Format::Gif => true,
        Format::Png => bytes.get(25) == Some(&3),
        Format::Bmp => bytes.get(28).is_some_and(|bits| *bits <= 8),
        Format::Jpeg | Format::WebP | Format::Tiff => false,
    }
}

/// Reads and decodes one image file.
///
/// # Errors
/// [`DataError::Missing`], [`DataError::Permission`] or [`DataError::Read`] when the file cannot
/// be read, [`DataError::Decode`] with the path when its bytes cannot be decoded.
pub fn decode_file(path: &Path) -> Result<Picture, DataError> {
    let bytes = read_file(path)?;
    decode(&bytes).map_err(|source| DataError::Decode { path: path.to_path_buf(), source })
}

/// Reads a whole file, at most [`MAX_FILE_BYTES`].
///
/// # Errors
/// [`DataError::Missing`], [`DataError::Permission`] or [`DataError::Read`] when the file cannot be
/// read, [`DataError::Decode`] when it is too large.
pub fn read_file(path: &Path) -> Result<Vec<u8>, DataError> {
    let failed = |error| DataError::io(path, error);
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut bytes = Vec::new();
    if length <= MAX_FILE_BYTES {
        bytes.reserve(length as usize);
        // The file may grow while it is read.
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    let length = length.max(bytes.len() as u64);
    if length > MAX_FILE_BYTES {
        let source = DecodeError::LargeFile { bytes: length };
        return Err(DataError::Decode { path: path.to_path_buf(), source });
    }
    Ok(bytes)
}
