//! Pixels that are kept in bounds after each step (Yosinski, Clune, Nguyen, Fuchs, Lipson 2015, "Understanding neural
//! networks through deep visualization", section 3; the sets are those published with its toolbox).

/// How far a step goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StepLength {
    /// The gradient times this, in units of 0 to 255.
    Rate(f64),
    /// As far as the objective should rise by `wanted` if it were a plane, at most `most` times the gradient.
    Progress {
        /// The largest rate.
        most: f64,
        /// How much the objective should rise.
        wanted: f64,
    },
}

/// What is done to pixels after each step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelRules {
    /// Share of each pixel's difference from the mean colour that is taken away.
    pub decay: f64,
    /// Radius of the blur, the deviation of a Gaussian, in pixels; 0 for none.
    pub blur: f64,
    /// Steps from one blur to the next.
    pub blur_every: u32,
    /// Pixels of a length over colours below this percentile become the mean colour; 0 for none.
    pub small_norm: f64,
    /// The same for pixels of which the objective hardly depends, by `|gradient · value|`.
    pub small_benefit: f64,
    /// How far a step goes.
    pub length: StepLength,
    /// Steps in all.
    pub steps: usize,
}

impl PixelRules {
    /// The four published sets, by number from 1; the third was used for most pictures of the paper.
    pub const PUBLISHED: [Self; 4] = [
        Self {
            decay: 0.0,
            blur: 0.5,
            blur_every: 4,
            small_norm: 50.0,
            small_benefit: 0.0,
            length: StepLength::Progress { most: 100.0, wanted: 2.0 },
            steps: 500,
        },
        Self {
            decay: 0.3,
            blur: 0.0,
            blur_every: 0,
            small_norm: 20.0,
            small_benefit: 0.0,
            length: StepLength::Rate(100.0),
            steps: 750,
        },
        Self {
            decay: 1e-4,
            blur: 1.0,
            blur_every: 4,
            small_norm: 0.0,
            small_benefit: 0.0,
            length: StepLength::Rate(100.0),
            steps: 1000,
        },
        Self {
            decay: 0.0,
            blur: 0.5,
            blur_every: 4,
            small_norm: 0.0,
            small_benefit: 90.0,
            length: StepLength::Progress { most: 1e8, wanted: 2.0 },
            steps: 1000,
        },
    ];
}

/// One step of `values` `[3, h, w]`, differences from the mean colour, along `gradient`; the first is number 1.
pub(crate) fn step(
    values: &mut [f64],
    [height, width]: [usize; 2],
    gradient: &[f64],
    rules: &PixelRules,
    number: i32,
) {
    let pixels = height * width;
    let square: f64 = gradient.iter().map(|g| g * g).sum();
    let rate = match rules.length {
        StepLength::Rate(rate) => rate,
        StepLength::Progress { most, wanted } => most.min(wanted / square.max(f64::MIN_POSITIVE)),
    };
    for (value, g) in values.iter_mut().zip(gradient) {
        *value = (*value + rate * g) * (1.0 - rules.decay);
    }
    // Steps are counted from 0 there.
    let turn = u32::try_from(number - 1).unwrap_or(0);
    if rules.blur > 0.0 && rules.blur_every > 0 && turn.is_multiple_of(rules.blur_every) {
        for plane in values.chunks_exact_mut(pixels.max(1)) {
            blur(plane, [height, width], rules.blur);
        }
    }
    if rules.small_norm > 0.0 {
        let norm = |i: usize| (0..3).map(|c| values[c * pixels + i].powi(2)).sum::<f64>().sqrt();
        let norms: Vec<f64> = (0..pixels).map(norm).collect();
        clear(values, &norms, rules.small_norm);
    }
    if rules.small_benefit > 0.0 {
        let benefit = |i: usize| {
            let each = (0..3).map(|c| values[c * pixels + i] * gradient[c * pixels + i]);
            each.sum::<f64>().abs()
        };
        let benefits: Vec<f64> = (0..pixels).map(benefit).collect();
        clear(values, &benefits, rules.small_benefit);
    }
}

