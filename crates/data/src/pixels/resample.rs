//! Pillow's `Image.resize`, only where the crop looks.
//!
//! Pillow resamples the width first and keeps 8 bits before it resamples the height. The resizer
//! used here would do both in the other order, which changes one value in five by a level or more,
//! so it is called twice, once an axis.

use std::error::Error;

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ImageBufferError, ResizeAlg, ResizeOptions, Resizer};
use regraft_net::card::Interpolation;

use super::geometry::{Area, Axis, Geometry};
use crate::{DataError, Picture};

/// Bytes a pixel.
const RGB: usize = 3;

/// The pixels that are resized: all of a picture or an area of it, beyond which no filter looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'p> {
    picture: &'p Picture,
    area: Area,
}

impl<'p> Source<'p> {
    /// All of a picture.
    pub(super) fn whole(picture: &'p Picture) -> Self {
        let (height, width) = (picture.height, picture.width);
        Self { picture, area: Area { top: 0, left: 0, height, width } }
    }

    /// A part of a picture; the area must lie inside.
    pub(super) fn part(picture: &'p Picture, area: Area) -> Self {
        Self { picture, area }
    }

    /// The bytes of whole picture rows, counted from the area's top.
    fn rows(&self, first: usize, last: usize) -> &'p [u8] {
        let stride = self.picture.width * RGB;
        &self.picture.rgb[(self.area.top + first) * stride..(self.area.top + last) * stride]
    }
}

/// Buffers that [`preprocess`](crate::preprocess()) reuses from picture to picture: keep one a
/// thread. It carries no result over.
#[derive(Debug, Default, Clone)]
pub struct Scratch {
    resizer: Resizer,
    /// `[rows the height pass reads, shown columns, 3]`.
    narrow: Vec<u8>,
    /// `[shown rows, shown columns, 3]`.
    shown: Vec<u8>,
    /// `[crop height, crop width, 3]`.
    crop: Vec<u8>,
    /// Lent to augmentation.
    lent: [Vec<u8>; 2],
}

impl Scratch {
    /// Two buffers with any content, to be given back.
    pub(crate) fn lend(&mut self) -> (Vec<u8>, Vec<u8>) {
        let [one, other] = std::mem::take(&mut self.lent);
        (one, other)
    }

    /// Keeps what was lent for the next picture.
    pub(crate) fn take_back(&mut self, one: Vec<u8>, other: Vec<u8>) {
        self.lent = [one, other];
    }
}

/// Resizes and crops: `[H, W, 3]` u8 of the crop's size, in one of the scratch buffers.
pub(super) fn run<'s>(
    source: Source<'_>,
    geometry: &Geometry,
    interpolation: Interpolation,
    scratch: &'s mut Scratch,
) -> Result<&'s [u8], DataError> {
    let (height, width) = (&geometry.height, &geometry.width);
    scratch.shown.resize(height.shown * width.shown * RGB, 0);
    match filter(interpolation) {
        Some(filter) => convolve(source, geometry, filter, scratch)
            .map_err(|source| DataError::Resize { source })?,
        None => nearest(source, geometry, &mut scratch.shown),
    }
    if height.shown == height.crop && width.shown == width.crop {
        return Ok(&scratch.shown);
    }
    pad(geometry, &scratch.shown, &mut scratch.crop);
    Ok(&scratch.crop)
}

/// The filter of the name in Pillow and its radius in pixels; `None` for nearest.
fn filter(interpolation: Interpolation) -> Option<(FilterType, f64)> {
    match interpolation {
        Interpolation::Nearest => None,
        Interpolation::Bilinear => Some((FilterType::Bilinear, 1.0)),
        Interpolation::Bicubic => Some((FilterType::CatmullRom, 2.0)),
        Interpolation::Lanczos => Some((FilterType::Lanczos3, 3.0)),
    }
}

/// The part of a source axis that the shown part of a target axis covers, in source pixels.
struct Span {
    start: f64,
    length: f64,
}

impl Span {
    fn of(axis: &Axis, source: usize) -> Self {
        if axis.shown == axis.resized {
            return Self { start: 0.0, length: source as f64 };
        }
        let scale = source as f64 / axis.resized as f64;
        let start = axis.start as f64 * scale;
        // Rounding must not push the end over the edge.
        let length = (axis.shown as f64 * scale).min(source as f64 - start);
        Self { start, length }
    }

