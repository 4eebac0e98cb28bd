//! Networks of ours as files of Caffe.

use std::fmt::Write as _;

use regraft_net::facts::Facts;
use regraft_net::op::{Activation, Conv2d, Pad, Rounding, Window};
use regraft_net::{Layer, Network, Op};
use regraft_tensor::Tensor;

use super::fault::{CaffeFault, WriteFault};
use super::schema::{self, Kind, Schema};
use super::text::Literal;
use crate::FormatError;
use crate::wire::Writer;

/// A network as Caffe has it.
#[derive(Debug, Clone)]
pub struct Written {
    /// The layers: what goes into `deploy.prototxt`.
    pub prototxt: String,
    /// The layers with their weights: what goes into the `.caffemodel`.
    pub caffemodel: Vec<u8>,
}

/// A value of a setting.
#[derive(Clone, Copy)]
enum Set {
    Int(usize),
    Float(f32),
    Bool(bool),
    Word(&'static str),
}

/// A layer to write.
struct Out {
    name: String,
    kind: &'static str,
    bottoms: Vec<String>,
    /// The name of the settings, and they.
    param: Option<(&'static str, Vec<(&'static str, Set)>)>,
    /// Extents and numbers.
    blobs: Blobs,
}

/// Writes a network for Caffe, second generation. Every blob has the name of the layer that gives it. A
/// batch norm becomes a `BatchNorm` called `NAME.norm` and a `Scale` of its own name, so that reading the
/// files again gives the same layers.
///
/// # Errors
/// [`CaffeFault::Write`] with every layer that Caffe has nothing for.
pub fn write(network: &Network) -> Result<Written, FormatError> {
    let facts = network.facts()?;
    let mut outs = Vec::new();
    let mut faults = Vec::new();
    for (_, layer) in network.graph().layers() {
        match outs_of(network, &facts, layer) {
            Ok(more) => outs.extend(more),
            Err(why) => {
                let (layer, op) = (layer.name.clone(), layer.op.name());
                faults.push(WriteFault { layer, op, why });
            }
        }
    }
    if !faults.is_empty() {
        return Err(CaffeFault::Write { layers: faults }.into());
    }
    let name = &network.card().name;
    let input = network.graph().input()?;
    let mut dims = vec![1];
    dims.extend(facts.layer(input).shape.iter().copied());
    let input = &network.graph().layer(input).name;
    Ok(Written {
        prototxt: prototxt(name, input, &dims, &outs),
        caffemodel: caffemodel(name, input, &dims, &outs),
    })
}

/// The layers of Caffe that a layer of ours is, or why there are none.
fn outs_of(network: &Network, facts: &Facts, layer: &Layer) -> Result<Vec<Out>, &'static str> {
    let graph = network.graph();
    let bottoms: Vec<String> =
        layer.inputs.iter().map(|id| graph.layer(*id).name.clone()).collect();
    let shapes: Vec<&[usize]> =
        layer.inputs.iter().map(|id| facts.layer(*id).shape.dims()).collect();
    let name = layer.name.clone();
    let out = Out { name, kind: "", bottoms, param: None, blobs: Vec::new() };
    let blob = |role: &str| -> Blobs {
        let found: Option<&Tensor> =
            network.params().get(&format!("{}.{role}", layer.name)).map(AsRef::as_ref);
        found.map(|t| (t.shape().to_vec(), t.data().to_vec())).into_iter().collect()
    };
    let learned = || [blob("weight"), blob("bias")].concat();
    Ok(match &layer.op {
        Op::Input { .. } => Vec::new(),
        Op::Conv2d(conv) => vec![convolution(out, conv, learned())?],
        Op::Linear { out: count, bias } => {
            let vector = shapes.first().is_some_and(|s| s.len() == 1);
            vec![matrix(out, *count, *bias, vector, learned())]
        }
        Op::BatchNorm { eps } => {
            let statistics = [blob("running_mean"), blob("running_var")].concat();
            batch_norm(out, *eps, statistics, learned())
        }
        Op::Mul if shapes.first() != shapes.get(1) => gate(out),
        Op::Affine { scale, shift } => {
            let (kind, param) = plain(&layer.op)?;
            let blobs = [scale, shift].map(|v| (vec![v.len()], v.clone())).to_vec();
            vec![Out { kind, param, blobs, ..out }]
        }
        Op::Relu
        | Op::Relu6
        | Op::Activate(_)
        | Op::MaxPool(_)
        | Op::AvgPool { .. }
        | Op::GlobalAvgPool
        | Op::Lrn { .. }
        | Op::Scale { .. }
        | Op::Prelu
        | Op::Slice { .. }
        | Op::Shuffle { .. }
        | Op::LayerNorm { .. }
        | Op::Pad { .. }
        | Op::Mul
        | Op::Tokens { .. }
        | Op::Rearrange(_)
        | Op::Attention { .. }
        | Op::Token { .. }
        | Op::Add
        | Op::Concat
        | Op::Flatten
        | Op::Softmax
        | Op::Dropout { .. }
        | Op::Identity => {
            let (kind, param) = plain(&layer.op)?;
            vec![Out { kind, param, blobs: learned(), ..out }]
        }
    })
}

