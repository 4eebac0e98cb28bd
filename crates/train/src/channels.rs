//! What each channel of a layer does over a picture, in a few figures instead of its map.

/// Values kept of a channel.
const FIGURES: usize = 4;

/// What a channel does over one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Channel {
    /// Its largest value.
    pub max: f32,
    /// Where that is, row-major in its map; the first of equals.
    pub at: usize,
    /// The mean of its values.
    pub mean: f32,
    /// Share of its values above zero, 0..=1.
    pub active: f32,
}

impl Channel {
    /// All channels of a row of features from [`Trunk::of_channels`](crate::Trunk::of_channels).
    pub fn of_row(row: &[f32]) -> impl Iterator<Item = Self> + '_ {
        row.as_chunks::<FIGURES>().0.iter().map(|&[max, at, mean, active]| Self {
            max,
            at: at as usize,
            mean,
            active,
        })
    }
}

/// Length of the row of so many channels.
pub(crate) fn row_len(channels: usize) -> usize {
    channels * FIGURES
}

/// The figures of a map `[C, H, W]` into a row. A place is kept as `f32`, exact up to 16 million.
pub(crate) fn figures(map: &[f32], row: &mut [f32]) {
    let channels = row.len() / FIGURES;
    let pixels = (map.len() / channels.max(1)).max(1);
    for (values, figures) in map.chunks_exact(pixels).zip(row.chunks_exact_mut(FIGURES)) {
        let (mut at, mut sum, mut above) = (0, 0.0, 0);
        for (i, value) in values.iter().enumerate() {
            if *value > values[at] {
                at = i;
            }
            sum += f64::from(*value);
            above += usize::from(*value > 0.0);
        }
        let share = |n: f64| (n / pixels as f64) as f32;
        figures.copy_from_slice(&[values[at], at as f32, share(sum), share(above as f64)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_its_peak_its_mean_and_how_much_of_it_is_on() {
        let mut row = vec![0.0; row_len(2)];
        figures(&[0.0, 3.0, 3.0, -2.0, 0.0, 0.0, 0.0, 0.0], &mut row);
        let channels: Vec<Channel> = Channel::of_row(&row).collect();
        assert_eq!(channels[0], Channel { max: 3.0, at: 1, mean: 1.0, active: 0.5 });
        assert_eq!(channels[1], Channel { max: 0.0, at: 0, mean: 0.0, active: 0.0 });
    }
}
