//! Small networks that together use every layer, odd sizes and asymmetric windows.

use regraft_net::card::{Interpolation, Preprocess};
use regraft_net::{Card, Graph, Network, notation};

use crate::formula_params;

/// A network with formula weights and a card that says it is for tests.
///
/// # Panics
/// When the shapes do not fit along the graph.
pub fn with_formula_weights(graph: Graph) -> Network {
    let params = formula_params(&graph).expect("a test graph is well-formed");
    let card = Card {
        name: "test".to_owned(),
        framework: "none".to_owned(),
        dataset: "none".to_owned(),
        licence: "MIT OR Apache-2.0".to_owned(),
        origin: "formula weights".to_owned(),
        preprocess: Preprocess::imagenet(36, 32, Interpolation::Bilinear),
        labels: Vec::new(),
        cut: None,
        logits: None,
        blocks: Vec::new(),
    };
    Network::new(graph, &params, card).expect("formula weights fit their graph")
}

/// Notation of the small networks, each with a name.
const NETWORKS: &[(&str, &str)] = &[
    (
        "residual blocks, batch norm, relu6, depthwise, dropout, linear",
        "image = input 3x19x23
         stem = conv2d image out=20 size=3 stride=2 pad=0,0,1,1
         bn = batch_norm stem eps=0.001
         act = relu6 bn
         dw = conv2d act out=20 size=5 pad=2 groups=20
         dwbn = batch_norm dw eps=0.00001
         dwact = relu6 dwbn
         pw = conv2d dwact out=20 size=1
         pwbn = batch_norm pw eps=0.001
         sum = add pwbn act
         sumact = relu sum
         dw2 = conv2d sumact out=20 size=3 stride=2 pad=0,0,1,1 groups=20 bias=yes
         pool = global_avg_pool dw2
         drop = dropout pool rate=0.2
         fc = linear drop out=7
         prob = softmax fc
         -> prob",
    ),
    (
        "caffe style: lrn, grouped convolution, ceil pooling, flatten",
        "data = input 3x21x17
         conv1 = conv2d data out=24 size=5 stride=2 bias=yes
         relu1 = relu conv1
         pool1 = max_pool relu1 size=3 stride=2 rounding=ceil
         norm1 = lrn pool1 size=5 alpha=0.0001 beta=0.75 k=1
         conv2 = conv2d norm1 out=18 size=3 pad=1 groups=2 bias=yes
         relu2 = relu conv2
         pool2 = avg_pool relu2 size=3 stride=2 pad=1 rounding=ceil
         flat = flatten pool2
         fc = linear flat out=5
         -> fc",
    ),
    (
        "branches: concat, average pooling with and without padding, dilation, uneven windows",
        "image = input 3x15x18
         a = conv2d image out=33 size=1x7 pad=0,3,0,3 bias=yes
         arelu = relu a
         b = conv2d image out=16 size=3x1 dilation=2 pad=2,0,2,0
         bn = batch_norm b eps=0.001
         c = avg_pool image size=3 pad=1 count_pad=no
         d = max_pool image size=3 pad=1
         all = concat arelu bn c d
         mix = conv2d all out=10 size=2x3 stride=2x1 pad=0,1,1,1 groups=5
         skip = identity mix
         p = avg_pool skip size=3x2 stride=2x3 pad=1,0,1,1
         twice = add p p p
         soft = softmax twice
         -> soft",
    ),
    (
        "bottleneck with projection, seven by seven stem",
        "x = input 3x32x32
         conv1 = conv2d x out=16 size=7 stride=2 pad=3
         bn1 = batch_norm conv1 eps=0.00001
         relu1 = relu bn1
         maxpool = max_pool relu1 size=3 stride=2 pad=1
         c1 = conv2d maxpool out=8 size=1
         b1 = batch_norm c1 eps=0.00001
         r1 = relu b1
         c2 = conv2d r1 out=8 size=3 stride=2 pad=1
         b2 = batch_norm c2 eps=0.00001
         r2 = relu b2
         c3 = conv2d r2 out=32 size=1
         b3 = batch_norm c3 eps=0.00001
         d0 = conv2d maxpool out=32 size=1 stride=2
         d1 = batch_norm d0 eps=0.00001
         sum = add b3 d1
         out = relu sum
         pool = global_avg_pool out
         fc = linear pool out=10 bias=no
         -> fc",
    ),
    (
        "squeeze and excitation, curves, a product of maps, borders put on and cut off",
        "image = input 3x13x11
         norm = affine image scale=0.5,2,1.5 shift=0.1,-0.2,0
         stem = conv2d norm out=18 size=3 stride=2 pad=1
         bn = batch_norm stem eps=0.001
         act = hard_swish bn
         squeeze = global_avg_pool act
         down = linear squeeze out=5
         curve = silu down
         up = linear curve out=18
         gate = hard_sigmoid up
         scaled = mul act gate
         wide = pad scaled pad=1,2,0,1
         other = pad wide crop=1,0,0,2
         a = leaky_relu other slope=0.2
         b = tanh other
         product = mul a b
         c = sigmoid product
         d = gelu_tanh product
         sum = add c d
         layer = scale sum
         pool = global_avg_pool layer
         fc = linear pool out=4
         -> fc",
    ),
    (
        "a transformer: patches, tokens, attention, layer norms over maps and vectors",
        "image = input 3x12x9
         patches = conv2d image out=20 size=3 stride=3 bias=yes
         local = layer_norm patches eps=0.00001
         tokens = tokens local first=1
         norm1 = layer_norm tokens eps=0.000001
         qkv = linear norm1 out=60
         mixed = attention qkv heads=2
         proj = linear mixed out=20
         ls1 = scale proj
         sum1 = add tokens ls1
         norm2 = layer_norm sum1 eps=0.000001
         fc1 = linear norm2 out=33
         act = gelu fc1
         fc2 = linear act out=20
         sum2 = add sum1 fc2
         class = token sum2
         norm = layer_norm class eps=0.00001
         head = linear norm out=5
         -> head",
    ),
    (
        "channels and places turned about, windows of a map, attention with biases",
        "image = input 3x12x8
         patches = conv2d image out=12 size=2 stride=2 bias=yes
         tokens = tokens patches first=0
         turned = rearrange tokens view=12x24 order=1,0 to=24x12x1
         mix1 = linear turned out=10
         act = gelu mix1
         mix2 = linear act out=24
         back = rearrange mix2 view=24x12 order=1,0 to=12x6x4
         windows = rearrange back view=12x2x3x2x2 order=0,2,4,1,3 to=12x6x4
         norm = layer_norm windows eps=0.01
         qkv1 = linear norm out=36
         all = attention qkv1 heads=2 biases=2
         sum = add windows all
         qkv2 = linear sum out=36
         each = attention qkv2 heads=3 biases=12
         map = rearrange each view=12x3x2x2x2 order=0,3,1,4,2 to=12x6x4
         conv = conv2d map out=7 size=2 stride=2
         flat = rearrange conv view=7x3x2 order=2,0,1 to=42
         head = linear flat out=5
         -> head",
    ),
    (
        "attention of other tokens than those that answer, of one token, with heads mixed",
        "image = input 3x12x8
         patches = conv2d image out=12 size=2 stride=2 bias=yes
         tokens = tokens patches first=1
         few = conv2d patches out=8 size=2 stride=2 bias=yes
         asks = rearrange few view=8x6 order=0,1 to=8x6x1
         keys = linear tokens out=8 bias=no
         values = linear tokens out=20
         asked = attention asks keys values heads=4 biases=4
         curve = hard_swish asked
         qkv = linear curve out=36
         talk = attention qkv heads=3 talking=yes
         proj = linear talk out=20
         sum = add asked proj
         query = token sum index=2
         q = linear query out=6
         k = linear sum out=6 bias=no
         one = attention q k sum heads=2
         windows = rearrange patches view=12x6x4 order=0,1,2 to=12x6x4
         many = linear windows out=10
         part = slice many to=6
         both = attention part part many heads=2 talking=yes
         each = attention part part many heads=2 biases=8
         all = concat both each
         pool = global_avg_pool all
         join = concat one pool
         head = linear join out=5
         -> head",
    ),
    (
        "shuffled groups, slices, scales behind convolutions and norms, learned slopes, limits",
        "image = input 3x14x11
         even = affine image scale=0.5,2,1.5 shift=0.1,-0.2,0
         brighter = scale even bias=yes
         stem = conv2d brighter out=24 size=3 stride=2 pad=1
         bn = batch_norm stem eps=0.001
         sc = scale bn bias=yes
         act = prelu sc
         left = slice act to=10
         right = slice act from=10 to=24
         g1 = conv2d right out=14 size=1 groups=2 bias=yes
         s1 = scale g1
         lim = clip s1 min=-0.75 max=0.5
         dw = conv2d lim out=14 size=3 pad=1 groups=14
         s2 = scale dw bias=yes
         high = clip s2 min=0.25
         both = concat left high
         mixed = shuffle both groups=4
         bn2 = batch_norm mixed eps=0.001
         sc2 = scale bn2 bias=yes
         low = clip sc2 min=-1.5 max=1.25
         curve = elu low alpha=0.75
         mean = global_avg_pool curve
         vector = slice mean from=3 to=19
         order = shuffle vector groups=2
         slope = prelu order
         fc = linear slope out=6
         last = scale fc bias=yes
         -> last",
    ),
];

/// Every small network with its name and formula weights.
///
/// # Panics
/// Never: the notation above is part of the crate and tested.
pub fn small_networks() -> Vec<(&'static str, Network)> {
    NETWORKS
        .iter()
        .map(|(name, text)| {
            let graph = notation::parse(text).unwrap_or_else(|e| panic!("{name}: {e}"));
            (*name, with_formula_weights(graph))
        })
        .collect()
}
