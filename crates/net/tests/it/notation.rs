use proptest::prelude::*;
use regraft_net::op::{Activation, Conv2d, Pad, Rounding, Window};
use regraft_net::{Graph, NetError, Op, notation};
use regraft_testkit::small_networks;

#[test]
fn every_small_network_prints_and_reads_back_the_same() {
    for (name, network) in small_networks() {
        let text = notation::print(network.graph());
        assert_eq!(&notation::parse(&text).unwrap(), network.graph(), "{name}");
    }
}

#[test]
fn defaults_are_not_printed_and_settings_are() {
    let mut graph = Graph::new();
    let x = graph.push("x", Op::Input { shape: [3, 8, 8].into() }, &[]).unwrap();
    let pad = Pad { top: 0, left: 0, bottom: 1, right: 1 };
    let conv = Conv2d { dilation: [2, 1], ..Conv2d::new(4, 3).stride(2).pad(pad) };
    let y = graph.push("c", Op::Conv2d(conv), &[x]).unwrap();
    graph.push("n", Op::BatchNorm { eps: 1e-5 }, &[y]).unwrap();
    let clip = |min, max| Op::Activate(Activation::Clip { min, max });
    let below = graph.push("a", clip(f32::NEG_INFINITY, 1.5), &[y]).unwrap();
    graph.push("b", clip(-1.0, f32::INFINITY), &[below]).unwrap();
    graph.push("s", Op::Scale { bias: false }, &[y]).unwrap();
    graph.push("t", Op::Scale { bias: true }, &[y]).unwrap();
    let text = "x = input 3x8x8\n\
                c = conv2d x out=4 size=3 stride=2 pad=0,0,1,1 dilation=2x1\n\
                n = batch_norm c eps=0.00001\n\
                a = clip c max=1.5\n\
                b = clip a min=-1\n\
                s = scale c\n\
                t = scale c bias=yes\n\
                -> t\n";
    assert_eq!(notation::print(&graph), text);
    assert_eq!(notation::parse(text).unwrap(), graph);
}

#[test]
fn a_line_that_cannot_be_read_is_named_with_what_it_wants() {
    let head = "x = input 3x8x8\n";
    let cases = [
        ("y conv2d x", "line 2: wants `NAME = OP INPUT… KEY=VALUE…`"),
        ("y = conv2 x", "no operation `conv2`; did you mean `conv2d`"),
        ("y = relu z", "no layer `z`"),
        ("y = conv2d x size=3", "`conv2d` wants `out=…`"),
        ("y = conv2d x out=many size=3", "`out=many` wants a whole number"),
        ("y = conv2d x out=4 size=3 colour=red", "`conv2d` has no setting `colour`"),
        ("y = conv2d x out=4 size=99999999", "`size=99999999` wants a number of pixels"),
        ("y = max_pool x size=3 rounding=up", "`rounding=up` wants floor or ceil"),
        ("x = relu x", "two layers are called `x`"),
        ("y = relu x x", "layer `y` (relu) has 2 inputs, wants 1"),
        ("y = input", "`input=` wants a shape like 3x224x224"),
        ("-> nothing", "no layer `nothing`"),
        ("-> x\ny = relu x", "line 3: nothing may follow the outputs"),
        ("y = relu x", "the graph has no output"),
    ];
    for (line, wanted) in cases {
        let error = notation::parse(&format!("{head}{line}")).unwrap_err().to_string();
        assert!(error.contains(wanted), "{line:?} gave {error:?}, wanted {wanted:?}");
    }
}

#[test]
fn a_name_with_a_slip_is_answered_with_the_nearest() {
    let graph = notation::parse("x = input 3x8x8\nlayer1.add = relu x\n-> layer1.add").unwrap();
    let error = graph.find("layer1.ad").unwrap_err().to_string();
    assert_eq!(error, "no layer `layer1.ad`; did you mean `layer1.add`?");
}

fn window() -> impl Strategy<Value = Window> {
    let side = 1..9usize;
    ((side.clone(), side.clone()), (side.clone(), side), pad(), any::<bool>()).prop_map(
        |(size, stride, pad, ceil)| Window {
            size: size.into(),
            stride: stride.into(),
            pad,
            rounding: if ceil { Rounding::Ceil } else { Rounding::Floor },
        },
    )
}

