//! Tensors of a file, however wrapped, to the network of an architecture.

use std::collections::BTreeMap;

use regraft_net::{Graph, Op};
use regraft_tensor::Tensor;
use regraft_zoo::{ZooError, architecture};

type Tensors = BTreeMap<String, Tensor>;

/// Zeros under the names and in the shapes of the framework, each with its own first value.
fn file(name: &str) -> Tensors {
    let info = architecture(name).unwrap();
    let sources = info.sources(&info.graph().unwrap()).unwrap();
    let mut all = Tensors::new();
    for source in sources.into_iter().filter_map(|(_, source)| source) {
        for name in source.names() {
            let mut tensor = Tensor::zeros(source.shape.clone());
            tensor.data_mut()[0] = all.len() as f32;
            all.insert(name.to_owned(), tensor);
        }
    }
    all
}

fn renamed(tensors: &Tensors, name: impl Fn(&str) -> String) -> Tensors {
    tensors.iter().map(|(n, t)| (name(n), t.clone())).collect()
}

const NET: &str = "torchvision/squeezenet1_1";

#[test]
fn names_behind_the_prefixes_of_wrappers_fit_and_the_prefix_is_told() {
    let (info, plain) = (architecture(NET).unwrap(), file(NET));
    let wanted = info.fitted(plain.clone()).unwrap();
    assert_eq!((wanted.prefix.as_str(), wanted.classes), ("", None));
    for prefix in [
        "module.",
        "_orig_mod.",
        "model.",
        "backbone.",
        "net.",
        "encoder.",
        "teacher.backbone.",
        "module.model.",
        "model._orig_mod.module.",
    ] {
        let mut wrapped = renamed(&plain, |n| format!("{prefix}{n}"));
        // Beside the network there are a head of another method, and the loss's weights.
        wrapped.insert("projector.0.weight".to_owned(), Tensor::zeros([3, 4]));
        wrapped.insert("criterion.weight".to_owned(), Tensor::zeros([4]));
        let fitted = info.fitted(wrapped).unwrap_or_else(|e| panic!("{prefix}: {e}"));
        assert_eq!(fitted.prefix, prefix);
        for (name, tensor) in &plain {
            assert_eq!(fitted.params.get(name).map(|t| t.data()), Some(tensor.data()), "{prefix}");
        }
    }
}

#[test]
fn a_head_outside_the_wrapped_backbone_is_found_too() {
    let info = architecture(NET).unwrap();
    let mixed = renamed(&file(NET), |n| {
        if n.starts_with("classifier") { n.to_owned() } else { format!("backbone.{n}") }
    });
    assert_eq!(info.fitted(mixed).unwrap().prefix, "backbone.");
}

fn classes(graph: &Graph, layer: &str) -> usize {
    let op = &graph.layer(graph.find(layer).unwrap()).op;
    if let Op::Linear { out, .. } = op {
        return *out;
    }
    let Op::Conv2d(conv) = op else { panic!("{op:?}") };
    conv.out
}

#[test]
fn a_fine_tuned_network_has_as_many_classes_as_its_file() {
    let cases = [
        (NET, "classifier.1", "classifier.1.weight", "classifier.1.bias", vec![10, 512, 1, 1]),
        ("torchvision/resnet18", "fc", "fc.weight", "fc.bias", vec![10, 512]),
        (
            "timm/mobilenetv3_small_100",
            "classifier",
            "classifier.weight",
            "classifier.bias",
            vec![10, 1024],
        ),
        (
            "keras/MobileNetV2",
            "predictions",
            "predictions/kernel",
            "predictions/bias",
            vec![1280, 10],
        ),
    ];
    for (name, layer, weight, bias, shape) in cases {
        let mut tensors = file(name);
        tensors.insert(weight.to_owned(), Tensor::zeros(shape));
        tensors.insert(bias.to_owned(), Tensor::zeros([10]));
        let fitted =
            architecture(name).unwrap().fitted(tensors).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((fitted.classes, classes(&fitted.graph, layer)), (Some(10), 10), "{name}");
    }
}

