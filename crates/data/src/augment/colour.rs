//! What an operation makes of colours: Pillow's `ImageEnhance` and `ImageOps`, value for value.

use super::frame::Frame;

/// Bytes a pixel.
const RGB: usize = 3;

/// Pillow's `Image.blend` of one value: on the line through `from` (0) and `to` (1), cut off to 8
/// bits, not rounded.
fn blend(from: u8, to: u8, at: f32) -> u8 {
    (f32::from(from) + at * (f32::from(to) - f32::from(from))) as u8
}

/// Luma by ITU-R 601-2 with 16 fractional bits, Pillow's mode `L`.
fn luma(pixel: &[u8]) -> u8 {
    let [r, g, b] = [0, 1, 2].map(|c| u32::from(pixel[c]));
    ((r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16) as u8
}

/// Replaces each value by the table of its channel.
fn look_up(frame: &mut Frame<'_>, tables: &[[u8; 256]; RGB]) {
    for pixel in frame.rgb.chunks_exact_mut(RGB) {
        for (value, table) in pixel.iter_mut().zip(tables) {
            *value = table[usize::from(*value)];
        }
    }
}

/// The same table for all channels.
fn look_up_all(frame: &mut Frame<'_>, table: impl Fn(u8) -> u8) {
    let table: [u8; 256] = std::array::from_fn(|v| table(v as u8));
    for value in frame.rgb.iter_mut() {
        *value = table[usize::from(*value)];
    }
}

/// How often each value occurs, by channel.
fn histograms(frame: &Frame<'_>) -> [[usize; 256]; RGB] {
    let mut counts = [[0; 256]; RGB];
    for pixel in frame.rgb.chunks_exact(RGB) {
        for (value, counts) in pixel.iter().zip(&mut counts) {
            counts[usize::from(*value)] += 1;
        }
    }
    counts
}

/// Factor 0 is black, 1 the picture.
pub(super) fn brightness(frame: &mut Frame<'_>, factor: f64) {
    look_up_all(frame, |v| blend(0, v, factor as f32));
}

/// Factor 0 is the mean luma everywhere, 1 the picture.
pub(super) fn contrast(frame: &mut Frame<'_>, factor: f64) {
    let pixels = frame.rgb.len() / RGB;
    let sum: u64 = frame.rgb.chunks_exact(RGB).map(|pixel| u64::from(luma(pixel))).sum();
    let mean = (sum as f64 / pixels.max(1) as f64 + 0.5) as u8;
    look_up_all(frame, |v| blend(mean, v, factor as f32));
}

/// Factor 0 is grey, 1 the picture.
pub(super) fn saturation(frame: &mut Frame<'_>, factor: f64) {
    for pixel in frame.rgb.chunks_exact_mut(RGB) {
        let grey = luma(pixel);
        for value in pixel {
            *value = blend(grey, *value, factor as f32);
        }
    }
}

/// Factor 0 is smoothed (the mean of the pixel, five times, and its eight neighbours; the outermost
/// pixels stay), 1 the picture.
pub(super) fn sharpness(frame: &mut Frame<'_>, factor: f64) {
    let (height, stride) = (frame.height, frame.width * RGB);
    // Pillow smooths no picture that is smaller than its window.
    if height < 3 || frame.width < 3 {
        return;
    }
    frame.spare.clear();
    frame.spare.extend_from_slice(frame.rgb);
    for y in 1..height - 1 {
        let [above, row, below] = [y - 1, y, y + 1].map(|y| &frame.spare[y * stride..][..stride]);
        let out = &mut frame.rgb[y * stride..][..stride];
        for x in RGB..stride - RGB {
            let three = |r: &[u8]| u32::from(r[x - RGB]) + u32::from(r[x]) + u32::from(r[x + RGB]);
            let sum = three(above) + three(row) + three(below) + 4 * u32::from(row[x]);
            // Rounded; a thirteenth never lies on a half, so Pillow's f32 sum gives the same.
            let smooth = ((2 * sum + 13) / 26) as u8;
            out[x] = blend(smooth, row[x], factor as f32);
        }
    }
}

/// Keeps the highest `bits` bits, 0 to 8, of each value.
pub(super) fn posterize(frame: &mut Frame<'_>, bits: u8) {
    let mask = !(0xFF_u16 >> bits.min(8)) as u8;
    look_up_all(frame, |v| v & mask);
}

/// Values from the threshold on are inverted.
pub(super) fn solarize(frame: &mut Frame<'_>, threshold: f64) {
    look_up_all(frame, |v| if f64::from(v) < threshold { v } else { 255 - v });
}

/// Stretches each channel so that its smallest value becomes 0 and its largest 255.
pub(super) fn autocontrast(frame: &mut Frame<'_>) {
    let tables = histograms(frame).map(|counts| {
        let low = counts.iter().position(|n| *n > 0).unwrap_or(0);
        let high = counts.iter().rposition(|n| *n > 0).unwrap_or(0);
        if high <= low {
            return std::array::from_fn(|v| v as u8);
        }
        let scale = 255.0 / (high - low) as f64;
        let offset = -(low as f64) * scale;
        std::array::from_fn(|v| (v as f64 * scale + offset) as u8)
    });
    look_up(frame, &tables);
}

/// Spreads each channel's values so that all occur about as often.
pub(super) fn equalize(frame: &mut Frame<'_>) {
    let tables = histograms(frame).map(|counts| {
        let total: usize = counts.iter().sum();
        let last = counts.iter().rev().find(|n| **n > 0).copied().unwrap_or(0);
        // 0 also when there is one value only.
        let step = (total - last) / 255;
        let mut sum = step / 2;
        std::array::from_fn(|v| {
            let level = sum.checked_div(step).map_or(v, |level| level.min(255));
            sum += counts[v];
            level as u8
        })
    });
    look_up(frame, &tables);
}

/// Turns the hue by `turn` of the circle, -0.5 to 0.5, in steps of 1/256, through Pillow's 8-bit
/// HSV. The way there and back changes colours a little even when nothing is turned.
pub(super) fn hue(frame: &mut Frame<'_>, turn: f64) {
    let turn = (turn * 255.0) as i32 as u8;
    for pixel in frame.rgb.chunks_exact_mut(RGB) {
        let [h, s, v] = to_hsv([pixel[0], pixel[1], pixel[2]]);
        pixel.copy_from_slice(&to_rgb([h.wrapping_add(turn), s, v]));
    }
}

/// `f32` and `f64` where Pillow has `float` and `double`: the values are cut off, not rounded, so
/// the last bit decides levels.
fn to_hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (high, low) = (r.max(g).max(b), r.min(g).min(b));
    if high == low {
        return [0, 0, high];
    }
    let range = f32::from(high - low);
    let [rc, gc, bc] = [r, g, b].map(|v| f32::from(high - v) / range);
    let h = if r == high {
        bc - gc
    } else if g == high {
        (2.0 + f64::from(rc) - f64::from(bc)) as f32
    } else {
        (4.0 + f64::from(gc) - f64::from(rc)) as f32
    };
    let h = ((f64::from(h) / 6.0 + 1.0) % 1.0) as f32;
    let s = range / f32::from(high);
    [(f64::from(h) * 255.0) as u8, (f64::from(s) * 255.0) as u8, high]
}

fn to_rgb([h, s, v]: [u8; 3]) -> [u8; 3] {
    if s == 0 {
        return [v; 3];
    }
    let sixth = f64::from(h) * 6.0 / 255.0;
    let f = (sixth - sixth.floor()) as f32;
    let s = (f64::from(s) / 255.0) as f32;
    // No product lies so close below a half that the sum rounds up: all there are were tried.
    let level = |share: f64| (f64::from(v) * share + 0.5) as u8;
    let p = level(1.0 - f64::from(s));
    let q = level(1.0 - f64::from(s * f));
    let t = level(1.0 - f64::from(s) * (1.0 - f64::from(f)));
    match sixth as u8 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}
