use std::path::Path;

use regraft_report::{
    AuditCard, AuditSection, Inside, LookRow, ReportError, render, verdict, write,
};
use regraft_run::{
    LeftOutClass, Metrics, Prediction, Predictions, UnknownFacts, UnknownPlan, WithoutLeaks,
};

use crate::sample::Sample;

fn no_picture(_: &str) -> Option<Vec<u8>> {
    None
}

fn page(sample: &Sample) -> String {
    render(&sample.input(Path::new("report.html"), &no_picture)).unwrap()
}

/// A run whose test split is exactly these (truth, probability of class 0).
fn exactly(classes: [&str; 2], rows: &[(usize, f32)]) -> Sample {
    let mut sample = Sample::ants_and_bees(4);
    let classes = classes.map(str::to_owned).to_vec();
    let rows = rows.iter().enumerate();
    let rows =
        rows.map(|(i, &(t, p))| Prediction::new(format!("{i}.jpg"), "test", t, vec![p, 1.0 - p]));
    sample.predictions = Predictions { classes, rows: rows.collect() };
    sample.metrics.test = sample.predictions.metrics("test").unwrap();
    sample
}

#[test]
fn the_verdict_is_one_plain_sentence_with_its_interval() {
    let names = ["a".to_owned(), "b".to_owned()];
    let truth: Vec<usize> = (0..153).map(|i| usize::from(i >= 145)).collect();
    let test = Metrics::new(&names, &truth, &[0.9, 0.1].repeat(153)).unwrap();
    assert_eq!(
        verdict(&test),
        "94.8 % of 153 test images right; with this many images the true accuracy is likely \
         between 90.0 % and 97.3 %."
    );
    let one = Metrics::new(&names, &[0], &[0.9, 0.1]).unwrap();
    assert!(verdict(&one).starts_with("100.0 % of 1 test image right; "));
}

#[test]
fn a_cell_with_code_in_it_stays_one_element_for_the_narrow_layout() {
    let mut sample = Sample::ants_and_bees(20);
    sample.plan.reasons[0].because = "`pool` beats `fc`".to_owned();
    let page = page(&sample);
    let cell = "data-label=\"because\"><div><code><bdi>pool</bdi></code> beats <code><bdi>fc</bdi></code></div></td>";
    assert!(page.contains(cell), "{page}");
}

