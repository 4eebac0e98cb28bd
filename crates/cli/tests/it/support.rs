use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use image::{Rgb, RgbImage};
use regraft_tensor::Tensor;
use regraft_testkit::formula_params;
use serde_json::Value;

pub(crate) const ARCHITECTURE: &str = "torchvision/mobilenet_v2";

/// Weights of a whole network, made once for all tests.
fn weights() -> &'static Path {
    static WEIGHTS: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = WEIGHTS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let params = formula_params(&regraft_zoo::graph(ARCHITECTURE).unwrap()).unwrap();
        let tensors: BTreeMap<String, Tensor> =
            params.iter().map(|(n, t)| (n.to_owned(), Tensor::clone(t))).collect();
        regraft_formats::safetensors::write(&path, &tensors, &BTreeMap::new()).unwrap();
        (folder, path)
    });
    path
}

/// The formula network, as it is named on the command line.
pub(crate) fn network() -> String {
    format!("{ARCHITECTURE}@file:{}", weights().display())
}

/// A folder to work in, with a cache of its own.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Draws `each` pictures for each class below `folder`, told apart by colour and stripes.
    pub(crate) fn pictures(&self, folder: &str, classes: &[&str], each: usize) {
        for (c, class) in classes.iter().enumerate() {
            let path = self.path(folder).join(class);
            fs::create_dir_all(&path).unwrap();
            for i in 0..each {
                picture(c, i).save(path.join(format!("{i:03}.png"))).unwrap();
            }
        }
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::io::Write::write_all(&mut fs::File::create(path).unwrap(), bytes).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_regraft"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_DATA_HOME", self.path("data-home"))
            .env("HOME", self.path("home"))
            .env_remove("COLUMNS")
            .env("NO_COLOR", "1");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        Done(self.command(arguments).output().unwrap())
    }

    /// `fit` with the formula network.
    pub(crate) fn fit(&self, arguments: &[&str]) -> Done {
        let network = network();
        let mut all = vec!["fit", "--network", &network, "--json"];
        all.extend_from_slice(arguments);
        self.run(&all)
    }
}

/// Class 0 is reddish with wide stripes, 1 bluish with narrow ones, 2 green; no two pictures alike.
pub(crate) fn picture(class: usize, i: usize) -> RgbImage {
    let period = [16, 5, 9][class % 3];
    RgbImage::from_fn(70 + (i % 3) as u32 * 8, 60, |x, y| {
        let stripe = 70 * (1 - ((x as usize + i * 3) / period % 2) as u8);
        let noise = (x.wrapping_mul(31) ^ y.wrapping_mul(17) ^ (i as u32 * 101)) % 60;
        let mut rgb = [60 + noise as u8, 60 + (noise / 2) as u8, 60];
        rgb[[0, 2, 1][class % 3]] += 70;
        Rgb(rgb.map(|v: u8| v.saturating_add(stripe)))
    })
}

/// A finished process.
pub(crate) struct Done(Output);

impl Done {
    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().unwrap_or(-1)
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    /// The JSON on stdout of a command that worked.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code(), 0, "{}", self.stderr());
        serde_json::from_str(&self.stdout()).unwrap()
    }

    /// Failed with this code, and said all of these.
    pub(crate) fn refused(&self, code: i32, words: &[&str]) {
        let said = self.stderr();
        assert_eq!(self.code(), code, "{said}");
        assert!(!said.contains("panicked"), "{said}");
        for word in words {
            assert!(said.contains(word), "wanted {word:?} in {said:?}");
        }
    }
}
