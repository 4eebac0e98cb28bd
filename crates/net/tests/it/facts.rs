use regraft_net::facts::facts;
use regraft_net::op::Pad;
use regraft_net::{NetError, notation};

fn shape(text: &str) -> Result<String, NetError> {
    Ok(facts(&notation::parse(text)?)?.output().shape.to_string())
}

#[test]
fn shapes_follow_padding_stride_dilation_and_rounding() {
    let cases = [
        ("3x224x224", "conv2d x out=64 size=7 stride=2 pad=3", "64x112x112"),
        ("3x224x224", "conv2d x out=32 size=3 stride=2 pad=0,0,1,1", "32x112x112"),
        ("3x13x9", "conv2d x out=8 size=3 dilation=2", "8x9x5"),
        ("8x14x14", "conv2d x out=8 size=3 groups=4 pad=1", "8x14x14"),
        // CaffeNet: 55 pixels, window 3, step 2: both roundings give 27; 56 pixels tell them apart.
        ("96x55x55", "max_pool x size=3 stride=2 rounding=ceil", "96x27x27"),
        ("96x56x56", "max_pool x size=3 stride=2 rounding=ceil", "96x28x28"),
        ("96x56x56", "max_pool x size=3 stride=2", "96x27x27"),
        // The last window would start in the trailing padding: dropped, in Caffe and PyTorch alike.
        ("4x3x3", "max_pool x size=2 stride=2 pad=1 rounding=ceil", "4x2x2"),
        ("4x5x7", "avg_pool x size=3 stride=2 pad=1", "4x3x4"),
        ("4x5x7", "flatten x", "140"),
        ("4x5x7", "global_avg_pool x", "4"),
        ("4x5x7", "concat x x x", "12x5x7"),
        ("4x5x7", "linear x out=3", "3x5x7"),
        ("4x5x7", "pad x pad=1,0,0,2 crop=0,1,1,0", "4x5x8"),
        ("4x5x7", "tokens x first=2", "4x37x1"),
        ("12x5x1", "attention x heads=2", "4x5x1"),
        ("12x5x3", "attention x heads=2 biases=6", "4x5x3"),
        ("6x2x2", "rearrange x view=6x4 order=1,0 to=4x6x1", "4x6x1"),
        ("12x5x1", "token x index=4", "12"),
        ("12x5x2", "slice x from=3 to=12", "9x5x2"),
        ("12", "slice x to=1", "1"),
        ("12x5x2", "shuffle x groups=3", "12x5x2"),
        ("12x5x2", "scale x bias=yes", "12x5x2"),
        ("12", "prelu x", "12"),
    ];
    for (input, line, wanted) in cases {
        let text = format!("x = input {input}\ny = {line}\n-> y");
        assert_eq!(shape(&text).unwrap(), wanted, "{line} on {input}");
    }
}

#[test]
fn a_shape_that_does_not_fit_names_layer_shapes_and_what_is_wanted() {
    let cases = [
        (
            "3x4",
            "linear x out=2",
            "layer `y` (linear) got 3x4, wants a vector [N] or a map [C, H, W]",
        ),
        ("3x4x4", "affine x scale=1,2 shift=0,0", "as many channels as factors (2)"),
        ("3x4x4", "pad x crop=2", "a map larger than what is cut off it"),
        ("12x4x1", "attention x heads=3", "sequences [3·D, T, W], or"),
        ("12x4x2", "attention x heads=2 biases=3", "biases none, 2, or 2 for each of W"),
        ("12x4x1", "attention x x heads=1", "has 2 inputs, wants 1 or 3"),
        ("12x4x1", "attention x x x heads=5", "with D and E in 5 heads"),
        ("12x4x1", "attention x heads=2 biases=2 talking=yes", "none where heads are mixed"),
        ("6x2x2", "rearrange x view=6x4 order=0,0 to=4x6x1", "each axis of the view once"),
        ("6x2x2", "rearrange x view=6x4 order=1,0 to=4x5x1", "as many values as the view"),
        ("4x2x1", "token x index=2", "of more than 2 tokens"),
        ("3x4x4", "slice x from=2 to=4", "channels 2 to 4 to be some of them"),
        ("3x4x4", "slice x from=2 to=2", "channels 2 to 2 to be some of them"),
        ("3x4x4", "shuffle x groups=2", "channels in 2 groups"),
        ("3x4x4", "shuffle x groups=0", "channels in 0 groups"),
        ("3x4x4", "clip x min=1 max=1", "a min (1) below max (1)"),
        ("3x4x4", "layer_norm x eps=-1", "a finite eps of at least 0"),
        ("3x4x4", "conv2d x out=4 size=9", "wants a map of at least the kernel's size 9x9"),
        ("3x4x4", "conv2d x out=4 size=1 groups=2", "channels in (3) and out (4) in 2 groups"),
        ("10", "conv2d x out=4 size=1", "got 10, wants one map [C, H, W]"),
        ("3x4x4", "max_pool x size=2 pad=2", "padding below the size"),
        ("3x4x4", "conv2d x out=4 size=1 stride=0", "a stride"),
        ("3x4x4", "batch_norm x eps=-1", "a finite eps of at least 0"),
        ("3x4x4", "lrn x size=4 alpha=1 beta=1", "an odd size"),
    ];
    for (input, line, wanted) in cases {
        let text = format!("x = input {input}\ny = {line}\n-> y");
        let error = shape(&text).unwrap_err().to_string();
        assert!(error.contains(wanted), "{line}: {error}");
    }
    let lines = "x = input 6x2x4\nk = conv2d x out=6 size=1 stride=2\n";
    let error =
        shape(&format!("{lines}y = attention x k x heads=2\n-> y")).unwrap_err().to_string();
    assert!(error.contains("got 6x2x4 and 6x1x2 and 6x2x4, wants sequences"), "{error}");
    let two = "x = input 3x4x4\na = conv2d x out=3 size=3\ny = add a x\n-> y";
    assert!(
        shape(two).unwrap_err().to_string().contains("got 3x2x2 and 3x4x4, wants inputs of one")
    );
}

