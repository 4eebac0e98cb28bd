//! Windows and borders as ONNX operators.

use regraft_net::op::{Conv2d, Pad, Window};

use super::proto::{Attr, GraphWriter};

/// `[top, left, bottom, right]` as ONNX has them.
fn sides(pad: Pad) -> [i64; 4] {
    [pad.top, pad.left, pad.bottom, pad.right].map(|n| n as i64)
}

fn pair(extent: [usize; 2]) -> [i64; 2] {
    extent.map(|n| n as i64)
}

/// A convolution of `inputs` (values, kernel, bias).
pub(super) fn conv(graph: &mut GraphWriter, conv: &Conv2d, inputs: &[&str], out: &str) {
    let settings = [
        ("kernel_shape", Attr::Ints(&pair(conv.size))),
        ("strides", Attr::Ints(&pair(conv.stride))),
        ("pads", Attr::Ints(&sides(conv.pad))),
        ("dilations", Attr::Ints(&pair(conv.dilation))),
        ("group", Attr::Int(conv.groups as i64)),
    ];
    graph.node("Conv", inputs, out, &settings);
}

/// What a last, partial window reaches beyond the padding, `[rows, columns]`. Written as padding that
/// does not count, for runtimes do not agree on `ceil_mode`.
fn beyond(window: &Window, input: [usize; 2], output: [usize; 2]) -> [usize; 2] {
    let pads = [
        window.pad.top.saturating_add(window.pad.bottom),
        window.pad.left.saturating_add(window.pad.right),
    ];
    [0, 1].map(|i| {
        let last = output[i].saturating_sub(1).saturating_mul(window.stride[i]);
        let reach = last.saturating_add(window.size[i]);
        reach.saturating_sub(input[i].saturating_add(pads[i]))
    })
}

/// What is computed of a window.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Max,
    /// Of the values in the map.
    Mean,
    /// Of the values in the map and its padding.
    PaddedMean,
}

/// A window that moves over `x` with other padding than its own.
fn windows(graph: &mut GraphWriter, of: Of, window: &Window, pad: Pad, [x, out]: [&str; 2]) {
    let (size, stride, pads) = (pair(window.size), pair(window.stride), sides(pad));
    let mut settings = vec![
        ("kernel_shape", Attr::Ints(&size)),
        ("strides", Attr::Ints(&stride)),
        ("pads", Attr::Ints(&pads)),
    ];
    if of == Of::PaddedMean {
        settings.push(("count_include_pad", Attr::Int(1)));
    }
    graph.node(if of == Of::Max { "MaxPool" } else { "AveragePool" }, &[x], out, &settings);
}

fn widened(pad: Pad, [rows, columns]: [usize; 2]) -> Pad {
    Pad { bottom: pad.bottom + rows, right: pad.right + columns, ..pad }
}

/// The largest value of each window; `[height, width]` of what goes in and comes out.
pub(super) fn max(
    graph: &mut GraphWriter,
    window: &Window,
    [input, output]: [[usize; 2]; 2],
    between: [&str; 2],
) {
    let pad = widened(window.pad, beyond(window, input, output));
    windows(graph, Of::Max, window, pad, between);
}

/// The mean of each window.
pub(super) fn mean(
    graph: &mut GraphWriter,
    (window, count_pad): (&Window, bool),
    [input, output]: [[usize; 2]; 2],
    [x, out]: [&str; 2],
) {
    let beyond = beyond(window, input, output);
    let none = Pad::all(0);
    if !count_pad || window.pad == none {
        let pad = widened(window.pad, beyond);
        windows(graph, Of::Mean, window, pad, [x, out]);
    } else if beyond == [0, 0] {
        windows(graph, Of::PaddedMean, window, window.pad, [x, out]);
    } else {
        // Of the zeros around, some count and some do not: the first become part of the map.
        let wide = graph.fresh(&format!("{out}/wide"));
        border(graph, window.pad, none, [x, &wide]);
        windows(graph, Of::Mean, window, widened(none, beyond), [&wide, out]);
    }
}

/// Zeros around a map, then rows and columns cut off it.
pub(super) fn border(graph: &mut GraphWriter, pad: Pad, crop: Pad, [x, out]: [&str; 2]) {
    // What is put on a side and cut off it again need not be there.
    let less = |a: Pad, b: Pad| Pad {
        top: a.top.saturating_sub(b.top),
        left: a.left.saturating_sub(b.left),
        bottom: a.bottom.saturating_sub(b.bottom),
        right: a.right.saturating_sub(b.right),
    };
    let (pad, crop) = (less(pad, crop), less(crop, pad));
    let none = Pad::all(0);
    let mut at = x.to_owned();
    if pad != none {
        let [top, left, bottom, right] = sides(pad);
        let pads = graph.ints(&[0, 0, top, left, 0, 0, bottom, right]);
        let target = if crop == none { out.to_owned() } else { graph.fresh(&format!("{out}/pad")) };
        graph.node("Pad", &[x, &pads], &target, &[]);
        at = target;
    }
    if crop != none {
        let [top, left, bottom, right] = sides(crop);
        let end = |n: i64| if n == 0 { i64::MAX } else { -n };
        let bounds = [[top, left], [end(bottom), end(right)], [2, 3]];
        let [from, to, axes] = bounds.map(|list| graph.ints(&list));
        graph.node("Slice", &[&at, &from, &to, &axes], out, &[]);
    }
    if pad == none && crop == none {
        graph.node("Identity", &[x], out, &[]);
    }
}
