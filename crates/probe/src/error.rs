/// What can be wrong with the input of a fit or of a head.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// A slice whose length is not what its shape says.
    #[error("{what} hold {got} values, [{rows}, {columns}] wants {wanted}; check the shape")]
    Shape {
        /// `features`, `scores`, `weights`, ...
        what: &'static str,
        /// Rows of the shape.
        rows: usize,
        /// Columns of the shape.
        columns: usize,
        /// Values given.
        got: usize,
        /// Values the shape wants.
        wanted: usize,
    },
    /// A value that is infinite or not a number.
    #[error(
        "{what} have {value} in row {row}, column {column}; finite values are wanted, \
         look at the example of that row"
    )]
    NotFinite {
        /// `features`, `scores`, ...
        what: &'static str,
        /// First row with such a value.
        row: usize,
        /// First such column of it.
        column: usize,
        /// The value.
        value: f64,
    },
    /// Feature rows that could not be read.
    #[error("cannot read the features of rows {first} to {}: {reason}", first + count - 1)]
    Read {
        /// First row asked for.
        first: usize,
        /// How many.
        count: usize,
        /// What kind of failure it was.
        kind: std::io::ErrorKind,
        /// What the system said.
        reason: String,
    },
    /// Not one label per row of the features.
    #[error("{got} labels for {wanted} rows; give one label per row")]
    LabelCount {
        /// Labels given.
        got: usize,
        /// Rows there are.
        wanted: usize,
    },
    /// A label that names no class.
    #[error("row {row} has label {label}, wants less than {classes} (the number of classes)")]
    LabelRange {
        /// The row.
        row: usize,
        /// Its label.
        label: usize,
        /// Number of classes.
        classes: usize,
    },
    /// No label at all.
    #[error("there are no labels; give at least one")]
    NoLabels,
    /// A set of labels that is not ascending.
    #[error("the labels of row {row} are not in ascending order, or one is there twice")]
    LabelOrder {
        /// The row.
        row: usize,
    },
    /// A class without examples.
    #[error("class {class} has no example; add one or leave the class out")]
    EmptyClass {
        /// The class.
        class: usize,
    },
    /// Fewer than two classes.
    #[error("{classes} classes, a classifier wants at least 2")]
    TooFewClasses {
        /// Number of classes.
        classes: usize,
    },
    /// An empty list of penalties.
    #[error("the list of penalties is empty; give at least one")]
    NoPenalties,
    /// A penalty no fit can use.
    #[error("penalty {index} is {value}, wants a finite number above 0")]
    Penalty {
        /// Place in the list.
        index: usize,
        /// The value.
        value: f64,
    },
    /// A place beyond the end of the penalties.
    #[error("penalty {index} was asked for, the path has {count}")]
    NoSuchPenalty {
        /// The place asked for.
        index: usize,
        /// How many there are.
        count: usize,
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
    /// A starting head of another shape than the problem.
    #[error(
        "the starting head has {classes} classes and {features} features, \
         the problem {wanted_classes} and {wanted_features}"
    )]
    Start {
        /// Classes of the head.
        classes: usize,
        /// Features of the head.
        features: usize,
        /// Classes of the problem.
        wanted_classes: usize,
        /// Features of the problem.
        wanted_features: usize,
    },
    /// The eigendecomposition failed.
    #[error(
        "the {size}x{size} eigendecomposition did not converge; \
         look for features many orders of magnitude larger than the rest"
    )]
    Decomposition {
        /// Rows of the matrix.
        size: usize,
    },
    /// A weight too large for `f32`.
    #[error(
        "the weight of class {class} for feature {feature} is {value:e}, too large for f32; \
         scale the features up"
    )]
    WeightOverflow {
        /// The class.
        class: usize,
        /// The feature (`features` itself stands for the bias).
        feature: usize,
        /// The weight.
        value: f64,
    },
}
