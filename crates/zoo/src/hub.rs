//! Files of the Hugging Face hub: a reader of its cache on this machine, and with the cargo feature
//! `hub` a download into that cache.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::fetch::{FetchOptions, Fetched, Observer, local};
use crate::{Cache, Checksum, Expected, Source, ZooError, here};

/// The cache's folder by the rules of `huggingface_hub`: `HF_HUB_CACHE`, else `HF_HOME/hub`, else
/// `XDG_CACHE_HOME/huggingface/hub`, else `~/.cache/huggingface/hub`. Variables are looked up by
/// `variable`; empty ones count as not set.
pub(crate) fn cache_folder(
    variable: &dyn Fn(&str) -> Option<OsString>,
    home: Option<PathBuf>,
) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("HF_HUB_CACHE").or_else(|| set("HF_HOME").map(|p| p.join("hub"))).or_else(|| {
        let caches = set("XDG_CACHE_HOME").or_else(|| home.map(|h| h.join(".cache")))?;
        Some(caches.join("huggingface").join("hub"))
    })
}

/// Whether `HF_HUB_OFFLINE` forbids the network, by the words that Python's client knows.
pub(crate) fn forbids_network(value: Option<OsString>) -> bool {
    let value = value.unwrap_or_default().to_string_lossy().to_uppercase();
    ["1", "ON", "YES", "TRUE"].contains(&value.as_str())
}

pub(crate) fn fetch(
    source: &Source,
    wanted: Option<&Expected>,
    cache: &Cache,
    options: &FetchOptions,
    observer: &mut Observer<'_>,
) -> Result<Fetched, ZooError> {
    let Source::Hub { repo, revision, file } = source else {
        return Err(ZooError::Spec {
            given: source.to_string(),
            problem: crate::error::SpecProblem::Hub,
        });
    };
    let variable = |name: &str| std::env::var_os(name);
    let folder = self::folder(options.hub_cache.as_deref()).ok_or(ZooError::NoHome)?;
    let slot = cache.slot(&observer.what, source.file_name());
    let brought = slot.by_hand();
    if brought.is_file() {
        return here::trusted(&slot, &brought, wanted, &observer.what);
    }
    if let Some(path) = lookup(&folder, repo, revision, file) {
        return verified(&path, wanted, &observer.what);
    }
    if options.offline || forbids_network(variable("HF_HUB_OFFLINE")) {
        return Err(ZooError::Offline {
            what: observer.what.clone(),
            cache: folder,
            instead: format!("fetch it elsewhere with `hf download {repo} {file}`"),
        });
    }
    let path = download(&folder, source, observer)?;
    verified(&path, wanted, &observer.what)
}

/// The cache's folder: the one given, or else where the variables of this process say.
pub(crate) fn folder(given: Option<&Path>) -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name);
    given.map(Path::to_owned).or_else(|| cache_folder(&variable, etcetera::home_dir().ok()))
}

/// The file in the cache, if it is there:
/// `models--OWNER--NAME/snapshots/COMMIT/FILE`, the commit being in `refs/REVISION`.
pub(crate) fn lookup(folder: &Path, repo: &str, revision: &str, file: &str) -> Option<PathBuf> {
    let repo = folder.join(format!("models--{}", repo.replace('/', "--")));
    let mut text = String::new();
    let reference = File::open(repo.join("refs").join(revision));
    let read = reference.and_then(|f| f.take(100).read_to_string(&mut text));
    // Without a reference the revision is a commit itself.
    let commit = if read.is_ok() { text.trim() } else { revision };
    // One part of a path and no more, whatever the file said.
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if commit.is_empty() || commit.starts_with('.') || !commit.chars().all(plain) {
        return None;
    }
    let path = repo.join("snapshots").join(commit).join(file);
    path.is_file().then_some(path)
}

/// Checks against the stated checksum and the name of the blob, which for large files is one.
fn verified(path: &Path, wanted: Option<&Expected>, what: &str) -> Result<Fetched, ZooError> {
    let blob = fs::canonicalize(path).ok();
    let name = blob.as_deref().and_then(Path::file_name).and_then(|n| n.to_str());
    let blob = name.and_then(Checksum::parse).map(Expected::Sha256);
    local(path, wanted.or(blob.as_ref()), what)
}

#[cfg(not(feature = "hub"))]
fn download(folder: &Path, _: &Source, observer: &mut Observer<'_>) -> Result<PathBuf, ZooError> {
    Err(ZooError::NotInHubCache { what: observer.what.clone(), folder: folder.to_owned() })
}

#[cfg(feature = "hub")]
use crate::hub_download::download;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_pythons_client_has_it() {
        let home = || Some(PathBuf::from("home"));
        let table: [(&[(&str, &str)], &str); 6] = [
            (&[], "home/.cache/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "xdg")], "xdg/huggingface/hub"),
            (&[("HF_HOME", "hf"), ("XDG_CACHE_HOME", "xdg")], "hf/hub"),
            (&[("HF_HUB_CACHE", "own"), ("HF_HOME", "hf")], "own"),
            (&[("HF_HUB_CACHE", ""), ("HF_HOME", "hf")], "hf/hub"),
            (&[("HF_HOME", "")], "home/.cache/huggingface/hub"),
        ];
        for (set, wanted) in table {
            let variable =
                |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(*v));
            assert_eq!(cache_folder(&variable, home()), Some(wanted.into()), "{set:?}");
        }
        assert_eq!(cache_folder(&|_| None, None), None);
    }

    #[test]
    fn the_network_is_forbidden_by_the_words_that_pythons_client_knows() {
        for (value, forbids) in
            [("1", true), ("true", true), ("On", true), ("YES", true), ("0", false), ("", false)]
        {
            assert_eq!(forbids_network(Some(value.into())), forbids, "{value}");
        }
        assert!(!forbids_network(None));
    }
}
