use std::collections::BTreeMap;
use std::sync::Arc;

use regraft_tensor::{Shape, Tensor};

/// What a parameter is to its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Kernel, matrix, or the scale of a norm; learned.
    Weight,
    /// Offset; learned.
    Bias,
    /// Tokens put before a sequence; learned.
    Token,
    /// Added to the tokens of a sequence, each its own; learned.
    Position,
    /// Mixes the products of queries and keys of attention's heads; learned.
    Products,
    /// Mixes what attention's heads take of each token; learned.
    Shares,
    /// Mean of a norm, gathered from data, not learned.
    RunningMean,
    /// Variance of a norm, gathered from data, not learned.
    RunningVar,
}

impl Role {
    /// The last part of the parameter's name, PyTorch's word.
    pub fn suffix(self) -> &'static str {
        match self {
            Role::Weight => "weight",
            Role::Bias => "bias",
            Role::Token => "token",
            Role::Position => "position",
            Role::Products => "products",
            Role::Shares => "shares",
            Role::RunningMean => "running_mean",
            Role::RunningVar => "running_var",
        }
    }

    /// Whether training by gradient changes it.
    pub fn learned(self) -> bool {
        match self {
            Role::Weight
            | Role::Bias
            | Role::Token
            | Role::Position
            | Role::Products
            | Role::Shares => true,
            Role::RunningMean | Role::RunningVar => false,
        }
    }
}

/// A parameter that a graph asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamSpec {
    /// `LAYER.ROLE`, for instance `layer4.1.bn2.running_mean`.
    pub name: String,
    /// Its shape; kernels are `[out, in / groups, kh, kw]`, matrices `[out, in]`.
    pub shape: Shape,
    /// What it is to its layer.
    pub role: Role,
}

/// Parameters by name. Clones share the values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params(BTreeMap<String, Arc<Tensor>>);

impl Params {
    /// No parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// The parameter of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Tensor>> {
        self.0.get(name)
    }

    /// The parameter of that name, to write; copied first when clones share it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Tensor> {
        self.0.get_mut(name).map(Arc::make_mut)
    }

    /// Puts a parameter in, replacing one of the same name.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Arc<Tensor>>) {
        self.0.insert(name.into(), value.into());
    }

    /// All parameters, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Tensor>)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v))
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// How many tensors there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Tensor)> for Params {
    fn from_iter<I: IntoIterator<Item = (String, Tensor)>>(iter: I) -> Self {
        Self(iter.into_iter().map(|(k, v)| (k, Arc::new(v))).collect())
    }
}
