use regraft_tensor::Shape;

/// What can be wrong with a network, a surgery on it or its text form.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// No layer has this name.
    #[error("no layer `{name}`{}", hint(near))]
    NoLayer {
        /// The name asked for.
        name: String,
        /// The closest names there are.
        near: Vec<String>,
    },
    /// Two layers would have one name.
    #[error("two layers are called `{name}`; rename one")]
    DuplicateLayer {
        /// The name.
        name: String,
    },
    /// A layer name that the notation could not hold.
    #[error("layer name {name:?} wants letters, digits and marks without spaces, `=`, `#` or `,`")]
    BadName {
        /// The name.
        name: String,
    },
    /// A layer with too few or too many inputs.
    #[error("layer `{layer}` ({op}) has {got} inputs, wants {wanted}")]
    Arity {
        /// The layer.
        layer: String,
        /// Its operation.
        op: &'static str,
        /// Inputs given.
        got: usize,
        /// Inputs wanted, in words.
        wanted: &'static str,
    },
    /// A layer that cannot take the shape that reaches it.
    #[error("layer `{layer}` ({op}) got {got}, wants {wanted}")]
    Shape {
        /// The layer.
        layer: String,
        /// Its operation.
        op: &'static str,
        /// The shapes of its inputs.
        got: String,
        /// What it can take, in words.
        wanted: String,
    },
    /// A graph without output.
    #[error("the graph has no output; end it with a line `-> LAYER`")]
    NoOutput,
    /// A graph with several outputs or inputs where one is wanted.
    #[error("this wants a graph with one {what}, got {got}")]
    NotSingle {
        /// `input` or `output`.
        what: &'static str,
        /// How many there are.
        got: usize,
    },
    /// Weights that a graph needs and nobody gave.
    #[error(
        "{} parameters are missing, first `{}`{}; is this the right architecture for these weights?",
        names.len(),
        names[0],
        hint(near)
    )]
    MissingParams {
        /// All missing names, never empty.
        names: Vec<String>,
        /// Names given that are close to the first missing one.
        near: Vec<String>,
    },
    /// A parameter of another shape than the graph wants.
    #[error("parameter `{name}` has shape {got}, the architecture wants {wanted}")]
    ParamShape {
        /// The parameter.
        name: String,
        /// The shape wanted.
        wanted: Shape,
        /// The shape given.
        got: Shape,
    },
    /// A split through a connection that goes around the frontier.
    #[error(
        "cannot split at `{frontier}`: `{user}` above it also reads `{value}` below it{}",
        hint(near)
    )]
    NotADominator {
        /// The layer to split at.
        frontier: String,
        /// The layer above that reads around it.
        user: String,
        /// What it reads.
        value: String,
        /// The closest layers where a split is possible.
        near: Vec<String>,
    },
    /// A head whose input does not fit the trunk's output.
    #[error("the trunk ends with {trunk} at `{layer}`, the head wants {head}")]
    Graft {
        /// Last layer of the trunk.
        layer: String,
        /// Its shape.
        trunk: Shape,
        /// What the head's input says.
        head: Shape,
    },
    /// A line of the notation that cannot be read.
    #[error("line {line}: {problem}")]
    Notation {
        /// Line number from 1.
        line: usize,
        /// What is wrong with it.
        problem: NotationProblem,
    },
    /// A batch that does not fit the network's input.
    #[error("the network wants a batch of {wanted} each, got {got}")]
    Batch {
        /// Shape of one example.
        wanted: Shape,
        /// Shape of the batch given.
        got: Shape,
    },
}

/// What can be wrong with a line of the notation.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotationProblem {
    /// Not of the form `name = op inputs key=value`.
    #[error("wants `NAME = OP INPUT… KEY=VALUE…` or `-> NAME…`, got {0:?}")]
    Form(String),
    /// An operation that is not in the list.
    #[error("no operation `{name}`{}", hint(near))]
    NoOp {
        /// The word given.
        name: String,
        /// The closest operations.
        near: Vec<String>,
    },
    /// A key that the operation does not have.
    #[error("`{op}` has no setting `{key}`")]
    NoKey {
        /// The operation.
        op: String,
        /// The key.
        key: String,
    },
    /// A setting that the operation needs.
    #[error("`{op}` wants `{key}=…`")]
    MissingKey {
        /// The operation.
        op: String,
        /// The key.
        key: &'static str,
    },
    /// A value that cannot be read.
    #[error("`{key}={value}` wants {wanted}")]
    Value {
        /// The key.
        key: String,
        /// The value given.
        value: String,
        /// What it should be, in words.
        wanted: &'static str,
    },
    /// A line after the outputs.
    #[error("nothing may follow the outputs, got {0:?}")]
    AfterOutput(String),
    /// Something that is wrong with the layer rather than the line.
    #[error("{0}")]
    Layer(Box<NetError>),
}

fn hint(near: &[String]) -> String {
    if near.is_empty() {
        return String::new();
    }
    let names: Vec<String> = near.iter().map(|n| format!("`{n}`")).collect();
    format!("; did you mean {}?", names.join(" or "))
}
