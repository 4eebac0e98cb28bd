use std::fs;
use std::path::Path;

use regraft_zoo::{Cache, Checksum, FetchOptions, Fetched, Flow, NetworkSpec, ZooError, fetch};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A Hugging Face cache with one file of `bytes`, its blob named `blob`.
fn hub(folder: &Path, bytes: &[u8], blob: &str) {
    let repo = folder.join("models--own--net");
    for part in ["refs", "blobs", &format!("snapshots/{COMMIT}")] {
        fs::create_dir_all(repo.join(part)).unwrap();
    }
    crate::pip::put(&repo.join("refs/main"), COMMIT.as_bytes());
    crate::pip::put(&repo.join("blobs").join(blob), bytes);
    let link = repo.join("snapshots").join(COMMIT).join("w.bin");
    std::os::unix::fs::symlink(Path::new("../../blobs").join(blob), link).unwrap();
}

fn get(folder: &Path, place: &str, offline: bool) -> Result<Fetched, ZooError> {
    let spec = NetworkSpec::parse(&format!("timm/resnet18@{place}")).unwrap();
    let options = FetchOptions { offline, hub_cache: Some(folder.into()), python: None };
    let cache = Cache::open(Some(folder.join("regraft"))).unwrap();
    fetch(&spec, &cache, &options, &mut |_| Flow::Continue)
}

#[test]
fn a_file_in_the_hugging_face_cache_is_used_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let sum = Checksum::of(b"weights");
    hub(folder.path(), b"weights", &sum.to_string());
    for revision in ["", "@main", &format!("@{COMMIT}")] {
        let got = get(folder.path(), &format!("hf:own/net{revision}/w.bin"), true).unwrap();
        assert_eq!((got.sha256, got.bytes), (sum, 7));
        assert!(got.path.starts_with(folder.path().join("models--own--net/snapshots")));
    }
    assert!(!folder.path().join("regraft").exists(), "nothing is copied");
}

#[test]
fn a_damaged_blob_does_not_fit_its_name() {
    let folder = tempfile::tempdir().unwrap();
    hub(folder.path(), b"wrong", &Checksum::of(b"weights").to_string());
    let error = get(folder.path(), "hf:own/net/w.bin", true).unwrap_err();
    assert!(matches!(error, ZooError::Checksum { .. }), "{error}");
}

#[test]
fn a_stated_checksum_wins() {
    let folder = tempfile::tempdir().unwrap();
    hub(folder.path(), b"weights", "etag-of-a-small-file");
    let (right, wrong) = (Checksum::of(b"weights"), Checksum::of(b"other"));
    get(folder.path(), &format!("hf:own/net/w.bin#sha256={right}"), true).unwrap();
    let error = get(folder.path(), &format!("hf:own/net/w.bin#sha256={wrong}"), true).unwrap_err();
    assert!(matches!(error, ZooError::Checksum { .. }), "{error}");
}

#[test]
fn a_reference_that_climbs_out_of_the_cache_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    hub(folder.path(), b"weights", "blob");
    let reference = folder.path().join("models--own--net/refs/main");
    crate::pip::put(&folder.path().join("models--own--net/w.bin"), b"outside");
    for bad in ["../../..", "..", ".", "../snapshots/..", "a/b", "", "é"] {
        crate::pip::put(&reference, bad.as_bytes());
        let error = get(folder.path(), "hf:own/net/w.bin", true).unwrap_err();
        assert!(matches!(error, ZooError::Offline { .. }), "{bad}: {error}");
    }
}

#[test]
fn offline_says_how_to_get_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let text = get(folder.path(), "hf:own/net/w.bin", true).unwrap_err().to_string();
    assert!(text.contains("offline is asked for"), "{text}");
    assert!(text.contains("`hf download own/net w.bin`"), "{text}");
}

#[cfg(not(feature = "hub"))]
#[test]
fn a_build_without_downloads_gives_two_ways_out() {
    let folder = tempfile::tempdir().unwrap();
    let text = get(folder.path(), "hf:own/net/w.bin", false).unwrap_err().to_string();
    assert!(
        text.contains("`--features hub`") && text.contains("`ARCHITECTURE@file:PATH`"),
        "{text}"
    );
}
