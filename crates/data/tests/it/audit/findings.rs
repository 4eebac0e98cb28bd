//! What looks and pairs mean.

use image::{ImageFormat, Rgb, RgbImage};
use regraft_data::DataError;
use regraft_data::audit::{
    Finding, FindingKind, Look, Pair, PairKind, Unreadable, duplicates, findings, look, look_at,
};

use super::{dataset, encoded, files, jpeg, look_of_picture, mirrored, scene, shrunk};

/// Findings of one kind: files and figure.
fn of(found: &[Finding], kind: FindingKind) -> Vec<(Vec<usize>, f64)> {
    let of = found.iter().filter(|finding| finding.kind == kind);
    of.map(|finding| (finding.files.clone(), finding.figure)).collect()
}

fn files_of(found: &[Finding], kind: FindingKind) -> Vec<Vec<usize>> {
    of(found, kind).into_iter().map(|(files, _)| files).collect()
}

/// Findings about copies only.
fn about_copies(names: &[&str], pairs: &[(usize, usize, PairKind)]) -> Vec<Finding> {
    let root = tempfile::tempdir().unwrap();
    let looks: Vec<_> = names.iter().map(|name| look_at(&root.path().join(name))).collect();
    let similarity = |kind| if kind == PairKind::Near { 0.95 } else { 1.0 };
    let pairs: Vec<Pair> = pairs
        .iter()
        .map(|(a, b, kind)| Pair { a: *a, b: *b, kind: *kind, similarity: similarity(*kind) })
        .collect();
    findings(&dataset(root.path(), names), &looks, &pairs).unwrap()
}

#[test]
fn copies_are_leaks_across_splits_conflicts_across_classes_and_copies_within_both() {
    use PairKind::{Bytes, Near};
    let names = [
        "train/ant/0.jpg",
        "train/ant/1.jpg",
        "train/bee/2.jpg",
        "train/bee/3.jpg",
        "train/bee/4.jpg",
        "val/ant/5.jpg",
        "test/ant/6.jpg",
        "test/bee/7.jpg",
    ];
    let pairs = [(0, 1, Near), (2, 6, Bytes), (3, 4, Bytes), (3, 7, Near), (1, 5, Near)];
    let found = about_copies(&names, &pairs);
    let near = f64::from(0.95_f32);
    assert_eq!(of(&found, FindingKind::Copies), [(vec![0, 1], near), (vec![3, 4], 1.0)]);
    assert_eq!(of(&found, FindingKind::Conflict), [(vec![2, 6], 1.0)]);
    // 0 and 5 are like 1, but were not found to be like one another.
    let leaks = [(vec![1, 5], near), (vec![2, 6], 1.0), (vec![3, 7], near)];
    assert_eq!(of(&found, FindingKind::Leak), leaks);
}

#[test]
fn a_copy_of_any_of_many_exact_copies_is_a_leak_of_each_file_of_the_later_split() {
    use PairKind::{Bytes, Mirrored};
    let names = [
        "train/a/0.jpg",
        "train/a/1.jpg",
        "train/b/2.jpg",
        "test/a/3.jpg",
        "test/a/4.jpg",
        "test/b/5.jpg",
    ];
    // 0, 1, 3 and 4 are the same; 5 is the mirror image of 0, and so of all.
    let pairs = [(0, 1, Bytes), (0, 3, Bytes), (0, 4, Bytes), (0, 5, Mirrored)];
    let found = about_copies(&names, &pairs);
    assert_eq!(files_of(&found, FindingKind::Leak), [vec![0, 3], vec![0, 4], vec![0, 5]]);
    assert_eq!(files_of(&found, FindingKind::Copies), [vec![0, 1], vec![3, 4]]);
    assert_eq!(files_of(&found, FindingKind::Conflict), [vec![0, 5]]);
}

