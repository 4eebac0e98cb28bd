//! Maps over pictures.

use regraft_data::Picture;

pub(super) use regraft_data::restored;

/// White pixels between pictures of a sheet.
const GAP: usize = 6;
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
    let mut strengths: Vec<f32> = map.iter().map(|v| v.abs()).collect();
    strengths.sort_by(f32::total_cmp);
    let at = ((strengths.len() as f64 * (1.0 - STRONGEST)) as usize).min(strengths.len() - 1);
    // Where nearly all is zero, as in a map of one spot, the strongest is the strongest.
    let top = if strengths[at] > 0.0 { strengths[at] } else { strengths[strengths.len() - 1] };
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

/// Rows of pictures of one size, with white between them.
pub(super) fn sheet(rows: &[Vec<Picture>; 2]) -> Picture {
    let columns = rows[0].len().max(rows[1].len());
    let (w, h) = (rows[0][0].width, rows[0][0].height);
    let (width, height) = (columns * (w + GAP) - GAP, 2 * h + GAP);
    let facts = rows[0][0].facts;
    let mut all = Picture { width, height, rgb: vec![255; width * height * 3], facts };
    for (row, pictures) in rows.iter().enumerate() {
        for (column, picture) in pictures.iter().enumerate() {
            let left = column * (w + GAP);
            for y in 0..h {
                let to = (((row * (h + GAP)) + y) * width + left) * 3;
                all.rgb[to..to + 3 * w].copy_from_slice(&picture.rgb[y * w * 3..][..3 * w]);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use regraft_data::{Format, PictureFacts};

    use super::*;

    fn grey(width: usize, height: usize) -> Picture {
        let facts = PictureFacts {
            format: Format::Png,
            orientation: 1,
            grey: true,
            alpha: false,
            sixteen_bit: false,
            palette: false,
        };
        Picture { width, height, rgb: vec![128; 3 * width * height], facts }
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
