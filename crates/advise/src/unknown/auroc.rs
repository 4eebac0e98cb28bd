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