#[test]
fn what_does_not_fit_is_a_table_with_near_names() {
    let mut tensors = file("torchvision/resnet18");
    let weight = tensors.remove("layer4.1.conv2.weight").unwrap();
    tensors.insert("layer4.1.conv_2.weight".to_owned(), weight);
    tensors.insert("conv1.weight".to_owned(), Tensor::zeros([64, 3, 3, 3]));
    tensors.insert("extra.weight".to_owned(), Tensor::zeros([7]));
    tensors.insert("bn1.num_batches_tracked".to_owned(), Tensor::zeros([1]));
    let error = architecture("torchvision/resnet18").unwrap().fitted(tensors).unwrap_err();
    let text = error.to_string();
    let ZooError::Misfit { missing: 1, wrong: 1, left: 2, rows, .. } = error else {
        panic!("{text}")
    };
    assert_eq!(rows.len(), 4, "{text}");
    for row in [
        "`conv1.weight` has shape 64x3x3x3, wanted 64x3x7x7",
        "`layer4.1.conv2.weight` 512x512x3x3 is missing; did you mean `layer4.1.conv_2.weight`",
        "`extra.weight` 7 is left over",
    ] {
        assert!(text.contains(row), "{row}: {text}");
    }
    // Of another network: everything is wrong, and the table stays short.
    let error = architecture("timm/vit_tiny_patch16_224").unwrap().fitted(file(NET)).unwrap_err();
    let ZooError::Misfit { rows, missing, .. } = error else { panic!("{error}") };
    assert!(missing > 100 && rows.len() <= 40, "{missing} {}", rows.len());
}

#[test]
fn lists_of_arrays_as_keras_gives_them_become_kernels_of_ours() {
    let info = architecture("caffe/squeezenet_v1.1").unwrap();
    let graph = info.graph().unwrap();
    let mut listed = Tensors::new();
    let mut wanted = Tensors::new();
    for (spec, _) in info.sources(&graph).unwrap() {
        let (layer, role) = spec.name.rsplit_once('.').unwrap();
        let mut ours = Tensor::zeros(spec.shape.clone());
        for (i, value) in ours.data_mut().iter_mut().enumerate() {
            *value = (i % 251) as f32;
        }
        let theirs = if let [o, i, h, w] = *spec.shape.dims() {
            let mut theirs = Tensor::zeros([h, w, i, o]);
            for (at, value) in ours.data().iter().enumerate() {
                let (x, y, c, n) = (at % w, at / w % h, at / w / h % i, at / w / h / i);
                theirs.data_mut()[((y * w + x) * i + c) * o + n] = *value;
            }
            theirs
        } else {
            ours.clone()
        };
        listed.insert(format!("{layer}/{}", usize::from(role == "bias")), theirs);
        wanted.insert(spec.name.clone(), ours);
    }
    let fitted = info.fitted(listed).unwrap_or_else(|e| panic!("{e}"));
    for (name, tensor) in wanted {
        assert_eq!(fitted.params.get(&name).map(|t| t.data()), Some(tensor.data()), "{name}");
    }
}

#[test]
fn squeezenet_in_caffes_names_is_the_network_of_torchvision() {
    let ops = |name: &str| -> Vec<(Op, Vec<usize>)> {
        let graph = architecture(name).unwrap().graph().unwrap();
        let inputs = |inputs: &[regraft_net::LayerId]| inputs.iter().map(|i| i.index()).collect();
        let layers = graph.layers().skip(1);
        layers.map(|(_, layer)| (layer.op.clone(), inputs(&layer.inputs))).collect()
    };
    assert_eq!(ops("caffe/squeezenet_v1.1"), ops(NET));
}

#[test]
fn a_folder_and_an_index_are_weights() {
    let folder = tempfile::tempdir().unwrap();
    let fetch = |path: &std::path::Path| {
        let spec = format!("torchvision/resnet18@file:{}", path.display());
        let spec = regraft_zoo::NetworkSpec::parse(&spec)?;
        let cache = regraft_zoo::Cache::open(Some(folder.path().join("cache")))?;
        let options = regraft_zoo::FetchOptions::default();
        regraft_zoo::fetch(&spec, &cache, &options, &mut |_| regraft_zoo::Flow::Continue)
    };
    let error = fetch(folder.path()).unwrap_err().to_string();
    assert!(error.contains("holds none of `model.safetensors`"), "{error}");
    #[expect(clippy::disallowed_methods, reason = "a file of a test need not be written whole")]
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("model.safetensors.index.json", "index");
    put("model-2.safetensors", "two");
    put("model-1.safetensors", "one");
    let fetched = fetch(folder.path()).unwrap();
    assert!(fetched.path.ends_with("model.safetensors.index.json"));
    assert_eq!(fetched.sha256, regraft_zoo::Checksum::of(b"indexonetwo"));
    put("model.safetensors", "whole");
    let fetched = fetch(folder.path()).unwrap();
    assert_eq!(fetched.sha256, regraft_zoo::Checksum::of(b"whole"));
}
