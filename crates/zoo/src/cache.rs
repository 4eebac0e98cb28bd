//! The folder of weights: names, locks, and files that are written whole or not at all.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use etcetera::BaseStrategy;

use crate::fetch::{FetchEvent, Observer};
use crate::{Checksum, ZooError};

/// How often a waiting process looks again.
const WAIT: Duration = Duration::from_millis(100);

/// Where weights are kept between runs.
///
/// `weights/` in it has: `<first 16 digits of the sha256>-<file name>`, the weights; `<file name>` and
/// `brought-<key>-<file name>`, weights that a person downloaded;
/// `source-<key>.sha256`, the checksum of weights that nobody stated one for; `source-<key>.lock`,
/// locked while a process fetches; `tmp-<key>/`, a download under way; `*.corrupt`, files with the
/// wrong bytes. The key is made of the source's text. Everything may be deleted at any time.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache in `root`, or else in `$XDG_CACHE_HOME/regraft`, or else in `~/.cache/regraft`.
    /// Nothing is created before something is kept.
    ///
    /// # Errors
    /// When `root` is `None` and there is no home folder.
    pub fn open(root: Option<PathBuf>) -> Result<Self, ZooError> {
        let root = if let Some(root) = root {
            root
        } else {
            let strategy = etcetera::choose_base_strategy().map_err(|_| ZooError::NoHome)?;
            strategy.cache_dir().join("regraft")
        };
        let root = std::path::absolute(&root).map_err(|source| ZooError::Cache {
            action: "find",
            path: root,
            source,
        })?;
        Ok(Self { root })
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The places that belong to a source; `member` is only looked at for its file name.
    pub(crate) fn slot(&self, source: &str, member: &str) -> Slot {
        self.slot_in("weights", source, member)
    }

    /// The same for a folder of pictures.
    pub(crate) fn dataset(&self, source: &str, name: &str) -> Slot {
        self.slot_in("datasets", source, name)
    }

    fn slot_in(&self, folder: &str, source: &str, member: &str) -> Slot {
        let name = member.rsplit(['/', '\\']).next().unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        Slot {
            folder: self.root.join(folder),
            key: Checksum::of(source.as_bytes()).short(),
            name: name.chars().map(plain).take(100).collect(),
        }
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ZooError {
    move |source| ZooError::Cache { action, path: path.to_owned(), source }
}

/// The files that belong to one source.
pub(crate) struct Slot {
    folder: PathBuf,
    key: String,
    name: String,
}

impl Slot {
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where weights with this checksum are.
    pub(crate) fn file(&self, sha256: Checksum) -> PathBuf {
        self.folder.join(format!("{}-{}", sha256.short(), self.name))
    }

    /// Where a file from an address is, under its own name, so that a person can put it there.
    pub(crate) fn plain(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Where a file is that a person brought in place of a download.
    pub(crate) fn by_hand(&self) -> PathBuf {
        self.folder.join(format!("brought-{}-{}", self.key, self.name))
    }

    fn record_file(&self) -> PathBuf {
        self.folder.join(format!("source-{}.sha256", self.key))
    }

    /// The checksum that the first download had, for a source without a stated one.
    pub(crate) fn recorded(&self) -> Result<Option<Checksum>, ZooError> {
        let path = self.record_file();
        let mut text = String::new();
        match File::open(&path).and_then(|f| f.take(64).read_to_string(&mut text)) {
            // A damaged record is as good as none.
            Ok(_) => Ok(Checksum::parse(&text)),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {
                Ok(None)
            }
            Err(e) => Err(failed("read", &path)(e)),
        }
    }

    /// Keeps the checksum of a first download, as `sha256sum` writes it, and the source.
    pub(crate) fn record(&self, sha256: Checksum, source: &str) -> Result<(), ZooError> {
        let path = self.record_file();
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            writeln!(file, "{sha256}  {}-{}\n# {source}", sha256.short(), self.name)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|e| e.error)?;
            Ok(())
        };
        write().map_err(failed("write", &path))
    }

    /// Waits until no other process fetches from this source. Dropping the file unlocks.
    pub(crate) fn lock(&self, observer: &mut Observer<'_>) -> Result<File, ZooError> {
        fs::create_dir_all(&self.folder).map_err(failed("create", &self.folder))?;
        let path = self.folder.join(format!("source-{}.lock", self.key));
        let open = File::options().create(true).truncate(false).write(true).open(&path);
        let file = open.map_err(failed("open", &path))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {
                    observer.tell(FetchEvent::Waiting { lock: path.clone() })?;
                    std::thread::sleep(WAIT);
                }
                Err(TryLockError::Error(e)) => return Err(failed("lock", &path)(e)),
            }
        }
    }

    /// An empty folder for a download; only under the lock, since what a dead process left there is
    /// removed. Dropping it removes it.
    pub(crate) fn temporary(&self) -> Result<Temporary, ZooError> {
        let path = self.folder.join(format!("tmp-{}", self.key));
        match fs::remove_dir_all(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed("clear", &path)(e)),
            _ => {}
        }
        fs::create_dir(&path).map_err(failed("create", &path))?;
        Ok(Temporary(path))
    }

    /// Moves complete, verified weights to their place.
    pub(crate) fn keep(&self, weights: &Path, sha256: Checksum) -> Result<PathBuf, ZooError> {
        self.keep_as(weights, self.file(sha256))
    }

    /// The same, under another name.
    pub(crate) fn keep_as(&self, weights: &Path, path: PathBuf) -> Result<PathBuf, ZooError> {
        fs::rename(weights, &path).map_err(failed("write", &path))?;
        // The name itself reaches the disk only with the folder; not every system can do that.
        if let Ok(folder) = File::open(&self.folder) {
            let _ = folder.sync_all();
        }
        Ok(path)
    }
}

/// Renames a file with the wrong bytes.
pub(crate) fn set_aside(path: &Path) -> Result<PathBuf, ZooError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".corrupt");
    let aside = PathBuf::from(name);
    fs::rename(path, &aside).map_err(failed("rename", path))?;
    Ok(aside)
}

/// A folder that goes when it is dropped.
pub(crate) struct Temporary(PathBuf);

impl Temporary {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What stays is removed by the next fetch of the same source.
        let _ = fs::remove_dir_all(&self.0);
    }
}
