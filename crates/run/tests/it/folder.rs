use std::fs;

use regraft_run::{Event, Prediction, Predictions, RunError, RunFile, RunFolder, atomic_write};

use crate::sample;

#[test]
fn everything_put_into_a_run_comes_out_again() {
    let temp = tempfile::tempdir().unwrap();
    let run = RunFolder::create(temp.path().join("runs/bees")).unwrap();
    assert_eq!(run.name(), "bees");
    let predictions = Predictions {
        classes: vec!["ants".into(), "bees".into()],
        rows: vec![Prediction::new("a", "test", 0, vec![0.9, 0.1])],
    };
    run.write_plan(&sample::plan()).unwrap();
    run.write_metrics(&sample::metrics_file()).unwrap();
    run.write_predictions(&predictions).unwrap();
    let event = Event::Evaluated { split: "test".into(), top1: 1.0 };
    run.event_log().unwrap().append(0.5, &event).unwrap();
    run.write(RunFile::Network, b"net").unwrap();
    run.write(RunFile::Trunk, b"trunk").unwrap();
    run.write(RunFile::Head, b"head").unwrap();

    let run = RunFolder::open(run.path()).unwrap();
    assert_eq!(run.plan().unwrap(), sample::plan());
    assert_eq!(run.metrics().unwrap(), sample::metrics_file());
    assert_eq!(run.predictions().unwrap(), predictions);
    assert_eq!(run.unknown().unwrap(), None);
    run.write_unknown(&sample::unknown()).unwrap();
    assert_eq!(run.unknown().unwrap(), Some(sample::unknown()));
    assert_eq!(run.events().unwrap().records[0].event, event);
    assert!(matches!(run.plan().and(RunFolder::create(run.path())), Ok(again) if again == run));
    run.remove_files().unwrap();
    assert_eq!(fs::read_dir(run.path()).unwrap().count(), 0);
}

#[test]
fn nobodys_files_are_written_over() {
    let temp = tempfile::tempdir().unwrap();
    let photos = temp.path().join("photos");
    fs::create_dir(&photos).unwrap();
    RunFolder::create(&photos).unwrap();
    for name in ["z.jpg", "b.jpg", "report.html"] {
        atomic_write(photos.join(name), b"x").unwrap();
    }
    let e = RunFolder::create(&photos).unwrap_err();
    assert!(matches!(&e, RunError::NotARun { entry, .. } if entry == "b.jpg"), "{e}");
    let e = RunFolder::create(photos.join("b.jpg")).unwrap_err();
    assert!(matches!(e, RunError::NotAFolder { .. }), "{e}");
}

#[test]
fn a_folder_of_an_interrupted_fit_is_taken_again() {
    let temp = tempfile::tempdir().unwrap();
    for name in ["events.jsonl", ".regraft-plan.tomlXyz"] {
        atomic_write(temp.path().join(name), b"x").unwrap();
    }
    RunFolder::create(temp.path()).unwrap();
}

#[test]
fn opening_says_which_file_is_missing() {
    let temp = tempfile::tempdir().unwrap();
    let run = RunFolder::create(temp.path()).unwrap();
    let wanted = |file| {
        let e = RunFolder::open(temp.path()).unwrap_err();
        assert!(matches!(e, RunError::Missing { file: f, .. } if f == file), "{e}");
        assert!(e.to_string().contains(&format!("has no {}", file.name())), "{e}");
    };
    wanted(RunFile::Plan);
    run.write_plan(&sample::plan()).unwrap();
    wanted(RunFile::Network);
    run.write(RunFile::Network, b"x").unwrap();
    wanted(RunFile::Trunk);
    run.write(RunFile::Trunk, b"x").unwrap();
    wanted(RunFile::Head);
    run.write(RunFile::Head, b"x").unwrap();
    RunFolder::open(temp.path()).unwrap();
    let e = run.metrics().unwrap_err();
    assert!(matches!(e, RunError::Missing { file: RunFile::Metrics, .. }), "{e}");
    assert!(matches!(RunFolder::open(temp.path().join("no")), Err(RunError::Read { .. })));
}

#[test]
fn a_run_of_a_newer_format_is_neither_opened_nor_written_over() {
    let temp = tempfile::tempdir().unwrap();
    atomic_write(temp.path().join("plan.toml"), b"format = 7\n[other]\n").unwrap();
    for result in [RunFolder::open(temp.path()), RunFolder::create(temp.path())] {
        let e = result.unwrap_err();
        assert!(matches!(e, RunError::NewerFormat { got: 7, known: 1, .. }), "{e}");
    }
    atomic_write(temp.path().join("plan.toml"), b"[package]\nname = 'mine'\n").unwrap();
    let e = RunFolder::create(temp.path()).unwrap_err();
    assert!(matches!(e, RunError::NoFormat { .. }), "{e}");
}

#[test]
fn whatever_a_fit_was_writing_when_it_was_killed_the_folder_is_taken_again() {
    let parent = tempfile::tempdir().unwrap();
    for (i, file) in RunFile::ALL.into_iter().filter(|f| *f != RunFile::Plan).enumerate() {
        let path = parent.path().join(i.to_string());
        RunFolder::create(&path).unwrap().write(file, b"half a run").unwrap();
        let again = RunFolder::create(&path).unwrap();
        assert_eq!(again.checkpoint("all"), path.join("checkpoint-all.safetensors"));
        atomic_write(again.checkpoint("all"), b"as far as it came").unwrap();
        RunFolder::create(&path).unwrap().remove_checkpoints().unwrap();
        again.remove_files().unwrap();
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0, "{file}");
    }
}

#[test]
fn curves_of_an_earlier_fit_go_and_those_of_an_interrupted_one_stay() {
    let place = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(place.path().join("run")).unwrap();
    folder.begin_curves().unwrap();
    let curves = folder.curves("held-out-1");
    let draw = || regraft_run::append_scalars(&curves, false, (1.0, 1), &[]).unwrap();
    draw();
    fs::File::create(folder.checkpoint("all")).unwrap();
    folder.begin_curves().unwrap();
    assert!(curves.exists(), "a training is to go on with them");
    folder.remove_checkpoints().unwrap();
    folder.begin_curves().unwrap();
    assert!(!curves.exists());
    draw();
    RunFolder::create(folder.path()).expect("a folder with curves is taken again");
}
