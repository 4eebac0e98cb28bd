use std::fs;
use std::path::Path;
use std::sync::Arc;

use regraft_zoo::{
    Cache, Checksum, Entry, Expected, FetchOptions, Fetched, Flow, Keep, NetworkSpec, OwnCard,
    OwnZoo, Reach, Source, ZooError, bring, fetch, find, reach,
};

use crate::pip::put;

const CARD: &str =
    "architecture = \"torchvision/resnet18\"\ndataset = \"birds\"\nlicence = \"MIT\"\n";

fn get(entry: &Arc<Entry>, cache: &Path) -> Result<Fetched, ZooError> {
    let cache = Cache::open(Some(cache.into())).unwrap();
    let options = FetchOptions { hub_cache: Some(cache.root().join("hub")), ..Default::default() };
    fetch(&NetworkSpec::Catalogue(Arc::clone(entry)), &cache, &options, &mut |_| Flow::Continue)
}

#[test]
fn a_network_of_ones_own_is_kept_found_checked_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let own = OwnZoo::open(Some(folder.path().join("own"))).unwrap();
    assert!(own.entries().0.is_empty());
    let file = folder.path().join("mine.pth");
    put(&file, b"weights");
    let card = OwnCard::parse("card.toml", CARD, "mine", None).unwrap();
    let entry = own.add("mine", &card, &file, Keep::Copy).unwrap();
    assert_eq!(entry.checksum, Some(Expected::Sha256(Checksum::of(b"weights"))));
    assert_eq!((entry.zoo.as_str(), entry.dataset.as_str()), ("own", "birds"));
    assert_eq!(entry.preprocess.crop, [224, 224], "as the architecture's framework does");
    let (all, bad) = own.entries();
    assert_eq!((all.len(), bad.len()), (1, 0));
    let fetched = get(&all[0], folder.path()).unwrap();
    assert_eq!(fs::read(&fetched.path).unwrap(), b"weights");
    assert!(matches!(own.add("mine", &card, &file, Keep::Copy), Err(ZooError::Taken { .. })));
    let taken = own.add("efficientnet-lite0", &card, &file, Keep::Copy).unwrap_err().to_string();
    assert!(taken.contains("taken by the catalogue"), "{taken}");
    put(&fetched.path, b"changed");
    assert!(matches!(get(&all[0], folder.path()), Err(ZooError::Checksum { .. })));
    let near = own.remove("mien").unwrap_err().to_string();
    assert!(near.contains("did you mean `mine`?"), "{near}");
    let stays = own.remove("efficientnet-lite0").unwrap_err().to_string();
    assert!(stays.contains("the catalogue, which stays"), "{stays}");
    own.remove("mine").unwrap();
    assert!(own.find("mine").unwrap().is_none() && file.is_file());
    assert!(own.find("../own/mine").unwrap().is_none() && own.find("").unwrap().is_none());
    // A link leaves the file where it is.
    let linked = own.add("linked", &card, &file, Keep::Link).unwrap();
    let Source::File { path } = &linked.source else { panic!() };
    assert!(path.is_symlink());
    own.remove("linked").unwrap();
    assert!(file.is_file());
}

#[test]
fn a_damaged_card_is_named_and_hides_no_other_network() {
    let folder = tempfile::tempdir().unwrap();
    let own = OwnZoo::open(Some(folder.path().into())).unwrap();
    let file = folder.path().join("w.pth");
    put(&file, b"weights");
    let card = OwnCard::parse("card.toml", CARD, "good", None).unwrap();
    own.add("good", &card, &file, Keep::Copy).unwrap();
    fs::create_dir(folder.path().join("bad")).unwrap();
    put(&folder.path().join("bad/card.toml"), b"name = 3\n\xff");
    fs::create_dir(folder.path().join("empty")).unwrap();
    let (all, bad) = own.entries();
    assert_eq!(all.len(), 1);
    assert!(bad[0].to_string().contains("bad/card.toml"), "{}", bad[0]);
    assert!(own.free("bad").is_err());
    own.remove("bad").unwrap();
    assert_eq!(own.entries().1.len(), 0);
}

