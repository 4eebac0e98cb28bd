//! Numbers as a person reads them.

/// A share in 0..=1 as `94.8 %`. What is not all never reads `100.0 %`, what is not nothing never
/// `0.0 %`.
pub(crate) fn percent(share: f64) -> String {
    if !share.is_finite() {
        return "unknown".to_owned();
    }
    let share = share * 100.0;
    for digits in 1..4 {
        let text = format!("{share:.digits$}");
        let rounded: f64 = text.parse().unwrap_or(share);
        let hides = (rounded >= 100.0 && share < 100.0) || (rounded <= 0.0 && share > 0.0);
        if !hides {
            return format!("{text} %");
        }
    }
    format!("{share:.4} %")
}

/// Two ends of an interval as `90.0 to 97.3 %`.
pub(crate) fn range([low, high]: [f64; 2]) -> String {
    let low = percent(low);
    format!("{} to {}", low.strip_suffix(" %").unwrap_or(&low), percent(high))
}

/// An error in 0..=1 as `0.024`.
pub(crate) fn distance(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { "unknown".to_owned() }
}

/// Three significant digits, in powers of ten where it is very large or small.
pub(crate) fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { "unknown".to_owned() };
    }
    let exponent = value.abs().log10().floor() as i32;
    if (-3..6).contains(&exponent) {
        let digits = (2 - exponent).max(0) as usize;
        let text = format!("{value:.digits$}");
        return if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        };
    }
    format!("{value:.2e}")
}

/// A time in seconds as a person says it.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".to_owned();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 if seconds < 10.0 => format!("{seconds:.1} s"),
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

/// `1 image`, `2 images`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", plural(n))
}

/// The ending of a noun that there is `n` times of.
pub(crate) fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_a_person_writes_them() {
        let cases = [
            (percent(145.0 / 153.0), "94.8 %"),
            (percent(1.0), "100.0 %"),
            (percent(0.99996), "99.996 %"),
            (percent(0.0), "0.0 %"),
            (percent(0.0002), "0.02 %"),
            (percent(0.0000001), "0.0000 %"),
            (percent(f64::NAN), "unknown"),
            (range([0.900, 0.973]), "90.0 to 97.3 %"),
            (distance(0.0239), "0.024"),
            (distance(f64::NAN), "unknown"),
            (significant(0.1), "0.1"),
            (significant(12345.0), "12345"),
            (significant(3.16e7), "3.16e7"),
            (significant(1e-9), "1.00e-9"),
            (significant(0.0), "0"),
            (significant(100.0), "100"),
            (duration(9.51), "9.5 s"),
            (duration(59.7), "1 min 0 s"),
            (duration(75.0), "1 min 15 s"),
            (duration(7260.0), "2 h 1 min"),
            (duration(f64::NAN), "unknown"),
            (count(1, "image"), "1 image"),
            (count(0, "image"), "0 images"),
        ];
        for (got, wanted) in cases {
            assert_eq!(got, wanted);
        }
    }
}
