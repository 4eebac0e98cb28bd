/// Above which score an image is unknown, and the rate of false alarms that this keeps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Threshold {
    pub(super) value: f64,
    pub(super) alarms: f64,
}

/// From held-out scores, ascending, at least one: the smallest of them such that more than `alarms` of new
/// known images lie above it only with a chance of `1 - sure`.
///
/// The share above the score with `e` of `n` higher ones is distributed as the `e + 1`st smallest of `n`
/// uniform numbers, so it is above `alarms` with the chance that a binomial count of `n` trials at `alarms`
/// is at most `e` (Vovk, Conditional validity of inductive conformal predictors, 2012, proposition 2a; Wilks
/// 1941). Where even no higher score is too many, the largest score and the rate that it keeps.
pub(super) fn threshold(scores: &[f64], alarms: f64, sure: f64) -> Threshold {
    let n = scores.len();
    let allowed = (1.0 - sure) * (1.0 + 1e-12);
    // ln of the chance of exactly e, from one e to the next.
    let mut term = n as f64 * (-alarms).ln_1p();
    let mut chance = term.exp();
    if chance > allowed {
        let kept = -((1.0 - sure).ln() / n as f64).exp_m1();
        return Threshold { value: scores[n - 1], alarms: kept };
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
    Threshold { value: scores[n - 1 - above], alarms }
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
        let got = threshold(&scores(10), 0.5, 0.95);
        assert_eq!(got, Threshold { value: 9.0, alarms: 0.5 });
        assert_eq!(threshold(&scores(10), 0.5, 0.94).value, 8.0);
        // 0.95^58 = 0.0510, 0.95^59 = 0.0485.
        let short = threshold(&scores(58), 0.05, 0.95);
        assert!(short.value == 58.0 && (short.alarms - 0.0503).abs() < 1e-4, "{short:?}");
        assert_eq!(threshold(&scores(59), 0.05, 0.95), Threshold { value: 59.0, alarms: 0.05 });
        assert_eq!(wanted(0.05, 0.95), 59);
        assert_eq!(wanted(0.5, 0.5), 1);
        // One score, and a rate near 1.
        assert_eq!(threshold(&scores(1), 0.99, 0.5), Threshold { value: 1.0, alarms: 0.99 });
        assert_eq!(threshold(&scores(5), 0.999, 0.01).value, 1.0);
    }

    #[test]
    fn many_scores_come_near_the_rate_itself() {
        let got = threshold(&scores(50_000), 0.05, 0.95);
        // 2500 less 1.645 times the deviation of 48.7.
        assert!((got.value - 47_580.0).abs() < 3.0, "{got:?}");
    }
}
