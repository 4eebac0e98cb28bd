//! Lays one small picture over another and says how well they fit.
//!
//! Gauss-Newton on the place and size of the window of `whole` that `part` shows, with a gain and an
//! offset of the grey values (Lucas and Kanade 1981; Baker and Matthews, "Lucas-Kanade 20 years on",
//! 2004, section 2 with the linear appearance of part 3): six unknowns, a linear system a step.

use super::spectrum::Span;
use crate::audit::{FINGERPRINT_SIDE, Fingerprint};

/// Steps at half size, twice, and at full size.
const STEPS: [usize; 3] = [3, 5, 3];

/// A window may be this much shorter or longer than the axis, and reach so far over its ends.
const LENGTHS: std::ops::RangeInclusive<f64> = 0.62..=1.08;
const BEYOND: f64 = 0.06;

/// Pairs that fit less well after the first and the second steps are given up.
const HOPES: [f64; 2] = [0.5, 0.75];

/// Pixels to each side of the mean that is taken off before details are compared.
const AROUND: usize = 4;

/// Pictures whose details vary less (standard deviation, of 255) show rounding, not details.
const PLAIN: f64 = 0.8;

/// A square picture of grey values.
struct Grey {
    side: usize,
    values: Vec<f32>,
}

/// A fingerprint at both sizes.
pub(super) struct Ready {
    half: Grey,
    full: Grey,
}

impl Ready {
    pub(super) fn new(picture: &Fingerprint, mirrored: bool) -> Self {
        let side = FINGERPRINT_SIDE;
        let at = |x: usize| if mirrored { side - 1 - x } else { x };
        let value = |i: usize| f32::from(picture.values()[i / side * side + at(i % side)]);
        let full: Vec<f32> = (0..side * side).map(value).collect();
        let quarter = |i: usize| {
            let (y, x) = (i / (side / 2) * 2, i % (side / 2) * 2);
            let row = |y: usize| full[y * side + x] + full[y * side + x + 1];
            (row(y) + row(y + 1)) / 4.0
        };
        let half = (0..side * side / 4).map(quarter).collect();
        let half = Grey { side: side / 2, values: half };
        Self { half, full: Grey { side, values: full } }
    }
}

/// How alike `part` and a window of `whole` are, aligned from a first guess of the window: correlation
/// of their details, grey values without the mean of their surroundings, -1 to 1. Light and shade
/// alone are alike in many pictures. `None` when they drift apart.
pub(super) fn alike(whole: &Ready, part: &Ready, guess: [Span; 2]) -> Option<f64> {
    let mut window = guess;
    for (steps, hope) in STEPS.into_iter().zip(HOPES) {
        for _ in 0..steps {
            window = step(&whole.half, &part.half, window)?;
        }
        let shown = sample(&whole.half, window);
        if correlation(&shown.values, &part.half.values, 0.0) < hope {
            return None;
        }
    }
    for _ in 0..STEPS[2] {
        window = step(&whole.full, &part.full, window)?;
    }
    let shown = details(&soft(&sample(&whole.full, window)));
    Some(correlation(&shown, &details(&soft(&part.full)), PLAIN))
}

/// The place in `whole`, in pixels, of pixel `i` of a picture that shows the window.
fn place(span: Span, i: usize, side: usize) -> f32 {
    let share = (i as f64 + 0.5) / side as f64;
    ((span.start + span.length * share) * side as f64 - 0.5) as f32
}

/// The two pixels around a place and the share of the second; beyond an end, the last pixel.
fn around(at: f32, side: usize) -> (usize, usize, f32) {
    let at = at.clamp(0.0, (side - 1) as f32);
    let first = (at as usize).min(side - 2);
    (first, first + 1, at - first as f32)
}

fn sample(whole: &Grey, [down, across]: [Span; 2]) -> Grey {
    let side = whole.side;
    let columns: Vec<_> = (0..side).map(|x| around(place(across, x, side), side)).collect();
    let mut values = Vec::with_capacity(side * side);
    for y in 0..side {
        let (top, bottom, low) = around(place(down, y, side), side);
        let (top, bottom) = (&whole.values[top * side..], &whole.values[bottom * side..]);
        for (left, right, far) in &columns {
            let above = top[*left] + far * (top[*right] - top[*left]);
            let below = bottom[*left] + far * (bottom[*right] - bottom[*left]);
            values.push(above + low * (below - above));
        }
    }
    Grey { side, values }
}

