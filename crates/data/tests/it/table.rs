//! Tables of images: columns, splits and the line of every mistake.

use regraft_data::{DataError, Dataset, Layout, Note, OpenOptions, Split, SplitOrigin};

use crate::folder;

const IMAGES: [&str; 5] = ["img/1.jpg", "img/2.jpg", "img/3.jpg", "img/4.png", "img/a b,c.jpg"];

/// A folder with the images and `data.csv`.
fn with_table(table: &str) -> tempfile::TempDir {
    let table = format!("data.csv={table}");
    folder(&IMAGES.into_iter().chain([table.as_str()]).collect::<Vec<_>>())
}

fn open(table: &str) -> Result<Dataset, DataError> {
    let root = with_table(table);
    Dataset::open(&root.path().join("data.csv"), &OpenOptions::default())
}

const GOOD: &str = "path,label,split\nimg/1.jpg,cat,train\nimg/2.jpg,dog,TRAIN\n\
                    img/3.jpg,cat,valid\nimg/4.png,dog,test\n\"img/a b,c.jpg\",cat,test\n";

#[test]
fn a_table_gives_paths_labels_and_splits() {
    let root = with_table(GOOD);
    let table = root.path().join("data.csv");
    for path in [table.as_path(), root.path()] {
        let dataset = Dataset::open(path, &OpenOptions::default()).unwrap();
        assert_eq!(dataset.layout, Layout::Table { path: table.clone() });
        assert_eq!(dataset.root, root.path());
        assert_eq!(dataset.classes, ["cat", "dog"]);
        let found: Vec<(&str, usize, Split)> =
            dataset.examples.iter().map(|e| (e.name.as_str(), e.label, e.split)).collect();
        let wanted = [
            ("img/1.jpg", 0, Split::Train),
            ("img/2.jpg", 1, Split::Train),
            ("img/3.jpg", 0, Split::Val),
            ("img/4.png", 1, Split::Test),
            ("img/a b,c.jpg", 0, Split::Test),
        ];
        assert_eq!(found, wanted);
        assert!(dataset.examples.iter().all(|e| e.path == root.path().join(&e.name)));
        let names = ["TRAIN", "test", "train", "valid"].map(String::from).to_vec();
        assert_eq!(dataset.split_origin, SplitOrigin::Given { names });
    }
}

#[test]
fn other_column_names_separators_and_spellings_are_understood() {
    let rows =
        [("img/1.jpg", "cat"), ("img/2.jpg", "dog"), ("img/3.jpg", "cat"), ("img/4.png", "dog")];
    for (header, separator) in [
        ("path,label", ","),
        ("\u{feff}File_Name,Category", ","),
        ("id;image;x;CLASS", ";"),
        ("target\tfilename", "\t"),
    ] {
        let mut lines = vec![header.to_owned()];
        for (path, label) in rows {
            let cells: Vec<String> = header
                .split(separator)
                .map(|column| match column.trim_start_matches('\u{feff}') {
                    "path" | "File_Name" | "image" => format!(" {path} "),
                    "filename" => path.replace('/', "\\"),
                    "label" | "Category" | "CLASS" | "target" => label.into(),
                    _ => "7".into(),
                })
                .collect();
            lines.push(cells.join(separator));
        }
        let dataset = open(&lines.join("\r\n")).unwrap_or_else(|e| panic!("{header}: {e}"));
        assert_eq!((dataset.classes.len(), dataset.examples.len()), (2, 4), "{header}");
        assert!(matches!(dataset.split_origin, SplitOrigin::Drawn { .. }));
        assert!(dataset.examples.iter().all(|e| !e.name.contains('\\')), "{header}");
    }
}

#[test]
fn a_mistake_in_a_table_is_named_with_its_line() {
    let cases = [
        (
            "file,x\n",
            "line 1: no column `label` (also accepted: class, category, target, class_name, label_name); the columns are: file, x",
        ),
        ("", "line 1: no column `path`"),
        ("path,label\nimg/1.jpg,cat\nimg/2.jpg, \n", "line 3: nothing in the column `label`"),
        ("path,label\n\nimg/1.jpg\n", "line 3: nothing in the column `label`"),
        (
            "x,path,label\r\n\"a\nb\",img/1.jpg,cat\r\n\r\n1,img/2.jpg,\r\n",
            "line 5: nothing in the column `label`",
        ),
        ("path,label,split\nimg/1.jpg,cat,holdout\n", "line 2: `holdout` is no split"),
        ("path,label,split\nimg/1.jpg,cat,\n", "line 2: nothing in the column `split`"),
        (
            "path,label\nimg/1.jpg,cat\n./img/1.jpg,dog\n",
            "line 3: `img/1.jpg` has another label or split than in line 2",
        ),
        ("path,label\nimg/1.jpg,cat\n", "only one class, `cat`"),
        ("path,label\n", "no images under"),
        (
            "path,label,split\nimg/1.jpg,cat,test\nimg/2.jpg,dog,train\n",
            "no training image for 1 class (`cat`)",
        ),
    ];
    for (table, words) in cases {
        let message = open(table).unwrap_err().to_string();
        assert!(message.contains(words), "{table:?}: {message}");
    }
}

#[test]
fn text_that_is_not_utf8_is_an_error_with_its_line() {
    let root = with_table("");
    let table = root.path().join("data.csv");
    crate::write(&table, b"path,label\nimg/1.jpg,cat\nimg/2.jpg,d\xFFg\n");
    let error = Dataset::open(&table, &OpenOptions::default()).unwrap_err();
    assert!(matches!(error, DataError::TableText { line: 3, .. }), "{error}");
}

#[test]
fn all_missing_images_are_counted_and_the_first_five_are_named() {
    let gone: Vec<String> = (1..=7).map(|i| format!("gone/{i}.jpg,dog")).collect();
    let table = format!("path,label\nimg/1.jpg,cat\nimg,dog\n{}", gone.join("\n"));
    let message = open(&table).unwrap_err().to_string();
    let wanted = "names 8 files that do not exist: `img` (line 3), `gone/1.jpg` (line 4), \
                  `gone/2.jpg` (line 5), `gone/3.jpg` (line 6), `gone/4.jpg` (line 7), ...; paths";
    assert!(message.contains(wanted), "{message}");
}

#[test]
fn a_repeated_line_is_used_once_and_noted() {
    let dataset = open(&format!("{GOOD}img/1.jpg,cat,train\nimg/4.png,dog,test\n")).unwrap();
    assert_eq!(dataset.examples.len(), 5);
    assert!(dataset.notes.contains(&Note::RepeatedRows { count: 2, line: 7 }));
}

#[test]
fn of_several_tables_one_must_be_named_and_class_folders_come_before_a_table() {
    let table = "path,label\na/1.jpg,x\n";
    let two = folder(&[
        "a/1.jpg",
        &format!("one.csv={table}"),
        &format!("two.csv={table}"),
        "no.csv=a,b\n",
    ]);
    let error = Dataset::open(two.path(), &OpenOptions::default()).unwrap_err();
    assert!(error.to_string().contains("2 files (`one.csv`, `two.csv`)"), "{error}");
    let folders = folder(&["a/1.jpg", "b/1.jpg", &format!("one.csv={table}")]);
    let dataset = Dataset::open(folders.path(), &OpenOptions::default()).unwrap();
    assert_eq!(dataset.layout, Layout::ClassFolders);
    assert!(dataset.notes.contains(&Note::IgnoredTables { tables: vec!["one.csv".into()] }));
}
