//! ONNX files of our own exporter, read again.

use regraft_formats::onnx;
use regraft_net::formula::formula_batch;
use regraft_net::{Card, Network, notation};
use regraft_testkit::{Reference, with_formula_weights};

/// What a network computes on the formula picture, in `f64`.
fn output(network: &Network) -> Vec<f64> {
    let input = network.graph().input().unwrap();
    let picture = formula_batch(&network.facts().unwrap().layer(input).shape);
    let wide: Vec<f64> = picture.data().iter().map(|v| f64::from(*v)).collect();
    Reference::new(network).unwrap().output(&wide, 1)
}

/// Networks of layers that ONNX has no operation for, or that could be taken for others.
const NETWORKS: [&str; 5] = [
    // Tokens behind a picture with few columns and many channels, read twice; offsets that learn.
    "image = input 6x2x3
     embed = tokens image first=1
     learned = scale embed bias=yes
     fixed = affine learned scale=1,2,0.5,1,1.5,1 shift=0,0.1,0,-0.2,0,0.3
     sum = add embed fixed
     qkv = linear sum out=18
     mixed = attention qkv heads=3
     third = token mixed index=3
     low = slice third from=1 to=4
     curve = gelu low
     off = dropout curve rate=0.25
     fc = linear off out=3
     -> fc",
    // Channels and places turned about, windows, attention with biases of both kinds, one head.
    "image = input 3x4x8
     patches = conv2d image out=6 size=1 bias=yes
     tokens = tokens patches first=0
     turned = rearrange tokens view=6x32 order=1,0 to=32x6x1
     mix = linear turned out=32
     back = rearrange mix view=32x6 order=1,0 to=6x4x8
     act = relu back
     windows = rearrange act view=6x2x2x2x4 order=0,2,4,1,3 to=6x8x4
     qkv = linear windows out=18
     each = attention qkv heads=3 biases=12
     qkv2 = linear each out=18
     all = attention qkv2 heads=2
     line = rearrange all view=6x32 order=0,1 to=6x32x1
     qkv3 = linear line out=18
     whole = attention qkv3 heads=1 biases=1
     flat = rearrange whole view=6x32 order=1,0 to=192
     fc = linear flat out=3
     -> fc",
    // Attention of three inputs: other tokens, one token, a layer twice, windows; heads mixed.
    "image = input 3x6x4
     patches = conv2d image out=6 size=2 stride=2 bias=yes
     tokens = tokens patches first=1
     asks = rearrange patches view=6x6 order=0,1 to=6x6x1
     values = linear tokens out=8
     few = attention asks tokens values heads=2 biases=2
     qkv = linear few out=24
     talk = attention qkv heads=2 talking=yes
     query = token talk index=2
     q = linear query out=6
     k = linear talk out=6
     v = linear talk out=6
     self = attention k k k heads=3
     both = attention k k v heads=2 talking=yes
     one = attention q k v heads=2 biases=2
     mixed = attention q k v heads=3 talking=yes
     again = attention patches patches patches heads=2 talking=yes
     each = attention again patches again heads=2 biases=4
     seen = rearrange each view=6x6 order=0,1 to=36
     all = concat self both
     pool = global_avg_pool all
     line = concat one mixed seen pool
     fc = linear line out=3
     -> fc",
    "image = input 3x6x6
     normal = scale image bias=yes
     wide = linear normal out=8 bias=no
     act = silu wide
     border = pad act pad=1
     conv = conv2d border out=8 size=3 bias=yes
     mixed = shuffle conv groups=2
     block = identity mixed
     gate = sigmoid block
     flat = flatten gate
     fc = linear flat out=2
     -> fc",
    "image = input 3x5x4
     patches = conv2d image out=8 size=2 bias=yes
     a/b = layer_norm patches eps=0.001
     c.d = prelu a/b
     e = gelu_tanh c.d
     pool = global_avg_pool e
     excite = linear pool out=8
     gate = hard_sigmoid excite
     scaled = mul e gate
     off = scale scaled bias=yes
     gamma = scale off
     two = global_avg_pool gamma
     fc = linear two out=3
     prob = softmax fc
     -> prob",
];

#[test]
fn layers_that_could_be_taken_for_others_come_back_as_they_were() {
    for text in NETWORKS {
        let plain = with_formula_weights(notation::parse(text).unwrap());
        let graph = plain.graph();
        let blocks: Vec<String> =
            graph.layers().skip(1).take(3).map(|(_, l)| l.name.clone()).collect();
        let cut = graph.layers().nth(8).map(|(_, l)| l.name.clone());
        let card = Card { blocks, cut, logits: Some("fc".to_owned()), ..plain.card().clone() };
        let network = Network::new(graph.clone(), plain.params(), card).unwrap();
        let model = onnx::from_bytes(&onnx::write(&network).unwrap(), None).unwrap();
        let again = &model.network;
        assert_eq!(notation::print(again.graph()), notation::print(graph));
        assert_eq!(again.card(), network.card());
        assert!(model.notes.is_empty() && model.unused.is_empty(), "{:?}", model.notes);
        let names: Vec<&str> = again.params().names().collect();
        assert_eq!(names, network.params().names().collect::<Vec<_>>());
        for (name, tensor) in network.params().iter() {
            assert_eq!(again.params().get(name).unwrap().data(), tensor.data(), "{name}");
        }
        assert_eq!(output(again), output(&network));
    }
}

#[test]
fn a_rate_that_zeroes_everything_is_refused_with_its_node() {
    let text = "image = input 3x5x4\nflat = flatten image\noff = dropout flat rate=0.25\n-> off";
    let bytes = onnx::write(&with_formula_weights(notation::parse(text).unwrap())).unwrap();
    let (was, is) = (0.25f32.to_le_bytes(), 1.5f32.to_le_bytes());
    let at = bytes.windows(4).position(|w| w == was).unwrap();
    let mut changed = bytes;
    changed[at..at + 4].copy_from_slice(&is);
    let error = onnx::from_bytes(&changed, None).unwrap_err().to_string();
    assert!(error.contains("`off` (Dropout)") && error.contains("a rate from 0"), "{error}");
}
