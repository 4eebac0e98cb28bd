//! The graph as text, both ways: one layer a line, `NAME = OP INPUT… KEY=VALUE…`, then `-> OUTPUT…`.
//!
//! ```text
//! image = input 3x32x32                              # a comment
//! conv1 = conv2d image out=16 size=3 stride=2 pad=1
//! bn1 = batch_norm conv1 eps=0.00001
//! relu1 = relu bn1
//! pool = global_avg_pool relu1
//! fc = linear pool out=10
//! -> fc
//! ```
//!
//! Windows are `size=3` or `size=3x5` (height x width), likewise `stride` and `dilation`; `pad=1` or
//! `pad=0,0,1,1` (top, left, bottom, right). Settings at their defaults are not printed:
//! `stride=1 pad=0 dilation=1 groups=1 rounding=floor`, `bias=no` for `conv2d`, `bias=yes` for
//! `linear`, `count_pad=yes`, no `min` or `max` for `clip`. `parse(print(graph)) == graph` for every graph.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use regraft_tensor::Shape;

use crate::error::NotationProblem as Problem;
use crate::op::{Activation, Conv2d, Pad, Rearrange, Rounding, Window};
use crate::{Graph, LayerId, NetError, Op, nearest};

/// Every operation's word.
pub const OPS: [&str; 38] = [
    "input",
    "conv2d",
    "batch_norm",
    "relu",
    "relu6",
    "sigmoid",
    "hard_sigmoid",
    "hard_swish",
    "silu",
    "gelu",
    "gelu_tanh",
    "tanh",
    "leaky_relu",
    "elu",
    "clip",
    "affine",
    "scale",
    "prelu",
    "slice",
    "shuffle",
    "layer_norm",
    "pad",
    "mul",
    "tokens",
    "rearrange",
    "attention",
    "token",
    "max_pool",
    "avg_pool",
    "global_avg_pool",
    "linear",
    "lrn",
    "add",
    "concat",
    "flatten",
    "softmax",
    "dropout",
    "identity",
];

/// The graph as text.
pub fn print(graph: &Graph) -> String {
    let mut text = String::new();
    for (_, layer) in graph.layers() {
        let _ = write!(text, "{} = {}", layer.name, layer.op.name());
        for input in &layer.inputs {
            let _ = write!(text, " {}", graph.layer(*input).name);
        }
        settings(&layer.op, &mut text);
        text.push('\n');
    }
    text.push_str("->");
    for id in graph.outputs() {
        let _ = write!(text, " {}", graph.layer(*id).name);
    }
    text.push('\n');
    text
}

/// An operation with its settings as the notation has them, without inputs: `conv2d out=64 size=7x7 stride=2x2`.
pub fn describe(op: &Op) -> String {
    let mut text = op.name().to_owned();
    settings(op, &mut text);
    text
}

fn settings(op: &Op, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = match op {
        Op::Input { shape } => write!(text, " {shape}"),
        Op::Conv2d(c) => {
            let _ = write!(text, " out={} size={}", c.out, Pair(c.size));
            differs(text, "stride", c.stride, [1, 1]);
            padding(text, "pad", c.pad);
            differs(text, "dilation", c.dilation, [1, 1]);
            if c.groups != 1 {
                let _ = write!(text, " groups={}", c.groups);
            }
            text.write_str(if c.bias { " bias=yes" } else { "" })
        }
        Op::BatchNorm { eps } | Op::LayerNorm { eps } => write!(text, " eps={eps}"),
        Op::MaxPool(w) => {
            window(text, w);
            Ok(())
        }
        Op::AvgPool { window: w, count_pad } => {
            window(text, w);
            text.write_str(if *count_pad { "" } else { " count_pad=no" })
        }
        Op::Linear { out, bias } => {
            let _ = write!(text, " out={out}");
            text.write_str(if *bias { "" } else { " bias=no" })
        }
        Op::Lrn { size, alpha, beta, k } => {
            write!(text, " size={size} alpha={alpha} beta={beta} k={k}")
        }
        Op::Dropout { rate } => write!(text, " rate={rate}"),
        Op::Activate(Activation::LeakyRelu { slope }) => write!(text, " slope={slope}"),
        Op::Activate(Activation::Elu { alpha }) => write!(text, " alpha={alpha}"),
        Op::Activate(Activation::Clip { min, max }) => {
            for (key, limit) in [("min", min), ("max", max)].iter().filter(|(_, x)| x.is_finite()) {
                let _ = write!(text, " {key}={limit}");
            }
            Ok(())
        }
        Op::Scale { bias } => text.write_str(if *bias { " bias=yes" } else { "" }),
        Op::Slice { from, to } => write!(text, " from={from} to={to}"),
        Op::Shuffle { groups } => write!(text, " groups={groups}"),
        Op::Affine { scale, shift } => write!(text, " scale={} shift={}", List(scale), List(shift)),
        Op::Pad { pad, crop } => {
            padding(text, "pad", *pad);
            padding(text, "crop", *crop);
            Ok(())
        }
        Op::Tokens { first } => write!(text, " first={first}"),
        Op::Rearrange(how) => {
            let view = Shape::from(how.view.clone());
            let order: Vec<String> = how.order.iter().map(ToString::to_string).collect();
            write!(text, " view={view} order={} to={}", order.join(","), how.to)
        }
        Op::Attention { heads, biases, talking } => {
            let _ = write!(text, " heads={heads}");
            if *biases != 0 {
                let _ = write!(text, " biases={biases}");
            }
            text.write_str(if *talking { " talking=yes" } else { "" })
        }
        Op::Token { index } => write!(text, " index={index}"),
        Op::Activate(_)
        | Op::Prelu
        | Op::Mul
        | Op::Relu
        | Op::Relu6
        | Op::GlobalAvgPool
        | Op::Add
        | Op::Concat
        | Op::Flatten
        | Op::Softmax
        | Op::Identity => Ok(()),
    };
}

