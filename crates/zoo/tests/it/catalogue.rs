use std::collections::{BTreeMap, BTreeSet};

use regraft_net::ParamSpec;
use regraft_net::card::{Channels, Interpolation, Resize};
use regraft_net::facts::facts;
use regraft_testkit::formula_params;
use regraft_zoo::{
    ArchInfo, CatalogueProblem, DEFAULT, Entry, Expected, LicenceClass, Naming, Source, ZooError,
    architectures, card, catalogue, catalogue_files, families, family, find, labels, network,
    pitfall, pitfalls,
};

#[test]
fn every_file_of_the_catalogue_can_be_used() {
    let mut all = 0;
    for (file, text) in catalogue_files() {
        let entries = Entry::parse_all(file, text).unwrap_or_else(|e| panic!("{e}"));
        if let [one] = entries.as_slice() {
            let zoo = file.trim_end_matches(".toml");
            assert!(zoo == one.name || zoo == one.zoo, "{file}");
        }
        all += entries.len();
    }
    assert_eq!(catalogue().len(), all);
    assert!(all >= 130, "{all}");
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
fn preprocessing_is_what_somebody_could_have_meant() {
    for entry in catalogue() {
        let p = &entry.preprocess;
        let bytes = p.scale == 1.0;
        assert!(bytes || p.scale == 1.0 / 255.0, "{}", entry.name);
        let white = if bytes { 255.0 } else { 1.0 };
        for (mean, std) in p.mean.iter().zip(&p.std) {
            assert!((0.39..0.51).contains(&(mean / white)), "{}: {mean}", entry.name);
            assert!(bytes || (0.2..0.51).contains(std), "{}: {std}", entry.name);
        }
        // Blue first goes with bytes, and the mean of blue is the least.
        assert_eq!(bytes, p.channels == Channels::Bgr, "{}", entry.name);
        assert!(!bytes || p.mean[0] < p.mean[2], "{}", entry.name);
        if let Resize::Shorter(side) = p.resize {
            let share = p.crop[0] as f64 / side as f64;
            assert!((0.85..=1.0).contains(&share), "{}: {share}", entry.name);
        }
    }
    let lite = find(DEFAULT).unwrap().preprocess;
    assert_eq!((lite.resize, lite.interpolation), (Resize::Shorter(256), Interpolation::Bicubic));
    assert_eq!((lite.mean, lite.std), ([127.0 / 255.0; 3], [128.0 / 255.0; 3]));
    let caffe = find("caffenet.bvlc").unwrap().preprocess;
    assert_eq!((caffe.resize, caffe.crop), (Resize::Exact([256, 256]), [227, 227]));
    assert_eq!((caffe.scale, caffe.mean, caffe.std), (1.0, [104.0, 117.0, 123.0], [1.0; 3]));
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
fn a_file_named_after_its_own_checksum_has_that_checksum() {
    let mut seen = 0;
    for entry in catalogue() {
        let stem = entry.file_name().trim_end_matches(".pth");
        let digits = stem.rsplit('-').next().unwrap();
        if let Some(Expected::Sha256Start(start)) = &entry.checksum {
            assert_eq!(start, digits, "{}", entry.name);
        } else if let Some(Expected::Sha256(sum)) = &entry.checksum
            && entry.zoo == "pypi"
            && stem != entry.file_name()
        {
            assert!(sum.to_string().starts_with(digits), "{}", entry.name);
        } else {
            continue;
        }
        seen += 1;
    }
    assert!(seen >= 60, "{seen}");
}

/// What the framework counts: the learned values that it has; Keras counts running statistics too.
fn counted(info: &ArchInfo) -> u64 {
    let sources = info.sources(&info.graph().unwrap()).unwrap();
    let counts = |spec: &ParamSpec| spec.role.learned() || info.naming == Naming::Keras;
    let theirs = sources.iter().filter(|(spec, source)| counts(spec) && source.is_some());
    theirs.map(|(spec, _)| spec.shape.count() as u64).sum()
}

#[test]
fn parameters_are_as_many_as_published_and_costs_are_those_of_the_graphs() {
    let published: BTreeMap<&str, u64> =
        catalogue().iter().filter_map(|e| Some((e.architecture()?.name, e.parameters?))).collect();
    assert!(published.len() >= 90, "{}", published.len());
    let mut table = String::new();
    for info in architectures() {
        let facts = facts(&info.graph().unwrap()).unwrap();
        let [learned, macs] = [facts.learned(), facts.macs()].map(|n| n.to_string());
        table.extend([info.name, "\t", &learned, "\t", &macs, "\n"]);
        if let Some(theirs) = published.get(info.name) {
            assert_eq!(counted(info), *theirs, "{}", info.name);
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/costs.tsv");
    if std::env::var_os("REGRAFT_WRITE_DOCS").is_some() {
        crate::pip::put(std::path::Path::new(path), table.as_bytes());
    }
    let there = std::fs::read_to_string(path).unwrap();
    assert_eq!(there, table, "stale: REGRAFT_WRITE_DOCS=1 cargo test -p regraft-zoo costs");
}

#[test]
fn everything_that_is_known_of_families_and_pitfalls_can_be_read_and_is_used() {
    assert!(families().len() >= 24 && pitfalls().len() >= 20);
    for info in architectures() {
        assert!(family(info.family.name()).is_some(), "{}", info.family.name());
    }
    let mut used = BTreeSet::new();
    for entry in catalogue() {
        let family = family(&entry.family);
        assert!(family.is_some(), "{}: {}", entry.name, entry.family);
        used.extend(entry.pitfalls.iter());
        used.extend(family.iter().flat_map(|f| &f.pitfalls));
    }
    for name in &used {
        pitfall(name).unwrap();
    }
    for pitfall in pitfalls() {
        assert!(used.contains(&pitfall.name), "nobody has {}", pitfall.name);
        assert!(!pitfall.text.is_empty() && !pitfall.source.is_empty());
    }
    let error = pitfall("label-smooting").unwrap_err().to_string();
    assert_eq!(error, "no pitfall `label-smooting`; did you mean `label-smoothing`?");
}

#[test]
fn licences_are_classed_and_files_told_apart() {
    let mut classes: BTreeMap<LicenceClass, usize> = BTreeMap::new();
    let mut files = BTreeSet::new();
    for entry in catalogue() {
        *classes.entry(entry.licence_class()).or_default() += 1;
        if let Source::Url { .. } = entry.source {
            assert!(files.insert(entry.file_name().to_owned()), "{} twice", entry.file_name());
        }
        let top = [entry.published_top1.unwrap_or(0.0), entry.published_top5.unwrap_or(100.0)];
        assert!(top[0] < top[1], "{}", entry.name);
        let trained_on_pictures_of_imagenet = entry.dataset.contains("ImageNet");
        let says_so = entry.pitfalls.iter().any(|p| p == "imagenet-terms");
        let first = entry.zoo == "pypi" || entry.dataset.contains("Flickr");
        assert!(says_so == trained_on_pictures_of_imagenet || first, "{}", entry.name);
    }
    assert!(classes[&LicenceClass::Permissive] >= 110, "{classes:?}");
    assert_eq!(classes[&LicenceClass::NonCommercial], 6, "{classes:?}");
    assert_eq!(classes[&LicenceClass::Unknown], 1, "{classes:?}");
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
    let card = card(&entry);
    assert_eq!(card.labels.len(), 1000);
    assert_eq!(card.cut.as_deref(), Some("_avg_pooling"));
    assert_eq!(card.logits.as_deref(), Some("_fc"));
    let params = formula_params(&entry.graph().unwrap()).unwrap();
    let whole = network(entry.architecture().unwrap().name, &params, card.clone()).unwrap();
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
        ("name = \"efficientnet-lite0\"", "name = \".a\"", "`name` wants letters"),
        ("sha256 = ", "md5 = ", "`md5` wants 32 hexadecimal digits"),
        ("sha256 = ", "sha1 = \"00\"\nsha256 = ", "`sha1` wants 40"),
        ("framework = \"tensorflow\"\n", "", "`framework` is missing"),
        ("architecture = ", "graph = \"file\"\narchitecture = ", "no `architecture` beside it"),
        ("crop = 224", "crop = 240", "`crop` wants the size of the architecture's input"),
        ("crop = 224", "crop = 224\nchannels = \"gbr\"", "`channels` wants `rgb` or `bgr`"),
        ("labels = ", "pitfalls = [\"unknown-trap\"]\nlabels = ", "no pitfall `unknown-trap`"),
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