type Blobs = Vec<(Vec<usize>, Vec<f32>)>;

fn convolution(out: Out, conv: &Conv2d, blobs: Blobs) -> Result<Out, &'static str> {
    let mut set = vec![("num_output", Set::Int(conv.out)), ("bias_term", Set::Bool(conv.bias))];
    set.extend(extents(conv.size, conv.stride, conv.pad)?);
    if conv.dilation != [1, 1] {
        set.extend(conv.dilation.map(|d| ("dilation", Set::Int(d))));
    }
    set.push(("group", Set::Int(conv.groups)));
    Ok(Out { kind: "Convolution", param: Some(("convolution_param", set)), blobs, ..out })
}

/// A matrix over a vector, or for each pixel of a map.
fn matrix(out: Out, count: usize, bias: bool, vector: bool, mut blobs: Blobs) -> Out {
    let mut set = vec![("num_output", Set::Int(count)), ("bias_term", Set::Bool(bias))];
    if vector {
        return Out {
            kind: "InnerProduct",
            param: Some(("inner_product_param", set)),
            blobs,
            ..out
        };
    }
    set.push(("kernel_size", Set::Int(1)));
    if let Some((shape, _)) = blobs.first_mut() {
        shape.extend([1, 1]);
    }
    Out { kind: "Convolution", param: Some(("convolution_param", set)), blobs, ..out }
}

fn batch_norm(mut out: Out, eps: f32, mut statistics: Blobs, blobs: Blobs) -> Vec<Out> {
    statistics.push((vec![1], vec![1.0]));
    let name = format!("{}.norm", out.name);
    let bottoms = std::mem::replace(&mut out.bottoms, vec![name.clone()]);
    let set = vec![("use_global_stats", Set::Bool(true)), ("eps", Set::Float(eps))];
    let param = Some(("batch_norm_param", set));
    let first = Out { name, kind: "BatchNorm", bottoms, param, blobs: statistics };
    let param = Some(("scale_param", vec![("bias_term", Set::Bool(true))]));
    vec![first, Out { kind: "Scale", param, blobs, ..out }]
}

/// A map times a value for each channel. The value must be `[N, C]` for Caffe, also where it came from
/// a map of one pixel.
fn gate(mut out: Out) -> Vec<Out> {
    let name = format!("{}.gate", out.name);
    let bottoms = out.bottoms.split_off(1);
    out.bottoms.push(name.clone());
    let first = Out { name, kind: "Flatten", bottoms, param: None, blobs: Vec::new() };
    let param = Some(("scale_param", vec![("axis", Set::Int(0))]));
    vec![first, Out { kind: "Scale", param, ..out }]
}