#[test]
fn the_page_answers_in_the_order_a_practitioner_asks() {
    let sample = Sample::ants_and_bees(153);
    let page = page(&sample);
    let wanted = [
        "<!DOCTYPE html>",
        "<h1><bdi>bees-1</bdi></h1>",
        &verdict(&sample.metrics.test),
        "For comparison, always answering \u{201c}ants\u{201d} would be right for 50.3 %.",
        "<dt>Test top-1</dt>",
        "<dt>Leave-one-out</dt><dd><b>94.7 %</b>",
        "<dt>Calibration error</dt>",
        "244 to train on, 153 to test on",
        "<dt>Time</dt><dd><b>9.5 s</b><span>50.9 images a second",
        "What was decided, and why",
        "train a new head, keep the trunk",
        "Kornblith et al. 2019, section 4.4",
        "Things to know about the data",
        "244 train and 153 test images of 2 classes",
        "only <code><bdi>val</bdi></code> is given",
        "3 pictures are 16-bit",
        "1 file not used as it is",
        "<bdi>train/ants/imageNotFound.gif</bdi>",
        "What was taken for what",
        "How often each class is found",
        "Can the probabilities be trusted?",
        "reliability diagram",
        "How the head was chosen",
        "Held-out top-1 against penalty",
        "class=\"chosen\"",
        "Worst mistakes",
        "How to use it",
        "regraft predict runs/bees-1 picture.jpg",
        "regraft evaluate runs/bees-1 folder",
        "Where everything comes from",
        "Google, EfficientNet-Lite (2020)",
        "Apache-2.0",
        &"ab".repeat(32),
        "shorter side to 256 (bicubic), centre crop 224 x 224",
        "</html>",
    ];
    let mut from = 0;
    for text in wanted {
        let at = page[from..].find(text);
        from += at.unwrap_or_else(|| panic!("`{text}` is missing, or before its time"));
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert_eq!(page(&Sample::numbered(30, 4)), page(&Sample::numbered(30, 4)));
}

#[test]
fn the_surest_mistakes_come_first_and_at_most_twelve() {
    let rows: Vec<_> = (0..40).map(|i| (1, 0.5 + 0.01 * i as f32)).collect();
    let page = page(&exactly(["ants", "bees"], &rows));
    assert!(page.contains("The 12 surest of 40 mistakes."));
    let list = page.split("<ul class=\"mistakes\">").nth(1).unwrap();
    let list = list.split("</ul>").next().unwrap();
    let files: Vec<_> =
        list.split("<code><bdi>").skip(1).map(|t| t.split('<').next().unwrap()).collect();
    let wanted: Vec<_> = (28..40).rev().map(|i| format!("{i}.jpg")).collect();
    assert_eq!(files, wanted);
    assert!(list.contains("<bdi>bees</bdi></span> <span class=\"arrow\">taken for</span>"));
}

#[test]
fn a_run_without_mistakes_says_so_and_stays_honest() {
    let page = page(&exactly(["ants", "bees"], &[(0, 0.9), (1, 0.2), (0, 0.8)]));
    assert!(page.contains("No test image was answered wrongly."));
    assert!(page.contains("That is not clearly better than always answering"));
    assert!(page.contains("There are too few test images to judge the probabilities"));
    assert!(!page.contains("<ul class=\"mistakes\">"));
}

#[test]
fn a_test_of_one_class_only_is_called_what_it_is() {
    let page = page(&exactly(["ants", "bees"], &[(0, 0.9), (0, 0.2)]));
    assert!(page.contains("All test images are of one class"));
    assert!(page.contains("no test images"));
    assert!(!page.contains("NaN"));
}

#[test]
fn many_classes_get_their_worst_pairs_and_a_drawing() {
    let sample = Sample::numbered(120, 6);
    let page = page(&sample);
    assert!(page.contains("The most frequent mix-ups."));
    assert!(page.contains("confusion matrix of 120 classes"));
    assert!(page.contains("The other 100 classes"));
    assert!(page.contains("<dt>Test top-5</dt>"));
    assert!(!page.contains("class=\"confusion"));
    assert!(page.len() < 400_000, "{} bytes", page.len());
}

#[test]
fn pictures_are_inside_the_page_when_they_are_pictures() {
    let sample = exactly(["ants", "bees"], &[(1, 0.9), (1, 0.8), (1, 0.7), (0, 0.6)]);
    let huge = [b"\xff\xd8\xff".as_slice(), &vec![0; 300 << 10]].concat();
    let pictures = |file: &str| match file {
        "0.jpg" => Some(b"\xff\xd8\xff\xe0".to_vec()),
        "1.jpg" => Some(b"<svg onload=alert(1)>".to_vec()),
        "2.jpg" => Some(huge.clone()),
        _ => None,
    };
    let page = render(&sample.input(Path::new("report.html"), &pictures)).unwrap();
    assert_eq!(page.matches("<img ").count(), 1);
    assert!(page.contains(
        "<img src=\"data:image/jpeg;base64,/9j/4A==\" alt=\"0.jpg: bees, taken for ants\">"
    ));
    assert_eq!(page.matches("no preview").count(), 3, "two mistakes and the skipped file");
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut sample = Sample::ants_and_bees(40);
    sample.plan.reasons.clear();
    sample.plan.data.notes.clear();
    sample.plan.data.images.clear();
    sample.metrics.notes.clear();
    sample.metrics.skipped.clear();
    sample.penalties.clear();
    let mut input = sample.input(Path::new("report.html"), &no_picture);
    input.about.timings = None;
    let page = render(&input).unwrap();
    for absent in ["What was decided", "class=\"notes\"", "Held-out top-1", "<dt>Time"] {
        assert!(!page.contains(absent), "{absent}");
    }
    assert!(page.contains("Every picture could be read and used as it is."));
}

#[test]
fn input_that_contradicts_itself_is_an_error() {
    let mut sample = Sample::ants_and_bees(4);
    sample.metrics.test.confusion[1].pop();
    let input = sample.input(Path::new("report.html"), &no_picture);
    let e = render(&input).unwrap_err();
    assert!(matches!(e, ReportError::Confusion { classes: 2, rows: 2, columns: 1 }), "{e}");

    let mut sample = Sample::ants_and_bees(4);
    sample.predictions.rows[2].predicted = 5;
    let e = render(&sample.input(Path::new("report.html"), &no_picture)).unwrap_err();
    assert!(matches!(e, ReportError::Class { class: 5, classes: 2, .. }), "{e}");
}

#[test]
fn the_page_is_written_to_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let sample = Sample::ants_and_bees(10);
    write(&sample.input(&path, &no_picture)).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), page(&sample));
    let nowhere = folder.path().join("no/report.html");
    assert!(matches!(write(&sample.input(&nowhere, &no_picture)), Err(ReportError::Write(_))));
}

