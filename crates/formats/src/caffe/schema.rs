//! Which number a field has on the wire. Facts of `caffe.proto` (field numbers, enum values), for
//! what is used here only.

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A whole number.
    Int,
    /// A truth value.
    Bool,
    /// A number.
    Float,
    /// Text.
    Text,
    /// One of these words, by their places.
    Enum(&'static [(i64, &'static str)]),
    /// A message.
    Message(&'static Schema),
}

/// The fields of a message: number, name, kind.
#[derive(Debug)]
pub(super) struct Schema(pub(super) &'static [(u32, &'static str, Kind)]);

impl Schema {
    /// Number and kind of the field of that name.
    pub(super) fn find(&self, name: &str) -> Option<(u32, Kind)> {
        self.0.iter().find(|f| f.1 == name).map(|f| (f.0, f.2))
    }
}

use Kind::{Bool, Enum, Float, Int, Message, Text};

const PHASE: &[(i64, &str)] = &[(0, "TRAIN"), (1, "TEST")];
const POOL: &[(i64, &str)] = &[(0, "MAX"), (1, "AVE"), (2, "STOCHASTIC")];
const ROUND: &[(i64, &str)] = &[(0, "CEIL"), (1, "FLOOR")];
const ELTWISE_OP: &[(i64, &str)] = &[(0, "PROD"), (1, "SUM"), (2, "MAX")];
const REGION: &[(i64, &str)] = &[(0, "ACROSS_CHANNELS"), (1, "WITHIN_CHANNEL")];

static SHAPE: Schema = Schema(&[(1, "dim", Int)]);
static RULE: Schema = Schema(&[
    (1, "phase", Enum(PHASE)),
    (2, "min_level", Int),
    (3, "max_level", Int),
    (4, "stage", Text),
    (5, "not_stage", Text),
]);
static TRANSFORM: Schema = Schema(&[
    (1, "scale", Float),
    (3, "crop_size", Int),
    (4, "mean_file", Text),
    (5, "mean_value", Float),
    (7, "force_gray", Bool),
]);
static CONVOLUTION: Schema = Schema(&[
    (1, "num_output", Int),
    (2, "bias_term", Bool),
    (3, "pad", Int),
    (4, "kernel_size", Int),
    (5, "group", Int),
    (6, "stride", Int),
    (9, "pad_h", Int),
    (10, "pad_w", Int),
    (11, "kernel_h", Int),
    (12, "kernel_w", Int),
    (13, "stride_h", Int),
    (14, "stride_w", Int),
    (16, "axis", Int),
    (18, "dilation", Int),
]);
static POOLING: Schema = Schema(&[
    (1, "pool", Enum(POOL)),
    (2, "kernel_size", Int),
    (3, "stride", Int),
    (4, "pad", Int),
    (5, "kernel_h", Int),
    (6, "kernel_w", Int),
    (7, "stride_h", Int),
    (8, "stride_w", Int),
    (9, "pad_h", Int),
    (10, "pad_w", Int),
    (12, "global_pooling", Bool),
    (13, "round_mode", Enum(ROUND)),
]);
static INNER_PRODUCT: Schema = Schema(&[
    (1, "num_output", Int),
    (2, "bias_term", Bool),
    (5, "axis", Int),
    (6, "transpose", Bool),
]);
static LRN: Schema = Schema(&[
    (1, "local_size", Int),
    (2, "alpha", Float),
    (3, "beta", Float),
    (4, "norm_region", Enum(REGION)),
    (5, "k", Float),
]);
static BATCH_NORM: Schema = Schema(&[(1, "use_global_stats", Bool), (3, "eps", Float)]);
static SCALE: Schema = Schema(&[(1, "axis", Int), (2, "num_axes", Int), (4, "bias_term", Bool)]);
static BIAS: Schema = Schema(&[(1, "axis", Int), (2, "num_axes", Int)]);
static ELTWISE: Schema = Schema(&[(1, "operation", Enum(ELTWISE_OP)), (2, "coeff", Float)]);
static CONCAT: Schema = Schema(&[(1, "concat_dim", Int), (2, "axis", Int)]);
static SLICE: Schema = Schema(&[(1, "slice_dim", Int), (2, "slice_point", Int), (3, "axis", Int)]);
static DROPOUT: Schema = Schema(&[(1, "dropout_ratio", Float)]);
static RELU: Schema = Schema(&[(1, "negative_slope", Float)]);
static PRELU: Schema = Schema(&[(2, "channel_shared", Bool)]);
static ELU: Schema = Schema(&[(1, "alpha", Float)]);
static POWER: Schema = Schema(&[(1, "power", Float), (2, "scale", Float), (3, "shift", Float)]);
static SOFTMAX: Schema = Schema(&[(2, "axis", Int)]);
static FLATTEN: Schema = Schema(&[(1, "axis", Int), (2, "end_axis", Int)]);
static RESHAPE: Schema =
    Schema(&[(1, "shape", Message(&SHAPE)), (2, "axis", Int), (3, "num_axes", Int)]);
