use std::collections::BTreeSet;
use std::path::Path;

use regraft_report::{NetworkFacts, PenaltyPoint, render};

use crate::sample::Sample;

/// Names that would do harm if any of them reached the page as it is.
const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"><img src=https://evil.example/x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</style><style>@import 'https://evil.example/x';",
    "</bdi></code><iframe src=javascript:alert(1)>",
    "`</code><script>`{}{}",
    "\u{202e}gpj.exe\0\u{7}",
    "<!-- ]]> --><svg/onload=alert(1)>",
];

/// Every attribute of every tag, as (tag, attribute, value).
fn attributes(page: &str) -> Vec<(String, String, String)> {
    let mut out = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let name: String =
            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "!/".contains(*c)).collect();
        rest = &rest[name.len()..];
        out.push((name.clone(), String::new(), String::new()));
        loop {
            rest = rest.trim_start();
            let end = rest.find(['=', '>']).expect("an open tag ends");
            if rest[end..].starts_with('>') {
                rest = &rest[end + 1..];
                break;
            }
            let attribute = rest[..end].to_owned();
            let value = rest[end + 1..].strip_prefix('"').expect("attributes are quoted");
            let close = value.find('"').expect("quotes are closed");
            out.push((name.clone(), attribute, value[..close].to_owned()));
            rest = &value[close + 1..];
        }
        // The style holds `>` and would confuse this scanner.
        if name == "style" {
            rest = &rest[rest.find("</style>").expect("the style ends")..];
        }
    }
    out
}

fn check(page: &str) {
    let tags: BTreeSet<_> = "!DOCTYPE html head meta link title style body header div p h1 h2 h3 \
        b i nav ul li a main dl dt dd span section table thead tbody tr th td caption code bdi \
        figure figcaption svg rect path text tspan circle details summary pre img footer"
        .split_whitespace()
        .collect();
    let known: BTreeSet<_> = "lang charset http-equiv content name rel href class id scope role \
        style src alt tabindex viewBox x y width height d fill-opacity text-anchor transform cx cy \
        r dy data-label aria-label aria-labelledby aria-hidden"
        .split_whitespace()
        .collect();
    for (tag, attribute, value) in attributes(page) {
        let bare = tag.trim_start_matches('/');
        assert!(tags.contains(bare), "tag <{tag}>");
        match attribute.as_str() {
            "" => {}
            "src" => assert!(value.starts_with("data:image/"), "{value}"),
            "href" => assert!(value.starts_with('#') || value == "data:,", "{value}"),
            "html" => assert_eq!(tag, "!DOCTYPE"),
            other => assert!(known.contains(other), "attribute {other} of <{tag}>"),
        }
        let numeric = tag == "rect" || tag == "path" || tag == "circle" || attribute == "style";
        assert!(!numeric || !value.contains("NaN") && !value.contains("inf"), "{value}");
        assert!(attribute != "style" || !value.contains("url("), "{value}");
    }
    assert!(!page.contains("<script"), "no script, not even a harmless one");
    let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    for load in ["http://", "https://", "url(", "@import"] {
        assert!(!style.contains(load), "the style loads something: {load}");
    }
    assert!(!page.contains(['\0', '\u{7}']));
}

#[test]
fn a_plain_page_loads_nothing_and_runs_nothing() {
    for sample in [Sample::ants_and_bees(153), Sample::numbered(10, 8), Sample::numbered(60, 5)] {
        let jpeg = |_: &str| Some(b"\xff\xd8\xff\xe0".to_vec());
        let page = render(&sample.input(Path::new("report.html"), &jpeg)).unwrap();
        check(&page);
        assert!(!page.contains("http://") && !page.contains("https://"));
        assert!(page.contains("default-src 'none'"));
    }
}