struct Pair([usize; 2]);

impl std::fmt::Display for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [h, w] = self.0;
        if h == w { write!(f, "{h}") } else { write!(f, "{h}x{w}") }
    }
}

fn differs(text: &mut String, key: &str, value: [usize; 2], default: [usize; 2]) {
    if value != default {
        let _ = write!(text, " {key}={}", Pair(value));
    }
}

struct List<'a>(&'a [f32]);

impl std::fmt::Display for List<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, value) in self.0.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}{value}")?;
        }
        Ok(())
    }
}

fn padding(text: &mut String, key: &str, p: Pad) {
    if p == Pad::all(p.top) {
        if p.top != 0 {
            let _ = write!(text, " {key}={}", p.top);
        }
    } else {
        let _ = write!(text, " {key}={},{},{},{}", p.top, p.left, p.bottom, p.right);
    }
}

fn window(text: &mut String, w: &Window) {
    let _ = write!(text, " size={}", Pair(w.size));
    differs(text, "stride", w.stride, [1, 1]);
    padding(text, "pad", w.pad);
    if w.rounding == Rounding::Ceil {
        text.push_str(" rounding=ceil");
    }
}

/// Reads a graph from its text.
///
/// # Errors
/// With the number of the first line that cannot be read and what it should say.
pub fn parse(text: &str) -> Result<Graph, NetError> {
    let mut graph = Graph::new();
    let mut ended = false;
    for (i, line) in text.lines().enumerate() {
        let content = line.split('#').next().unwrap_or_default().trim();
        if content.is_empty() {
            continue;
        }
        let at = |problem| NetError::Notation { line: i + 1, problem };
        if ended {
            return Err(at(Problem::AfterOutput(shortened(content))));
        }
        if let Some(names) = content.strip_prefix("->") {
            let names: Vec<&str> = names.split_whitespace().collect();
            graph.set_outputs(&names).map_err(|e| at(Problem::Layer(Box::new(e))))?;
            ended = true;
        } else {
            layer(&mut graph, content).map_err(at)?;
        }
    }
    if ended { Ok(graph) } else { Err(NetError::NoOutput) }
}

/// Whether a text means to be notation: its first line that is not empty or a comment has the form of
/// one, `NAME = OP …` or `-> NAME…`.
pub fn is_notation(text: &str) -> bool {
    let mut lines = text.lines().map(|l| l.split('#').next().unwrap_or_default().trim());
    let first = lines.find(|l| !l.is_empty()).unwrap_or_default();
    first.starts_with("->")
        || first.split_once(" = ").is_some_and(|(name, _)| !name.contains(char::is_whitespace))
}

fn shortened(line: &str) -> String {
    line.chars().take(60).collect()
}

