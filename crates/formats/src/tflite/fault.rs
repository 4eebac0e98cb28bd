//! What can be wrong with a `TFLite` file.

use crate::operators::OnnxFault;

/// An operator that is not understood, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownOperator {
    /// Its name in the schema, `CUSTOM` with its own name behind a colon.
    pub op: String,
    /// How many there are.
    pub count: usize,
    /// What the first of them is called.
    pub first: String,
}

/// What is wrong with a `TFLite` file, or what in it is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TfliteFault {
    /// A table, a vector or a number that leaves the file or makes no sense.
    #[error("TFLite `{field}`, byte {at}: {problem}; the file is damaged, fetch it again")]
    Damaged {
        /// The field, as the schema calls it.
        field: String,
        /// Where in the file, in bytes.
        at: usize,
        /// What is wrong, and what was wanted.
        problem: String,
    },
    /// A schema of another version.
    #[error("TFLite schema version {got}, wanted 3; convert the network anew")]
    Version {
        /// The version in the file.
        got: usize,
    },
    /// A model without a graph.
    #[error("the TFLite model holds no graph with operators; is this the right file?")]
    NoGraph,
    /// Not one picture in.
    #[error(
        "the TFLite graph has {} inputs ({}), one picture is wanted; convert it with its picture as \
         the only input",
        names.len(), names.join(", ")
    )]
    Inputs {
        /// Their names, at most eight.
        names: Vec<String>,
    },
    /// An input that is no picture and no vector.
    #[error(
        "TFLite input `{name}` has shape {got}, wanted [batch, height, width, channels] or \
         [batch, values] with at least one value; convert it with such an input"
    )]
    InputShape {
        /// Its name.
        name: String,
        /// The shape the file says, 0 for what it leaves open.
        got: String,
    },
    /// No result, or one that nothing computes.
    #[error("the TFLite graph computes no output from its input; is this the right file?")]
    NoOutput,
    /// A tensor that cannot be read.
    #[error("TFLite tensor `{name}`, {field}: {problem}")]
    Tensor {
        /// Its name.
        name: String,
        /// The field of it.
        field: &'static str,
        /// What is wrong, what was wanted, and what to do.
        problem: String,
    },
    /// Operators that have no layer here; all of them.
    #[error("TFLite operators that are not understood: {}", listed(list))]
    Operators {
        /// Each once, the most frequent first.
        list: Vec<UnknownOperator>,
    },
    /// An operator whose inputs or options are not understood.
    #[error("TFLite operator `{node}` ({op}) got {got}, wants {wanted}; convert it without this")]
    Operator {
        /// What it is called, by its output.
        node: String,
        /// Its name in the schema.
        op: String,
        /// Shapes of its inputs or its option.
        got: String,
        /// What it can take, in words.
        wanted: String,
    },
    /// More of something than a file of this size can need.
    #[error(
        "{what} would fill more memory than a file of this size can need, at most {limit} bytes are \
         allowed; is the file damaged?"
    )]
    TooMuch {
        /// Of what.
        what: String,
        /// Bytes allowed in all.
        limit: u64,
    },
}

fn listed(list: &[UnknownOperator]) -> String {
    let one = |o: &UnknownOperator| format!("{} ({} times, first at `{}`)", o.op, o.count, o.first);
    list.iter().map(one).collect::<Vec<_>>().join(", ")
}

impl TfliteFault {
    /// What the steps that this shares with ONNX found wrong; `op` gives the operator by the name of a
    /// layer.
    pub(super) fn of_graph(fault: OnnxFault, op: impl Fn(&str) -> Option<String>) -> Self {
        // What has no step of its own has its name already, in capitals or with its own behind a colon.
        let own = |step: &str| {
            step != "LRN" && (step.contains([':', ' ']) || !step.contains(char::is_lowercase))
        };
        let named = |node: &str, step: String| match op(node) {
            Some(op) if !own(&step) => op,
            Some(_) | None => step,
        };
        match fault {
            OnnxFault::NoGraph => Self::NoGraph,
            OnnxFault::NoOutput => Self::NoOutput,
            OnnxFault::Inputs { names } => {
                Self::Inputs { names: names.into_iter().take(8).collect() }
            }
            OnnxFault::InputShape { name, got } => Self::InputShape { name, got },
            OnnxFault::Ops { list } => {
                let one = |o: crate::operators::UnknownOp| UnknownOperator {
                    op: named(&o.node, o.op),
                    count: o.count,
                    first: o.node,
                };
                Self::Operators { list: list.into_iter().map(one).collect() }
            }
            OnnxFault::Node { node, op: step, got, wanted } => {
                let op = named(&node, step);
                Self::Operator { node, op, got, wanted }
            }
            OnnxFault::Undefined { node, op: step, value } => {
                let op = named(&node, step);
                let got = format!("`{value}`, which no operator before it computes");
                Self::Operator { node, op, got, wanted: "a value".to_owned() }
            }
            OnnxFault::Tensor { name, shape, problem } => {
                let problem = format!("of shape {shape}: {problem}");
                Self::Tensor { name, field: "Tensor.buffer", problem }
            }
            OnnxFault::External { name, problem, .. } => {
                Self::Tensor { name, field: "Tensor.buffer", problem }
            }
            OnnxFault::TooMuch { what, limit } => Self::TooMuch { what, limit },
        }
    }
}