#[test]
fn receptive_field_cost_and_parameters_of_a_known_stack() {
    let graph = notation::parse(
        "x = input 3x32x32
         c1 = conv2d x out=8 size=3 stride=2 pad=1
         n1 = batch_norm c1 eps=0.001
         p = max_pool n1 size=2 stride=2
         c2 = conv2d p out=16 size=3 pad=1 bias=yes
         g = global_avg_pool c2
         fc = linear g out=10
         -> fc",
    )
    .unwrap();
    let facts = facts(&graph).unwrap();
    let of = |name: &str| facts.layer(graph.find(name).unwrap());
    // c1: 3; p: 3 + 2 = 5 at stride 4; c2: 5 + 2·4 = 13.
    let field = of("c2").field.unwrap();
    assert_eq!((field.size, field.stride, field.start), ([13, 13], [4, 4], [-5, -5]));
    assert!(of("g").field.is_none(), "a pooled value sees the whole picture");
    assert_eq!(of("c1").macs, 8 * 16 * 16 * 27);
    assert_eq!(of("fc").macs, 160);
    assert_eq!(of("n1").param_count(), 32);
    let text = "x = input 6x3x3\ns = scale x bias=yes\np = prelu s\nc = slice p to=2\n-> c";
    let few = regraft_net::facts::facts(&notation::parse(text).unwrap()).unwrap();
    assert_eq!((few.learned(), few.macs()), (6 + 6 + 6, 0));
    assert_eq!(few.output().field.unwrap().size, [1, 1]);
    assert_eq!(facts.learned(), 8 * 27 + 16 + (16 * 72 + 16) + 170);
    // The picture and the first map are alive together: more than any later pair.
    assert_eq!(facts.peak_bytes(), 4 * (3 * 32 * 32 + 8 * 16 * 16));
    let names: Vec<&str> = facts.params().map(|p| p.name.as_str()).collect();
    assert_eq!(names[..3], ["c1.weight", "n1.weight", "n1.bias"]);
}

#[test]
fn same_padding_puts_the_odd_pixel_after() {
    let same = |input, size, stride| Pad::same([input; 2], [size; 2], [stride; 2], [1, 1]);
    let uneven = Pad { top: 0, left: 0, bottom: 1, right: 1 };
    assert_eq!(same(224, 3, 2), uneven);
    assert_eq!(same(112, 5, 2), Pad { top: 1, left: 1, bottom: 2, right: 2 });
    assert_eq!(same(15, 3, 2), Pad::all(1));
    assert_eq!(same(14, 1, 1), Pad::all(0));
    for (input, size, stride) in [(0, 3, 2), (8, 0, 2), (8, 3, 0)] {
        assert_eq!(same(input, size, stride), Pad::all(0));
    }
    assert_eq!(same(8, usize::MAX, 1).top, usize::MAX / 2 - 4);
}
