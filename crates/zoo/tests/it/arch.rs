use std::collections::BTreeMap;

use regraft_net::facts::facts;
use regraft_net::op::Pad;
use regraft_net::{Forward, Graph, Op, notation, surgery};
use regraft_tensor::Tensor;
use regraft_testkit::{Reference, formula_input, with_formula_weights};
use regraft_zoo::{ArchInfo, Family, ZooError, architecture, architectures, graph};

/// A network of the fixture, see `fixtures/make/param_names.py`.
#[derive(Default)]
struct Real {
    eps: String,
    learned: u64,
    /// Shape of each parameter.
    params: BTreeMap<String, String>,
    /// Stride and padding of each convolution that has any.
    windows: BTreeMap<String, String>,
}

fn real() -> BTreeMap<String, Real> {
    let mut all: BTreeMap<String, Real> = BTreeMap::new();
    let (mut net, mut before) = (String::new(), String::new());
    for line in include_str!("../fixtures/params.txt").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["=", name, eps, learned] = words[..] {
            (net, before) = (name.to_owned(), String::new());
            let eps = eps.strip_prefix("eps=").unwrap().to_owned();
            let learned = learned.strip_prefix("learned=").unwrap().parse().unwrap();
            all.insert(net.clone(), Real { eps, learned, ..Default::default() });
            continue;
        }
        let real = all.get_mut(&net).unwrap();
        let same: usize = words[0].strip_prefix('\'').unwrap().parse().unwrap();
        let name = format!("{}{}", &before[..same], words[1]);
        before.clone_from(&name);
        match words[2..] {
            ["norm", c] => {
                for part in ["weight", "bias", "running_mean", "running_var"] {
                    real.params.insert(format!("{name}.{part}"), c.to_owned());
                }
            }
            [shape, ref window @ ..] => {
                real.params.insert(name.clone(), shape.to_owned());
                if !window.is_empty() {
                    real.windows.insert(name, window.join(" "));
                }
            }
            [] => panic!("{line}"),
        }
    }
    all
}

/// The architectures of the fixture. The logits of all others (`fixtures/logits.json`) judge the same:
/// formula weights are made from names, and each slip moves them.
fn judged(real: &BTreeMap<String, Real>) -> Vec<&'static ArchInfo> {
    let all: Vec<_> = real.keys().map(|name| architecture(name).unwrap()).collect();
    assert!(all.len() >= 14);
    all
}

#[test]
fn names_and_shapes_of_parameters_are_those_of_the_real_networks() {
    let real = real();
    for info in judged(&real) {
        let ours: BTreeMap<String, String> = facts(&info.graph().unwrap())
            .unwrap()
            .params()
            .map(|p| (p.name.clone(), p.shape.to_string()))
            .collect();
        assert_eq!(ours, real[info.name].params, "{}", info.name);
    }
}

#[test]
fn strides_padding_and_epsilons_are_those_of_the_real_networks() {
    let real = real();
    for info in judged(&real) {
        let (graph, real) = (info.graph().unwrap(), &real[info.name]);
        let mut windows = BTreeMap::new();
        for (_, layer) in graph.layers() {
            if let Op::BatchNorm { eps } = layer.op {
                assert_eq!(eps, real.eps.parse::<f32>().unwrap(), "{} {}", info.name, layer.name);
            }
            if let Op::Conv2d(conv) = layer.op {
                let Pad { top, left, bottom, right } = conv.pad;
                assert_eq!(conv.stride[0], conv.stride[1]);
                if conv.stride[0] != 1 || conv.pad != Pad::all(0) {
                    let words = format!("{} {top},{left},{bottom},{right}", conv.stride[0]);
                    windows.insert(format!("{}.weight", layer.name), words);
                }
            }
        }
        assert_eq!(windows, real.windows, "{}", info.name);
    }
}

