//! Tables whose images have several labels, or none.

use regraft_data::{
    DataError, Dataset, MultiLabel, Note, OpenOptions, Opened, Split, SplitOrigin, stratified,
};

use crate::folder;

fn open(table: &str) -> Result<Opened, DataError> {
    let images: Vec<String> = (0..40).map(|i| format!("{i}.jpg")).collect();
    let table = format!("data.csv={table}");
    let files: Vec<&str> = images.iter().map(String::as_str).chain([table.as_str()]).collect();
    Opened::open(folder(&files).path(), &OpenOptions::default())
}

fn several(table: &str) -> MultiLabel {
    match open(table).unwrap_or_else(|e| panic!("{table}: {e}")) {
        Opened::Labels(data) => data,
        Opened::Classes(data) => panic!("{table}: classes {:?}", data.classes),
    }
}

/// Names of the labels of each image, by its name.
fn told(data: &MultiLabel) -> Vec<String> {
    let mut told: Vec<String> =
        data.examples.iter().map(|e| format!("{} {}", e.name, data.names(&e.labels))).collect();
    told.sort();
    told
}

const WANTED: [&str; 4] = ["0.jpg a|b", "1.jpg no label", "2.jpg b", "3.jpg a|c d"];

#[test]
fn all_ways_to_write_several_labels_give_the_same() {
    for (table, words) in [
        ("path,label\n0.jpg,b|a\n1.jpg,\n2.jpg, b |b\n3.jpg,a|c d|\n", "`|`"),
        ("path;labels\n0.jpg;b|a\n1.jpg;\n2.jpg;b\n3.jpg;a|c d\n", "`|`"),
        ("path\ttags\n0.jpg\tb;a\n1.jpg\t\n2.jpg\tb\n3.jpg\ta; c d\n", "`;`"),
        ("image,Finding Labels\n0.jpg,\"b,a\"\n1.jpg,\n2.jpg,b\n3.jpg,\"c d, a\"\n", "`,`"),
        (
            "path,a,age,b,c d\n0.jpg,1,30,1,0\n1.jpg,0,31,,0\n2.jpg,0,32,1.0,0\n3.jpg,true,9,No,yes\n",
            "age",
        ),
    ] {
        let data = several(table);
        assert_eq!(told(&data), WANTED, "{table}");
        assert_eq!(data.labels, ["a", "b", "c d"]);
        let notes = data.notes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(notes.contains(words), "{table}: {notes}");
    }
    let planet = several("image_name,tags\n0.jpg,haze primary\n1.jpg,clear\n2.jpg,clear primary\n");
    assert_eq!(told(&planet), ["0.jpg haze|primary", "1.jpg clear", "2.jpg clear|primary"]);
}

#[test]
fn one_label_each_is_a_class() {
    for table in [
        "path,labels\n0.jpg,x\n1.jpg,y\n2.jpg,x\n3.jpg,y\n",
        "path,x,y\n0.jpg,1,0\n1.jpg,0,1\n2.jpg,1,0\n3.jpg,0,1\n",
    ] {
        let Opened::Classes(data) = open(table).unwrap() else { panic!("{table}") };
        assert_eq!(data.classes, ["x", "y"]);
        assert_eq!(data.examples.len(), 4);
    }
}

#[test]
fn who_wants_classes_is_told_of_several_labels() {
    let root = folder(&["0.jpg", "1.jpg", "data.csv=path,label\n0.jpg,a|b\n1.jpg,b\n"]);
    let error = Dataset::open(root.path(), &OpenOptions::default()).unwrap_err();
    assert!(matches!(&error, DataError::SeveralLabels { image, .. } if image == "0.jpg"));
    let words = error.to_string();
    assert!(words.contains("`a`, `b`") && words.contains("regraft fit"), "{words}");
}

