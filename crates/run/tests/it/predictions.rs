use std::path::Path;

use proptest::prelude::*;
use regraft_run::{Prediction, Predictions, RunError};

fn read(bytes: &[u8]) -> Result<Predictions, RunError> {
    Predictions::from_csv(bytes, Path::new("predictions.csv"))
}

fn two() -> Predictions {
    Predictions {
        classes: vec!["ants, red".into(), "\"bees\"\n🐝".into()],
        rows: vec![
            Prediction::new("a/é 1.jpg", "test", 0, vec![0.1, 0.9]),
            Prediction::new("b,\"2\".jpg", "train", 1, vec![f32::MIN_POSITIVE, 1.0]),
            Prediction::new("", "val", 1, vec![1e-30, 0.33333334]),
        ],
    }
}

#[test]
fn a_table_reads_back_as_it_was_written() {
    assert_eq!(read(&two().to_csv().unwrap()).unwrap(), two());
}

#[test]
fn the_columns_are_the_documented_ones() {
    let mut table = two();
    table.classes = vec!["ants".into(), "bees".into()];
    table.rows.truncate(1);
    assert_eq!(
        String::from_utf8(table.to_csv().unwrap()).unwrap(),
        "file,split,truth,predicted,probability,truth_probability,p:ants,p:bees\n\
         a/é 1.jpg,test,ants,bees,0.9,0.1,0.1,0.9\n"
    );
}

#[test]
fn metrics_are_of_one_split_only() {
    let metrics = two().metrics("test").unwrap();
    assert_eq!((metrics.images, metrics.correct), (1, 0));
    assert!(matches!(two().metrics("other"), Err(RunError::NoImages)));
}

#[test]
fn what_does_not_fit_is_said() {
    let head = "file,split,truth,predicted,probability,truth_probability,p:a,p:b\n";
    let cases = [
        ("file,split,label\n".to_owned(), "column 3: wanted `truth`, got `label`"),
        ("file\n".to_owned(), "column 2: wanted `split`, got ``"),
        (head.replace("p:b", "b"), "column 8: wanted `p:<class>`, got `b`"),
        (head.replace("p:b", "p:a"), "two classes are called `a`"),
        (format!("{head}f,test,c,a,1,1,1,0\n"), "line 2, column `truth`: wanted a class"),
        (format!("{head}f,test,a,a,1,1,one,0\n"), "line 2, column `p:a`: wanted a number"),
        (format!("{head}f,test,a,a,1,1,1\n"), "predictions.csv: "),
    ];
    for (text, wanted) in cases {
        let message = read(text.as_bytes()).unwrap_err().to_string();
        assert!(message.contains(wanted), "wanted `{wanted}` in `{message}`");
    }
    assert!(read(b"\xff\xfe").is_err());
}

#[test]
fn a_row_that_does_not_fit_its_classes_is_not_written() {
    let mut table = two();
    table.rows[0].probabilities.pop();
    assert!(matches!(table.to_csv(), Err(RunError::Lengths { wanted: 2, got: 1, .. })));
    table.rows[0].truth = 9;
    assert!(matches!(table.to_csv(), Err(RunError::ClassRange { class: 9, .. })));
    table.classes[0] = table.classes[1].clone();
    assert!(matches!(table.to_csv(), Err(RunError::DuplicateClass { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_names_and_numbers_survive(
        names in prop::collection::btree_set(".{0,12}", 1..5),
        rows in prop::collection::vec((".{0,12}", 0usize..100, prop::collection::vec(0f32..=1.0, 5)), 0..6),
    ) {
        let classes: Vec<String> = names.into_iter().collect();
        let n = classes.len();
        let rows = rows.into_iter().map(|(file, t, mut p)| {
            p.truncate(n);
            Prediction::new(file, "test", t % n, p)
        }).collect();
        let table = Predictions { classes, rows };
        prop_assert_eq!(read(&table.to_csv().unwrap()).unwrap(), table);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }
}
