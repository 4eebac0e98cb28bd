//! Numbers as people read them.

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
