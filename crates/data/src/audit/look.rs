//! One look at each file: what can be told from its pixels without knowing what they show.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::pixels::shrunk;
use crate::{DataError, DecodeError, Format, Picture, Scratch, content_id, decode, read_file};

/// Pixels a side of a [`Fingerprint`].
pub const FINGERPRINT_SIDE: usize = 64;

/// Longer side, in pixels, of the small grey picture that everything but the pixel id and
/// [`Look::grey`] is measured on, so that pictures of all sizes are measured alike.
const MEASURED_SIDE: usize = 256;

/// A pixel is coloured when its largest and smallest channel are further apart, of 255: what JPEG
/// leaves in a grey picture stays below.
const GREY_SPREAD: u8 = 12;

/// A picture is grey when at most one pixel in so many is coloured.
const GREY_SHARE: usize = 1000;

/// What one file's picture is like.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of a file")]
pub struct Look {
    /// The file's real format, whatever its name says.
    pub format: Format,
    /// Size of the file, in bytes.
    pub bytes: u64,
    /// Pixels a row, upright.
    pub width: usize,
    /// Rows, upright.
    pub height: usize,
    /// All pixels are grey (no channel further than 12 of 255 from another, but for one pixel in a
    /// thousand), however the file stores them.
    pub grey: bool,
    /// The file stores 16 bits a channel.
    pub sixteen_bit: bool,
    /// The file's EXIF data turn or mirror the picture; programs that ignore it see another one.
    pub exif_turned: bool,
    /// The file has pixels that are not opaque; they were laid on white.
    pub alpha: bool,
    /// Mean of the grey values, 0 (black) to 1 (white).
    pub brightness: f32,
    /// Standard deviation of the grey values, 0 to 0.5.
    pub contrast: f32,
    /// Variance of the Laplacian (four neighbours) of the grey values 0 to 255, on the picture
    /// shrunk to a longer side of 256 pixels (Pech-Pacheco et al., "Diatom autofocusing in
    /// brightfield microscopy", 2000): low when nothing is in focus.
    pub sharpness: f32,
    /// The picture in small, which [`duplicates`](super::duplicates()) compares.
    pub fingerprint: Fingerprint,
    /// BLAKE3 of the file's bytes: [`content_id`].
    pub content: [u8; 32],
    /// BLAKE3 of size and pixels: equal for equal pictures in different files.
    pub pixels: [u8; 32],
}

impl Look {
    /// Looks at a picture that was decoded from `bytes`, for who decodes it anyway.
    ///
    /// # Errors
    /// When the picture cannot be made small.
    pub fn of(bytes: &[u8], picture: &Picture, scratch: &mut Scratch) -> Result<Self, DataError> {
        measure(bytes, picture, scratch)
    }

    /// Width divided by height.
    pub fn aspect(&self) -> f64 {
        self.width as f64 / self.height as f64
    }

    /// The format the file's name promises, when it is another than the real one.
    pub fn misnamed(&self, path: &Path) -> Option<Format> {
        let named = path.extension().and_then(|e| e.to_str()).and_then(Format::from_extension)?;
        (named != self.format).then_some(named)
    }
}

/// A picture squeezed into a square of 64 x 64 grey values (Rec. 601), averaged over areas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(Box<[u8]>);

impl Fingerprint {
    /// The fingerprint of a grey picture `[height, width]`, 0 to 255.
    ///
    /// # Errors
    /// [`DataError::AuditLength`] when there are not `height * width` values or there are none.
    pub fn of(grey: &[u8], height: usize, width: usize) -> Result<Self, DataError> {
        super::check_length("grey values", grey.len(), height.saturating_mul(width).max(1))?;
        let side = FINGERPRINT_SIDE;
        let (rows, columns) = (area_weights(height, side), area_weights(width, side));
        let mut narrow = vec![0.0_f32; height * side];
        for (row, to) in grey.chunks_exact(width).zip(narrow.chunks_exact_mut(side)) {
            for (to, (first, weights)) in to.iter_mut().zip(&columns) {
                let values = row[*first..].iter().zip(weights);
                *to = values.map(|(v, w)| f32::from(*v) * w).sum();
            }
        }
        let mut small = Vec::with_capacity(side * side);
        for (first, weights) in &rows {
            for x in 0..side {
                let lines = weights.iter().enumerate();
                let sum: f32 = lines.map(|(i, w)| narrow[(first + i) * side + x] * w).sum();
                small.push(sum.round().clamp(0.0, 255.0) as u8);
            }
        }
        Ok(Self(small.into()))
    }

    /// The fingerprint with these values, as [`Fingerprint::values`] gives them.
    pub(super) fn from_values(values: &[u8; FINGERPRINT_SIDE * FINGERPRINT_SIDE]) -> Self {
        Self(values.as_slice().into())
    }

    /// The grey values, `[64, 64]`, 0 to 255.
    pub fn values(&self) -> &[u8] {
        &self.0
    }
}

/// For each of `to` target pixels the first of `from` source pixels it covers and the share of each;
/// the shares sum to 1.
fn area_weights(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let scale = from as f64 / to as f64;
    let covered = |i: usize| {
        let (start, end) = (i as f64 * scale, (i + 1) as f64 * scale);
        let (first, last) = (start as usize, (end.ceil() as usize).min(from));
        let share = |p: usize| (end.min((p + 1) as f64) - start.max(p as f64)).max(0.0) / scale;
        (first, (first..last).map(|p| share(p) as f32).collect())
    };
    (0..to).map(covered).collect()
}

