//! Checkpoints in several files, and what lies beside weights.

use std::collections::BTreeMap;
use std::path::Path;

use regraft_formats::{FormatError, ShardFault, folder_config, open, safetensors};
use regraft_net::card::{Interpolation, Preprocess, Resize};
use regraft_tensor::Tensor;

fn tensor(values: &[f32]) -> Tensor {
    Tensor::new([values.len()], values.to_vec()).unwrap()
}

/// Two shards in a folder; `index` is the weight map, as JSON.
fn sharded(index: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, tensors: &[(&str, &[f32])]| {
        let map: BTreeMap<String, Tensor> =
            tensors.iter().map(|(n, v)| ((*n).to_owned(), tensor(v))).collect();
        safetensors::write(&folder.path().join(file), &map, &BTreeMap::new()).unwrap();
    };
    write("model-00001-of-00002.safetensors", &[("module.a", &[1.0, 2.0]), ("stray", &[9.0])]);
    write("model-00002-of-00002.safetensors", &[("module.b", &[3.0])]);
    let text = format!("{{\"metadata\": {{\"total_size\": 12}}, \"weight_map\": {index}}}");
    #[expect(clippy::disallowed_methods, reason = "a file of a test need not be written whole")]
    std::fs::write(folder.path().join("model.safetensors.index.json"), text).unwrap();
    folder
}

const INDEX: &str = "model.safetensors.index.json";
const GOOD: &str = r#"{"module.a": "model-00001-of-00002.safetensors",
    "module.b": "model-00002-of-00002.safetensors"}"#;

#[test]
fn an_index_puts_the_tensors_of_its_files_together() {
    let folder = sharded(GOOD);
    let weights = open(&folder.path().join(INDEX)).unwrap();
    let values: Vec<_> =
        weights.tensors.iter().map(|(n, t)| (n.as_str(), t.data().to_vec())).collect();
    // The prefix is taken off as in one file.
    assert_eq!(values, [("a", vec![1.0, 2.0]), ("b", vec![3.0])]);
    assert_eq!(weights.skipped, ["stray (in model-00001-of-00002.safetensors, not in the index)"]);
}

fn fault(index: &str) -> ShardFault {
    let folder = sharded(index);
    let error = open(&folder.path().join(INDEX)).unwrap_err();
    assert!(error.to_string().contains(INDEX), "{error}");
    let FormatError::InFile { fault, .. } = error else { panic!("{error}") };
    match *fault {
        FormatError::Shards(fault) => fault,
        other => panic!("{other}"),
    }
}

#[test]
fn an_index_that_points_out_of_its_folder_is_refused() {
    for file in ["../a.bin", "/etc/passwd", "a/b.bin", "..", ".hidden", "C:\\\\a.bin", ""] {
        let found = fault(&format!("{{\"w\": \"{file}\"}}"));
        assert!(matches!(found, ShardFault::Elsewhere { .. }), "{file}: {found}");
    }
}

#[test]
fn an_index_that_is_none_or_names_what_is_not_there_says_so() {
    assert_eq!(fault("[]"), ShardFault::NoMap);
    assert_eq!(fault("{}"), ShardFault::NoMap);
    assert_eq!(fault("{\"w\": 3}"), ShardFault::NoMap);
    let swapped = GOOD.replace("module.b", "module.c");
    let found = fault(&swapped);
    let ShardFault::Missing { count: 1, names } = found else { panic!("{found}") };
    assert_eq!(names, ["`module.c` (model-00002-of-00002.safetensors)"]);
    let many: Vec<String> = (0..1001).map(|i| format!("\"t{i}\": \"f{i}.bin\"")).collect();
    let found = fault(&format!("{{{}}}", many.join(",")));
    assert!(matches!(found, ShardFault::TooMany { files: 1001, .. }), "{found}");
    let folder = sharded(&GOOD.replace("model-00002-of-00002", "model-3"));
    let error = open(&folder.path().join(INDEX)).unwrap_err().to_string();
    assert!(error.contains("model-3.safetensors"), "{error}");
}

fn config(files: &[(&str, &str)]) -> Option<regraft_formats::FolderConfig> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        #[expect(
            clippy::disallowed_methods,
            reason = "a file of a test need not be written whole"
        )]
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder_config(&folder.path().join("model.safetensors"))
}

/// As `timm.models._hub.save_config_for_hf` (1.0.31) writes it, shortened.
const TIMM: &str = r#"{
  "architecture": "resnet18", "num_classes": 3, "num_features": 512, "global_pool": "avg",
  "label_names": ["n01", "n02", "n03"], "label_descriptions": {"n02": "a cat", "n01": "a dog"},
  "pretrained_cfg": {
    "tag": "a1_in1k", "input_size": [3, 224, 224], "fixed_input_size": false,
    "interpolation": "bicubic", "crop_pct": 0.95, "crop_mode": "center",
    "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3], "license": "apache-2.0"
  }
}"#;