/// One step: the window for which gain times what it shows plus offset is nearest to `part`.
fn step(whole: &Grey, part: &Grey, window: [Span; 2]) -> Option<[Span; 2]> {
    let side = whole.side;
    let shown = sample(whole, window);
    let mut normal = [[0.0_f64; 7]; 6];
    // Slopes at the edge would look beyond it.
    for y in 1..side - 1 {
        let mut sums = [[0.0_f32; 7]; 6];
        let t = (y as f32 + 0.5) / side as f32;
        for x in 1..side - 1 {
            let at = y * side + x;
            let s = (x as f32 + 0.5) / side as f32;
            let v = &shown.values;
            let across = (v[at + 1] - v[at - 1]) / 2.0;
            let down = (v[at + side] - v[at - side]) / 2.0;
            let row = [v[at], 1.0, across, across * s, down, down * t, part.values[at]];
            for (i, sums) in sums.iter_mut().enumerate() {
                for (j, sum) in sums.iter_mut().enumerate().skip(i) {
                    *sum += row[i] * row[j];
                }
            }
        }
        for (to, from) in normal.iter_mut().flatten().zip(sums.iter().flatten()) {
            *to += f64::from(*from);
        }
    }
    let [gain, _, left, wider, top, taller] = solve(normal)?;
    if gain <= 0.0 {
        return None;
    }
    // Slopes are per pixel of what is shown: a pixel there is `length / side` of the axis.
    let moved = |span: Span, shift: f64, growth: f64| {
        let pixel = span.length / side as f64 / gain;
        let start = span.start + (shift * pixel).clamp(-0.05, 0.05);
        Span { start, length: span.length + (growth * pixel).clamp(-0.1, 0.1) }
    };
    let window = [moved(window[0], top, taller), moved(window[1], left, wider)];
    let lies = |s: &Span| {
        let (start, end) = (s.start, s.start + s.length);
        LENGTHS.contains(&s.length) && start >= -BEYOND && end <= 1.0 + BEYOND
    };
    window.iter().all(lies).then_some(window)
}

/// Solves the six normal equations, of which the upper triangle is filled; the last column is the
/// right side. `None` when the picture has no slopes to hold on to.
fn solve(mut a: [[f64; 7]; 6]) -> Option<[f64; 6]> {
    for i in 0..6 {
        for j in 0..i {
            a[i][j] = a[j][i];
        }
    }
    for i in 0..6 {
        // A trace keeps flat directions still.
        a[i][i] += 1e-6 * a[i][i] + 1e-9;
    }
    for i in 0..6 {
        let pivot = a[i][i];
        if pivot.is_nan() || pivot <= 1e-9 {
            return None;
        }
        for row in i + 1..6 {
            let factor = a[row][i] / pivot;
            for column in i..7 {
                a[row][column] -= factor * a[i][column];
            }
        }
    }
    let mut x = [0.0; 6];
    for i in (0..6).rev() {
        let known: f64 = (i + 1..6).map(|j| a[i][j] * x[j]).sum();
        x[i] = (a[i][6] - known) / a[i][i];
    }
    x.iter().all(|v| v.is_finite()).then_some(x)
}

/// Softened by 1-2-1 both ways: what is enlarged from a crop lacks the finest details anyway.
fn soft(picture: &Grey) -> Grey {
    let side = picture.side;
    let pass = |values: &[f32], stride: usize, at: fn(usize, usize) -> usize| -> Vec<f32> {
        (0..side * side)
            .map(|i| {
                let along = at(i, side);
                let before = if along == 0 { i } else { i - stride };
                let behind = if along == side - 1 { i } else { i + stride };
                (values[before] + 2.0 * values[i] + values[behind]) / 4.0
            })
            .collect()
    };
    let across = pass(&picture.values, 1, |i, side| i % side);
    Grey { side, values: pass(&across, side, |i, side| i / side) }
}

/// Each value without the mean of the 9 x 9 around it, less at the edges.
fn details(picture: &Grey) -> Vec<f32> {
    let side = picture.side;
    let mut sums = vec![0.0_f64; (side + 1) * (side + 1)];
    for y in 0..side {
        let mut row = 0.0;
        for x in 0..side {
            row += f64::from(picture.values[y * side + x]);
            sums[(y + 1) * (side + 1) + x + 1] = sums[y * (side + 1) + x + 1] + row;
        }
    }
    let limits = |i: usize| (i.saturating_sub(AROUND), (i + AROUND + 1).min(side));
    let mut details = Vec::with_capacity(side * side);
    for y in 0..side {
        let (top, bottom) = limits(y);
        for x in 0..side {
            let (left, right) = limits(x);
            let sum = |y: usize, x: usize| sums[y * (side + 1) + x];
            let area = sum(bottom, right) - sum(top, right) - sum(bottom, left) + sum(top, left);
            let mean = area / ((bottom - top) * (right - left)) as f64;
            details.push((f64::from(picture.values[y * side + x]) - mean) as f32);
        }
    }
    details
}

/// Pearson's correlation; 0 when one of them varies less than `least` (standard deviation).
fn correlation(a: &[f32], b: &[f32], least: f64) -> f64 {
    let n = a.len() as f64;
    let mean = |values: &[f32]| values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (f64::from(*a) - mean_a, f64::from(*b) - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    let floor = (least * least * n).max(1e-9);
    if aa <= floor || bb <= floor { 0.0 } else { ab / (aa * bb).sqrt() }
}