static INPUT: Schema = Schema(&[(1, "shape", Message(&SHAPE))]);
static MEMORY: Schema = Schema(&[(2, "channels", Int), (3, "height", Int), (4, "width", Int)]);
static DUMMY: Schema = Schema(&[
    (2, "num", Int),
    (3, "channels", Int),
    (4, "height", Int),
    (5, "width", Int),
    (6, "shape", Message(&SHAPE)),
]);
/// `data_param`, and so far `window_data_param` and `image_data_param` are alike.
static DATA: Schema = Schema(&[(2, "scale", Float), (3, "mean_file", Text), (5, "crop_size", Int)]);
static WINDOW: Schema =
    Schema(&[(2, "scale", Float), (3, "mean_file", Text), (5, "crop_size", Int)]);
static IMAGE: Schema = Schema(&[
    (2, "scale", Float),
    (3, "mean_file", Text),
    (5, "crop_size", Int),
    (9, "new_height", Int),
    (10, "new_width", Int),
    (11, "is_color", Bool),
]);

/// A layer of the second generation, `layer`; field 7, `blobs`, is read elsewhere.
pub(super) static LAYER: Schema = Schema(&[
    (1, "name", Text),
    (2, "type", Text),
    (3, "bottom", Text),
    (4, "top", Text),
    (5, "loss_weight", Float),
    (8, "include", Message(&RULE)),
    (9, "exclude", Message(&RULE)),
    (10, "phase", Enum(PHASE)),
    (100, "transform_param", Message(&TRANSFORM)),
    (104, "concat_param", Message(&CONCAT)),
    (106, "convolution_param", Message(&CONVOLUTION)),
    (107, "data_param", Message(&DATA)),
    (108, "dropout_param", Message(&DROPOUT)),
    (109, "dummy_data_param", Message(&DUMMY)),
    (110, "eltwise_param", Message(&ELTWISE)),
    (115, "image_data_param", Message(&IMAGE)),
    (117, "inner_product_param", Message(&INNER_PRODUCT)),
    (118, "lrn_param", Message(&LRN)),
    (119, "memory_data_param", Message(&MEMORY)),
    (121, "pooling_param", Message(&POOLING)),
    (122, "power_param", Message(&POWER)),
    (123, "relu_param", Message(&RELU)),
    (125, "softmax_param", Message(&SOFTMAX)),
    (126, "slice_param", Message(&SLICE)),
    (129, "window_data_param", Message(&WINDOW)),
    (131, "prelu_param", Message(&PRELU)),
    (133, "reshape_param", Message(&RESHAPE)),
    (135, "flatten_param", Message(&FLATTEN)),
    (139, "batch_norm_param", Message(&BATCH_NORM)),
    (140, "elu_param", Message(&ELU)),
    (141, "bias_param", Message(&BIAS)),
    (142, "scale_param", Message(&SCALE)),
    (143, "input_param", Message(&INPUT)),
]);

/// A layer of the first generation, `layers`; field 6, `blobs`, is read elsewhere.
static LAYERS: Schema = Schema(&[
    (1, "layer", Message(&SHAPE)),
    (2, "bottom", Text),
    (3, "top", Text),
    (4, "name", Text),
    (5, "type", Enum(TYPES)),
    (9, "concat_param", Message(&CONCAT)),
    (10, "convolution_param", Message(&CONVOLUTION)),
    (11, "data_param", Message(&DATA)),
    (12, "dropout_param", Message(&DROPOUT)),
    (15, "image_data_param", Message(&IMAGE)),
    (17, "inner_product_param", Message(&INNER_PRODUCT)),
    (18, "lrn_param", Message(&LRN)),
    (19, "pooling_param", Message(&POOLING)),
    (20, "window_data_param", Message(&WINDOW)),
    (21, "power_param", Message(&POWER)),
    (22, "memory_data_param", Message(&MEMORY)),
    (24, "eltwise_param", Message(&ELTWISE)),
    (26, "dummy_data_param", Message(&DUMMY)),
    (30, "relu_param", Message(&RELU)),
    (31, "slice_param", Message(&SLICE)),
    (32, "include", Message(&RULE)),
    (33, "exclude", Message(&RULE)),
    (35, "loss_weight", Float),
    (36, "transform_param", Message(&TRANSFORM)),
    (39, "softmax_param", Message(&SOFTMAX)),
]);

