//! The coarse structure of a picture and of its crops as 64 cosines, and their signs as a hash.
//!
//! A hash of a whole picture does not survive a crop. So each picture is asked under every crop of
//! a grid, and the answer is the picture whose whole hash is the same: a copy cut by up to 15 % a
//! side lies within 2.5 % of one of the crops. Cosines over a crop are matrix products with cosines
//! stretched to it, which all crops of a picture share along one axis.

use crate::audit::{FINGERPRINT_SIDE, Fingerprint};

/// Cosines kept: those of lowest frequency, without the constant.
pub(super) const BITS: usize = 64;

/// What is cut from a side, as shares of the side: each with each other on all four sides.
const CUTS: [f64; 4] = [0.0, 0.05, 0.1, 0.15];

/// Crops along one axis: each cut before with each cut behind.
const SPANS: usize = CUTS.len() * CUTS.len();

/// Cosines along an axis: half periods 0 to 10.
const WAVES: usize = 11;

/// A part of an axis, as shares of its length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    /// Where it begins, 0 to 1.
    pub(super) start: f64,
    /// How long it is.
    pub(super) length: f64,
}

/// The part of the height and of the width that crop `number` of 256 shows; number 0 is all.
pub(super) fn crop(number: usize) -> [Span; 2] {
    [span(number / SPANS), span(number % SPANS)]
}

fn span(number: usize) -> Span {
    let (before, behind) = (CUTS[number / CUTS.len()], CUTS[number % CUTS.len()]);
    Span { start: before, length: 1.0 - before - behind }
}

/// The 64 cosines of lowest frequency as (half periods down, half periods across).
fn frequencies() -> Vec<(usize, usize)> {
    let all = (1..WAVES).flat_map(|sum| (0..=sum).map(move |down| (down, sum - down)));
    all.take(BITS).collect()
}

/// Tables that are the same for all pictures.
pub(super) struct Tables {
    /// `[64 pixels, SPANS, WAVES]`.
    waves: Vec<f32>,
    frequencies: Vec<(usize, usize)>,
}

/// Cosines of all crops of one picture, half done: along rows only.
pub(super) struct Rows {
    /// `[64 rows, SPANS, WAVES]`.
    sums: Vec<f32>,
}

impl Tables {
    pub(super) fn new() -> Self {
        let mut waves = vec![0.0; FINGERPRINT_SIDE * SPANS * WAVES];
        for number in 0..SPANS {
            let Span { start, length } = span(number);
            let side = FINGERPRINT_SIDE as f64;
            let (first, last) = (start * side, (start + length) * side);
            for pixel in 0..FINGERPRINT_SIDE {
                // The part of the pixel that the crop shows, and its middle.
                let (from, to) = (first.max(pixel as f64), last.min(pixel as f64 + 1.0));
                let share = (to - from).max(0.0) / (last - first);
                let at = (f64::midpoint(from, to) - first) / (last - first);
                for wave in 0..WAVES {
                    let value = share * (std::f64::consts::PI * wave as f64 * at).cos();
                    waves[(pixel * SPANS + number) * WAVES + wave] = value as f32;
                }
            }
        }
        Self { waves, frequencies: frequencies() }
    }

    /// The first half, shared by all crops.
    pub(super) fn rows(&self, picture: &Fingerprint) -> Rows {
        let wide = SPANS * WAVES;
        let mut sums = vec![0.0; FINGERPRINT_SIDE * wide];
        let lines = picture.values().chunks_exact(FINGERPRINT_SIDE);
        for (line, sums) in lines.zip(sums.chunks_exact_mut(wide)) {
            for (value, waves) in line.iter().zip(self.waves.chunks_exact(wide)) {
                let value = f32::from(*value);
                sums.iter_mut().zip(waves).for_each(|(sum, wave)| *sum += value * wave);
            }
        }
        Rows { sums }
    }

    /// Hands on the cosines of all crops, or of the whole picture only, with their numbers.
    pub(super) fn crops(&self, rows: &Rows, only_whole: bool, mut to: impl FnMut(usize, Cosines)) {
        let spans = if only_whole { 1 } else { SPANS };
        let wide = SPANS * WAVES;
        let mut sums = vec![0.0; WAVES * wide];
        for down in 0..spans {
            sums.fill(0.0);
            for (pixel, row) in rows.sums.chunks_exact(wide).enumerate() {
                let waves = &self.waves[(pixel * SPANS + down) * WAVES..][..WAVES];
                for (wave, sums) in waves.iter().zip(sums.chunks_exact_mut(wide)) {
                    sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += wave * value);
                }
            }
            for across in 0..spans {
                let cosine = |i: usize| {
                    let (u, v) = self.frequencies[i];
                    sums[u * wide + across * WAVES + v]
                };
                to(down * SPANS + across, Cosines(std::array::from_fn(cosine)));
            }
        }
    }

    /// The cosines of the whole picture.
    pub(super) fn whole(&self, picture: &Fingerprint) -> Cosines {
        let mut whole = Cosines([0.0; BITS]);
        self.crops(&self.rows(picture), true, |_, cosines| whole = cosines);
        whole
    }

    /// The cosines of the same picture mirrored left to right: the odd waves across change sign.
    pub(super) fn mirrored(&self, cosines: &Cosines) -> Cosines {
        let turn = |i: usize| {
            if self.frequencies[i].1 % 2 == 1 { -cosines.0[i] } else { cosines.0[i] }
        };
        Cosines(std::array::from_fn(turn))
    }
}

/// The cosines of a picture or a crop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cosines([f32; BITS]);

impl Cosines {
    /// Bit `i` says whether cosine `i` is above the middle of the data set; beside it how far it is
    /// from there.
    pub(super) fn hash(&self, middle: &Self) -> (u64, [f32; BITS]) {
        let away: [f32; BITS] = std::array::from_fn(|i| self.0[i] - middle.0[i]);
        let bits = away.iter().enumerate().map(|(i, v)| u64::from(*v > 0.0) << i).sum();
        (bits, away.map(f32::abs))
    }

    /// The median of each cosine over pictures. Bits that compare with it are set in half of the
    /// pictures, also where all pictures have the same layout.
    pub(super) fn middle(all: &[Self]) -> Self {
        let median = |i: usize| {
            let mut values: Vec<f32> = all.iter().map(|c| c.0[i]).collect();
            values.sort_by(f32::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(0.0)
        };
        Self(std::array::from_fn(median))
    }
}
