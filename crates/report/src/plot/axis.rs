//! From values to places in a drawing, and the round numbers between them.

/// A straight map from values to places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    /// Values of the two ends.
    pub(crate) from: [f64; 2],
    /// Places of the two ends.
    pub(crate) to: [f64; 2],
}

impl Axis {
    /// Where a value lies, within the two ends. An axis of no length puts all in the middle.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let length = self.from[1] - self.from[0];
        let share = (value - self.from[0]) / length;
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.5 };
        self.to[0] + share * (self.to[1] - self.to[0])
    }
}

/// Round values between two ends, about `wanted` of them, and how many decimals they need.
pub(crate) fn ticks([low, high]: [f64; 2], wanted: f64) -> (Vec<f64>, usize) {
    let rough = (high - low) / wanted;
    if !rough.is_finite() || rough <= 0.0 {
        return (vec![low], 2);
    }
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|s| s * power).find(|s| *s >= rough);
    let step = step.unwrap_or(rough);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    let decimals = (-step.log10() + 1e-9).ceil().max(0.0) as usize;
    // Ends that are far apart in their own digits would ask for endless ticks.
    ((first..=last).take(50).map(|i| i as f64 * step).collect(), decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let cases: [([f64; 2], &[f64], usize); 4] = [
            ([0.0, 1.0], &[0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0], 1),
            ([0.83, 0.96], &[0.84, 0.86, 0.88, 0.9, 0.92, 0.9400000000000001, 0.96], 2),
            ([3.0, 3.0], &[3.0], 2),
            ([f64::NAN, 1.0], &[f64::NAN], 2),
        ];
        for (ends, wanted, decimals) in cases {
            let (got, digits) = ticks(ends, 7.0);
            assert_eq!(format!("{got:.6?}"), format!("{wanted:.6?}"), "{ends:?}");
            assert_eq!(digits, decimals);
        }
    }

    #[test]
    fn a_place_is_always_inside() {
        let axis = Axis { from: [0.0, 2.0], to: [100.0, 0.0] };
        for (value, place) in [(0.0, 100.0), (1.0, 50.0), (9.0, 0.0), (f64::NAN, 50.0)] {
            assert_eq!(axis.at(value), place);
        }
        assert_eq!(Axis { from: [1.0, 1.0], to: [0.0, 10.0] }.at(1.0), 5.0);
    }
}