fn layer(graph: &mut Graph, line: &str) -> Result<(), Problem> {
    let form = || Problem::Form(shortened(line));
    let (name, rest) = line.split_once(" = ").ok_or_else(form)?;
    let mut words = rest.split_whitespace();
    let op_word = words.next().ok_or_else(form)?;
    if !OPS.contains(&op_word) {
        return Err(Problem::NoOp { name: shortened(op_word), near: nearest(op_word, OPS) });
    }
    let mut plain = Vec::new();
    let mut keys = Keys { op: op_word, values: BTreeMap::new() };
    for word in words {
        match word.split_once('=') {
            Some((key, value)) => drop(keys.values.insert(key, value)),
            None => plain.push(word),
        }
    }
    let op = operation(op_word, &mut keys, &mut plain)?;
    if let Some(key) = keys.values.keys().next() {
        return Err(Problem::NoKey { op: op_word.to_owned(), key: (*key).to_owned() });
    }
    let wrap = |e| Problem::Layer(Box::new(e));
    let inputs: Vec<LayerId> =
        plain.iter().map(|n| graph.find(n)).collect::<Result<_, _>>().map_err(wrap)?;
    graph.push(name.trim(), op, &inputs).map_err(wrap)?;
    Ok(())
}

fn operation(word: &str, keys: &mut Keys<'_>, plain: &mut Vec<&str>) -> Result<Op, Problem> {
    Ok(match word {
        "input" => Op::Input { shape: shape(plain)? },
        "conv2d" => Op::Conv2d(Conv2d {
            out: keys.number("out", None)?,
            size: keys.pair("size", None)?,
            stride: keys.pair("stride", Some([1, 1]))?,
            pad: keys.sides("pad")?,
            dilation: keys.pair("dilation", Some([1, 1]))?,
            groups: keys.number("groups", Some(1))?,
            bias: keys.yes("bias", false)?,
        }),
        "batch_norm" => Op::BatchNorm { eps: keys.float("eps", None)? },
        "relu" => Op::Relu,
        "relu6" => Op::Relu6,
        "sigmoid" => Op::Activate(Activation::Sigmoid),
        "hard_sigmoid" => Op::Activate(Activation::HardSigmoid),
        "hard_swish" => Op::Activate(Activation::HardSwish),
        "silu" => Op::Activate(Activation::Silu),
        "gelu" => Op::Activate(Activation::Gelu),
        "gelu_tanh" => Op::Activate(Activation::GeluTanh),
        "tanh" => Op::Activate(Activation::Tanh),
        "leaky_relu" => {
            Op::Activate(Activation::LeakyRelu { slope: keys.float("slope", Some(0.01))? })
        }
        "elu" => Op::Activate(Activation::Elu { alpha: keys.float("alpha", Some(1.0))? }),
        "clip" => Op::Activate(Activation::Clip {
            min: keys.float("min", Some(f32::NEG_INFINITY))?,
            max: keys.float("max", Some(f32::INFINITY))?,
        }),
        "affine" => Op::Affine { scale: keys.list("scale")?, shift: keys.list("shift")? },
        "scale" => Op::Scale { bias: keys.yes("bias", false)? },
        "prelu" => Op::Prelu,
        "slice" => Op::Slice { from: keys.number("from", Some(0))?, to: keys.number("to", None)? },
        "shuffle" => Op::Shuffle { groups: keys.number("groups", None)? },
        "layer_norm" => Op::LayerNorm { eps: keys.float("eps", None)? },
        "pad" => Op::Pad { pad: keys.sides("pad")?, crop: keys.sides("crop")? },
        "mul" => Op::Mul,
        "tokens" => Op::Tokens { first: keys.number("first", Some(1))? },
        "rearrange" => Op::Rearrange(Rearrange {
            view: keys.extents("view")?,
            order: keys.order("order")?,
            to: keys.extents("to")?.into(),
        }),
        "attention" => Op::Attention {
            heads: keys.number("heads", None)?,
            biases: keys.number("biases", Some(0))?,
            talking: keys.yes("talking", false)?,
        },
        "token" => Op::Token { index: keys.number("index", Some(0))? },
        "max_pool" => Op::MaxPool(keys.window()?),
        "avg_pool" => {
            Op::AvgPool { window: keys.window()?, count_pad: keys.yes("count_pad", true)? }
        }
        "global_avg_pool" => Op::GlobalAvgPool,
        "linear" => Op::Linear { out: keys.number("out", None)?, bias: keys.yes("bias", true)? },
        "lrn" => Op::Lrn {
            size: keys.number("size", None)?,
            alpha: keys.float("alpha", None)?,
            beta: keys.float("beta", None)?,
            k: keys.float("k", Some(1.0))?,
        },
        "add" => Op::Add,
        "concat" => Op::Concat,
        "flatten" => Op::Flatten,
        "softmax" => Op::Softmax,
        "dropout" => Op::Dropout { rate: keys.float("rate", None)? },
        "identity" => Op::Identity,
        _ => return Err(Problem::NoOp { name: word.to_owned(), near: Vec::new() }),
    })
}

