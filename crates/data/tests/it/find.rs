//! Folders to examples: layouts, splits, notes and errors.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use regraft_data::{DataError, Dataset, Format, Layout, Note, OpenOptions, Split, SplitOrigin};

use crate::folder;

fn open(root: &Path) -> Result<Dataset, DataError> {
    Dataset::open(root, &OpenOptions::default())
}

/// The error for a folder with these files.
fn refused(files: &[&str]) -> DataError {
    open(folder(files).path()).unwrap_err()
}

fn names(dataset: &Dataset, split: Split) -> Vec<&str> {
    dataset.split(split).map(|example| example.name.as_str()).collect()
}

/// `class/00.jpg` to `class/NN.jpg`.
fn numbered(class: &str, n: usize) -> Vec<String> {
    (0..n).map(|i| format!("{class}/{i:02}.jpg")).collect()
}

fn classes(sizes: &[(&str, usize)]) -> tempfile::TempDir {
    let files: Vec<String> = sizes.iter().flat_map(|(class, n)| numbered(class, *n)).collect();
    folder(&files.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_folder_of_class_folders_is_read_at_any_depth_and_its_names_are_kept() {
    let root = folder(&["b b/1.JPG", "b b/deep/er/2.jfif", "ä/1.png", "ä/2.tif", "ä/x.webp"]);
    let dataset = open(root.path()).unwrap();
    assert_eq!(
        (&dataset.layout, &dataset.classes),
        (&Layout::ClassFolders, &vec!["b b".into(), "ä".into()])
    );
    let mut found: Vec<(&str, usize)> =
        dataset.examples.iter().map(|e| (e.name.as_str(), e.label)).collect();
    found.sort_unstable();
    let wanted = [
        ("b b/1.JPG", 0),
        ("b b/deep/er/2.jfif", 0),
        ("ä/1.png", 1),
        ("ä/2.tif", 1),
        ("ä/x.webp", 1),
    ];
    assert_eq!(found, wanted);
    assert!(dataset.examples.iter().all(|e| e.path == root.path().join(&e.name)));
    assert_eq!(dataset.split_origin, SplitOrigin::Drawn { share: 0.2, seed: 0 });
    assert_eq!(dataset.split(Split::Test).count(), 2);
}

#[test]
fn split_folders_of_any_case_are_splits_and_classes_are_one_table() {
    let root = folder(&[
        "Train/b/1.png",
        "Train/a/1.png",
        "Train/c/1.png",
        "VALID/a/2.png",
        "test/b/3.png",
        "test/a/3.png",
        "extra/e/1.png",
    ]);
    let dataset = open(root.path()).unwrap();
    assert_eq!(dataset.layout, Layout::SplitFolders);
    assert_eq!(dataset.classes, ["a", "b", "c"]);
    assert_eq!(names(&dataset, Split::Train), ["Train/a/1.png", "Train/b/1.png", "Train/c/1.png"]);
    assert_eq!(names(&dataset, Split::Val), ["VALID/a/2.png"]);
    assert_eq!(names(&dataset, Split::Test), ["test/a/3.png", "test/b/3.png"]);
    let names = ["Train", "VALID", "test"].map(String::from).to_vec();
    assert_eq!(dataset.split_origin, SplitOrigin::Given { names });
    let missing = |split, classes: &[&str]| Note::MissingFromSplit {
        split,
        classes: classes.iter().map(ToString::to_string).collect(),
    };
    for note in [
        missing(Split::Val, &["b", "c"]),
        missing(Split::Test, &["c"]),
        Note::IgnoredFolders { folders: vec!["extra".into()] },
    ] {
        assert!(dataset.notes.contains(&note), "{note} in {:?}", dataset.notes);
    }
}

#[test]
fn a_validation_split_alone_becomes_the_test_split() {
    for word in ["val", "valid", "Validation"] {
        let files = ["train/a/1.png", "train/b/1.png"].map(String::from);
        let more = ["a", "b"].map(|class| format!("{word}/{class}/2.png"));
        let all: Vec<&str> = files.iter().chain(&more).map(String::as_str).collect();
        let dataset = open(folder(&all).path()).unwrap();
        assert_eq!(names(&dataset, Split::Test), [more[0].as_str(), more[1].as_str()]);
        assert_eq!(dataset.split(Split::Val).count(), 0);
        assert!(dataset.notes.contains(&Note::ValIsTest { names: vec![word.into()] }));
    }
}

#[test]
fn a_train_folder_alone_is_split_by_a_draw_and_an_unlabelled_test_folder_is_left_out() {
    let files = ["train/a/1.png", "train/a/2.png", "train/b/1.png", "train/b/2.png", "test/7.png"];
    for (files, unlabelled) in [(&files[..4], false), (&files[..], true)] {
        let dataset = open(folder(files).path()).unwrap();
        assert_eq!(dataset.layout, Layout::SplitFolders);
        assert_eq!(dataset.split_origin, SplitOrigin::Drawn { share: 0.2, seed: 0 });
        assert_eq!(dataset.examples.len(), 4);
        let note = Note::SplitWithoutClasses { folder: "test".into(), images: 1 };
        assert_eq!(dataset.notes.contains(&note), unlabelled);
    }
}

#[test]
fn a_class_may_be_called_train() {
    let dataset = open(folder(&["train/1.png", "bus/1.png", "car/1.png"]).path()).unwrap();
    assert_eq!(dataset.classes, ["bus", "car", "train"]);
}

#[test]
fn litter_and_hidden_entries_are_passed_over_and_other_files_are_counted() {
    let root = folder(&[
        "a/1.jpg",
        "a/2.jpg",
        "a/Thumbs.db",
        "a/.hidden.jpg",
        "a/.ipynb_checkpoints/1.jpg",
        "b/1.jpg",
        "b/2.jpg",
        "b/DESKTOP.INI",
        "__MACOSX/a/1.jpg",
        ".git/x.jpg",
        "a/read.TXT",
        "a/b.txt",
        "b/c.Svg",
        "b/noext",
        "loose.jpg",
        "readme.md",
    ]);
    let dataset = open(root.path()).unwrap();
    assert_eq!(dataset.classes, ["a", "b"]);
    assert_eq!(dataset.examples.len(), 4);
    let counts = [("", 1), ("md", 1), ("svg", 1), ("txt", 2)];
    let by_extension = counts.into_iter().map(|(e, n)| (e.to_owned(), n)).collect();
    let ignored = Note::IgnoredFiles { by_extension };
    assert!(dataset.notes.contains(&ignored));
    assert_eq!(
        ignored.to_string(),
        "5 files that are no images ignored: 1 without extension, 1 .md, 1 .svg, 2 .txt"
    );
    assert!(dataset.notes.contains(&Note::LooseImages { images: vec!["loose.jpg".into()] }));
}

#[test]
fn oddities_of_classes_and_formats_are_noted() {
    let root = classes(&[("a", 40), ("b", 3), ("c", 1)]);
    fs::create_dir(root.path().join("none")).unwrap();
    fs::rename(root.path().join("a/00.jpg"), root.path().join("a/00.png")).unwrap();
    let dataset = open(root.path()).unwrap();
    let notes = [
        Note::SingleImage { classes: vec!["c".into()] },
        Note::TinyClasses { classes: [("b".to_owned(), 2)].into() },
        Note::OddFormat { usual: Format::Jpeg, others: vec!["a/00.png".into()] },
        Note::EmptyFolders { folders: vec!["none".into()] },
    ];
    assert_eq!(dataset.notes, notes);
    assert_eq!(names(&dataset, Split::Train).last(), Some(&"c/00.jpg"));
    let words: Vec<String> = dataset.notes.iter().map(ToString::to_string).collect();
    let wanted = [
        "a single image for 1 class (`c`): it is trained on, nothing of the class is tested",
        "fewer than five training images for 1 class (`b: 2`): expect little",
        "all files are JPEG but 1 file (`a/00.png`): a network may learn the format instead of the class",
        "1 folder (`none`) without any image ignored",
    ];
    assert_eq!(words, wanted);
}

#[test]
fn what_cannot_be_a_data_set_is_refused_with_what_was_found() {
    let cases: [(&[&str], &str); 10] = [
        (&[], "no images under"),
        (&["readme.txt"], "found 1 other files"),
        (&["a/x.txt", "b/y.txt"], "no images under"),
        (&["1.jpg", "2.jpg"], "it holds 2 images directly and no folders with images; put"),
        (&["a/1.jpg", "a/2.jpg"], "only one class, `a`"),
        (&["pets/cat/1.jpg", "pets/dog/1.jpg"], "pets`?"),
        (&["train/1.jpg", "test/2.jpg"], "holds 2 folders (`test`, `train`) without class folders"),
        (&["train/a/1.jpg", "val/a/1.jpg"], "only one class, `a`"),
        (
            &["train/a/1.jpg", "train/Bee/1.jpg", "val/a/2.jpg", "val/bee /2.jpg", "val/c/2.jpg"],
            "no training image for 2 classes (`bee `, `c`), only images in other splits: add some \
             to the training split, or take the class out of the others; is `bee ` another spelling of `Bee`?",
        ),
        (&["train/a/1.jpg", "val/a/2.jpg", "valid/a/3.jpg"], "are both the val split"),
    ];
    for (files, words) in cases {
        let message = refused(files).to_string();
        assert!(message.contains(words), "{files:?}: {message}");
    }
}

#[test]
fn a_wrong_path_or_share_is_refused() {
    let root = folder(&["a/1.jpg", "b/1.jpg"]);
    let missing = root.path().join("nope");
    assert!(matches!(open(&missing), Err(DataError::Missing { path }) if path == missing));
    let file = root.path().join("a/1.jpg");
    assert!(matches!(open(&file), Err(DataError::NotATable { path }) if path == file));
    for share in [0.0, 1.0, -0.1, 7.0, f64::NAN] {
        let options = OpenOptions { test_share: share, ..OpenOptions::default() };
        let given = Dataset::open(root.path(), &options);
        assert!(matches!(given, Err(DataError::TestShare { .. })), "{share}");
    }
}

#[cfg(unix)]
#[test]
fn a_folder_without_permission_is_an_error_that_names_it() {
    use std::os::unix::fs::PermissionsExt;
    let root = folder(&["a/1.jpg", "b/1.jpg", "b/closed/2.jpg"]);
    let closed = root.path().join("b/closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&closed).is_ok() {
        println!("skipped: this user may read everything");
    } else {
        assert!(matches!(open(root.path()), Err(DataError::Permission { path }) if path == closed));
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
}

#[cfg(unix)]
#[test]
fn links_are_followed_once_and_never_for_ever() {
    use std::os::unix::fs::symlink;
    let root = folder(&["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"]);
    let elsewhere = folder(&["x/3.jpg"]);
    symlink(root.path(), root.path().join("a/loop")).unwrap();
    symlink(elsewhere.path().join("x"), root.path().join("b/more")).unwrap();
    symlink("more", root.path().join("b/same")).unwrap();
    symlink("nowhere.jpg", root.path().join("b/gone.jpg")).unwrap();
    symlink("self.jpg", root.path().join("b/self.jpg")).unwrap();
    let dataset = open(root.path()).unwrap();
    let of_b: Vec<_> = dataset.examples.iter().filter(|e| e.label == 1).collect();
    assert!(of_b.iter().any(|e| e.name == "b/more/3.jpg") && of_b.len() == 3, "{of_b:?}");
    assert_eq!(dataset.examples.len(), 5);
    let gone = ["b/gone.jpg", "b/self.jpg"].map(String::from).to_vec();
    assert!(dataset.notes.contains(&Note::BrokenLinks { links: gone }));
    let again = |note: &&Note| matches!(note, Note::RepeatedFolders { .. });
    let again = dataset.notes.iter().find(again).unwrap().to_string();
    assert!(again.contains("`b/same`") && again.contains("`a/loop`"), "{again}");
}

#[test]
fn the_draw_takes_the_rounded_share_of_each_class_and_is_the_same_again() {
    let sizes = [("a", 2), ("b", 3), ("c", 8), ("d", 13), ("e", 50)];
    let dataset = open(classes(&sizes).path()).unwrap();
    let tested: Vec<usize> = (0..5)
        .map(|label| dataset.split(Split::Test).filter(|e| e.label == label).count())
        .collect();
    assert_eq!(tested, [1, 1, 2, 3, 10]);
    let again = open(classes(&sizes).path()).unwrap();
    assert_eq!(names(&again, Split::Test), names(&dataset, Split::Test));
    // Written down once: another machine or version must draw the same.
    let of_d: Vec<&str> =
        names(&dataset, Split::Test).into_iter().filter(|name| name.starts_with('d')).collect();
    assert_eq!(of_d, ["d/00.jpg", "d/03.jpg", "d/08.jpg"]);
}

#[test]
fn another_seed_draws_others_and_another_class_changes_nothing() {
    let small = classes(&[("a", 40), ("b", 40)]);
    let large = classes(&[("a", 40), ("aa", 7), ("b", 40), ("c", 9)]);
    let of = |root: &Path, seed, class: &str| -> Vec<String> {
        let options = OpenOptions { test_share: 0.3, seed, ..OpenOptions::default() };
        let dataset = Dataset::open(root, &options).unwrap();
        let tested = dataset.split(Split::Test).map(|e| e.name.clone());
        tested.filter(|name| name.starts_with(&format!("{class}/"))).collect()
    };
    assert_ne!(of(small.path(), 1, "a"), of(small.path(), 2, "a"));
    for class in ["a", "b"] {
        assert_eq!(of(small.path(), 1, class), of(large.path(), 1, class));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_image_is_used_once_and_every_class_is_trained(
        sizes in prop::collection::vec(1_usize..12, 2..5),
        share in 0.01_f64..0.99,
        seed in any::<u64>(),
    ) {
        let named: Vec<String> = (0..sizes.len()).map(|i| format!("class {i}")).collect();
        let sized: Vec<(&str, usize)> = named.iter().map(String::as_str).zip(sizes.clone()).collect();
        let options = OpenOptions { test_share: share, seed, ..OpenOptions::default() };
        let dataset = Dataset::open(classes(&sized).path(), &options).unwrap();
        let mut all: Vec<&str> = dataset.examples.iter().map(|e| e.name.as_str()).collect();
        all.sort_unstable();
        all.dedup();
        prop_assert_eq!(all.len(), sizes.iter().sum::<usize>());
        for (label, n) in sizes.iter().enumerate() {
            let of = |split| dataset.split(split).filter(|e| e.label == label).count();
            prop_assert!(of(Split::Train) >= 1 && of(Split::Val) == 0);
            prop_assert_eq!(of(Split::Test) >= 1, *n >= 2);
        }
    }
}
