//! Pictures beside and below each other.

use regraft_data::{Picture, PictureFacts};
use regraft_tensor::Tensor;

/// White pixels between pictures of a grid, and of a square.
const GAP: usize = 6;
const LINE: usize = 2;

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
    Picture { width, height, rgb, facts: PictureFacts::DRAWN }
}

/// Rows of pictures, white between them; columns are as wide as the widest picture, rows as high as their highest.
pub(super) fn grid(rows: &[Vec<Picture>]) -> Picture {
    let w = rows.iter().flatten().map(|p| p.width).max().unwrap_or(1);
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let high = |row: &Vec<Picture>| row.iter().map(|p| p.height).max().unwrap_or(1);
    let width = columns * (w + GAP) - GAP;
    let height = (rows.iter().map(|row| high(row) + GAP).sum::<usize>()).max(GAP + 1) - GAP;
    let mut sheet =
        Picture { width, height, rgb: vec![255; width * height * 3], facts: PictureFacts::DRAWN };
    let mut top = 0;
    for row in rows {
        for (column, picture) in row.iter().enumerate() {
            place(&mut sheet, picture, top, column * (w + GAP));
        }
        top += high(row) + GAP;
    }
    sheet
}

/// Pictures of one size in a square, with a line of white between them.
pub(super) fn square(pictures: &[Picture]) -> Picture {
    let side = (1..=pictures.len()).find(|n| n * n >= pictures.len()).unwrap_or(1);
    let (w, h) = pictures.first().map_or((1, 1), |p| (p.width, p.height));
    let rows = pictures.len().div_ceil(side).max(1);
    let (width, height) = (side * (w + LINE) - LINE, rows * (h + LINE) - LINE);
    let mut all =
        Picture { width, height, rgb: vec![255; width * height * 3], facts: PictureFacts::DRAWN };
    for (i, picture) in pictures.iter().enumerate() {
        place(&mut all, picture, i / side * (h + LINE), i % side * (w + LINE));
    }
    all
}

/// Puts a picture into a larger one.
pub(super) fn place(all: &mut Picture, picture: &Picture, top: usize, left: usize) {
    let bytes = 3 * picture.width.min(all.width - left);
    for (y, row) in picture.rgb.chunks_exact(3 * picture.width).enumerate() {
        let to = ((top + y) * all.width + left) * 3;
        all.rgb[to..to + bytes].copy_from_slice(&row[..bytes]);
    }
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
