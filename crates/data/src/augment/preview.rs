//! A picture for a person of what the network will see.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use regraft_net::card::{Channels, Preprocess};

use super::{Augment, Visit, augmented};
use crate::{DataError, MAX_SIDE, Picture, PictureFacts, Scratch, preprocess};

/// Pictures a row: one as the card alone makes it, the others augmented.
const COLUMNS: usize = 8;

/// White pixels between pictures.
const GAP: usize = 4;

/// A grid of network inputs turned back into colours. A row is a picture: first as the card alone
/// preprocesses it, then as epochs 0 to 6 show it, `index` being its place in `pictures`. Mixtures
/// mix a column as if it were a batch.
///
/// # Errors
/// As [`augmented`]; [`DataError::InputSize`] when the grid would have a side above [`MAX_SIDE`] or
/// there are no pictures.
pub fn preview(
    pictures: &[Picture],
    p: &Preprocess,
    augment: &Augment,
    seed: u64,
) -> Result<Picture, DataError> {
    let side = |n: usize, of: usize| n.saturating_mul(of.saturating_add(GAP)).saturating_sub(GAP);
    let (height, width) = (side(pictures.len(), p.crop[0]), side(COLUMNS, p.crop[1]));
    if height == 0 || height.max(width) > MAX_SIDE as usize {
        return Err(DataError::InputSize { resized: [height, width], crop: p.crop });
    }
    let mut grid =
        Picture { width, height, rgb: vec![255; height * width * 3], facts: PictureFacts::DRAWN };
    let one = p.crop[0] * p.crop[1] * 3;
    let mut scratch = Scratch::default();
    let mut inputs = vec![0.0; pictures.len() * one];
    for column in 0..COLUMNS {
        for (index, picture) in pictures.iter().enumerate() {
            let input = &mut inputs[index * one..][..one];
            match column.checked_sub(1) {
                None => preprocess(picture, p, &mut scratch, input)?,
                Some(epoch) => {
                    let visit = Visit { seed, epoch: epoch as u64, index: index as u64 };
                    augmented(picture, p, augment, visit, &mut scratch, input)?;
                }
            }
        }
        if let Some(epoch) = column.checked_sub(1)
            && let Some(mixed) = augment.draw_mix(seed, epoch as u64, 0, p.crop)
        {
            mixed.inputs(&mut inputs, p.crop)?;
        }
        for (row, input) in inputs.chunks_exact(one).enumerate() {
            let at = [row * (p.crop[0] + GAP), column * (p.crop[1] + GAP)];
            place(input, p, &mut grid, at);
        }
    }
    Ok(grid)
}

/// A network's input `[3, H, W]` turned back into colours: what of the picture it sees.
pub fn restored(input: &[f32], p: &Preprocess) -> Picture {
    let [height, width] = p.crop;
    let mut picture =
        Picture { width, height, rgb: vec![255; height * width * 3], facts: PictureFacts::DRAWN };
    place(input, p, &mut picture, [0, 0]);
    picture
}

/// A PNG file of a picture.
///
/// # Errors
/// [`DataError::PictureLength`] when `picture.rgb` does not have the length its size says.
pub fn to_png(picture: &Picture) -> Result<Vec<u8>, DataError> {
    let mut png = Vec::new();
    let (width, height) = (picture.width, picture.height);
    if width.checked_mul(height).and_then(|n| n.checked_mul(3)) != Some(picture.rgb.len()) {
        return Err(DataError::PictureLength { width, height, given: picture.rgb.len() });
    }
    PngEncoder::new(&mut png)
        .write_image(&picture.rgb, width as u32, height as u32, ExtendedColorType::Rgb8)
        .map_err(|source| DataError::Thumbnail { source })?;
    Ok(png)
}

/// Undoes the normalisation of an input and puts it into the grid, `at` `[row, column]`.
fn place(input: &[f32], p: &Preprocess, grid: &mut Picture, at: [usize; 2]) {
    let [height, width] = p.crop;
    for (channel, plane) in input.chunks_exact(height * width).enumerate() {
        let target = match p.channels {
            Channels::Rgb => channel,
            Channels::Bgr => 2 - channel,
        };
        for (y, row) in plane.chunks_exact(width).enumerate() {
            let start = ((at[0] + y) * grid.width + at[1]) * 3;
            let pixels = grid.rgb[start..start + width * 3].chunks_exact_mut(3);
            for (pixel, value) in pixels.zip(row) {
                let level = (value * p.std[channel] + p.mean[channel]) / p.scale;
                pixel[target] = level.round() as u8;
            }
        }
    }
}
