//! Options of operators: tables of `schema.fbs`, each with a number of its own in the union.

/// The number of an operator's options in the union; 0 when none of them is read.
pub(super) fn kind(op: &str) -> u8 {
    let known = [
        ("CONV_2D", 1),
        ("DEPTHWISE_CONV_2D", 2),
        ("AVERAGE_POOL_2D", 5),
        ("MAX_POOL_2D", 5),
        ("FULLY_CONNECTED", 8),
        ("SOFTMAX", 9),
        ("CONCATENATION", 10),
        ("ADD", 11),
        ("LOCAL_RESPONSE_NORMALIZATION", 13),
        ("RESHAPE", 17),
        ("MUL", 21),
        ("GATHER", 23),
        ("MEAN", 27),
        ("SUM", 27),
        ("REDUCE_MAX", 27),
        ("REDUCE_MIN", 27),
        ("REDUCE_PROD", 27),
        ("SUB", 28),
        ("DIV", 29),
        ("SQUEEZE", 30),
        ("STRIDED_SLICE", 32),
        ("PACK", 59),
        ("UNPACK", 64),
        ("LEAKY_RELU", 75),
        ("BATCH_MATMUL", 101),
        ("GELU", 116),
    ];
    known.iter().find(|(name, _)| *name == op).map_or(0, |(_, number)| *number)
}

macro_rules! fields {
    ($(#[$doc:meta] $module:ident { $($name:ident = $text:literal, $number:literal;)* })*) => {
        $(
            #[$doc]
            pub(super) mod $module {
                use crate::tflite::flat::Field;
                $(pub(in crate::tflite) const $name: Field = ($text, $number);)*
            }
        )*
    };
}

fields! {
    /// `Conv2DOptions`.
    conv {
        PADDING = "Conv2DOptions.padding", 0;
        STRIDE_W = "Conv2DOptions.stride_w", 1;
        STRIDE_H = "Conv2DOptions.stride_h", 2;
        ACTIVATION = "Conv2DOptions.fused_activation_function", 3;
        DILATION_W = "Conv2DOptions.dilation_w_factor", 4;
        DILATION_H = "Conv2DOptions.dilation_h_factor", 5;
    }
    /// `DepthwiseConv2DOptions`.
    depthwise {
        PADDING = "DepthwiseConv2DOptions.padding", 0;
        STRIDE_W = "DepthwiseConv2DOptions.stride_w", 1;
        STRIDE_H = "DepthwiseConv2DOptions.stride_h", 2;
        ACTIVATION = "DepthwiseConv2DOptions.fused_activation_function", 4;
        DILATION_W = "DepthwiseConv2DOptions.dilation_w_factor", 5;
        DILATION_H = "DepthwiseConv2DOptions.dilation_h_factor", 6;
    }
    /// `Pool2DOptions`.
    pool {
        PADDING = "Pool2DOptions.padding", 0;
        STRIDE_W = "Pool2DOptions.stride_w", 1;
        STRIDE_H = "Pool2DOptions.stride_h", 2;
        WIDTH = "Pool2DOptions.filter_width", 3;
        HEIGHT = "Pool2DOptions.filter_height", 4;
        ACTIVATION = "Pool2DOptions.fused_activation_function", 5;
    }
    /// `FullyConnectedOptions`.
    matrix {
        ACTIVATION = "FullyConnectedOptions.fused_activation_function", 0;
        FORMAT = "FullyConnectedOptions.weights_format", 1;
        KEEP = "FullyConnectedOptions.keep_num_dims", 2;
    }
    /// `SoftmaxOptions`.
    softmax {
        BETA = "SoftmaxOptions.beta", 0;
    }
    /// `ConcatenationOptions`.
    concat {
        AXIS = "ConcatenationOptions.axis", 0;
        ACTIVATION = "ConcatenationOptions.fused_activation_function", 1;
    }
    /// `AddOptions`, `SubOptions`, `MulOptions`, `DivOptions`: alike.
    arithmetic {
        ACTIVATION = "AddOptions.fused_activation_function", 0;
    }
    /// `LocalResponseNormalizationOptions`.
    local {
        RADIUS = "LocalResponseNormalizationOptions.radius", 0;
        BIAS = "LocalResponseNormalizationOptions.bias", 1;
        ALPHA = "LocalResponseNormalizationOptions.alpha", 2;
        BETA = "LocalResponseNormalizationOptions.beta", 3;
    }
    /// `ReshapeOptions`.
    reshape {
        SHAPE = "ReshapeOptions.new_shape", 0;
    }
    /// `GatherOptions`.
    gather {
        AXIS = "GatherOptions.axis", 0;
        BATCH = "GatherOptions.batch_dims", 1;
    }
    /// `ReducerOptions`.
    reduce {
        KEEP = "ReducerOptions.keep_dims", 0;
    }
    /// `SqueezeOptions`.
    squeeze {
        AXES = "SqueezeOptions.squeeze_dims", 0;
    }
    /// `StridedSliceOptions`.
    strided {
        BEGIN = "StridedSliceOptions.begin_mask", 0;
        END = "StridedSliceOptions.end_mask", 1;
        ELLIPSIS = "StridedSliceOptions.ellipsis_mask", 2;
        NEW = "StridedSliceOptions.new_axis_mask", 3;
        SHRINK = "StridedSliceOptions.shrink_axis_mask", 4;
        OFFSET = "StridedSliceOptions.offset", 5;
    }
    /// `PackOptions`, `UnpackOptions`: alike.
    pack {
        AXIS = "PackOptions.axis", 1;
    }
    /// `LeakyReluOptions`.
    leaky {
        ALPHA = "LeakyReluOptions.alpha", 0;
    }
    /// `BatchMatMulOptions`.
    product {
        TURN_X = "BatchMatMulOptions.adj_x", 0;
        TURN_Y = "BatchMatMulOptions.adj_y", 1;
    }
    /// `GeluOptions`.
    gelu {
        APPROXIMATE = "GeluOptions.approximate", 0;
    }
}