#[test]
fn a_folder_with_every_fault_is_told_all_of_them() {
    let picture = |seed| scene(seed, 200, 150);
    let mut contents: Vec<(String, Vec<u8>)> = (0..12)
        .map(|i| (format!("train/ant/{i:02}.jpg"), jpeg(&picture(i), 90)))
        .chain((20..32).map(|i| (format!("train/bee/{i}.jpg"), jpeg(&picture(i), 90))))
        .chain((40..46).map(|i| (format!("val/ant/{i}.jpg"), jpeg(&picture(i), 90))))
        .collect();
    let add = |contents: &mut Vec<(String, Vec<u8>)>, name: &str, bytes| {
        contents.push((name.into(), bytes));
    };
    add(&mut contents, "train/ant/cut.jpg", jpeg(&picture(70), 90)[..900].to_vec());
    add(&mut contents, "train/bee/conflict.jpg", jpeg(&picture(3), 90));
    add(&mut contents, "train/bee/png.jpg", encoded(&picture(71), ImageFormat::Png));
    add(&mut contents, "val/ant/exact.jpg", jpeg(&picture(1), 90));
    add(&mut contents, "val/ant/small.jpg", jpeg(&shrunk(&picture(2), 0.5), 50));
    add(&mut contents, "val/bee/turned.jpg", jpeg(&mirrored(&picture(25)), 70));
    let names: Vec<&str> = contents.iter().map(|(name, _)| name.as_str()).collect();
    let given: Vec<(&str, Vec<u8>)> =
        contents.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let (root, paths) = files(&given);
    let looks = look(&paths, |_| {});
    let pairs = duplicates(&looks, None).unwrap();
    let found = findings(&dataset(root.path(), &names), &looks, &pairs).unwrap();
    let at = |name: &str| names.iter().position(|n| n.ends_with(name)).unwrap();
    let named = |names: &[&str]| names.iter().map(|name| at(name)).collect::<Vec<_>>();
    let is = |kind, wanted: &[&[&str]]| {
        let wanted: Vec<Vec<usize>> = wanted.iter().map(|names| named(names)).collect();
        assert_eq!(files_of(&found, kind), wanted, "{}", kind.key());
    };
    is(FindingKind::Unreadable, &[&["cut.jpg"]]);
    is(FindingKind::Conflict, &[&["03.jpg", "conflict.jpg"]]);
    let leaks: [&[&str]; 3] =
        [&["01.jpg", "exact.jpg"], &["02.jpg", "small.jpg"], &["25.jpg", "turned.jpg"]];
    is(FindingKind::Leak, &leaks);
    is(FindingKind::WrongExtension, &[&["png.jpg"]]);
    is(FindingKind::OddFormat, &[&["png.jpg"]]);
    is(FindingKind::Copies, &[]);
    assert!(found.is_sorted_by_key(|finding| finding.kind));
}