/// A file that is no picture, and why.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {reason}", path.display())]
pub struct Unreadable {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: Reason,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// Its bytes could not be read, or its pixels not be resized.
    #[error(transparent)]
    File(#[from] DataError),
    /// Its bytes are no picture.
    #[error(transparent)]
    Picture(#[from] DecodeError),
}

impl Reason {
    /// One or two words for a table: `empty`, `truncated`, `not an image`, `damaged`, `too large`,
    /// `unsupported`, `no permission`, `missing` or `unreadable`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::File(DataError::Decode { source, .. }) | Self::Picture(source) => match source {
                DecodeError::Empty => "empty",
                DecodeError::NotAnImage { .. } => "not an image",
                DecodeError::Truncated { .. } => "truncated",
                DecodeError::TooLarge { .. }
                | DecodeError::Memory { .. }
                | DecodeError::LargeFile { .. } => "too large",
                DecodeError::Unsupported { .. } => "unsupported",
                DecodeError::NoPixels { .. }
                | DecodeError::Damaged { .. }
                | DecodeError::Crashed { .. } => "damaged",
            },
            Self::File(DataError::Missing { .. }) => "missing",
            Self::File(DataError::Permission { .. }) => "no permission",
            Self::File(_) => "unreadable",
        }
    }
}

/// Looks at all files on the threads of the current pool; results in the order of the files.
///
/// A thread holds one file and its picture at a time; what is kept of a picture is some 4 kB.
/// `progress` hears how many files are done, from any thread and not always in order.
pub fn look<P: AsRef<Path> + Sync>(
    files: &[P],
    progress: impl Fn(usize) + Sync,
) -> Vec<Result<Look, Unreadable>> {
    let done = AtomicUsize::new(0);
    files
        .par_iter()
        .map_init(Scratch::default, |scratch, path| {
            let looked = look_with(path.as_ref(), scratch);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            looked
        })
        .collect()
}

/// Looks at one file.
///
/// # Errors
/// [`Unreadable`] when the file cannot be read or decoded.
pub fn look_at(path: &Path) -> Result<Look, Unreadable> {
    look_with(path, &mut Scratch::default())
}

fn look_with(path: &Path, scratch: &mut Scratch) -> Result<Look, Unreadable> {
    let mut looked = || -> Result<Look, Reason> {
        let bytes = read_file(path)?;
        let picture = decode(&bytes)?;
        Ok(measure(&bytes, &picture, scratch)?)
    };
    looked().map_err(|reason| Unreadable { path: path.to_path_buf(), reason })
}

fn measure(bytes: &[u8], picture: &Picture, scratch: &mut Scratch) -> Result<Look, DataError> {
    let (rgb, [height, width]) = shrunk(picture, MEASURED_SIDE, scratch)?;
    let grey: Vec<u8> = rgb.chunks_exact(3).map(luma).collect();
    let (mean, variance) = moments(grey.iter().map(|v| f64::from(*v)));
    Ok(Look {
        format: picture.facts.format,
        bytes: bytes.len() as u64,
        width: picture.width,
        height: picture.height,
        grey: picture.facts.grey || is_grey(&picture.rgb),
        sixteen_bit: picture.facts.sixteen_bit,
        exif_turned: picture.facts.orientation != 1,
        alpha: picture.facts.alpha,
        brightness: (mean / 255.0) as f32,
        contrast: (variance.sqrt() / 255.0) as f32,
        sharpness: laplacian_variance(&grey, height, width) as f32,
        fingerprint: Fingerprint::of(&grey, height, width)?,
        content: content_id(bytes),
        pixels: pixel_id(picture),
    })
}

fn luma(rgb: &[u8]) -> u8 {
    let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(u32::from);
    ((77 * r + 150 * g + 29 * b + 128) >> 8) as u8
}

fn is_grey(rgb: &[u8]) -> bool {
    let most = rgb.len() / 3 / GREY_SHARE;
    let coloured = |p: &[u8]| {
        let (low, high) = (p[0].min(p[1]).min(p[2]), p[0].max(p[1]).max(p[2]));
        high - low > GREY_SPREAD
    };
    // Row by row or so, to stop early: most pictures are coloured from the first.
    let mut found = 0;
    for part in rgb.chunks(3 * 1024) {
        found += part.chunks_exact(3).filter(|p| coloured(p)).count();
        if found > most {
            return false;
        }
    }
    true
}

fn moments(values: impl ExactSizeIterator<Item = f64>) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let (sum, squares) = values.fold((0.0, 0.0), |(s, q), v| (s + v, q + v * v));
    let mean = sum / n;
    (mean, (squares / n - mean * mean).max(0.0))
}

/// 0 for a picture without an inner pixel.
fn laplacian_variance(grey: &[u8], height: usize, width: usize) -> f64 {
    if height < 3 || width < 3 {
        return 0.0;
    }
    let mut laplacian = Vec::with_capacity((height - 2) * (width - 2));
    for y in 1..height - 1 {
        let row = |y: usize| &grey[y * width..(y + 1) * width];
        let (above, here, below) = (row(y - 1), row(y), row(y + 1));
        for x in 1..width - 1 {
            let around = [above[x], below[x], here[x - 1], here[x + 1]].map(i32::from);
            laplacian.push(around.iter().sum::<i32>() - 4 * i32::from(here[x]));
        }
    }
    moments(laplacian.into_iter().map(f64::from)).1
}

fn pixel_id(picture: &Picture) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(picture.width as u64).to_le_bytes());
    hasher.update(&(picture.height as u64).to_le_bytes());
    hasher.update(&picture.rgb);
    *hasher.finalize().as_bytes()
}