#[test]
fn false_alarms_on_test_images_and_what_was_promised_are_told() {
    let mut sample = Sample::ants_and_bees(153);
    assert!(!page(&sample).contains("Images of none of these classes"));
    sample.plan.unknown = Some(UnknownPlan {
        method: "neighbours".into(),
        false_alarms: 0.05,
        kept: 0.05,
        threshold: 1.162,
        held_out: 244,
        images: 244,
    });
    let left_out = |method: &str, auroc| LeftOutClass { method: method.into(), auroc, error: 0.02 };
    sample.metrics.unknown = Some(UnknownFacts {
        images: 153,
        unknown: 3,
        rate: 3.0 / 153.0,
        interval: [0.0067, 0.056],
        left_out: vec![left_out("neighbours", 0.908), left_out("<i>", 0.81)],
    });
    let text = page(&sample);
    assert!(text.contains("<b>3 of 153 test images</b> (2.0 %, likely 0.7 to 5.6 %)"), "{text}");
    assert!(text.contains("At most 5.0 % were allowed.</p>"), "{text}");
    assert!(
        text.contains("the distance to its nearest training images is above <b>1.16"),
        "{text}"
    );
    assert!(text.contains("<th scope=\"row\">&lt;i&gt;</th><td class=\"n\">0.81"), "{text}");
    let plan = sample.plan.unknown.as_mut().unwrap();
    (plan.held_out, plan.kept) = (10, 0.26);
    let text = page(&sample);
    assert!(text.contains("with 10 held-out images to judge by, 26.0 % can be promised"), "{text}");
}

#[test]
fn what_is_wrong_with_the_data_is_shown_and_what_is_left_without_leaks() {
    let mut sample = Sample::ants_and_bees(40);
    let card = AuditCard { files: vec!["a<b>.jpg".into(), "c.jpg".into()], said: "same".into() };
    let section = AuditSection {
        id: "leak".into(),
        title: "leak: 4".into(),
        cards: vec![card],
        more: 3,
        ..AuditSection::default()
    };
    let (correct, top1) = (9, Some(0.9));
    sample.metrics.without_leaks = Some(WithoutLeaks { images: 10, correct, top1, interval: None });
    let mut input = sample.input(Path::new("report.html"), &no_picture);
    let sections = [section];
    input.about.audit = &sections;
    let page = render(&input).unwrap();
    for words in [
        "<h3 id=\"audit-leak\">leak: 4</h3>",
        "a&lt;b&gt;.jpg",
        "3 more are in <code>audit.json</code>",
        "90.0 % of the 10 that have no copy to learn from",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn what_was_seen_inside_is_shown_and_names_are_escaped() {
    let sample = Sample::ants_and_bees(40);
    let row = LookRow {
        title: "a<b>.jpg".into(),
        pictures: vec![("map".into(), "for `bees`".into())],
        said: "is `ants`, taken for `bees`".into(),
    };
    let unit = LookRow {
        title: "unit 7".into(),
        pictures: vec![("patch".into(), "1.50 in a `bees`".into())],
        said: "prefers `b<c>`".into(),
    };
    let (rows, units, notes) = ([row], [unit], ["no graph: `x<y>`".to_owned()]);
    let png =
        |name: &str| ["map", "patch"].contains(&name).then(|| b"\x89PNG\r\n\x1a\nmap".to_vec());
    let mut input = sample.input(Path::new("report.html"), &no_picture);
    assert!(!render(&input).unwrap().contains("id=\"inside\""));
    input.about.inside = Inside {
        graph: "<svg/>",
        mistakes: &rows,
        units: &units,
        layer: "conv<1>",
        picture: Some(&png),
        notes: &notes,
    };
    let page = render(&input).unwrap();
    assert!(!page.contains("a<b>") && !page.contains("conv<1>") && !page.contains("<svg/>"));
    for words in [
        "id=\"inside\"",
        "a&lt;b&gt;.jpg: for",
        "conv&lt;1&gt;",
        "data:image/svg+xml;base64,PHN2Zy8+",
        "data:image/png;base64,",
        "x&lt;y&gt;",
        "unit 7: 1.50 in a",
        "b&lt;c&gt;",
    ] {
        assert!(page.contains(words), "{words}");
    }
}
