//! Where an operation takes pixels from: mirrors, and affine maps as Pillow's `Image.transform` with
//! `NEAREST` computes them, black beyond the edge.

use super::frame::Frame;

/// Bytes a pixel.
const RGB: usize = 3;

/// Left and right change places.
pub(super) fn mirror_columns(frame: &mut Frame<'_>) {
    for row in frame.rgb.chunks_exact_mut((frame.width * RGB).max(1)) {
        mirror_pixels(row);
    }
}

/// Top and bottom change places.
pub(super) fn mirror_rows(frame: &mut Frame<'_>) {
    let (height, stride) = (frame.height, frame.width * RGB);
    let (top, bottom) = frame.rgb.split_at_mut(height.div_ceil(2) * stride);
    let below = bottom.chunks_exact_mut(stride.max(1)).rev();
    for (above, below) in top.chunks_exact_mut(stride.max(1)).zip(below) {
        above.swap_with_slice(below);
    }
}

fn mirror_pixels(pixels: &mut [u8]) {
    let (pixels, _) = pixels.as_chunks_mut::<RGB>();
    pixels.reverse();
}

/// `x` of the source is `x + share · y`.
pub(super) fn shear_x(frame: &mut Frame<'_>, share: f64) {
    // torchvision goes through degrees.
    let angle = share.atan().to_degrees().to_radians();
    affine(frame, [1.0, angle.tan(), 0.0, 0.0, 1.0, 0.0]);
}

/// `y` of the source is `y + share · x`.
pub(super) fn shear_y(frame: &mut Frame<'_>, share: f64) {
    let angle = share.atan().to_degrees().to_radians();
    affine(frame, [1.0, 0.0, 0.0, angle.sin() / angle.cos(), 1.0, 0.0]);
}

/// Moves the picture to the right and down by whole pixels.
pub(super) fn translate(frame: &mut Frame<'_>, right: i32, down: i32) {
    affine(frame, [1.0, 0.0, -f64::from(right), 0.0, 1.0, -f64::from(down)]);
}

/// Turns the picture about its centre, counter-clockwise: Pillow's `Image.rotate`.
pub(super) fn rotate(frame: &mut Frame<'_>, degrees: f64) {
    let degrees = degrees.rem_euclid(360.0);
    let square = frame.width == frame.height;
    if degrees == 180.0 {
        mirror_pixels(frame.rgb);
    } else if square && (degrees == 90.0 || degrees == 270.0) {
        quarter(frame, degrees == 90.0);
    } else if degrees != 0.0 {
        let (cx, cy) = (frame.width as f64 / 2.0, frame.height as f64 / 2.0);
        let angle = -degrees.to_radians();
        let (cos, sin) = (rounded(angle.cos()), rounded(angle.sin()));
        let minus_sin = rounded(-angle.sin());
        let x = cos * -cx + sin * -cy + 0.0 + cx;
        let y = minus_sin * -cx + cos * -cy + 0.0 + cy;
        affine(frame, [cos, sin, x, minus_sin, cos, y]);
    }
}

/// Python's `round(value, 15)`: the nearest decimal number, so that a right angle is one.
fn rounded(value: f64) -> f64 {
    format!("{value:.15}").parse().unwrap_or(value)
}

/// A quarter turn of a square picture.
fn quarter(frame: &mut Frame<'_>, counter_clockwise: bool) {
    let side = frame.width;
    frame.spare.clear();
    frame.spare.extend_from_slice(frame.rgb);
    for (at, pixel) in frame.rgb.chunks_exact_mut(RGB).enumerate() {
        let (y, x) = (at / side, at % side);
        let from =
            if counter_clockwise { x * side + side - 1 - y } else { (side - 1 - x) * side + y };
        pixel.copy_from_slice(&frame.spare[from * RGB..][..RGB]);
    }
}

/// The pixel at the centre `(x, y)` is the one of the source at `(a x + b y + c, d x + e y + f)`.
///
/// Pillow adds up in fixed point with 16 fractional bits, and so does this: which pixel is nearest
/// depends on it. (Without rotation and shear Pillow adds `f64`; the scale is 1 here, so both are
/// exact but for translations by less than a pixel, which do not occur.) Pillow does otherwise when
/// a corner comes to lie 32768 pixels away, which a crop never does.
fn affine(frame: &mut Frame<'_>, [a, b, c, d, e, f]: [f64; 6]) {
    let fixed = |v: f64| (v * 65_536.0 + 0.5).floor() as i64;
    let (width, height) = (frame.width as i64, frame.height as i64);
    let mut row_start = [fixed(c + a * 0.5 + b * 0.5), fixed(f + d * 0.5 + e * 0.5)];
    let [a, b, d, e] = [a, b, d, e].map(fixed);
    frame.spare.clear();
    frame.spare.resize(frame.rgb.len(), 0);
    for row in frame.spare.chunks_exact_mut((frame.width * RGB).max(1)) {
        let [mut x, mut y] = row_start;
        for pixel in row.chunks_exact_mut(RGB) {
            let (column, line) = (x >> 16, y >> 16);
            if (0..width).contains(&column) && (0..height).contains(&line) {
                let from = (line * width + column) as usize * RGB;
                pixel.copy_from_slice(&frame.rgb[from..from + RGB]);
            }
            x += a;
            y += d;
        }
        row_start[0] += b;
        row_start[1] += e;
    }
    std::mem::swap(frame.rgb, frame.spare);
}
