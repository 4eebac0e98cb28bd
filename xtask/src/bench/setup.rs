//! What must be there before the first round: the peers, a regraft, weights, an empty folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::contest::Course;
use super::{FitOptions, machine, say};
use crate::{Error, Workspace};

/// Endings of the files that count as pictures.
const PICTURES: [&str; 8] = ["jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "gif"];

/// Folders that hold the test pictures, when there are such.
const HELD_OUT: [&str; 3] = ["test", "val", "valid"];

/// Everything the rounds need.
pub(super) struct Ground {
    /// What the commands are made of.
    pub(super) course: Course,
    /// `bench/` in the target folder.
    pub(super) folder: PathBuf,
    /// How many pictures there are.
    pub(super) pictures: usize,
    /// Weights of regraft's own cache, when it has one; else those of the peers are used.
    cached: Option<PathBuf>,
}

impl Ground {
    pub(super) fn prepare(
        workspace: &Workspace,
        options: &FitOptions,
        progress: &mut dyn Write,
    ) -> Result<Self, Error> {
        let absolute = |path: &Path| std::path::absolute(path).map_err(Error::file("find", path));
        let data = absolute(&options.data)?;
        let pictures = pictures(&data)?;
        let first = first_held_out(&data, &pictures);
        let first = first.ok_or_else(|| Error::NoPictures { folder: data.clone() })?.clone();
        let cached = weights_folder().filter(|folder| folder.is_dir());
        let weights = match &options.weights {
            Some(file) => absolute(file)?,
            None => find_weights(cached.as_deref())?,
        };

        let bench = workspace.target.join("bench");
        let scripts = workspace.root.join("benches");
        let folder = bench.join("rounds");
        empty(&folder)?;
        let python = python(workspace, options.peers.as_deref(), progress)?;
        let regraft = match &options.regraft {
            Some(path) => absolute(path)?,
            None => build(workspace, &["--package", "regraft-cli"], "regraft", progress)?,
        };
        let onnx = folder.join("lite0.onnx");
        say(progress, "exporting the trunk to ONNX")?;
        let mut export = Command::new(&python);
        export.env("PYTHONDONTWRITEBYTECODE", "1");
        export.arg(scripts.join("export_onnx.py")).arg(&weights).arg(&onnx);
        machine::run(&mut export, "the ONNX export (has it benches/requirements.txt?)")?;
        // So that the disk is in no figure.
        pictures.iter().try_for_each(|path| drain(path))?;
        let threads = options.threads;
        let count = pictures.len();
        let course = Course {
            regraft,
            python,
            scripts,
            weights,
            onnx,
            data,
            picture: first,
            folder,
            threads,
            bf16: machine::has_bf16(),
        };
        Ok(Self { course, folder: bench, pictures: count, cached })
    }

    /// A cache for regraft in round `round` with the weights and nothing else.
    pub(super) fn fresh_cache(&self, round: usize) -> Result<(), Error> {
        let folder = self.course.cache(round).join("regraft").join("weights");
        empty(&folder)?;
        let copy = |path: &Path| {
            let to = folder.join(path.file_name().unwrap_or_default());
            fs::copy(path, &to).map(drop).map_err(Error::file("copy", path))
        };
        match &self.cached {
            None => copy(&self.course.weights),
            Some(cached) => {
                let files = entries(cached)?.into_iter().filter(|path| path.is_file());
                files.into_iter().try_for_each(|path| copy(&path))
            }
        }
    }
}

/// Writes a file anew.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Error> {
    let written = File::create(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(Error::file("write", path))
}

/// A virtual environment with the peers, made once for each version of the requirements.
fn environment(folder: &Path, wanted: &Path, progress: &mut dyn Write) -> Result<PathBuf, Error> {
    let python = folder.join("bin/python");
    let stamp = folder.join("made-from.txt");
    let requirements = fs::read_to_string(wanted).map_err(Error::file("read", wanted))?;
    if fs::read_to_string(&stamp).is_ok_and(|made| made == requirements) {
        return Ok(python);
    }
    say(
        progress,
        "making a Python environment with the peers; this happens once and takes minutes",
    )?;
    let mut make = Command::new("python3");
    machine::run(make.args(["-m", "venv", "--clear"]).arg(folder), "python3 -m venv")?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(wanted);
    machine::run(&mut install, "pip install")?;
    write(&stamp, &requirements)?;
    Ok(python)
}

/// Builds in release what `words` say, and gives the program at `path` below `release/`.
pub(crate) fn build(
    workspace: &Workspace,
    words: &[&str],
    path: &str,
    progress: &mut dyn Write,
) -> Result<PathBuf, Error> {
    say(progress, &format!("building {path} in release"))?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(&workspace.root).args(["build", "--release"]).args(words);
    machine::run(&mut cargo, "cargo build")?;
    let name = format!("{path}{}", std::env::consts::EXE_SUFFIX);
    Ok(workspace.target.join("release").join(name))
}

/// Builds an example of a crate in release, and gives the program.
pub(super) fn build_example(
    workspace: &Workspace,
    package: &str,
    name: &str,
    progress: &mut dyn Write,
) -> Result<PathBuf, Error> {
    let words = ["--package", package, "--example", name];
    build(workspace, &words, &format!("examples/{name}"), progress)
}

/// The Python of the environment given, or of the one made here.
pub(super) fn python(
    workspace: &Workspace,
    given: Option<&Path>,
    progress: &mut dyn Write,
) -> Result<PathBuf, Error> {
    if let Some(folder) = given {
        let folder = std::path::absolute(folder).map_err(Error::file("find", folder))?;
        return Ok(folder.join("bin/python"));
    }
    let wanted = workspace.root.join("benches").join("requirements.txt");
    environment(&workspace.target.join("bench").join("venv"), &wanted, progress)
}

/// Versions of the packages in an environment.
pub(super) fn versions(python: &Path, names: &[&str]) -> Result<BTreeMap<String, String>, Error> {
    let script = "import sys; from importlib.metadata import version\n\
                  for name in sys.argv[1:]: print(name, version(name))";
    let mut command = Command::new(python);
    command.arg("-c").arg(script).args(names);
    let said = machine::run(&mut command, "Python (has it benches/requirements.txt?)")?;
    let pair = |line: &str| {
        let (name, version) = line.split_once(' ')?;
        Some((name.to_owned(), version.to_owned()))
    };
    Ok(said.lines().filter_map(pair).collect())
}

/// What the contests of living contestants need.
pub(super) struct Field {
    /// Python of the peers.
    pub(super) python: PathBuf,
    /// Our contestant.
    pub(super) contestant: PathBuf,
    /// Folder of the peers' scripts.
    pub(super) scripts: PathBuf,
    /// `bench/` in the target folder.
    pub(super) bench: PathBuf,
    /// An empty folder in it.
    pub(super) folder: PathBuf,
}

impl Field {
    /// Makes or finds everything: given are the folder of the peers and our contestant; `name` names
    /// the empty folder.
    pub(super) fn prepare(
        workspace: &Workspace,
        [peers, contestant]: [Option<&Path>; 2],
        name: &str,
        progress: &mut dyn Write,
    ) -> Result<Self, Error> {
        let bench = workspace.target.join("bench");
        let folder = bench.join(name);
        empty(&folder)?;
        let python = python(workspace, peers, progress)?;
        let contestant = match contestant {
            Some(path) => std::path::absolute(path).map_err(Error::file("find", path))?,
            None => build_example(workspace, "xtask", "contestant", progress)?,
        };
        Ok(Self { python, contestant, scripts: workspace.root.join("benches"), bench, folder })
    }

    /// All in one folder, with nothing in it.
    #[cfg(test)]
    pub(super) fn for_tests(folder: &str) -> Self {
        let folder = PathBuf::from(folder);
        Self {
            python: "python".into(),
            contestant: "contestant".into(),
            scripts: folder.clone(),
            bench: folder.clone(),
            folder,
        }
    }
}

/// Writes measurements for other programs.
pub(super) fn write_json(path: &Path, samples: &[Value]) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::file("make", folder))?;
    }
    write(path, &format!("{:#}\n", json!({"format": 1, "samples": samples})))
}