#[test]
fn a_card_that_cannot_be_used_says_where_and_why() {
    for (text, wanted) in [
        ("", "`architecture` is missing"),
        ("architecture = \"torchvision/resnet19\"", "did you mean `torchvision/resnet18`"),
        ("architecture = ", "TOML parse error"),
        ("graph = \"onnx\"", "`graph` wants `file`"),
        ("architecture = \"torchvision/resnet18\"\ncolour = \"red\"", "unknown field `colour`"),
        (
            "architecture = \"torchvision/resnet18\"\npublished_top1 = 90.0",
            "`published_top1_source` is missing",
        ),
    ] {
        let error = OwnCard::parse("my.toml", text, "x", None).unwrap_err().to_string();
        assert!(error.contains(wanted), "{text}: {error}");
    }
    let error = OwnCard::parse("my.toml", CARD, "a/b", None).unwrap_err().to_string();
    assert!(error.contains("`name` wants letters"), "{error}");
    let own_graph = OwnCard::parse("my.toml", CARD, "x", Some("file")).unwrap();
    assert!(own_graph.entry().unwrap().architecture().is_none());
    let classes = format!("{CARD}classes = [\"a\", \"b\", \"c\"]\n");
    let entry = OwnCard::parse("my.toml", &classes, "x", None).unwrap().entry().unwrap();
    let graph = entry.graph().unwrap();
    let facts = regraft_net::facts::facts(&graph).unwrap();
    assert_eq!(facts.output().shape.dims(), [3]);
    assert_eq!(entry.card().labels, ["a", "b", "c"]);
}

#[test]
fn a_file_that_a_person_downloads_is_asked_for_checked_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let entry = find("resnet50.imagenet1k_v2").unwrap();
    let text = get(&entry, folder.path()).unwrap_err().to_string();
    for wanted in [
        "https://download.pytorch.org/models/resnet50-11ad3fa6.pth",
        "regraft zoo add resnet50.imagenet1k_v2 FILE",
        "weights/resnet50-11ad3fa6.pth",
        "sha256 11ad3fa6",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let cache = Cache::open(Some(folder.path().into())).unwrap();
    let hub = folder.path().join("hub");
    assert_eq!(reach(&entry, &cache, Some(&hub)), Reach::ByHand);
    let file = folder.path().join("download.pth");
    put(&file, b"weights");
    let wrong = bring(&entry, &file, &cache, Keep::Copy).unwrap_err();
    assert!(matches!(wrong, ZooError::Checksum { .. }), "{wrong}");
    assert_eq!(reach(&entry, &cache, Some(&hub)), Reach::ByHand);
    // The same with bytes that are right, by each kind of checksum and by none.
    let sum = Checksum::of(b"weights").to_string();
    for (name, checksum) in [
        ("resnet50.imagenet1k_v2", Expected::parse("sha256_prefix", &sum[..8])),
        ("ResNet50.keras", Expected::parse("md5", "3e7f5a2b7f7e1ab0ff5a5e0b1cf1d0cc")),
        ("MobileNet.keras", None),
        ("resnet50.a1_in1k", None),
    ] {
        let mut entry = Entry::clone(&find(name).unwrap());
        if checksum.as_ref().is_some_and(|c| matches!(c, Expected::Md5(_))) {
            // Not the sum of these bytes.
            entry.checksum = checksum;
            assert!(bring(&entry, &file, &cache, Keep::Copy).is_err());
            continue;
        }
        entry.checksum = checksum;
        let entry = Arc::new(entry);
        let kept = bring(&entry, &file, &cache, Keep::Copy).unwrap();
        assert!(matches!(reach(&entry, &cache, Some(&hub)), Reach::Here(_)), "{name}");
        let found = get(&entry, folder.path()).unwrap();
        assert_eq!((&found.path, found.sha256), (&kept.path, Checksum::of(b"weights")), "{name}");
        // Trusted once, the bytes must stay.
        put(&kept.path, b"other");
        assert!(matches!(get(&entry, folder.path()), Err(ZooError::Checksum { .. })), "{name}");
    }
}
