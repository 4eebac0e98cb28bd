//! Which class of layers is what.

use regraft_net::Op;

use super::acts::{self, Act};
use super::build::{At, Build, Val};
use super::config::{Arg, Spec};
use super::shapes::{self, Pool};
use super::{convs, norms};
use crate::FormatError;

/// A class of layers of Keras.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Input,
    Conv,
    Depthwise,
    Separable,
    Dense,
    BatchNorm,
    LayerNorm,
    LayerScale,
    Rescaling,
    Normalization,
    ScaledSum,
    Activation,
    Relu,
    LeakyRelu,
    Prelu,
    Elu,
    Softmax,
    /// An operation that is a function of single values.
    Function(Act),
    Add,
    Subtract,
    Multiply,
    Divide,
    Average,
    Concat,
    Pool(Pool),
    Global(Pool),
    Flatten,
    Reshape,
    Permute,
    ZeroPadding,
    Cropping,
    /// Noise while training; the rate is kept.
    Dropout,
    /// Nothing at inference.
    Nothing,
}

/// Classes by their names; `ops` of Keras 3 and of TensorFlow have the same names as layers or others
/// that do not clash.
const CLASSES: [(&str, Class); 56] = [
    ("InputLayer", Class::Input),
    ("Conv2D", Class::Conv),
    ("Convolution2D", Class::Conv),
    ("DepthwiseConv2D", Class::Depthwise),
    ("SeparableConv2D", Class::Separable),
    ("SeparableConvolution2D", Class::Separable),
    ("Dense", Class::Dense),
    ("BatchNormalization", Class::BatchNorm),
    ("BatchNormalizationV1", Class::BatchNorm),
    ("BatchNormalizationV2", Class::BatchNorm),
    ("LayerNormalization", Class::LayerNorm),
    ("LayerScale", Class::LayerScale),
    ("Rescaling", Class::Rescaling),
    ("Normalization", Class::Normalization),
    ("CustomScaleLayer", Class::ScaledSum),
    ("Activation", Class::Activation),
    ("ReLU", Class::Relu),
    ("LeakyReLU", Class::LeakyRelu),
    ("PReLU", Class::Prelu),
    ("ELU", Class::Elu),
    ("Softmax", Class::Softmax),
    ("Add", Class::Add),
    ("add", Class::Add),
    ("AddV2", Class::Add),
    ("Subtract", Class::Subtract),
    ("sub", Class::Subtract),
    ("subtract", Class::Subtract),
    ("Multiply", Class::Multiply),
    ("mul", Class::Multiply),
    ("multiply", Class::Multiply),
    ("Divide", Class::Divide),
    ("TrueDivide", Class::Divide),
    ("truediv", Class::Divide),
    ("divide", Class::Divide),
    ("Average", Class::Average),
    ("Concatenate", Class::Concat),
    ("MaxPooling2D", Class::Pool(Pool::Max)),
    ("MaxPool2D", Class::Pool(Pool::Max)),
    ("AveragePooling2D", Class::Pool(Pool::Mean)),
    ("AvgPool2D", Class::Pool(Pool::Mean)),
    ("GlobalAveragePooling2D", Class::Global(Pool::Mean)),
    ("GlobalAvgPool2D", Class::Global(Pool::Mean)),
    ("GlobalMaxPooling2D", Class::Global(Pool::Max)),
    ("GlobalMaxPool2D", Class::Global(Pool::Max)),
    ("Flatten", Class::Flatten),
    ("Reshape", Class::Reshape),
    ("Permute", Class::Permute),
    ("ZeroPadding2D", Class::ZeroPadding),
    ("Cropping2D", Class::Cropping),
    ("Dropout", Class::Dropout),
    ("FixedDropout", Class::Dropout),
    ("SpatialDropout2D", Class::Nothing),
    ("GaussianNoise", Class::Nothing),
    ("GaussianDropout", Class::Nothing),
    ("AlphaDropout", Class::Nothing),
    ("StochasticDepth", Class::Nothing),
];

