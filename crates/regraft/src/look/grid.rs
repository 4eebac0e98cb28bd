//! Pictures beside and below each other.

use regraft_data::{Format, Picture, PictureFacts};
use regraft_tensor::Tensor;

/// White pixels between pictures.
const GAP: usize = 6;

/// The facts of a picture that was in no file.
const DRAWN: PictureFacts = PictureFacts {
    format: Format::Png,
    orientation: 1,
    grey: false,
    alpha: false,
    sixteen_bit: false,
    palette: false,
};

/// Colours `[3, H, W]` in `0..1` as a picture of 8 bits.
pub(super) fn drawn(colours: &Tensor) -> Picture {
    let [height, width] = match colours.shape().dims() {
        [_, height, width] => [*height, *width],
        _ => [0, 0],
    };
    let pixels = height * width;
    let mut rgb = Vec::with_capacity(3 * pixels);
    for i in 0..pixels {
        rgb.extend((0..3).map(|c| (colours.data()[c * pixels + i] * 255.0).round() as u8));
    }
    Picture { width, height, rgb, facts: DRAWN }
}

/// Rows of pictures, white between them; columns are as wide as the widest picture, rows as high as their highest.
pub(super) fn grid(rows: &[Vec<Picture>]) -> Picture {
    let w = rows.iter().flatten().map(|p| p.width).max().unwrap_or(1);
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let high = |row: &Vec<Picture>| row.iter().map(|p| p.height).max().unwrap_or(1);
    let width = columns * (w + GAP) - GAP;
    let height = (rows.iter().map(|row| high(row) + GAP).sum::<usize>()).max(GAP + 1) - GAP;
    let mut sheet = Picture { width, height, rgb: vec![255; width * height * 3], facts: DRAWN };
    let mut top = 0;
    for row in rows {
        for (column, picture) in row.iter().enumerate() {
            for (y, line) in picture.rgb.chunks_exact(3 * picture.width.max(1)).enumerate() {
                let at = ((top + y) * width + column * (w + GAP)) * 3;
                sheet.rgb[at..at + line.len()].copy_from_slice(line);
            }
        }
        top += high(row) + GAP;
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_stand_in_rows_with_white_between() {
        let red = drawn(&Tensor::new([3, 1, 2], vec![1.0, 1.0, 0.0, 0.0, 0.0, 0.0]).unwrap());
        let sheet = grid(&[vec![red.clone(), red.clone()], vec![red]]);
        assert_eq!((sheet.width, sheet.height), (2 + GAP + 2, 1 + GAP + 1));
        assert_eq!(sheet.rgb[..9], [255, 0, 0, 255, 0, 0, 255, 255, 255]);
        let below = (sheet.height - 1) * sheet.width * 3;
        assert_eq!(sheet.rgb[below..below + 3], [255, 0, 0]);
        assert!(sheet.rgb[below + 6..].iter().all(|v| *v == 255));
    }
}