#[test]
fn no_name_from_outside_becomes_markup() {
    for classes in [HOSTILE.len(), 30] {
        let names: Vec<_> = (0..classes)
            .map(|i| format!("{}{}", HOSTILE[i % HOSTILE.len()], i / HOSTILE.len()))
            .collect();
        let files: Vec<_> = (0..300)
            .map(|i| (format!("{i}/{}", HOSTILE[i % HOSTILE.len()]), i % classes))
            .collect();
        let mut sample = Sample::new(&names, &files);
        for (i, text) in HOSTILE.iter().enumerate() {
            let text = (*text).to_owned();
            sample.plan.data.notes.push(text.clone());
            sample.plan.reasons[i % 3].because.clone_from(&text);
            sample.plan.reasons[i % 3].source.clone_from(&text);
            sample.metrics.notes.push(text.clone());
            sample.metrics.skipped[0].file.clone_from(&text);
            sample.metrics.skipped.push(sample.metrics.skipped[0].clone());
            sample.metrics.skipped[0].reason.clone_from(&text);
            sample.plan.data.images.insert(text, i);
        }
        for (i, text) in HOSTILE.iter().enumerate() {
            sample.plan.data.root = (*text).into();
            sample.plan.data.split_origin = (*text).into();
            sample.plan.head.kind = (*text).into();
            sample.plan.network.cut = (*text).into();
            sample.plan.regraft_version = (*text).into();
            sample.penalties = vec![
                PenaltyPoint { kind: text, penalty: 1.0, top1: 0.5, nll: 0.1 },
                PenaltyPoint { kind: HOSTILE[(i + 1) % 8], penalty: 2.0, top1: 0.6, nll: 0.2 },
            ];
            let jpeg = |_: &str| Some(b"\xff\xd8\xff\xe0".to_vec());
            let mut input = sample.input(Path::new("report.html"), &jpeg);
            (input.about.name, input.about.run) = (text, text);
            input.about.network =
                NetworkFacts { name: text, licence: text, origin: text, dataset: text };
            check(&render(&input).unwrap());
        }
    }
}

#[test]
fn file_names_are_shown_escaped() {
    let names = ["a".to_owned(), "b".to_owned()];
    let files: Vec<_> = (0..60).map(|i| (format!("{i}<b>&\".jpg"), i % 2)).collect();
    let sample = Sample::new(&names, &files);
    let page = render(&sample.input(Path::new("report.html"), &|_| None)).unwrap();
    let mistakes = page.matches("&lt;b&gt;&amp;&quot;.jpg</bdi>").count();
    let wrong = sample.predictions.rows.iter().filter(|r| !r.is_right()).count();
    assert!(wrong > 0);
    assert_eq!(mistakes, wrong.min(12));
}

#[test]
fn numbers_that_are_none_do_not_reach_the_drawings() {
    let mut sample = Sample::ants_and_bees(30);
    let test = &mut sample.metrics.test;
    (test.top1, test.ece, test.nll) = (f64::NAN, f64::NAN, f64::INFINITY);
    test.interval = [f64::NAN, f64::INFINITY];
    test.balanced_accuracy = f64::NAN;
    test.per_class[0].recall = Some(f64::NAN);
    test.per_class[0].recall_interval = Some([f64::NEG_INFINITY, f64::NAN]);
    for bin in &mut test.reliability {
        (bin.low, bin.confidence, bin.accuracy) = (f64::NAN, Some(f64::NAN), Some(f64::INFINITY));
    }
    sample.metrics.loo.top1 = f64::NAN;
    let odd = [f64::NAN, f64::INFINITY, 0.0, -1.0, 1e-300, 1e300];
    for penalty in odd {
        for value in odd {
            sample.penalties.push(PenaltyPoint { kind: "ridge", penalty, top1: value, nll: value });
        }
    }
    let page = render(&sample.input(Path::new("report.html"), &|_| None)).unwrap();
    check(&page);
    assert!(!page.contains("NaN"));
}

#[test]
fn one_value_for_all_penalties_still_draws() {
    let mut sample = Sample::ants_and_bees(30);
    for p in &mut sample.penalties {
        (p.top1, p.nll) = (0.9, 0.3);
    }
    let page = render(&sample.input(Path::new("report.html"), &|_| None)).unwrap();
    check(&page);
    assert!(page.contains(">90.0</text>"), "the value has a tick");
}
