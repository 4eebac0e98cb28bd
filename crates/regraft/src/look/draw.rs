//! Maps over pictures.

use regraft_data::{Picture, PictureFacts, resized};
use regraft_look::{Patch, Upsample, upsample};
use regraft_net::card::{Channels, Preprocess};
use regraft_tensor::Tensor;

pub(super) use regraft_data::restored;

use super::grid::place;
use crate::Error;

/// Grey: outside of a picture, and no signal.
const OUTSIDE: u8 = 128;
/// Share of a pixel's own brightness that is left below a map.
const GHOST: f32 = 0.45;
/// Share of the pixels whose values are drawn as the strongest: a single hot pixel leaves the others to see.
const STRONGEST: f64 = 0.005;

/// For the class, and against it.
const FOR: [f32; 3] = [214.0, 39.0, 40.0];
const AGAINST: [f32; 3] = [31.0, 99.0, 210.0];

/// A map `[H, W]` over a picture of that size: red where it is above zero, blue below. An empty map leaves the grey
/// picture as it is, and is not stretched until something shows.
pub(super) fn overlay(picture: &Picture, map: &[f32], empty: bool) -> Picture {
    let top = strongest(map);
    let mut drawn = flat(picture);
    if empty || top <= 0.0 {
        return drawn;
    }
    for (pixel, value) in drawn.rgb.chunks_exact_mut(3).zip(map) {
        let strength = (value.abs() / top).min(1.0);
        let colour = if *value > 0.0 { FOR } else { AGAINST };
        for (own, other) in pixel.iter_mut().zip(colour) {
            *own = (f32::from(*own) * (1.0 - strength) + other * strength).round() as u8;
        }
    }
    drawn
}

/// The picture in pale grey.
pub(super) fn flat(picture: &Picture) -> Picture {
    let mut grey = picture.clone();
    for pixel in grey.rgb.chunks_exact_mut(3) {
        // ITU-R 601.
        let [r, g, b] = [f32::from(pixel[0]), f32::from(pixel[1]), f32::from(pixel[2])];
        let level = 0.299 * r + 0.587 * g + 0.114 * b;
        pixel.fill((255.0 * (1.0 - GHOST) + GHOST * level).round() as u8);
    }
    grey
}

/// The patch of a picture, its longer side `side` pixels; what lies over the border is grey.
pub(super) fn patch(picture: &Picture, patch: &Patch, side: usize) -> Result<Picture, Error> {
    let pixels: Vec<[u8; 3]> = picture.rgb.as_chunks::<3>().0.to_vec();
    let cut = patch.cut(&pixels, [picture.height, picture.width], [OUTSIDE; 3]);
    let (height, width) = (patch.height, patch.width);
    let picture = Picture { width, height, rgb: cut.concat(), facts: PictureFacts::DRAWN };
    Ok(centred(&resized(&picture, fitting([height, width], side))?, side))
}

/// The patch of a signal `[3, H, W]`, red first, `[3, height, width]`; zero over the border.
pub(super) fn planes(signal: &[f32], patch: &Patch, p: &Preprocess) -> Vec<f32> {
    let size = p.crop;
    let mut planes: Vec<&[f32]> = signal.chunks_exact(size[0] * size[1]).collect();
    if p.channels == Channels::Bgr {
        planes.reverse();
    }
    planes.into_iter().flat_map(|plane| patch.cut(plane, size, 0.0)).collect()
}

/// Planes `[3, height, width]` of a signal, its longer side `side` pixels: zero is grey, what is strongest white or
/// black. Stretched after it is brought to its size, or a large one would fade to grey.
pub(super) fn signal(planes: &[f32], patch: &Patch, side: usize) -> Result<Picture, Error> {
    let size = [patch.height, patch.width];
    let small = fitting(size, side);
    let mut scaled = Vec::new();
    for plane in planes.chunks_exact((size[0] * size[1]).max(1)) {
        scaled.extend(if small[0] < size[0] {
            shrunk(plane, size, small)
        } else {
            upsample(&Tensor::new(size, plane.to_vec())?, small, Upsample::Bilinear)?.into_data()
        });
    }
    let top = strongest(&scaled);
    let scale = if top > 0.0 { 127.0 / top } else { 0.0 };
    let level = |v: f32| (f32::from(OUTSIDE) + (scale * v).clamp(-127.0, 127.0)).round() as u8;
    let pixels = small[0] * small[1];
    let rgb = (0..pixels).flat_map(|i| [0, 1, 2].map(|c| level(scaled[c * pixels + i]))).collect();
    let [height, width] = small;
    Ok(centred(&Picture { width, height, rgb, facts: PictureFacts::DRAWN }, side))
}

/// The mean of the values that each smaller pixel covers.
fn shrunk(plane: &[f32], [height, width]: [usize; 2], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let range = |i: usize, from: usize, to: usize| i * from / to..((i + 1) * from).div_ceil(to);
    let mut out = Vec::with_capacity(rows * columns);
    for y in 0..rows {
        for x in 0..columns {
            let (mut sum, mut n) = (0.0, 0.0);
            for row in range(y, height, rows) {
                for value in &plane[row * width..][range(x, width, columns)] {
                    sum += f64::from(*value);
                    n += 1.0;
                }
            }
            out.push((sum / n) as f32);
        }
    }
    out
}

/// Height and width with a longer side of `side`.
fn fitting(size: [usize; 2], side: usize) -> [usize; 2] {
    let longer = size[0].max(size[1]).max(1);
    size.map(|n| (n * side / longer).max(1))
}

/// The value that is drawn as the strongest: a single hot pixel leaves the others to see. Where nearly all is zero,
/// as in a map of one spot, the strongest is the strongest.
fn strongest(values: &[f32]) -> f32 {
    let mut strengths: Vec<f32> = values.iter().map(|v| v.abs()).collect();
    strengths.sort_by(f32::total_cmp);
    let last = strengths.len().saturating_sub(1);
    let at = ((strengths.len() as f64 * (1.0 - STRONGEST)) as usize).min(last);
    let of = |i: usize| strengths.get(i).copied().unwrap_or_default();
    if of(at) > 0.0 { of(at) } else { of(last) }
}

/// A picture in the middle of a white square.
fn centred(picture: &Picture, side: usize) -> Picture {
    let rgb = vec![255; 3 * side * side];
    let mut all = Picture { width: side, height: side, rgb, facts: PictureFacts::DRAWN };
    place(&mut all, picture, (side - picture.height) / 2, (side - picture.width) / 2);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, height: usize) -> Picture {
        Picture { width, height, rgb: vec![128; 3 * width * height], facts: PictureFacts::DRAWN }
    }

    #[test]
    fn red_speaks_for_and_blue_against_and_nothing_stays_grey() {
        let picture = grey(2, 2);
        let drawn = overlay(&picture, &[1.0, -1.0, 0.0, 0.5], false);
        let [r, _, b] = [drawn.rgb[0], drawn.rgb[1], drawn.rgb[2]];
        assert!(r > b, "{:?}", drawn.rgb);
        assert!(drawn.rgb[5] > drawn.rgb[3], "{:?}", drawn.rgb);
        assert_eq!(drawn.rgb[6], drawn.rgb[8]);
        assert!(drawn.rgb[9] > drawn.rgb[11]);
    }

    #[test]
    fn a_map_of_nothing_is_not_stretched() {
        let picture = grey(2, 2);
        for (map, empty) in [([0.0; 4], false), ([1e-20, -1e-20, 0.0, 1e-20], true)] {
            assert_eq!(overlay(&picture, &map, empty), flat(&picture));
        }
    }
}