    /// First source pixel the filter reads and one after the last, a pixel wider than needed.
    fn reach(&self, axis: &Axis, source: usize, radius: f64) -> (usize, usize) {
        let reach = radius * (source as f64 / axis.resized as f64).max(1.0) + 1.0;
        let first = (self.start - reach).floor().max(0.0) as usize;
        let last = (self.start + self.length + reach).ceil() as usize;
        (first, last.min(source))
    }
}

/// The two passes, into `scratch.shown`. The filter sees pixels beyond the shown part, as it
/// would in the whole resize.
fn convolve(
    source: Source<'_>,
    geometry: &Geometry,
    (filter, radius): (FilterType, f64),
    scratch: &mut Scratch,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let Area { left, height, width, .. } = source.area;
    let columns = Span::of(&geometry.width, width);
    let rows = Span::of(&geometry.height, height);
    let (first, last) = rows.reach(&geometry.height, height, radius);
    let (shown_width, shown_height) = (geometry.width.shown, geometry.height.shown);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false);

    scratch.narrow.resize((last - first) * shown_width * RGB, 0);
    let read = (last - first) as u32;
    let whole_rows = view(source.rows(first, last), source.picture.width, read)?;
    let from = TypedCroppedImage::from_ref(&whole_rows, left as u32, 0, width as u32, read)?;
    let mut target = view_mut(&mut scratch.narrow, shown_width, read)?;
    let part = options.crop(columns.start, 0.0, columns.length, f64::from(read));
    scratch.resizer.resize_typed(&from, &mut target, &part)?;

    // A crop of all, so that the resizer is compiled for crops only.
    let whole = view(&scratch.narrow, shown_width, read)?;
    let from = TypedCroppedImage::from_ref(&whole, 0, 0, shown_width as u32, read)?;
    let mut target = view_mut(&mut scratch.shown, shown_width, shown_height as u32)?;
    let top = rows.start - first as f64;
    let length = rows.length.min(f64::from(read) - top);
    let part = options.crop(0.0, top, shown_width as f64, length);
    Ok(scratch.resizer.resize_typed(&from, &mut target, &part)?)
}

// Of the kind of pixel that there is: the views that keep it open compile the resizer for all kinds.
fn view(rgb: &[u8], width: usize, rows: u32) -> Result<TypedImageRef<'_, U8x3>, ImageBufferError> {
    TypedImageRef::from_buffer(width as u32, rows, rgb)
}

fn view_mut(
    rgb: &mut [u8],
    width: usize,
    rows: u32,
) -> Result<TypedImage<'_, U8x3>, ImageBufferError> {
    TypedImage::from_buffer(width as u32, rows, rgb)
}

fn nearest(source: Source<'_>, geometry: &Geometry, shown: &mut [u8]) {
    let columns = nearest_indices(&geometry.width, source.area.width);
    let rows = nearest_indices(&geometry.height, source.area.height);
    for (to, row) in shown.chunks_exact_mut(columns.len() * RGB).zip(rows) {
        let from = &source.rows(row, row + 1)[source.area.left * RGB..];
        for (to, column) in to.chunks_exact_mut(RGB).zip(&columns) {
            to.copy_from_slice(&from[column * RGB..][..RGB]);
        }
    }
}

/// Source pixel of each shown pixel. Pillow adds the scale up pixel by pixel
/// (`ImagingScaleAffine`), and the rounding of that sum decides ties.
fn nearest_indices(axis: &Axis, source: usize) -> Vec<usize> {
    let scale = source as f64 / axis.resized as f64;
    let mut at = scale * 0.5;
    let mut indices = Vec::with_capacity(axis.shown);
    for i in 0..axis.start + axis.shown {
        if i >= axis.start {
            indices.push((at as usize).min(source - 1));
        }
        at += scale;
    }
    indices
}

/// Puts the shown part into a black crop.
fn pad(geometry: &Geometry, shown: &[u8], crop: &mut Vec<u8>) {
    let (height, width) = (&geometry.height, &geometry.width);
    crop.clear();
    crop.resize(height.crop * width.crop * RGB, 0);
    let rows = crop.chunks_exact_mut(width.crop * RGB).skip(height.pad);
    for (to, from) in rows.zip(shown.chunks_exact(width.shown * RGB)) {
        to[width.pad * RGB..][..width.shown * RGB].copy_from_slice(from);
    }
}
