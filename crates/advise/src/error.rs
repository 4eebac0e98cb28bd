use regraft_probe::ProbeError;

/// What can be wrong with what an answer is asked from.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AdviseError {
    /// Features or labels that are not what they should be.
    #[error(transparent)]
    Input(#[from] ProbeError),
    /// A row of probabilities that is none.
    #[error(
        "row {row} of the source's outputs adds up to {sum} with {smallest} the smallest; \
         probabilities are wanted: put logits through a softmax first"
    )]
    NoProbabilities {
        /// The first such row.
        row: usize,
        /// Its sum.
        sum: f64,
        /// Its smallest value.
        smallest: f64,
    },
    /// The eigendecomposition or the Cholesky factor failed.
    #[error(
        "the {size}x{size} decomposition failed; \
         look for features many orders of magnitude larger than the rest"
    )]
    Decomposition {
        /// Rows of the matrix.
        size: usize,
    },
    /// An option out of its range.
    #[error("option `{name}` is {value}, wants {wanted}")]
    Option {
        /// Its name.
        name: &'static str,
        /// The value given.
        value: f64,
        /// The range, in words.
        wanted: &'static str,
    },
    /// A length that does not fit.
    #[error("{what}: {got} given, {wanted} wanted; give one for each")]
    Length {
        /// Of what.
        what: &'static str,
        /// Given.
        got: usize,
        /// Wanted.
        wanted: usize,
    },
    /// Labels of which none can be judged.
    #[error(
        "no label can be judged on {images} images: each is on all of them or on none; \
         give more images, some with and some without a label"
    )]
    NothingToRank {
        /// Images there are.
        images: usize,
    },
    /// A model of unknown images that is not whole.
    #[error("the model of unknown images is damaged: its {part}; fit it again")]
    Model {
        /// Which part.
        part: &'static str,
    },
    /// A rule base that cannot be used.
    #[error("rule `{rule}`: {why}")]
    Rule {
        /// The rule; empty when it is about all of them.
        rule: String,
        /// What is wrong, and what is wanted.
        why: String,
    },
}
