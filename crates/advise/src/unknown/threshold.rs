/// Above which score an image is unknown, and the rate of false alarms that this keeps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Threshold {
    pub(super) value: f64,
    pub(super) alarms: f64,
}

/// From held-out scores, ascending, at least one, that are worth `worth` scores: the smallest of them such that
/// more than `alarms` of new known images lie above it only with a chance of `1 - sure`.
///
/// The share above the score with `e` of `n` higher ones is distributed as the `e + 1`st smallest of `n`
/// uniform numbers, so it is above `alarms` with the chance that a binomial count of `n` trials at `alarms`
/// is at most `e` (Vovk, Conditional validity of inductive conformal predictors, 2012, proposition 2a; Wilks
/// 1941). Where even no higher score is too many, the largest score and the rate that it keeps. Where there are
/// more scores than they are worth, the one at the same place among them.
pub(super) fn threshold(scores: &[f64], worth: usize, alarms: f64, sure: f64) -> Threshold {
    let n = worth.max(1);
    let at = |above: usize| {
        let place = (above as f64 + 0.5) / n as f64 * scores.len() as f64;
        scores[scores.len() - 1 - (place as usize).min(scores.len() - 1)]
    };
    let allowed = (1.0 - sure) * (1.0 + 1e-12);
    // ln of the chance of exactly e, from one e to the next.
    let mut term = n as f64 * (-alarms).ln_1p();
    let mut chance = term.exp();
    if chance > allowed {
        let kept = -((1.0 - sure).ln() / n as f64).exp_m1();
        return Threshold { value: at(0), alarms: kept };
    }
    let odds = alarms.ln() - (-alarms).ln_1p();
    let mut above = 0;
    while above + 1 < n {
        term += ((n - above) as f64 / (above + 1) as f64).ln() + odds;
        chance += term.exp();
        if chance > allowed {
            break;
        }
        above += 1;
    }
    Threshold { value: at(above), alarms }
}

/// Fewest images with two scores that say how one follows from the other.
const FEWEST: usize = 8;

/// What all training images say of the scores that new images will get: `scores`, ascending, worth as much as
/// `worth` scores of images held out.
pub(super) struct Pooled {
    pub(super) scores: Vec<f64>,
    pub(super) worth: usize,
}

/// A few images were held out of a training like the model's, and the luck of that draw should not be all of the
/// threshold: `pairs` has for each its score by the model itself and its score when it was held out, `all` the
/// scores of all training images by the model itself. A line says what each of these would have got had it been
/// held out, give or take what the line leaves over. With a correlation of `r` for `m` pairs of `n` images, that
/// is worth `1 / ((1 - r²) / m + r² / n)` held-out scores (as for a mean: Cochran, Sampling Techniques, 1977,
/// section 12.7). Drawn anew 300 times from normal, skewed and long tails, with 49 of 245 and `r` from 0.3 to 1,
/// the rate asked for was exceeded 0 to 5 times of 100, by the held-out scores alone 6 to 11 times.
///
/// None where the line says nothing: too few pairs, or scores that do not rise together.
pub(super) fn pooled(pairs: &[(f64, f64)], all: &[f64]) -> Option<Pooled> {
    let (m, n) = (pairs.len() as f64, all.len() as f64);
    if pairs.len() < FEWEST {
        return None;
    }
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / m;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let sum =
        |of: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|p| of(p.0 - x, p.1 - y)).sum::<f64>();
    let (across, along, up) = (sum(&|a, _| a * a), sum(&|a, b| a * b), sum(&|_, b| b * b));
    if along <= 0.0 {
        return None;
    }
    let slope = along / across;
    let rest = sum(&|a, b| (b - slope * a).powi(2));
    // Two of the images pay for the line.
    let told = (1.0 - rest / (m - 2.0) * (m - 1.0) / up).max(0.0);
    let worth = 1.0 / ((1.0 - told) / m + told / n);
    let wide = (m / (m - 2.0)).sqrt();
    let rests: Vec<f64> = pairs.iter().map(|p| wide * (p.1 - y - slope * (p.0 - x))).collect();
    let lines = all.iter().map(|own| y + slope * (own - x));
    let mut scores: Vec<f64> = lines.flat_map(|on| rests.iter().map(move |r| on + r)).collect();
    scores.sort_unstable_by(f64::total_cmp);
    Some(Pooled { scores, worth: worth as usize })
}

