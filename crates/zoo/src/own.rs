//! Networks of the user's own: a folder for each, with its card and its weights.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcetera::BaseStrategy;
use regraft_net::nearest;

use crate::entry::Author;
use crate::{Checksum, Entry, Source, ZooError, catalogue, checksum};

/// The card's file in a network's folder.
const CARD: &str = "card.toml";
/// Longest card that is read, in bytes.
const LONGEST: u64 = 64 << 20;

/// Where the user's own networks are: `NAME/card.toml` and `NAME/weights.EXT` for each.
#[derive(Debug, Clone)]
pub struct OwnZoo {
    root: PathBuf,
}

/// How a weights file gets into the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// A copy.
    Copy,
    /// A symbolic link: the file stays where it is, and must stay there.
    Link,
}

impl OwnZoo {
    /// The one in `root`, or else in `$XDG_DATA_HOME/regraft/zoo`, or else in
    /// `~/.local/share/regraft/zoo`. Nothing is created before something is kept.
    ///
    /// # Errors
    /// When `root` is `None` and there is no home folder.
    pub fn open(root: Option<PathBuf>) -> Result<Self, ZooError> {
        let root = if let Some(root) = root {
            root
        } else {
            let strategy = etcetera::choose_base_strategy().map_err(|_| ZooError::NoHome)?;
            strategy.data_dir().join("regraft").join("zoo")
        };
        let root = std::path::absolute(&root).map_err(failed("find", &root))?;
        Ok(Self { root })
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The networks there, by name, and what is wrong with those that cannot be used.
    pub fn entries(&self) -> (Vec<Arc<Entry>>, Vec<ZooError>) {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        let Ok(folders) = fs::read_dir(&self.root) else { return (good, bad) };
        let mut names: Vec<_> = folders.filter_map(Result::ok).map(|f| f.file_name()).collect();
        names.sort();
        for name in names {
            let Some(name) = name.to_str().filter(|n| !n.starts_with('.')) else { continue };
            match self.find(name) {
                Ok(Some(entry)) => good.push(entry),
                Ok(None) => {}
                Err(error) => bad.push(error),
            }
        }
        (good, bad)
    }

    /// The network of that name; none when there is no such folder.
    ///
    /// # Errors
    /// When its card cannot be read or used.
    pub fn find(&self, name: &str) -> Result<Option<Arc<Entry>>, ZooError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            return Ok(None);
        }
        let path = self.root.join(name).join(CARD);
        let mut text = String::new();
        match File::open(&path).and_then(|f| f.take(LONGEST).read_to_string(&mut text)) {
            Ok(_) => {}
            Err(e)
                if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(failed("read", &path)(e)),
        }
        let mut entry = Entry::parse_as(&path.display().to_string(), &text, Author::User)?;
        // Wherever the folder has been moved to since.
        if let Source::File { path } = &entry.source {
            let file = path.file_name().map(PathBuf::from).unwrap_or_default();
            entry.source = Source::File { path: self.root.join(name).join(file) };
        }
        name.clone_into(&mut entry.name);
        Ok(Some(Arc::new(entry)))
    }

    /// Keeps a network with its card (see `docs/zoo.md`); name, source, size and checksum are written
    /// here. The folder appears whole or not at all.
    ///
    /// # Errors
    /// When the name is taken or no name, the card cannot be used, or the disk refuses.
    pub fn add(
        &self,
        name: &str,
        card: &Card,
        weights: &Path,
        keep: Keep,
    ) -> Result<Arc<Entry>, ZooError> {
        self.free(name)?;
        let extension = weights.extension().and_then(|e| e.to_str()).unwrap_or("bin");
        let plain: String =
            extension.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
        let file = format!("weights.{plain}");
        fs::create_dir_all(&self.root).map_err(failed("create", &self.root))?;
        let room = tempfile::Builder::new()
            .prefix(".adding-")
            .tempdir_in(&self.root)
            .map_err(failed("create", &self.root))?;
        let target = room.path().join(&file);
        let (sum, bytes) = place(weights, &target, keep)?;
        let text = card.complete(&file, sum, bytes)?;
        // What was written is what will be read.
        Entry::parse_as(&card.file, &text, Author::User)?;
        let path = room.path().join(CARD);
        let written = File::create(&path).and_then(|mut f| {
            f.write_all(text.as_bytes())?;
            f.sync_all()
        });
        written.map_err(failed("write", &path))?;
        let home = self.root.join(name);
        let room = room.keep();
        if let Err(error) = fs::rename(&room, &home) {
            let _ = fs::remove_dir_all(&room);
            return Err(failed("write", &home)(error));
        }
        self.find(name)?.ok_or_else(|| self.none(name))
    }

    /// Whether a name may be given to a new network.
    ///
    /// # Errors
    /// When it is taken by the catalogue or another network.
    pub fn free(&self, name: &str) -> Result<(), ZooError> {
        if catalogue().iter().any(|e| e.name == name) {
            return Err(ZooError::Taken { name: name.to_owned(), by: "the catalogue".to_owned() });
        }
        let home = self.root.join(name);
        if self.find(name)?.is_some() || home.join(CARD).exists() {
            return Err(ZooError::Taken { name: name.to_owned(), by: home.display().to_string() });
        }
        Ok(())
    }

    /// Removes a network; a linked weights file stays where it is.
    ///
    /// # Errors
    /// When there is none of that name (the nearest are given), or the disk refuses.
    pub fn remove(&self, name: &str) -> Result<PathBuf, ZooError> {
        let home = self.root.join(name);
        // A damaged card must not keep its network from being removed.
        if matches!(self.find(name), Ok(None)) {
            return Err(self.none(name));
        }
        fs::remove_dir_all(&home).map_err(failed("remove", &home))?;
        Ok(home)
    }

    fn none(&self, name: &str) -> ZooError {
        let (own, _) = self.entries();
        ZooError::NotOwn {
            name: name.to_owned(),
            listed: catalogue().iter().any(|e| e.name == name),
            near: nearest(name, own.iter().map(|e| e.name.as_str())),
        }
    }
}