impl Class {
    /// The class of a layer; none when it is not known.
    pub(super) fn of(spec: &Spec<'_>) -> Option<Self> {
        let find = |name: &str| CLASSES.iter().find(|(n, _)| *n == name).map(|(_, class)| *class);
        if spec.class == "TFOpLambda" {
            // `math.add`, `__operators__.add`, `nn.relu`.
            let function = spec.config.text("function")?;
            let name = function.rsplit('.').next().unwrap_or(function);
            return find(name).or_else(|| Act::of(name).map(Self::Function));
        }
        find(spec.class).or_else(|| {
            // `Silu`, `Relu6`: an operation has no configuration to speak of.
            let operation = spec.config.get("trainable").is_none();
            Act::of(spec.class).filter(|_| operation).map(Self::Function)
        })
    }

    /// Whether its layers are Python code.
    pub(super) fn is_code(spec: &Spec<'_>) -> bool {
        spec.class == "Lambda"
    }
}

/// What a call hands over, values made.
#[derive(Debug, Clone, Copy)]
pub(super) enum Given {
    Value(Val),
    Number(f64),
}

impl Given {
    pub(super) fn of(arg: &Arg<'_>, value: impl Fn() -> Option<Val>) -> Option<Self> {
        match arg {
            Arg::From(_) => value().map(Self::Value),
            Arg::Number(n) => Some(Self::Number(*n)),
        }
    }
}

/// Adds a layer of a class that is known.
pub(super) fn add(
    b: &mut Build,
    at: &At<'_, '_>,
    class: Class,
    given: &[Given],
) -> Result<Val, FormatError> {
    let mut values = Vec::with_capacity(given.len());
    for one in given {
        if let Given::Value(value) = one {
            values.push(*value);
        }
    }
    let Some(&x) = values.first() else { return Err(at.unsupported("a call without a value")) };
    let sum = matches!(
        class,
        Class::Add
            | Class::Subtract
            | Class::Multiply
            | Class::Divide
            | Class::Average
            | Class::Concat
            | Class::ScaledSum
    );
    if values.len() > 1 && !sum {
        return Err(at.unsupported(format!("a call with {} values", values.len())));
    }
    match class {
        Class::Input | Class::Nothing => b.push(&at.name, Op::Identity, &[x]),
        Class::Conv => convs::conv(b, at, x),
        Class::Depthwise => convs::depthwise(b, at, x),
        Class::Separable => convs::separable(b, at, x),
        Class::Dense => convs::dense(b, at, x),
        Class::BatchNorm => norms::batch(b, at, x),
        Class::LayerNorm => norms::layer(b, at, x),
        Class::LayerScale => norms::layer_scale(b, at, x),
        Class::Rescaling => norms::rescaling(b, at, x),
        Class::Normalization => norms::normalization(b, at, x),
        Class::ScaledSum => norms::scaled_sum(b, at, &values),
        Class::Activation => acts::activation(b, at, x),
        Class::Relu => acts::relu(b, at, x),
        Class::LeakyRelu => acts::leaky(b, at, x),
        Class::Prelu => acts::prelu(b, at, x),
        Class::Elu => acts::elu(b, at, x),
        Class::Softmax => acts::softmax(b, at, x),
        Class::Function(act) => acts::one(b, &at.name, act, x),
        Class::Add | Class::Subtract | Class::Multiply | Class::Divide | Class::Average => {
            arithmetic(b, at, class, given, &values)
        }
        Class::Concat => concat(b, at, &values),
        Class::Pool(kind) => shapes::pool(b, at, kind, x),
        Class::Global(kind) => shapes::global(b, at, kind, x),
        Class::Flatten => shapes::flatten(b, at, x),
        Class::Reshape => shapes::reshape(b, at, x),
        Class::Permute => shapes::permute(b, at, x),
        Class::ZeroPadding => shapes::zeros(b, at, x),
        Class::Cropping => shapes::crop(b, at, x),
        Class::Dropout => dropout(b, at, x),
    }
}

