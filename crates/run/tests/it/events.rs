use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use regraft_run::{Event, EventLog, RunError, Seconds, Timings, parse_events};

fn some() -> Vec<(f64, Event)> {
    let kind = || "ridge".to_owned();
    let seconds = Seconds { total: 9.1, features: 7.7, head: 0.1 + 0.2 };
    vec![
        (
            0.0,
            Event::Started {
                format: 1,
                regraft_version: "0.1.0".into(),
                strategy: "probe".into(),
                seed: 0,
            },
        ),
        (
            0.01,
            Event::DataFound {
                root: "d".into(),
                classes: 2,
                images: BTreeMap::from([("test".into(), 153), ("train".into(), 244)]),
            },
        ),
        (0.02, Event::SkippedFile { file: "a\n\"b\".gif".into(), reason: "no picture".into() }),
        (3.0, Event::FeaturesProgress { done: 32, total: 397 }),
        (7.7, Event::FeaturesDone { computed: 397, cached: 0, seconds: 7.68 }),
        (7.8, Event::HeadPenalty { kind: kind(), penalty: 1e-3, top1: 0.94, nll: 0.2 }),
        (
            8.0,
            Event::HeadDone {
                kind: kind(),
                penalty: 1e-3,
                temperature: 0.3,
                loo_top1: 0.94,
                seconds: 0.3,
            },
        ),
        (8.1, Event::Evaluated { split: "test".into(), top1: 0.948 }),
        (9.1, Event::Finished(Timings { seconds, images_per_second: 51.6 })),
    ]
}

#[test]
fn every_event_reads_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut log = EventLog::create(&path).unwrap();
    for (at, event) in some() {
        log.append(at, &event).unwrap();
    }
    let back = EventLog::read(&path).unwrap();
    assert!(!back.truncated);
    assert_eq!(back.timings().unwrap().images_per_second, 51.6);
    let back: Vec<_> = back.records.into_iter().map(|r| (r.at, r.event)).collect();
    assert_eq!(back, some());
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), some().len());
    assert!(text.contains(r#"{"at":8.1,"event":"evaluated","split":"test","top1":0.948}"#));
}

#[test]
fn a_log_cut_anywhere_gives_the_whole_lines_before_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut log = EventLog::create(&path).unwrap();
    for (at, event) in some() {
        log.append(at, &event).unwrap();
    }
    let bytes = std::fs::read(&path).unwrap();
    for cut in 0..=bytes.len() {
        let events = parse_events(&bytes[..cut], &path).unwrap();
        let lines = bytes[..cut].split(|&b| b == b'\n').count() - 1;
        // A line that lacks its newline only is whole.
        let got = events.records.len();
        assert!(got == lines || (got == lines + 1 && !events.truncated), "cut at {cut}");
    }
}

#[test]
fn resuming_cuts_off_the_half_line_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let [(_, first), (_, second), ..] = &some()[..] else { panic!() };
    EventLog::resume(&path).unwrap().append(0.0, first).unwrap();
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"at\":1,\"ev").unwrap();
    EventLog::resume(&path).unwrap().append(2.0, second).unwrap();
    let back = EventLog::read(&path).unwrap();
    let back: Vec<_> = back.records.iter().map(|r| (r.at, &r.event)).collect();
    assert_eq!(back, [(0.0, first), (2.0, second)]);
}

#[test]
fn a_broken_line_in_the_middle_is_an_error_with_its_number() {
    let text = b"{\"at\":0.0,\"event\":\"evaluated\",\"split\":\"test\",\"top1\":1.0}\nrubbish\n";
    let e = parse_events(text, Path::new("events.jsonl")).unwrap_err();
    assert!(matches!(e, RunError::Json { line: 2, .. }), "{e}");
}

#[test]
fn a_time_that_is_not_a_number_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = EventLog::create(folder.path().join("e")).unwrap();
    let e = log.append(f64::NAN, &some()[0].1).unwrap_err();
    assert_eq!(e.to_string(), "NaN is not a time in seconds");
}