/// Pixels whose figure is below a percentile (linear between ranks, as `NumPy`'s) become the mean colour.
fn clear(values: &mut [f64], figures: &[f64], percentile: f64) {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return };
    let rank = percentile / 100.0 * last as f64;
    let (low, high) = (sorted[rank as usize], sorted[(rank as usize + 1).min(last)]);
    let limit = low + (high - low) * rank.fract();
    for plane in values.chunks_exact_mut(figures.len()) {
        for (value, figure) in plane.iter_mut().zip(figures) {
            if *figure < limit {
                *value = 0.0;
            }
        }
    }
}

/// Blurs a plane by a Gaussian, cut off at four deviations; beyond the border the plane is reflected, its edge pixel
/// twice (`SciPy`'s `gaussian_filter`).
pub(crate) fn blur(plane: &mut [f64], [height, width]: [usize; 2], deviation: f64) {
    let reach = (4.0 * deviation + 0.5) as usize;
    let weight = |i: usize| (-0.5 * (i as f64 / deviation).powi(2)).exp();
    let weights: Vec<f64> = (0..=reach).map(weight).collect();
    let sum = 2.0 * weights.iter().skip(1).sum::<f64>() + 1.0;
    let mirrored = |at: isize, n: usize| {
        let at = at.rem_euclid(2 * n as isize) as usize;
        if at < n { at } else { 2 * n - 1 - at }
    };
    let mut along = |n: usize, step: usize, starts: &mut dyn Iterator<Item = usize>| {
        let mut line = vec![0.0; n];
        for start in starts {
            line.iter_mut().enumerate().for_each(|(i, v)| *v = plane[start + i * step]);
            for i in 0..n {
                let mut value = weights[0] * line[i];
                for (d, w) in weights.iter().enumerate().skip(1) {
                    let (before, after) = (i as isize - d as isize, i as isize + d as isize);
                    value += w * (line[mirrored(before, n)] + line[mirrored(after, n)]);
                }
                plane[start + i * step] = value / sum;
            }
        }
    };
    along(height, width, &mut (0..width));
    along(width, 1, &mut (0..height).map(|y| y * width));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blur_is_scipys() {
        // scipy.ndimage.gaussian_filter(numpy.eye(5)[[2]].repeat(1, 0), 1.0)
        let mut plane = vec![0.0, 0.0, 1.0, 0.0, 0.0];
        blur(&mut plane, [1, 5], 1.0);
        let sum: f64 = plane.iter().sum();
        assert!((sum - 1.0).abs() < 1e-12, "nothing is lost: {sum}");
        assert!((plane[0] - plane[4]).abs() < 1e-15 && plane[2] > plane[1] && plane[1] > plane[0]);
        // exp(0) / Σ exp(-i²/2) for |i| <= 4, and what the fourth weight brings back over the border.
        assert!((plane[2] - 0.39905028).abs() < 1e-3, "{}", plane[2]);
    }

    #[test]
    fn small_pixels_become_the_mean_colour() {
        let mut values = vec![1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        clear(&mut values, &[1.0, 2.0, 3.0, 4.0], 50.0);
        assert_eq!(values[..4], [0.0, 0.0, 3.0, 4.0]);
    }

    #[test]
    fn a_step_of_progress_raises_a_plane_by_what_was_wanted() {
        let gradient = vec![0.5, -0.25, 0.125];
        let rules = PixelRules { blur: 0.0, small_norm: 0.0, ..PixelRules::PUBLISHED[0] };
        let mut values = vec![0.0; 3];
        step(&mut values, [1, 1], &gradient, &rules, 1);
        let rise: f64 = values.iter().zip(&gradient).map(|(v, g)| v * g).sum();
        assert!((rise - 2.0).abs() < 1e-12, "{rise}");
    }
}