#[test]
fn learned_values_and_cost_are_those_that_were_published() {
    let real = real();
    // Multiply-adds in thousands of millions, from the papers and the frameworks' tables.
    let published = [
        ("torchvision/resnet18", 11_689_512, 1.81),
        ("torchvision/resnet34", 21_797_672, 3.66),
        ("torchvision/resnet50", 25_557_032, 4.09),
        ("torchvision/mobilenet_v2", 3_504_872, 0.30),
        ("timm/mobilenetv2_100", 3_504_872, 0.30),
        ("timm/efficientnet_lite0", 4_652_008, 0.40),
        ("lukemelas/efficientnet-lite0", 4_652_008, 0.40),
        ("lukemelas/efficientnet-lite1", 5_416_680, 0.63),
        ("lukemelas/efficientnet-lite2", 6_092_072, 0.89),
    ];
    for info in judged(&real) {
        let facts = facts(&info.graph().unwrap()).unwrap();
        assert_eq!(facts.learned(), real[info.name].learned, "{}", info.name);
        if let Some((_, learned, macs)) = published.iter().find(|p| p.0 == info.name) {
            assert_eq!(facts.learned(), *learned, "{}", info.name);
            let ours = facts.macs() as f64 / 1e9;
            assert!((ours / macs - 1.0).abs() < 0.05, "{}: {ours} against {macs}", info.name);
        }
    }
}

#[test]
fn a_cut_at_every_block_and_at_the_pooled_vector_works() {
    for info in architectures() {
        let graph = info.graph().unwrap();
        let points = surgery::split_points(&graph);
        let blocks = info.blocks();
        for block in &blocks {
            // A cell of NASNet looks past the one before it.
            let past = info.family == Family::NasNet;
            assert!(past || points.contains(&block.as_str()), "{}: {block}", info.name);
        }
        let place = |name: &String| graph.find(name).unwrap();
        assert!(blocks.windows(2).all(|p| place(&p[0]) < place(&p[1])), "{}", info.name);
        let pooled = surgery::cut(&graph, info.penultimate).unwrap();
        let width = facts(&pooled).unwrap().output().shape.clone();
        assert_eq!(width.len(), 1, "{}", info.name);
        let all = facts(&graph).unwrap();
        if !info.headless() {
            // Whether a picture is real.
            let scores = if info.family == Family::Dcgan { 1 } else { 1000 };
            assert_eq!(all.layer(graph.find(info.logits).unwrap()).shape.dims(), [scores]);
        }
        assert_eq!(all.output().shape, all.layer(graph.find(info.logits).unwrap()).shape);
        assert_eq!(graph.layer(graph.input().unwrap()).name, "image");
    }
}

#[test]
fn blocks_and_stages_are_layers_of_their_own_name() {
    let table = [
        ("torchvision/resnet18", "layer1.0", "layer4", [512, 7, 7]),
        ("timm/resnet50", "layer3.4", "layer4", [2048, 7, 7]),
        ("torchvision/mobilenet_v2", "features.1", "features.17", [320, 7, 7]),
        ("timm/mobilenetv2_100", "blocks.0", "blocks.6", [320, 7, 7]),
        ("timm/efficientnet_lite2", "blocks.1.1", "blocks.5", [208, 9, 9]),
        ("lukemelas/efficientnet-lite0", "_blocks.0", "_blocks.15", [320, 7, 7]),
        ("lukemelas/efficientnet-lite1", "_blocks.1", "_blocks.20", [320, 8, 8]),
    ];
    for (name, early, late, shape) in table {
        let graph = graph(name).unwrap();
        surgery::cut(&graph, early).unwrap();
        let cut = surgery::cut(&graph, late).unwrap();
        assert_eq!(facts(&cut).unwrap().output().shape.dims(), shape, "{name}");
    }
}

#[test]
fn every_graph_can_be_written_as_text_and_read_back() {
    for info in architectures() {
        let graph: Graph = info.graph().unwrap();
        assert_eq!(notation::parse(&notation::print(&graph)).unwrap(), graph, "{}", info.name);
    }
}