/// Sixty looks like the first; the last ones are changed.
fn among_sixty(change: impl Fn(usize, &mut Look)) -> Vec<Finding> {
    let names: Vec<String> = (0..60).map(|i| format!("train/{}/{i:02}.jpg", i % 2)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (root, paths) = files(&[("train/0/00.jpg", jpeg(&scene(0, 64, 64), 90))]);
    let first = look_at(&paths[0]).unwrap();
    let looks: Vec<Result<Look, Unreadable>> = (0..60)
        .map(|i| {
            let mut look = look_of_picture(&first, &scene(0, 64, 64), i as u64);
            // Nothing is exactly alike in real sets.
            let wave = 1.0 + 0.1 * ((i * 7 % 11) as f32 - 5.0) / 5.0;
            (look.width, look.height) = (400 + 3 * i, 300 + 2 * (i % 9));
            (look.brightness, look.contrast, look.sharpness) =
                (0.5 * wave, 0.2 * wave, 900.0 * wave);
            change(i, &mut look);
            Ok(look)
        })
        .collect();
    findings(&dataset(root.path(), &names), &looks, &[]).unwrap()
}

#[test]
fn files_unlike_the_others_are_found_one_by_one() {
    type Change = fn(&mut Look);
    let changes: [(FindingKind, Change); 11] = [
        (FindingKind::OddSize, |look| (look.width, look.height) = (40, 30)),
        (FindingKind::OddSize, |look| (look.width, look.height) = (4000, 3000)),
        (FindingKind::OddAspect, |look| (look.width, look.height) = (900, 150)),
        (FindingKind::OddAspect, |look| (look.width, look.height) = (150, 900)),
        (FindingKind::GreyAmongColour, |look| look.grey = true),
        (FindingKind::MixedDepth, |look| look.sixteen_bit = true),
        (FindingKind::ExifTurned, |look| look.exif_turned = true),
        (FindingKind::Dark, |look| look.brightness = 0.03),
        (FindingKind::Bright, |look| look.brightness = 0.97),
        (FindingKind::LowContrast, |look| look.contrast = 0.01),
        (FindingKind::Blurred, |look| look.sharpness = 8.0),
    ];
    assert_eq!(among_sixty(|_, _| {}), []);
    for (kind, change) in changes {
        let found = among_sixty(|i, look| {
            if i == 42 {
                change(look);
            }
        });
        assert_eq!(found.len(), 1, "{}: {found:?}", kind.key());
        assert_eq!((found[0].kind, &found[0].files[..]), (kind, &[42][..]), "{}", kind.key());
    }
    let grey = among_sixty(|i, look| look.grey = i != 42);
    assert_eq!(files_of(&grey, FindingKind::ColourAmongGrey), [[42]]);
}

#[test]
fn a_set_that_is_dark_small_or_grey_by_nature_has_no_findings() {
    let found = among_sixty(|_, look| {
        look.brightness *= 0.1;
        look.contrast *= 0.1;
        look.sharpness *= 0.001;
        look.grey = true;
        look.width /= 20;
        look.height /= 20;
    });
    assert_eq!(found, []);
    // A third of them is not odd, it is another kind.
    let found = among_sixty(|i, look| {
        if i % 3 == 0 {
            look.brightness *= 0.1;
            look.grey = true;
        }
    });
    assert_eq!(found, []);
}

#[test]
fn small_classes_and_classes_out_of_balance_are_named() {
    let names: Vec<String> = (0..40)
        .map(|i| format!("train/big/{i}.png"))
        .chain((0..4).map(|i| format!("train/tiny/{i}.png")))
        .chain((0..30).map(|i| format!("test/tiny/{i}.png")))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let bytes = encoded(&RgbImage::from_pixel(8, 8, Rgb([3, 90, 9])), ImageFormat::Png);
    let contents: Vec<(&str, Vec<u8>)> = names.iter().map(|name| (*name, bytes.clone())).collect();
    let (root, paths) = files(&contents);
    let found = findings(&dataset(root.path(), &names), &look(&paths, |_| {}), &[]).unwrap();
    let about: Vec<_> = found.iter().map(|f| (f.kind, f.class, f.figure)).collect();
    let wanted = [(FindingKind::TinyClass, Some(1), 4.0), (FindingKind::Imbalance, Some(1), 10.0)];
    assert_eq!(about, wanted);
}

#[test]
fn lists_about_other_files_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let data = dataset(root.path(), &["train/a/0.jpg", "train/b/1.jpg"]);
    let looks: Vec<_> = data.examples.iter().map(|e| look_at(&e.path)).collect();
    let pair = Pair { a: 0, b: 2, kind: PairKind::Near, similarity: 0.95 };
    let failed = findings(&data, &looks[..1], &[]);
    assert!(matches!(failed, Err(DataError::AuditLength { given: 1, wanted: 2, .. })));
    let failed = findings(&data, &looks, &[pair]);
    assert!(matches!(failed, Err(DataError::AuditLength { given: 2, wanted: 3, .. })));
}
