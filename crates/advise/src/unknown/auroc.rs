/// Area under the curve of hits against false alarms: the chance that a number of `high` is above one of
/// `low`, ties counted half (Mann, Whitney 1947). `None` when one of them is empty or holds no number.
pub fn auroc(high: &[f64], low: &[f64]) -> Option<f64> {
    if high.is_empty() || low.is_empty() || high.iter().chain(low).any(|v| v.is_nan()) {
        return None;
    }
    let mut sorted = low.to_vec();
    sorted.sort_by(f64::total_cmp);
    let above = |v: &f64| {
        let below = sorted.partition_point(|l| l < v);
        let up_to = sorted.partition_point(|l| l <= v);
        0.5 * (below + up_to) as f64
    };
    Some(high.iter().map(above).sum::<f64>() / (high.len() * low.len()) as f64)
}

/// Standard error of an area measured with so many images on either side (Hanley, `McNeil`, The meaning and use
/// of the area under a receiver operating characteristic curve, 1982).
pub(super) fn error(area: f64, high: usize, low: usize) -> f64 {
    let (high, low) = (high as f64, low as f64);
    let (both_high, both_low) = (area / (2.0 - area), 2.0 * area * area / (1.0 + area));
    let own = area * (1.0 - area);
    let more = (high - 1.0) * (both_high - area * area) + (low - 1.0) * (both_low - area * area);
    ((own + more).max(0.0) / (high * low)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::error;

    #[test]
    fn the_error_is_that_of_the_paper() {
        // Their example: an area of 0.893 with 51 abnormal and 58 normal images.
        assert!((error(0.893, 51, 58) - 0.032).abs() < 1e-3);
        assert_eq!(error(1.0, 5, 9), 0.0);
        assert!((error(0.5, 1, 1) - 0.5).abs() < 1e-12);
    }
}