#[test]
fn the_order_of_layers_in_a_residual_block_is_that_of_the_paper() {
    let graph = graph("torchvision/resnet18").unwrap();
    let text = notation::print(&graph);
    let block: Vec<&str> = text.lines().filter(|l| l.starts_with("layer2.0")).collect();
    let named: Vec<String> =
        block.iter().map(|l| l.split(' ').take(5).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        named,
        [
            "layer2.0.conv1 = conv2d layer1 out=128",
            "layer2.0.bn1 = batch_norm layer2.0.conv1 eps=0.00001",
            "layer2.0.relu1 = relu layer2.0.bn1",
            "layer2.0.conv2 = conv2d layer2.0.relu1 out=128",
            "layer2.0.bn2 = batch_norm layer2.0.conv2 eps=0.00001",
            "layer2.0.downsample.0 = conv2d layer1 out=128",
            "layer2.0.downsample.1 = batch_norm layer2.0.downsample.0 eps=0.00001",
            "layer2.0.add = add layer2.0.bn2 layer2.0.downsample.1",
            "layer2.0 = relu layer2.0.add",
        ]
    );
}

#[test]
fn the_logits_of_a_real_network_come_out() {
    // timm 1.0.31 in f64 with formula weights, by a script of another hand.
    let graph = graph("timm/efficientnet_lite0").unwrap();
    let mut reference = Reference::new(&with_formula_weights(graph)).unwrap();
    let out = reference.forward(&formula_input(224), &["classifier"]).unwrap().remove(0);
    let sum: f64 = out.data().iter().map(|x| f64::from(*x)).sum();
    for (got, wanted) in out.data().iter().zip([-0.06215004, 0.9550829, 1.967869]) {
        assert!((f64::from(*got) - wanted).abs() < 1e-5, "{got} is not {wanted}");
    }
    assert!((sum - 96.4855914).abs() < 1e-3, "{sum}");
}

#[test]
fn a_file_with_the_names_of_the_framework_fills_the_graph() {
    for (name, theirs, ours) in [
        ("timm/vit_small_patch14_dinov2", "blocks.3.ls2.gamma", "blocks.3.ls2.weight"),
        ("timm/convnext_tiny", "stages.1.blocks.0.gamma", "stages.1.blocks.0.gamma.weight"),
        ("torchvision/vit_b_32", "encoder.pos_embedding", "tokens.position"),
        (
            "torchvision/vit_b_32",
            "encoder.layers.encoder_layer_0.self_attention.in_proj_weight",
            "encoder.layers.encoder_layer_0.self_attention.in_proj.weight",
        ),
        ("keras/MobileNetV2", "expanded_conv_depthwise/kernel", "expanded_conv_depthwise.weight"),
        ("keras/VGG16", "fc1/kernel", "fc1.weight"),
        ("keras/Xception", "block2_sepconv1/pointwise_kernel", "block2_sepconv1.pointwise.weight"),
    ] {
        let info = architecture(name).unwrap();
        let graph = info.graph().unwrap();
        let facts = facts(&graph).unwrap();
        let sources = info.sources(&graph).unwrap().into_iter().filter_map(|(_, source)| source);
        let file: BTreeMap<String, Tensor> =
            sources.map(|s| (s.name, Tensor::zeros(s.shape))).collect();
        assert!(file.contains_key(theirs), "{name}: {theirs}");
        let params = info.adopt(file).unwrap();
        let spec = facts.params().find(|spec| spec.name == ours).unwrap();
        assert_eq!(params.get(ours).unwrap().shape(), &spec.shape, "{name}");
        assert!(regraft_net::unused(&graph, &params).unwrap().is_empty(), "{name}");
        assert_eq!(params.len(), facts.params().count(), "{name}");
    }
}