#[test]
fn mistakes_in_tables_of_labels_are_named() {
    let error = |table: &str| open(table).unwrap_err().to_string();
    let unsure = error("path,a,b\n0.jpg,1,0\n1.jpg,-1,1\n");
    assert!(unsure.contains("line 3") && unsure.contains("`a` is -1"), "{unsure}");
    let none = error("path,age,size\n0.jpg,31,4\n1.jpg,30,5\n");
    assert!(none.contains("no column `label`") && none.contains("age, size"), "{none}");
    let twice = error("path,label\n0.jpg,a|b\n0.jpg,a\n");
    assert!(twice.contains("line 3") && twice.contains("`|`"), "{twice}");
    let untrained = error("path,label,split\n0.jpg,a|b,train\n1.jpg,a|c,test\n");
    assert!(untrained.contains('c'), "{untrained}");
}

#[test]
fn a_drawn_split_has_its_share_of_every_label() {
    let row = |i: usize| {
        let labels: Vec<&str> = [("half", 2), ("quarter", 4), ("eighth", 8), ("tenth", 10)]
            .into_iter()
            .filter(|(_, every)| i.is_multiple_of(*every))
            .map(|(name, _)| name)
            .collect();
        format!("{i}.jpg,{}\n", labels.join("|"))
    };
    let table: String =
        std::iter::once("path,label\n".to_owned()).chain((0..40).map(row)).collect();
    let data = several(&table);
    assert_eq!(data.split_origin, SplitOrigin::Drawn { share: 0.2, seed: 0 });
    let tested = |label: &str| {
        let place = data.labels.iter().position(|l| l == label).unwrap();
        data.examples.iter().filter(|e| e.split == Split::Test && e.labels.contains(&place)).count()
    };
    for (label, wanted) in
        [("half", 3..=5), ("quarter", 2..=2), ("eighth", 1..=1), ("tenth", 1..=1)]
    {
        assert!(wanted.contains(&tested(label)), "{label}: {}", tested(label));
    }
    let names = |data: &MultiLabel| {
        data.examples.iter().map(|e| (e.name.clone(), e.split)).collect::<Vec<_>>()
    };
    let all = data.examples.iter().filter(|e| e.split == Split::Test).count();
    assert!((7..=9).contains(&all), "{all}");
    assert_eq!(names(&data), names(&several(&table)));
}

#[test]
fn parts_share_labels_and_examples_as_asked() {
    let sets: Vec<Vec<usize>> =
        (0..100).map(|i| (0..4).filter(|label| i % (label + 2) == 0).collect()).collect();
    let sets: Vec<&[usize]> = sets.iter().map(Vec::as_slice).collect();
    for seed in 0..5 {
        let parts = stratified(&sets, 4, &[0.2; 5], seed);
        for part in 0..5 {
            let inside: Vec<&&[usize]> =
                sets.iter().zip(&parts).filter(|(_, p)| **p == part).map(|(s, _)| s).collect();
            assert!((18..=22).contains(&inside.len()), "{}", inside.len());
            for label in 0..4 {
                let wanted = sets.iter().filter(|s| s.contains(&label)).count() as f64 / 5.0;
                let got = inside.iter().filter(|s| s.contains(&label)).count() as f64;
                assert!((got - wanted).abs() <= 1.5, "seed {seed} label {label}: {got}, {wanted}");
            }
        }
        assert_ne!(parts, stratified(&sets, 4, &[0.2; 5], seed + 1));
    }
    assert_eq!(stratified(&[], 0, &[0.5, 0.5], 0), Vec::<usize>::new());
}

#[test]
fn sets_as_classes_keep_order_and_tell_equal_sets() {
    let data = several("path,label\n0.jpg,b|a\n1.jpg,\n2.jpg,a|b\n3.jpg,a\n");
    let view = data.by_set();
    assert_eq!(view.classes, ["a", "a|b", "no label"]);
    let same = data.examples.iter().zip(&view.examples).all(|(a, b)| a.name == b.name);
    assert!(same);
    let label = |name: &str| view.examples.iter().find(|e| e.name == name).unwrap().label;
    assert_eq!((label("0.jpg"), label("1.jpg"), label("3.jpg")), (label("2.jpg"), 2, 0));
}

#[test]
fn a_label_of_every_image_is_told_of() {
    let data = several("path,label,split\n0.jpg,a|b,train\n1.jpg,b,train\n2.jpg,b,test\n");
    assert!(
        data.notes.contains(&Note::AlwaysLabels { labels: vec!["b".into()] }),
        "{:?}",
        data.notes
    );
}
