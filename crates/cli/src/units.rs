//! Numbers as people read them.

use regraft::LabelMetrics;

/// `18.8 MB`, decimal.
pub(crate) fn bytes(n: u64) -> String {
    let n = n as f64;
    match n {
        n if n >= 1e9 => format!("{:.2} GB", n / 1e9),
        n if n >= 1e6 => format!("{:.1} MB", n / 1e6),
        n if n >= 1e3 => format!("{:.1} kB", n / 1e3),
        _ => format!("{n} B"),
    }
}

/// `4.65 M`, `388 M`, `1.8 G`.
pub(crate) fn count(n: u64) -> String {
    let n = n as f64;
    let scaled = |x: f64| if x < 10.0 { format!("{x:.2}") } else { format!("{x:.1}") };
    match n {
        n if n >= 1e9 => format!("{} G", scaled(n / 1e9)),
        n if n >= 1e6 => format!("{} M", scaled(n / 1e6)),
        n if n >= 1e3 => format!("{} k", scaled(n / 1e3)),
        _ => format!("{n}"),
    }
}

/// `94.8 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// `3x224x224`.
pub(crate) fn shape(dims: &[usize]) -> String {
    dims.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// `1 image`, `2 images`.
pub(crate) fn plural(n: usize, word: &str) -> String {
    let end = if word.ends_with('s') { "es" } else { "s" };
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}{end}") }
}

/// `3 of 150 test images called unknown (2.0 %)`.
pub(crate) fn alarms(u: &regraft::UnknownFacts, word: &str) -> String {
    let images = plural(u.images, word);
    format!("{} of {images} called unknown ({})", u.unknown, percent(u.rate))
}

/// How well labels are told, a line or two.
pub(crate) fn label_figures(m: &LabelMetrics, image: &str) -> String {
    let [low, high] = m.interval;
    format!(
        "{}; all labels right for {} of {}: {} (95 % interval {} to {})\nF1 {} over all answers, {} as mean over \
         labels; calibration error {:.3}\n",
        label_precision(m),
        m.correct,
        plural(m.images, image),
        percent(m.exact),
        percent(low),
        percent(high),
        percent(m.micro_f1),
        percent(m.macro_f1),
        m.ece,
    )
}

/// Mean average precision, and that of a guess.
pub(crate) fn label_precision(m: &LabelMetrics) -> String {
    match (m.mean_average_precision, m.chance_average_precision) {
        (Some(map), Some(chance)) => {
            format!("mean average precision {} (a guess: {})", percent(map), percent(chance))
        }
        (None, _) | (_, None) => "no label that some images have and some not".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_their_unit() {
        assert_eq!(bytes(18_826_032), "18.8 MB");
        assert_eq!(count(4_652_008), "4.65 M");
        assert_eq!(count(999), "999");
        assert_eq!(percent(0.9477), "94.8 %");
        assert_eq!(plural(1, "image"), "1 image");
    }
}