/// A network.
pub(super) static NET: Schema = Schema(&[
    (1, "name", Text),
    (2, "layers", Message(&LAYERS)),
    (3, "input", Text),
    (4, "input_dim", Int),
    (8, "input_shape", Message(&SHAPE)),
    (100, "layer", Message(&LAYER)),
]);

/// The layer types of the first generation: value, word.
const TYPES: &[(i64, &str)] = &[
    (0, "NONE"),
    (1, "ACCURACY"),
    (2, "BNLL"),
    (3, "CONCAT"),
    (4, "CONVOLUTION"),
    (5, "DATA"),
    (6, "DROPOUT"),
    (7, "EUCLIDEAN_LOSS"),
    (8, "FLATTEN"),
    (9, "HDF5_DATA"),
    (10, "HDF5_OUTPUT"),
    (11, "IM2COL"),
    (12, "IMAGE_DATA"),
    (13, "INFOGAIN_LOSS"),
    (14, "INNER_PRODUCT"),
    (15, "LRN"),
    (16, "MULTINOMIAL_LOGISTIC_LOSS"),
    (17, "POOLING"),
    (18, "RELU"),
    (19, "SIGMOID"),
    (20, "SOFTMAX"),
    (21, "SOFTMAX_LOSS"),
    (22, "SPLIT"),
    (23, "TANH"),
    (24, "WINDOW_DATA"),
    (25, "ELTWISE"),
    (26, "POWER"),
    (27, "SIGMOID_CROSS_ENTROPY_LOSS"),
    (28, "HINGE_LOSS"),
    (29, "MEMORY_DATA"),
    (30, "ARGMAX"),
    (31, "THRESHOLD"),
    (32, "DUMMY_DATA"),
    (33, "SLICE"),
    (34, "MVN"),
    (35, "ABSVAL"),
    (36, "SILENCE"),
    (37, "CONTRASTIVE_LOSS"),
    (38, "EXP"),
    (39, "DECONVOLUTION"),
];

/// What the second generation calls a layer type of the first.
pub(super) fn modern(word: &str) -> &str {
    let special = [
        ("LRN", "LRN"),
        ("RELU", "ReLU"),
        ("TANH", "TanH"),
        ("ARGMAX", "ArgMax"),
        ("ABSVAL", "AbsVal"),
        ("BNLL", "BNLL"),
        ("MVN", "MVN"),
        ("INNER_PRODUCT", "InnerProduct"),
        ("CONVOLUTION", "Convolution"),
        ("DECONVOLUTION", "Deconvolution"),
        ("POOLING", "Pooling"),
        ("CONCAT", "Concat"),
        ("DROPOUT", "Dropout"),
        ("FLATTEN", "Flatten"),
        ("SIGMOID", "Sigmoid"),
        ("SOFTMAX", "Softmax"),
        ("SOFTMAX_LOSS", "SoftmaxWithLoss"),
        ("SPLIT", "Split"),
        ("ELTWISE", "Eltwise"),
        ("POWER", "Power"),
        ("SLICE", "Slice"),
        ("SILENCE", "Silence"),
        ("ACCURACY", "Accuracy"),
        ("DATA", "Data"),
        ("IMAGE_DATA", "ImageData"),
        ("HDF5_DATA", "HDF5Data"),
        ("WINDOW_DATA", "WindowData"),
        ("MEMORY_DATA", "MemoryData"),
        ("DUMMY_DATA", "DummyData"),
        ("EUCLIDEAN_LOSS", "EuclideanLoss"),
        ("SIGMOID_CROSS_ENTROPY_LOSS", "SigmoidCrossEntropyLoss"),
        ("HINGE_LOSS", "HingeLoss"),
        ("INFOGAIN_LOSS", "InfogainLoss"),
        ("MULTINOMIAL_LOGISTIC_LOSS", "MultinomialLogisticLoss"),
        ("CONTRASTIVE_LOSS", "ContrastiveLoss"),
        ("HDF5_OUTPUT", "HDF5Output"),
        ("THRESHOLD", "Threshold"),
        ("EXP", "Exp"),
    ];
    special.iter().find(|(old, _)| *old == word).map_or(word, |(_, new)| new)
}