/// How many held-out scores it takes to promise `alarms`: the fewest with `(1 - alarms)ⁿ` at most
/// `1 - sure`.
pub(super) fn wanted(alarms: f64, sure: f64) -> usize {
    (((1.0 - sure).ln() / (-alarms).ln_1p()) - 1e-9).ceil().max(1.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(n: usize) -> Vec<f64> {
        (1..=n).map(|i| i as f64).collect()
    }

    #[test]
    fn thresholds_by_hand() {
        // 10 trials at ½: at most 1 with 11/1024, at most 2 with 56/1024.
        let got = threshold(&scores(10), 10, 0.5, 0.95);
        assert_eq!(got, Threshold { value: 9.0, alarms: 0.5 });
        assert_eq!(threshold(&scores(10), 10, 0.5, 0.94).value, 8.0);
        // 0.95^58 = 0.0510, 0.95^59 = 0.0485.
        let short = threshold(&scores(58), 58, 0.05, 0.95);
        assert!(short.value == 58.0 && (short.alarms - 0.0503).abs() < 1e-4, "{short:?}");
        assert_eq!(threshold(&scores(59), 59, 0.05, 0.95), Threshold { value: 59.0, alarms: 0.05 });
        assert_eq!(wanted(0.05, 0.95), 59);
        assert_eq!(wanted(0.5, 0.5), 1);
        // One score, and a rate near 1.
        assert_eq!(threshold(&scores(1), 1, 0.99, 0.5), Threshold { value: 1.0, alarms: 0.99 });
        assert_eq!(threshold(&scores(5), 5, 0.999, 0.01).value, 1.0);
    }

    #[test]
    fn many_scores_come_near_the_rate_itself() {
        let got = threshold(&scores(50_000), 50_000, 0.05, 0.95);
        // 2500 less 1.645 times the deviation of 48.7.
        assert!((got.value - 47_580.0).abs() < 3.0, "{got:?}");
    }

    #[test]
    fn more_scores_than_they_are_worth_have_the_same_place() {
        // One of 59 is none of 1 above in 59: the middle of the uppermost 59th of 5900.
        assert_eq!(threshold(&scores(5900), 59, 0.05, 0.95).value, 5850.0);
        let short = threshold(&scores(5800), 58, 0.05, 0.95);
        assert!(short.value == 5750.0 && (short.alarms - 0.0503).abs() < 1e-4, "{short:?}");
    }

    #[test]
    fn what_two_scores_of_some_images_say_of_all() {
        let all: Vec<f64> = scores(100);
        // On a line: as if all had been held out.
        let exact: Vec<(f64, f64)> = (1..=20).map(|i| (f64::from(i), 2.0 * f64::from(i))).collect();
        let got = pooled(&exact, &all).unwrap();
        assert_eq!((got.worth, got.scores.len()), (100, 2000));
        assert!((got.scores[1999] - 200.0).abs() < 1e-9, "{}", got.scores[1999]);
        // Not related: not worth more than they are.
        let chance: Vec<(f64, f64)> =
            (0..20).map(|i| (f64::from(i % 5), f64::from(i / 5 % 4))).collect();
        assert!(pooled(&chance, &all).is_none_or(|p| p.worth <= 20));
        // Scores that fall, or are all the same, or are few.
        let falling: Vec<(f64, f64)> = exact.iter().map(|p| (p.0, -p.1)).collect();
        let same: Vec<(f64, f64)> = exact.iter().map(|p| (1.0, p.1)).collect();
        for pairs in [&falling[..], &same, &exact[..7]] {
            assert!(pooled(pairs, &all).is_none());
        }
    }
}