fn pad() -> impl Strategy<Value = Pad> {
    [0..4usize, 0..4, 0..4, 0..4].prop_map(|[top, left, bottom, right]| Pad {
        top,
        left,
        bottom,
        right,
    })
}

fn number() -> impl Strategy<Value = f32> {
    any::<f32>().prop_filter("finite", |x| x.is_finite())
}

/// Every operation with every setting; shapes need not fit, the notation does not care.
fn op() -> impl Strategy<Value = Op> {
    let conv = (1..99usize, window(), (1..4usize, 1..4usize), 1..9usize, any::<bool>());
    prop_oneof![
        [1..9usize, 1..9, 1..9].prop_map(|shape| Op::Input { shape: shape.into() }),
        conv.prop_map(|(out, w, dilation, groups, bias)| Op::Conv2d(Conv2d {
            out,
            size: w.size,
            stride: w.stride,
            pad: w.pad,
            dilation: dilation.into(),
            groups,
            bias,
        })),
        number().prop_map(|eps| Op::BatchNorm { eps }),
        Just(Op::Relu),
        Just(Op::Relu6),
        window().prop_map(Op::MaxPool),
        (window(), any::<bool>()).prop_map(|(window, count_pad)| Op::AvgPool { window, count_pad }),
        Just(Op::GlobalAvgPool),
        (1..99usize, any::<bool>()).prop_map(|(out, bias)| Op::Linear { out, bias }),
        (1..9usize, number(), number(), number()).prop_map(|(size, alpha, beta, k)| Op::Lrn {
            size,
            alpha,
            beta,
            k
        }),
        Just(Op::Add),
        Just(Op::Concat),
        Just(Op::Flatten),
        Just(Op::Softmax),
        number().prop_map(|rate| Op::Dropout { rate }),
        Just(Op::Identity),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_graph_reads_back_as_it_was_printed(ops in prop::collection::vec((op(), any::<[u8; 3]>()), 1..20)) {
        let mut graph = Graph::new();
        let first = graph.push("in.0", Op::Input { shape: [3, 9, 9].into() }, &[]).unwrap();
        let mut ids = vec![first];
        for (i, (op, picks)) in ops.into_iter().enumerate() {
            let many = matches!(op, Op::Add | Op::Concat);
            let one = usize::from(!matches!(op, Op::Input { .. }));
            let wants = if many { 1 + usize::from(picks[0]) % 3 } else { one };
            let inputs: Vec<_> = picks[..wants].iter().map(|p| ids[usize::from(*p) % ids.len()]).collect();
            ids.push(graph.push(format!("layer{i}.x"), op, &inputs).unwrap());
        }
        prop_assert_eq!(notation::parse(&notation::print(&graph)), Ok(graph));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[ -~\\n]{0,200}", lines in prop::collection::vec("(a|b|x) = (relu|conv2d|input|add) ?[a-z0-9=x,. ]{0,20}", 0..6)) {
        let _ = notation::parse(&text);
        let joined = format!("{}\n-> a", lines.join("\n"));
        if let Ok(graph) = notation::parse(&joined) {
            let _ = regraft_net::facts::facts(&graph);
        }
    }
}

#[test]
fn absurd_sizes_are_errors_not_overflows() {
    let lines = "c1 = conv2d x out=16777216 size=65536 pad=65535 dilation=65536 stride=65536\n\
                 c2 = conv2d c1 out=16777216 size=65536 pad=65535 dilation=65536 stride=65536\n-> c2";
    for input in ["3x18446744073709551615x2", "1099511627776", "0x3x3", "3x8x8"] {
        match notation::parse(&format!("x = input {input}\n{lines}")) {
            Ok(graph) => {
                assert!(matches!(regraft_net::facts::facts(&graph), Err(NetError::Shape { .. })));
            }
            Err(e) => assert!(matches!(e, NetError::Notation { .. }), "{e}"),
        }
    }
}