#[test]
fn what_timm_leaves_beside_weights_is_read() {
    let found = config(&[("config.json", TIMM)]).unwrap();
    assert_eq!(found.architecture.as_deref(), Some("timm/resnet18"));
    assert_eq!(found.licence.as_deref(), Some("apache-2.0"));
    assert_eq!(found.labels, ["a dog", "a cat", "n03"]);
    let wanted = Preprocess {
        // floor(224 / 0.95)
        resize: Resize::Shorter(235),
        mean: [0.5, 0.4, 0.3],
        std: [0.2, 0.25, 0.3],
        ..Preprocess::imagenet(235, 224, Interpolation::Bicubic)
    };
    assert_eq!(found.preprocess, Some(wanted));
    assert!(found.notes.is_empty());
    let squash = TIMM.replace("center", "squash").replace("0.95", "1.0");
    let found = config(&[("config.json", &squash)]).unwrap();
    assert_eq!(found.preprocess.unwrap().resize, Resize::Exact([224, 224]));
    // What is not understood is not guessed.
    for (from, to) in [("bicubic", "random"), ("center", "border"), ("0.25", "0"), ("0.95", "7")] {
        let found = config(&[("config.json", &TIMM.replace(from, to))]).unwrap();
        assert!(found.preprocess.is_none() && found.notes.len() == 1, "{to}");
    }
}

/// As transformers' `save_pretrained` writes them, shortened.
const VIT: &str = r#"{"architectures": ["ViTForImageClassification"], "model_type": "vit",
    "id2label": {"0": "cat", "1": "dog"}, "label2id": {"cat": 0, "dog": 1}}"#;
const PROCESSOR: &str = r#"{"do_normalize": true, "do_rescale": true, "do_resize": true,
    "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 2,
    "rescale_factor": 0.00392156862745098, "size": {"height": 224, "width": 224}}"#;

#[test]
fn what_transformers_leaves_beside_weights_is_read() {
    let both = [("config.json", VIT), ("preprocessor_config.json", PROCESSOR)];
    let found = config(&both).unwrap();
    assert_eq!(found.architecture.as_deref(), Some("ViTForImageClassification"));
    assert_eq!(found.labels, ["cat", "dog"]);
    let usual = Preprocess::imagenet(224, 224, Interpolation::Bilinear);
    let half = [0.5; 3];
    let exact = Resize::Exact([224, 224]);
    let wanted = Preprocess { resize: exact, mean: half, std: half, ..usual };
    assert_eq!(found.preprocess, Some(wanted));
    let size = |size: &str| {
        let text = PROCESSOR.replace("\"size\": {\"height\": 224, \"width\": 224}", size);
        let found = config(&[("config.json", VIT), ("preprocessor_config.json", &text)]).unwrap();
        found.preprocess.map(|p| (p.resize, p.crop))
    };
    let cases = [
        ("\"size\": 224", Some((exact, [224, 224]))),
        ("\"size\": 256, \"crop_size\": 224", Some((Resize::Shorter(256), [224, 224]))),
        (
            "\"size\": {\"shortest_edge\": 256}, \"crop_size\": {\"height\": 224, \"width\": 224}",
            Some((Resize::Shorter(256), [224, 224])),
        ),
        (
            "\"size\": {\"shortest_edge\": 224}, \"crop_pct\": 0.875",
            Some((Resize::Shorter(256), [224, 224])),
        ),
        (
            "\"size\": {\"shortest_edge\": 384}, \"crop_pct\": 0.875",
            Some((Resize::Exact([384, 384]), [384, 384])),
        ),
        ("\"size\": {\"longest_edge\": 384}", None),
        ("\"size\": 99999999", None),
    ];
    for (text, wanted) in cases {
        assert_eq!(size(text), wanted, "{text}");
    }
    // Names that are only numbers are none.
    let bare = VIT.replace("cat", "LABEL_0").replace("dog", "LABEL_1");
    assert!(config(&[("config.json", &bare)]).unwrap().labels.is_empty());
}

#[test]
fn a_folder_without_such_texts_or_with_others_says_nothing_and_a_broken_one_says_so() {
    assert_eq!(config(&[]), None);
    assert_eq!(config(&[("config.json", "{\"name\": \"mine\"}")]), None);
    let found = config(&[("config.json", "{")]).unwrap();
    assert!(found.notes[0].contains("config.json is not used"), "{:?}", found.notes);
    assert_eq!(folder_config(Path::new("model.safetensors")), None);
}