#[test]
fn layers_that_keras_numbered_otherwise_are_taken_in_the_order_of_their_numbers() {
    let info = architecture("keras/Xception").unwrap();
    let sources = info.sources(&info.graph().unwrap()).unwrap();
    let file = |offset: usize| -> BTreeMap<String, Tensor> {
        let sources = sources.iter().filter_map(|(_, source)| source.as_ref());
        let named = sources.enumerate().map(|(n, source)| {
            let (layer, leaf) = source.name.rsplit_once('/').unwrap();
            let kind = layer.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
            let layer = if matches!(kind, "conv2d" | "batch_normalization") {
                let number = layer[kind.len()..].trim_start_matches('_');
                format!("{kind}_{}", number.parse().unwrap_or(0) + offset)
            } else {
                layer.to_owned()
            };
            let mut tensor = Tensor::zeros(source.shape.clone());
            tensor.data_mut()[0] = n as f32;
            (format!("{layer}/{leaf}"), tensor)
        });
        named.collect()
    };
    // From 7 to 10: by their names 10 would come before 7.
    let mut tensors = file(7);
    let note = info.renumber(&mut tensors).unwrap().unwrap();
    assert!(note.contains("`conv2d`") && note.contains("`batch_normalization`"), "{note}");
    for (n, source) in sources.iter().filter_map(|(_, source)| source.as_ref()).enumerate() {
        assert_eq!(tensors[&source.name].data()[0], n as f32, "{}", source.name);
    }
    // Nothing is done where shapes do not agree.
    let mut tensors = file(7);
    tensors.insert("conv2d_9/kernel".into(), Tensor::zeros([1, 1, 2, 2]));
    assert!(!info.renumber(&mut tensors).unwrap().unwrap().contains("`conv2d`"));
}

#[test]
fn a_file_without_the_head_is_known_as_such() {
    let info = architecture("keras/MobileNetV2").unwrap();
    let sources = info.sources(&info.graph().unwrap()).unwrap();
    let file = |skip: &str| {
        let sources = sources.iter().filter_map(|(_, source)| source.as_ref());
        let kept = sources.filter(|s| !s.name.starts_with(skip));
        info.adopt(kept.map(|s| (s.name.clone(), Tensor::zeros(s.shape.clone()))).collect())
            .unwrap()
    };
    let trunk = info.without_head(&file("predictions/")).unwrap().unwrap();
    assert_eq!(trunk.layer(trunk.output().unwrap()).name, info.penultimate);
    assert!(info.without_head(&file("nothing/")).unwrap().is_none());
    assert!(info.without_head(&file("Conv1/")).unwrap().is_none());
}

#[test]
fn pictures_are_prepared_as_the_frameworks_do() {
    use regraft_net::card::{Channels, Resize};
    let of = |name: &str| architecture(name).unwrap().card("x", "y").preprocess;
    for (name, side, mean) in [
        ("torchvision/inception_v3", 342, 0.485),
        ("torchvision/efficientnet_b3", 320, 0.485),
        ("torchvision/convnext_tiny", 236, 0.485),
        ("timm/vit_tiny_patch16_224", 249, 0.5),
        ("timm/deit_tiny_patch16_224", 249, 0.485),
        ("timm/resnet50", 236, 0.485),
        ("timm/nasnetalarge", 363, 0.5),
    ] {
        assert_eq!(of(name).resize, Resize::Shorter(side), "{name}");
        assert_eq!(of(name).mean[0], mean, "{name}");
    }
    for (name, channels, mean, scale) in [
        ("keras/ResNet50", Channels::Bgr, 103.939, 1.0),
        ("keras/ResNet50V2", Channels::Rgb, 0.5, 1.0 / 255.0),
        ("keras/DenseNet121", Channels::Rgb, 0.485, 1.0 / 255.0),
        ("caffe/caffenet", Channels::Bgr, 104.0, 1.0),
    ] {
        let p = of(name);
        assert_eq!((p.channels, p.mean[0], p.scale), (channels, mean, scale), "{name}");
    }
}

#[test]
fn an_unknown_architecture_is_an_error_with_the_nearest_names() {
    let error = graph("torchvison/resnet18").unwrap_err();
    assert!(matches!(error, ZooError::NoArchitecture { .. }));
    assert_eq!(
        error.to_string(),
        "no architecture `torchvison/resnet18`; did you mean `torchvision/resnet18` or \
         `torchvision/resnet101` or `torchvision/resnet152`?"
    );
}