/// `weights/` in regraft's cache, whether it exists or not.
fn weights_folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(cache.join("regraft").join("weights"))
}

fn find_weights(folder: Option<&Path>) -> Result<PathBuf, Error> {
    let missing = || Error::NoWeights {
        folder: folder.map(Path::to_path_buf).or_else(weights_folder).unwrap_or_default(),
    };
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.contains("efficientnet-lite0") && name.ends_with(".pth")
    };
    let files = folder.map(entries).transpose()?.unwrap_or_default();
    files.into_iter().find(fits).ok_or_else(missing)
}

/// The pictures below `root`, sorted.
pub(super) fn pictures(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder)? {
            let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
            if path.is_dir() {
                folders.push(path);
            } else if PICTURES.iter().any(|p| ending == *p) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The first picture that no contestant trains on, or else the first.
fn first_held_out<'a>(root: &Path, pictures: &'a [PathBuf]) -> Option<&'a PathBuf> {
    let held = |path: &&PathBuf| HELD_OUT.iter().any(|name| path.starts_with(root.join(name)));
    pictures.iter().find(held).or(pictures.first())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let list = fs::read_dir(folder).map_err(Error::file("list", folder))?;
    let paths = list.map(|entry| entry.map(|e| e.path()));
    let mut paths: Vec<_> = paths.collect::<Result<_, _>>().map_err(Error::file("list", folder))?;
    paths.sort();
    Ok(paths)
}

/// Makes `folder` an empty folder.
fn empty(folder: &Path) -> Result<(), Error> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(Error::file("remove", folder))?;
    }
    fs::create_dir_all(folder).map_err(Error::file("make", folder))
}

/// Reads a file and forgets it.
pub(super) fn drain(path: &Path) -> Result<(), Error> {
    let mut file = File::open(path).map_err(Error::file("read", path))?;
    let mut buffer = vec![0; 1 << 16];
    while file.read(&mut buffer).map_err(Error::file("read", path))? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str, files: &[&str]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        empty(&root).unwrap();
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            write(&path, file).unwrap();
        }
        root
    }

    #[test]
    fn the_predicted_picture_is_one_that_was_held_out() {
        let root = folder("held", &["val/b/2.JPG", "train/a/1.png", "val/b/notes.txt"]);
        let found = pictures(&root).unwrap();
        assert_eq!(found, [root.join("train/a/1.png"), root.join("val/b/2.JPG")]);
        assert_eq!(first_held_out(&root, &found), Some(&root.join("val/b/2.JPG")));
        assert_eq!(first_held_out(&root, &found[..1]), Some(&root.join("train/a/1.png")));
        assert_eq!(first_held_out(&root, &[]), None);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn weights_are_found_by_their_name_or_the_way_to_get_them_is_said() {
        let name = "0011223344556677-efficientnet-lite0-57934424.pth";
        let root = folder("weights", &["0-efficientnet-lite1-7.pth", "1-resnet18.pth", name]);
        assert_eq!(find_weights(Some(&root)).unwrap(), root.join(name));
        fs::remove_file(root.join(name)).unwrap();
        let error = find_weights(Some(&root)).unwrap_err().to_string();
        assert!(error.contains("regraft zoo pull efficientnet-lite0"), "{error}");
        fs::remove_dir_all(root).unwrap();
    }
}