/// A card on its way in.
#[derive(Debug, Clone)]
pub struct Card {
    /// Its file's name, for errors.
    pub(crate) file: String,
    name: String,
    table: toml::Table,
}

impl Card {
    /// Reads the text of the card of `name`; `file` is its file's name, for errors. `architecture` counts
    /// before the card's; `file` means that the weights file has its own graph.
    ///
    /// # Errors
    /// When it is not TOML, a value is wrong, or there is no architecture.
    pub fn parse(
        file: &str,
        text: &str,
        name: &str,
        architecture: Option<&str>,
    ) -> Result<Self, ZooError> {
        let wrong = |problem| ZooError::Catalogue { file: file.to_owned(), problem };
        let toml = |e| wrong(crate::CatalogueProblem::Toml(Box::new(e)));
        let mut table: toml::Table = toml::from_str(text).map_err(toml)?;
        match architecture {
            None => {}
            Some("file") => {
                table.remove("architecture");
                table.insert("graph".to_owned(), "file".into());
            }
            Some(architecture) => {
                crate::architecture(architecture)?;
                table.insert("architecture".to_owned(), architecture.into());
                table.remove("graph");
            }
        }
        let card = Self { file: file.to_owned(), name: name.to_owned(), table };
        // Tried before a file is read, with what is added later.
        card.entry()?;
        Ok(card)
    }

    /// The card that is kept.
    fn complete(&self, file: &str, sum: Checksum, bytes: u64) -> Result<String, ZooError> {
        let mut table = self.table.clone();
        for key in ["zoo", "sha256_prefix", "md5", "sha1", "size_about"] {
            table.remove(key);
        }
        table.insert("name".to_owned(), self.name.as_str().into());
        table.insert("source".to_owned(), format!("file:{file}").into());
        table.insert("sha256".to_owned(), sum.to_string().into());
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        table.insert("size_bytes".to_owned(), bytes.into());
        toml::to_string(&table).map_err(|e| ZooError::Catalogue {
            file: self.file.clone(),
            problem: crate::CatalogueProblem::Unwritable(Box::new(e)),
        })
    }

    /// The entry that it makes, before there are weights.
    ///
    /// # Errors
    /// As [`Card::parse`].
    pub fn entry(&self) -> Result<Entry, ZooError> {
        let text = self.complete("weights", Checksum::of(b""), 1)?;
        Entry::parse_as(&self.file, &text, Author::User)
    }
}

/// Puts the file at `target` and gives its checksum and size.
pub(crate) fn place(from: &Path, target: &Path, keep: Keep) -> Result<(Checksum, u64), ZooError> {
    let unreadable = |source| ZooError::Read { path: from.to_owned(), source };
    let write = |source| failed("write", target)(source);
    match keep {
        Keep::Link => {
            let whole = fs::canonicalize(from).map_err(unreadable)?;
            let (sums, bytes) = checksum::of_file(&whole, None).map_err(unreadable)?;
            link(&whole, target).map_err(write)?;
            Ok((sums.sha256, bytes))
        }
        Keep::Copy => {
            let mut out = File::create(target).map_err(write)?;
            let mut refused = None;
            let source = File::open(from).map_err(unreadable)?;
            let drained = checksum::drain(source, |piece| {
                out.write_all(piece).map_err(|e| {
                    let kind = e.kind();
                    refused = Some(e);
                    kind.into()
                })
            });
            match (drained, refused) {
                (_, Some(e)) => Err(write(e)),
                (Err(e), None) => Err(unreadable(e)),
                (Ok(done), None) => {
                    out.sync_all().map_err(write)?;
                    Ok(done)
                }
            }
        }
    }
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

#[cfg(not(unix))]
fn link(from: &Path, to: &Path) -> io::Result<()> {
    // Where links need rights of their own, a second name for the same file serves.
    fs::hard_link(from, to)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ZooError {
    move |source| ZooError::Own { action, path: path.to_owned(), source }
}
