//! Maps at the size of the picture.

use regraft_tensor::Tensor;

use crate::LookError;

/// How a map grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upsample {
    /// Each pixel takes the nearest value.
    Nearest,
    /// Linear between the centres of values, as in `PyTorch` with `align_corners=False`.
    Bilinear,
}

/// A map `[H', W']` at `height` x `width` pixels.
///
/// # Errors
/// When it is no map, or a side is 0.
pub fn upsample(
    map: &Tensor,
    [height, width]: [usize; 2],
    how: Upsample,
) -> Result<Tensor, LookError> {
    let [rows, columns] = *map.shape().dims() else {
        let shape = map.shape().clone();
        return Err(LookError::NoMap { layer: "the map".to_owned(), shape });
    };
    let at = |row: usize, column: usize| f64::from(map.data()[row * columns + column]);
    let mut out = Vec::with_capacity(height * width);
    for y in 0..height {
        let (top, bottom, down) = between(y, height, rows, how);
        for x in 0..width {
            let (left, right, across) = between(x, width, columns, how);
            let mix = |row: usize| at(row, left) * (1.0 - across) + at(row, right) * across;
            out.push((mix(top) * (1.0 - down) + mix(bottom) * down) as f32);
        }
    }
    Ok(Tensor::new([height, width], out)?)
}

/// The two values that a pixel lies between, and how far it is from the first to the second.
fn between(pixel: usize, pixels: usize, values: usize, how: Upsample) -> (usize, usize, f64) {
    match how {
        Upsample::Nearest => {
            let at = pixel * values / pixels;
            (at, at, 0.0)
        }
        Upsample::Bilinear => {
            let at = ((pixel as f64 + 0.5) * values as f64 / pixels as f64 - 0.5).max(0.0);
            let first = (at as usize).min(values - 1);
            (first, (first + 1).min(values - 1), at - first as f64)
        }
    }
}
