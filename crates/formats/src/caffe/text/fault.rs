//! What can be wrong with a prototxt.

/// Why a prototxt cannot be read or changed. Lines and columns (in characters) count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtoFault {
    /// Something else was wanted at this place.
    #[error("line {line}, column {column}: {wanted} wanted, got {got}")]
    Wanted {
        /// Line.
        line: usize,
        /// Column.
        column: usize,
        /// What should be there.
        wanted: &'static str,
        /// What is there.
        got: String,
    },
    /// A bracket that is never closed.
    #[error(
        "line {line}, column {column}: this `{open}` is never closed; a `{close}` is missing below"
    )]
    Unclosed {
        /// Line of the opening bracket.
        line: usize,
        /// Column of the opening bracket.
        column: usize,
        /// The opening bracket.
        open: char,
        /// The bracket that should close it.
        close: char,
    },
    /// Deeper than any network.
    #[error("line {line}, column {column}: more than {limit} brackets inside one another")]
    Depth {
        /// Line.
        line: usize,
        /// Column.
        column: usize,
        /// Brackets allowed inside one another.
        limit: usize,
    },
    /// Larger than any network's text.
    #[error("{bytes} bytes of text, at most {limit} are read; weights belong in a .caffemodel")]
    TooLong {
        /// Size in bytes.
        bytes: usize,
        /// Largest size read.
        limit: usize,
    },
    /// No field at a place that is to be changed.
    #[error("there is no `{place}`")]
    NoPlace {
        /// The place, as `layer[3].convolution_param`.
        place: String,
    },
}
