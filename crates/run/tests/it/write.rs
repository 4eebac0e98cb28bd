use std::fs;

use regraft_run::{RunError, WriteStep, atomic_write};

#[test]
fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a b.txt");
    for text in ["a long first version", "short", ""] {
        atomic_write(&path, text.as_bytes()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_target_that_cannot_be_is_named_with_the_step() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no/file");
    let e = atomic_write(&missing, b"").unwrap_err();
    assert!(matches!(e, RunError::Write { step: WriteStep::Temporary, .. }), "{e}");
    assert!(e.to_string().contains("no/file (making a temporary file beside it)"), "{e}");
    assert!(e.to_string().ends_with("; does the folder exist?"), "{e}");

    let in_the_way = folder.path().join("folder");
    fs::create_dir_all(in_the_way.join("full")).unwrap();
    let e = atomic_write(&in_the_way, b"").unwrap_err();
    assert!(matches!(e, RunError::Write { step: WriteStep::Rename, .. }), "{e}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the temporary file is gone");
    assert!(atomic_write("/", b"").is_err());
}

#[test]
fn what_to_do_about_a_full_disk_is_said() {
    let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let e = RunError::Write { path: "r/plan.toml".into(), step: WriteStep::Bytes, source };
    let text = e.to_string();
    assert!(text.starts_with("cannot write r/plan.toml (writing the bytes): "), "{text}");
    assert!(text.ends_with("; free some space or choose a folder on another disk"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_result_is_as_readable_as_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let [ours, plain] = ["ours", "plain"].map(|n| folder.path().join(n));
    atomic_write(&ours, b"x").unwrap();
    fs::File::create(&plain).unwrap();
    let mode = |p| fs::metadata(p).unwrap().permissions().mode();
    assert_eq!(mode(&ours), mode(&plain));
}