/// Type and settings of a layer that is one of Caffe's.
fn plain(op: &Op) -> Result<(&'static str, Param), &'static str> {
    let one = |param, key, value| Some((param, vec![(key, value)]));
    Ok(match op {
        Op::Scale { bias } => ("Scale", one("scale_param", "bias_term", Set::Bool(*bias))),
        Op::Affine { .. } => ("Scale", one("scale_param", "bias_term", Set::Bool(true))),
        Op::Prelu => ("PReLU", None),
        Op::MaxPool(window) => ("Pooling", Some(("pooling_param", pooling("MAX", window)?))),
        Op::AvgPool { window, count_pad } => {
            if !count_pad && window.pad != Pad::default() {
                return Err("Caffe counts the padding when it averages");
            }
            ("Pooling", Some(("pooling_param", pooling("AVE", window)?)))
        }
        Op::GlobalAvgPool => {
            let set = vec![("pool", Set::Word("AVE")), ("global_pooling", Set::Bool(true))];
            ("Pooling", Some(("pooling_param", set)))
        }
        Op::Mul => ("Eltwise", one("eltwise_param", "operation", Set::Word("PROD"))),
        Op::Lrn { size, alpha, beta, k } => {
            let set = vec![
                ("local_size", Set::Int(*size)),
                ("alpha", Set::Float(*alpha)),
                ("beta", Set::Float(*beta)),
                ("k", Set::Float(*k)),
            ];
            ("LRN", Some(("lrn_param", set)))
        }
        Op::Dropout { rate } => {
            ("Dropout", one("dropout_param", "dropout_ratio", Set::Float(*rate)))
        }
        Op::Activate(activation) => return curve(*activation),
        Op::Relu => ("ReLU", None),
        Op::Relu6 => ("ReLU6", None),
        Op::Add => ("Eltwise", None),
        Op::Concat => ("Concat", None),
        Op::Flatten => ("Flatten", None),
        Op::Softmax => ("Softmax", None),
        // A power of 1, times 1, plus 0.
        Op::Identity => ("Power", None),
        Op::Slice { .. } => return Err("a slice of Caffe gives all its parts"),
        Op::Shuffle { .. } => return Err("only some versions of Caffe shuffle channels"),
        Op::LayerNorm { .. } => return Err("Caffe has no norm over the channels of a pixel"),
        Op::Pad { .. } => return Err("Caffe pads within convolutions and pooling only"),
        Op::Rearrange(_) => return Err("Caffe turns no channels and places about"),
        Op::Tokens { .. } | Op::Attention { .. } | Op::Token { .. } => {
            return Err("Caffe has no sequences of tokens");
        }
        Op::Input { .. } | Op::Conv2d(_) | Op::Linear { .. } | Op::BatchNorm { .. } => {
            return Err("it is written elsewhere");
        }
    })
}

type Param = Option<(&'static str, Vec<(&'static str, Set)>)>;

fn curve(activation: Activation) -> Result<(&'static str, Param), &'static str> {
    Ok(match activation {
        Activation::Sigmoid => ("Sigmoid", None),
        Activation::Tanh => ("TanH", None),
        Activation::LeakyRelu { slope } => {
            ("ReLU", Some(("relu_param", vec![("negative_slope", Set::Float(slope))])))
        }
        Activation::Elu { alpha } => {
            ("ELU", Some(("elu_param", vec![("alpha", Set::Float(alpha))])))
        }
        Activation::HardSigmoid
        | Activation::HardSwish
        | Activation::Silu
        | Activation::Gelu
        | Activation::GeluTanh
        | Activation::Clip { .. } => return Err("Caffe has no such function"),
    })
}

fn pooling(how: &'static str, window: &Window) -> Result<Vec<(&'static str, Set)>, &'static str> {
    let mut set = vec![("pool", Set::Word(how))];
    set.extend(extents(window.size, window.stride, window.pad)?);
    if window.rounding == Rounding::Floor {
        set.push(("round_mode", Set::Word("FLOOR")));
    }
    Ok(set)
}

