//! Files unlike the others: by format, size, shape, colour, light and focus.
//!
//! Two conditions, both: far from the others by a robust measure, and far in absolute terms. The first
//! is the modified z-score, (value - median) / (1.4826 MAD), beyond 3.5 (Iglewicz and Hoaglin, "How to
//! detect and handle outliers", 1993); it alone would accuse files of a set in which all are alike. The
//! second alone would accuse all of a set that is dark by nature.

use std::collections::BTreeMap;

use super::{Finding, FindingKind};
use crate::audit::{Look, Unreadable};
use crate::{Dataset, Format};

/// Modified z-scores beyond are outliers.
const FAR: f64 = 3.5;

/// Fewer files have no usual.
const FEWEST: usize = 10;

/// At most this share of the files is odd by format or colour.
const ODD_SHARE: f64 = 0.05;

/// More files than this share that are far from the others are another kind of picture, not odd ones.
const OUTLIER_SHARE: f64 = 0.1;

/// What is measured, how, and what is odd.
struct Rule {
    kind: FindingKind,
    value: fn(&Look) -> f64,
    /// Whether the value is compared by ratio, as sizes are, or by difference.
    by_ratio: bool,
    /// What is odd in absolute terms: given the value and the median.
    odd: fn(f64, f64) -> bool,
}

const RULES: [Rule; 6] = [
    Rule {
        kind: FindingKind::OddSize,
        value: |look| (look.width as f64 * look.height as f64).sqrt(),
        by_ratio: true,
        odd: |size, usual| size < usual / 2.0 || size > usual * 3.0,
    },
    Rule {
        kind: FindingKind::OddAspect,
        value: |look| look.aspect().max(1.0 / look.aspect()),
        by_ratio: true,
        odd: |aspect, usual| aspect >= 2.0 && aspect > usual,
    },
    Rule {
        kind: FindingKind::Dark,
        value: |look| f64::from(look.brightness),
        by_ratio: false,
        odd: |brightness, usual| brightness < 0.12 && brightness < usual,
    },
    Rule {
        kind: FindingKind::Bright,
        value: |look| f64::from(look.brightness),
        by_ratio: false,
        odd: |brightness, usual| brightness > 0.9 && brightness > usual,
    },
    Rule {
        kind: FindingKind::LowContrast,
        value: |look| f64::from(look.contrast).max(1e-3),
        by_ratio: true,
        odd: |contrast, usual| contrast < 0.06 && contrast < usual,
    },
    Rule {
        kind: FindingKind::Blurred,
        value: |look| f64::from(look.sharpness).max(1e-1),
        by_ratio: true,
        odd: |sharpness, usual| sharpness < 60.0 && sharpness < usual / 4.0,
    },
];

/// A file with its look.
type Seen<'l> = (usize, &'l Look);

pub(super) fn find(dataset: &Dataset, looks: &[Result<Look, Unreadable>]) -> Vec<Finding> {
    let seen: Vec<Seen> = looks
        .iter()
        .enumerate()
        .filter_map(|(file, look)| Some((file, look.as_ref().ok()?)))
        .collect();
    let misnamed = seen
        .iter()
        .filter(|(file, look)| look.misnamed(&dataset.examples[*file].path).is_some())
        .map(|(file, _)| Finding::of(FindingKind::WrongExtension, vec![*file], 0.0));
    let mut findings: Vec<Finding> = misnamed.collect();
    findings.extend(all_in_one(&seen));
    if seen.len() >= FEWEST {
        findings.extend(odd_formats(&seen));
        findings.extend(odd_colours(&seen));
        findings.extend(RULES.iter().flat_map(|rule| outliers(rule, &seen)));
    }
    findings
}

fn outliers(rule: &Rule, seen: &[Seen]) -> Vec<Finding> {
    let scale = |value: f64| if rule.by_ratio { value.ln() } else { value };
    let values: Vec<f64> = seen.iter().map(|(_, look)| (rule.value)(look)).collect();
    let scaled: Vec<f64> = values.iter().map(|value| scale(*value)).collect();
    let middle = median(&scaled);
    let away: Vec<f64> = scaled.iter().map(|value| (value - middle).abs()).collect();
    // Where more than half are equal, the deviation is 0 and the absolute condition decides.
    let spread = 1.4826 * median(&away);
    let usual = median(&values);
    let odd = |i: &usize| away[*i] > FAR * spread && (rule.odd)(values[*i], usual);
    let finding = |i: usize| Finding {
        usual: Some(usual),
        ..Finding::of(rule.kind, vec![seen[i].0], values[i])
    };
    let found: Vec<usize> = (0..values.len()).filter(odd).collect();
    if found.len() as f64 > OUTLIER_SHARE * values.len() as f64 {
        return Vec::new();
    }
    found.into_iter().map(finding).collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    match n {
        0 => 0.0,
        _ if n % 2 == 1 => sorted[n / 2],
        _ => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

fn odd_formats(seen: &[Seen]) -> Vec<Finding> {
    let mut counts: BTreeMap<Format, usize> = BTreeMap::new();
    for (_, look) in seen {
        *counts.entry(look.format).or_default() += 1;
    }
    let Some((usual, n)) = counts.into_iter().max_by_key(|(_, n)| *n) else { return Vec::new() };
    let share = 1.0 - n as f64 / seen.len() as f64;
    if share > ODD_SHARE {
        return Vec::new();
    }
    let odd = seen.iter().filter(|(_, look)| look.format != usual);
    odd.map(|(file, _)| Finding::of(FindingKind::OddFormat, vec![*file], share)).collect()
}

fn odd_colours(seen: &[Seen]) -> Vec<Finding> {
    let (grey, coloured): (Vec<&Seen>, Vec<&Seen>) = seen.iter().partition(|(_, look)| look.grey);
    let few = |part: &Vec<&Seen>| part.len() as f64 <= ODD_SHARE * seen.len() as f64;
    let (odd, kind) = if few(&grey) {
        (grey, FindingKind::GreyAmongColour)
    } else if few(&coloured) {
        (coloured, FindingKind::ColourAmongGrey)
    } else {
        return Vec::new();
    };
    let share = odd.len() as f64 / seen.len() as f64;
    odd.into_iter().map(|(file, _)| Finding::of(kind, vec![*file], share)).collect()
}

/// What is no fault of a single file: depth where it is mixed, and EXIF.
fn all_in_one(seen: &[Seen]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |kind, is: fn(&Look) -> bool, all_too: bool| {
        let files: Vec<usize> =
            seen.iter().filter(|(_, look)| is(look)).map(|(file, _)| *file).collect();
        if !files.is_empty() && (all_too || files.len() < seen.len()) {
            let share = files.len() as f64 / seen.len() as f64;
            findings.push(Finding::of(kind, files, share));
        }
    };
    add(FindingKind::MixedDepth, |look| look.sixteen_bit, false);
    add(FindingKind::ExifTurned, |look| look.exif_turned, true);
    findings
}
