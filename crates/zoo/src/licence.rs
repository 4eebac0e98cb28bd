//! What a licence lets one do, in one word.

/// Kinds of licences, by what they permit. A help for choosing, not advice on law: the text decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LicenceClass {
    /// Use for every purpose, with credit given: MIT, BSD, Apache, CC-BY and their like.
    Permissive,
    /// No commercial use.
    NonCommercial,
    /// Not stated, or not one we know.
    Unknown,
}

/// Identifiers (SPDX where there is one) that permit every purpose.
const PERMISSIVE: &[&str] = &[
    "apache-2.0",
    "mit",
    "mit-0",
    "bsd-2-clause",
    "bsd-3-clause",
    "isc",
    "zlib",
    "unlicense",
    "cc0-1.0",
    "cc-by-4.0",
    "cc-by-3.0",
    // Caffe's zoo: "released for unrestricted use".
    "unrestricted",
];

impl LicenceClass {
    /// The class of an SPDX expression; of several licences joined by `OR` the freest counts, by `AND`
    /// the strictest.
    pub fn of(licence: &str) -> Self {
        let freest = |part: &str| {
            let classes =
                part.split(" AND ").map(|l| Self::of_one(l.trim_matches(['(', ')', ' '])));
            classes.max().unwrap_or(Self::Unknown)
        };
        licence.split(" OR ").map(freest).min().unwrap_or(Self::Unknown)
    }

    fn of_one(licence: &str) -> Self {
        let lower = licence.to_lowercase();
        let words = || lower.split(['-', ' ', '/']);
        if PERMISSIVE.contains(&lower.as_str()) {
            Self::Permissive
        } else if words().any(|w| w == "nc" || w == "noncommercial")
            || lower.contains("non-commercial")
        {
            Self::NonCommercial
        } else {
            Self::Unknown
        }
    }

    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Permissive => "permissive",
            Self::NonCommercial => "non-commercial",
            Self::Unknown => "unknown",
        }
    }

    /// What that means, in a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Permissive => {
                "may be used for every purpose, commercial ones too, if credit is given"
            }
            Self::NonCommercial => "not for commercial use",
            Self::Unknown => "what it permits is not known here; ask who published it",
        }
    }

    /// All classes.
    pub const ALL: [Self; 3] = [Self::Permissive, Self::NonCommercial, Self::Unknown];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_classed_by_what_they_permit() {
        use LicenceClass::{NonCommercial, Permissive, Unknown};
        for (licence, class) in [
            ("Apache-2.0", Permissive),
            ("MIT OR Apache-2.0", Permissive),
            ("unrestricted", Permissive),
            ("CC-BY-4.0", Permissive),
            ("CC-BY-NC-4.0", NonCommercial),
            ("fair-noncommercial-research-license", NonCommercial),
            ("non-commercial", NonCommercial),
            ("MIT AND CC-BY-NC-4.0", NonCommercial),
            ("MIT AND something", Unknown),
            ("(MIT OR CC-BY-NC-4.0)", Permissive),
            ("unknown", Unknown),
            ("", Unknown),
        ] {
            assert_eq!(LicenceClass::of(licence), class, "{licence}");
        }
    }
}