/// Extent, step and padding, one number for both axes where they agree.
fn extents(
    size: [usize; 2],
    stride: [usize; 2],
    pad: Pad,
) -> Result<Vec<(&'static str, Set)>, &'static str> {
    if pad.top != pad.bottom || pad.left != pad.right {
        return Err("Caffe pads both sides alike");
    }
    let names = [
        ["kernel_size", "kernel_h", "kernel_w"],
        ["stride", "stride_h", "stride_w"],
        ["pad", "pad_h", "pad_w"],
    ];
    let mut set = Vec::new();
    for ([both, h, w], value) in names.into_iter().zip([size, stride, [pad.top, pad.left]]) {
        if value[0] == value[1] {
            set.push((both, Set::Int(value[0])));
        } else {
            set.extend([(h, Set::Int(value[0])), (w, Set::Int(value[1]))]);
        }
    }
    Ok(set)
}

fn prototxt(name: &str, input: &str, dims: &[usize], outs: &[Out]) -> String {
    let quoted = |s: &str| Literal::Text(s.to_owned()).to_string();
    let shape: Vec<String> = dims.iter().map(|d| format!("dim: {d}")).collect();
    let (called, shape) = (quoted(input), shape.join(" "));
    let mut text = format!(
        "name: {}\nlayer {{\n  name: {called}\n  type: \"Input\"\n  top: {called}\n  input_param {{ \
         shape {{ {shape} }} }}\n}}\n",
        quoted(name)
    );
    // Writing to a String cannot fail.
    for out in outs {
        let _ = writeln!(text, "layer {{\n  name: {}\n  type: \"{}\"", quoted(&out.name), out.kind);
        for bottom in &out.bottoms {
            let _ = writeln!(text, "  bottom: {}", quoted(bottom));
        }
        let _ = writeln!(text, "  top: {}", quoted(&out.name));
        if let Some((param, fields)) = &out.param {
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| match value {
                    Set::Int(n) => format!("{key}: {n}"),
                    Set::Float(x) => format!("{key}: {}", Literal::Float(*x)),
                    Set::Bool(b) => format!("{key}: {b}"),
                    Set::Word(word) => format!("{key}: {word}"),
                })
                .collect();
            let _ = writeln!(text, "  {param} {{ {} }}", fields.join(" "));
        }
        text.push_str("}\n");
    }
    text
}

fn caffemodel(name: &str, input: &str, dims: &[usize], outs: &[Out]) -> Vec<u8> {
    let mut file = Writer::new();
    file.text(1, name);
    file.message(100, |layer| {
        layer.text(1, input);
        layer.text(2, "Input");
        layer.text(4, input);
        layer.message(143, |p| p.message(1, |shape| shape.packed_ints(1, &ints(dims))));
    });
    for out in outs {
        file.message(100, |layer| {
            layer.text(1, &out.name);
            layer.text(2, out.kind);
            for bottom in &out.bottoms {
                layer.text(3, bottom);
            }
            layer.text(4, &out.name);
            for (shape, values) in &out.blobs {
                layer.message(7, |blob| {
                    blob.packed_floats(5, values);
                    blob.message(7, |s| s.packed_ints(1, &ints(shape)));
                });
            }
            if let Some((param, fields)) = &out.param
                && let Some((number, Kind::Message(known))) = schema::LAYER.find(param)
            {
                layer.message(number, |p| fields.iter().for_each(|f| setting(p, known, *f)));
            }
        });
    }
    file.into_bytes()
}

fn ints(dims: &[usize]) -> Vec<i64> {
    dims.iter().map(|d| *d as i64).collect()
}

fn setting(to: &mut Writer, known: &Schema, (key, value): (&str, Set)) {
    let Some((number, kind)) = known.find(key) else { return };
    match (value, kind) {
        (Set::Int(n), _) => to.int(number, n as i64),
        (Set::Float(x), _) => to.float(number, x),
        (Set::Bool(b), _) => to.int(number, i64::from(b)),
        (Set::Word(word), Kind::Enum(words)) => {
            to.int(number, words.iter().find(|w| w.1 == word).map_or(0, |w| w.0));
        }
        (Set::Word(_), _) => {}
    }
}