fn dropout(b: &mut Build, at: &At<'_, '_>, x: Val) -> Result<Val, FormatError> {
    let config = &at.spec.config;
    let rate = config.number("rate", 0.0)?;
    if !(0.0..1.0).contains(&rate) {
        return Err(config.fault("rate", "a share from 0 to below 1").into());
    }
    b.push(&at.name, Op::Dropout { rate: rate as f32 }, &[x])
}

/// Sums and products of values, or of a value and a number.
fn arithmetic(
    b: &mut Build,
    at: &At<'_, '_>,
    class: Class,
    given: &[Given],
    values: &[Val],
) -> Result<Val, FormatError> {
    // The number, and whether it comes first.
    let number = match *given {
        [Given::Value(x), Given::Number(n)] => Some((x, n, false)),
        [Given::Number(n), Given::Value(x)] => Some((x, n, true)),
        _ => None,
    };
    if let Some((x, n, first)) = number {
        let factors = [
            (Class::Add, 1.0, n),
            (Class::Subtract, if first { -1.0 } else { 1.0 }, if first { n } else { -n }),
            (Class::Multiply, n, 0.0),
            (Class::Divide, 1.0 / n, 0.0),
        ];
        let found = factors.iter().find(|f| f.0 == class && !(first && class == Class::Divide));
        let Some((_, scale, shift)) = found else {
            return Err(at.unsupported("a mean with a number, or a number divided by a value,"));
        };
        return b.affine(&at.name, x, &[*scale], &[*shift]);
    }
    if values.len() != given.len() {
        return Err(at.unsupported("several numbers"));
    }
    if values.len() < 2 {
        return Err(at.unsupported("a sum, mean or product of one value"));
    }
    // Laid flat in different ways, values of one length would not lie at the same places.
    if values.iter().any(|v| v.flat != values[0].flat) {
        return Err(at.unsupported("values that were laid flat from different maps"));
    }
    if class == Class::Add {
        b.push(&at.name, Op::Add, values)
    } else if class == Class::Multiply {
        product(b, at, values)
    } else if class == Class::Average {
        let name = b.free_name(&format!("{}.sum", at.name), &[]);
        let sum = b.push(&name, Op::Add, values)?;
        b.affine(&at.name, sum, &[1.0 / values.len() as f64], &[0.0])
    } else if let (Class::Subtract, &[first, second]) = (class, values) {
        let name = b.free_name(&format!("{}.minus", at.name), &[]);
        let second = b.affine(&name, second, &[-1.0], &[0.0])?;
        b.push(&at.name, Op::Add, &[first, second])
    } else {
        Err(at.unsupported("a quotient of values"))
    }
}

fn product(b: &mut Build, at: &At<'_, '_>, values: &[Val]) -> Result<Val, FormatError> {
    let (Some((&first, rest)), Some((&last, _))) = (values.split_first(), values.split_last())
    else {
        return Err(at.unsupported("a product of nothing"));
    };
    let mut product = first;
    for (n, &next) in rest.iter().enumerate() {
        // A vector counts for every pixel of a map; the map comes first.
        let pair = if b.shape(product).len() < b.shape(next).len() {
            [next, product]
        } else {
            [product, next]
        };
        let name = if next.id == last.id && n + 1 == rest.len() {
            at.name.clone()
        } else {
            b.free_name(&format!("{}.{n}", at.name), &[])
        };
        product = b.push(&name, Op::Mul, &pair)?;
    }
    Ok(product)
}

fn concat(b: &mut Build, at: &At<'_, '_>, values: &[Val]) -> Result<Val, FormatError> {
    let Some(&first) = values.first() else { return Err(at.unsupported("nothing")) };
    acts::last_axis(at, first)?;
    if values.iter().any(|v| v.flat.is_some()) && values.len() > 1 {
        return Err(at.unsupported("maps laid flat and then put together"));
    }
    b.push(&at.name, Op::Concat, values)
}