/// Takes the shape of an `input` off the plain words.
fn shape(plain: &mut Vec<&str>) -> Result<Shape, Problem> {
    let words = std::mem::take(plain);
    let word = words.join(" ");
    let dims: Option<Vec<usize>> = word.split('x').map(|d| d.parse().ok()).collect();
    dims.map(Shape::from).ok_or(Problem::Value {
        key: "input".to_owned(),
        value: shortened(&word),
        wanted: "a shape like 3x224x224",
    })
}

struct Keys<'a> {
    op: &'a str,
    values: BTreeMap<&'a str, &'a str>,
}

impl Keys<'_> {
    fn take<T>(
        &mut self,
        key: &'static str,
        default: Option<T>,
        wanted: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Problem> {
        let Some(value) = self.values.remove(key) else {
            return default.ok_or(Problem::MissingKey { op: self.op.to_owned(), key });
        };
        let wrong = || Problem::Value { key: key.to_owned(), value: shortened(value), wanted };
        read(value).ok_or_else(wrong)
    }

    fn number(&mut self, key: &'static str, default: Option<usize>) -> Result<usize, Problem> {
        self.take(key, default, "a whole number up to 16777216", |v| {
            v.parse().ok().filter(|n| *n <= 1 << 24)
        })
    }

    fn float(&mut self, key: &'static str, default: Option<f32>) -> Result<f32, Problem> {
        self.take(key, default, "a finite number", |v| {
            v.parse().ok().filter(|x: &f32| x.is_finite())
        })
    }

    fn yes(&mut self, key: &'static str, default: bool) -> Result<bool, Problem> {
        self.take(key, Some(default), "yes or no", |v| match v {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        })
    }

    fn pair(
        &mut self,
        key: &'static str,
        default: Option<[usize; 2]>,
    ) -> Result<[usize; 2], Problem> {
        self.take(key, default, "a number of pixels like 3, or 3x5", |v| {
            let (h, w) = v.split_once('x').unwrap_or((v, v));
            Some([pixels(h)?, pixels(w)?])
        })
    }

    fn list(&mut self, key: &'static str) -> Result<Vec<f32>, Problem> {
        self.take(key, None, "finite numbers like 0.5,0.25", |v| {
            let finite = |v: &str| v.parse().ok().filter(|x: &f32| x.is_finite());
            v.split(',').map(finite).collect()
        })
    }

    fn extents(&mut self, key: &'static str) -> Result<Vec<usize>, Problem> {
        self.take(key, None, "extents like 64x14x14", |v| {
            v.split('x').map(|n| n.parse().ok().filter(|n| *n <= 1 << 24)).collect()
        })
    }

    fn order(&mut self, key: &'static str) -> Result<Vec<usize>, Problem> {
        self.take(key, None, "axes of the view like 1,2,0", |v| v.split(',').map(pixels).collect())
    }

    fn sides(&mut self, key: &'static str) -> Result<Pad, Problem> {
        self.take(key, Some(Pad::default()), "pixels like 1, or top,left,bottom,right", |v| {
            let sides: Vec<usize> = v.split(',').map(pixels).collect::<Option<_>>()?;
            match sides[..] {
                [all] => Some(Pad::all(all)),
                [top, left, bottom, right] => Some(Pad { top, left, bottom, right }),
                _ => None,
            }
        })
    }

    fn window(&mut self) -> Result<Window, Problem> {
        Ok(Window {
            size: self.pair("size", None)?,
            stride: self.pair("stride", Some([1, 1]))?,
            pad: self.sides("pad")?,
            rounding: self.take(
                "rounding",
                Some(Rounding::Floor),
                "floor or ceil",
                |v| match v {
                    "floor" => Some(Rounding::Floor),
                    "ceil" => Some(Rounding::Ceil),
                    _ => None,
                },
            )?,
        })
    }
}

fn pixels(text: &str) -> Option<usize> {
    text.parse().ok().filter(|n| *n <= 1 << 16)
}
