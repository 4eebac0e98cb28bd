//! Real photographs to try the whole job on.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use regraft_run::atomic_write;
use regraft_zoo::{Checksum, FetchEvent, FetchOptions, Flow, PackagedFolder, fetch_folder};

use crate::{Error, LoadOptions, Observer, Progress};

/// What the demo shows and where it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Demo {
    /// One line.
    pub title: &'static str,
    /// What the pictures are and what is asked of them.
    pub about: &'static str,
    /// Licence of the pictures.
    pub licence: &'static str,
    /// Paper to cite.
    pub paper: &'static str,
    /// Size of the download in bytes.
    pub bytes: u64,
    /// Where the download comes from.
    pub source: &'static str,
    /// What limits the result.
    pub caveat: &'static str,
}

/// The demo of this version.
pub const DEMO: Demo = Demo {
    title: "Solar cells: intact or defective?",
    about: "2,223 photographs of solar cells by electroluminescence (300 x 300 pixels, grey), which \
            experts called surely intact (1,508) or surely defective (715); the 401 cells they were \
            not sure of are left out",
    licence: "CC BY-NC-SA 4.0 (not for commercial use)",
    paper: "Deitsch et al. 2019, Solar Energy 185",
    bytes: 90_801_454,
    source: "pypi:elpv-dataset==1.0.0.post1",
    caveat: "cells of one module look alike and the data does not say which module a cell is of, so \
             some modules are on both sides of the split and the result is somewhat too good",
};

const WHEEL: &str = "85e31c1126ee9b48e62d3a0232c58f58b2d189b0814a45c13642fa0415af4a4c";
const TABLE: &str = "cells.csv";

/// Makes sure that the demo's pictures are on this machine; returns a CSV table for
/// [`fit`](crate::fit()).
///
/// # Errors
/// When they cannot be fetched, or the package holds something else than expected.
pub fn demo_data(options: &LoadOptions, observer: &dyn Observer) -> Result<PathBuf, Error> {
    let folder = PackagedFolder {
        package: "elpv-dataset",
        version: "1.0.0.post1",
        sha256: Checksum::parse(WHEEL).ok_or(Error::DemoData { line: 0, got: String::new() })?,
        folder: "elpv_dataset/data",
    };
    let mut hear = |event: FetchEvent| {
        if let FetchEvent::Progress { bytes, .. } = event {
            let total = Some(DEMO.bytes);
            observer.tell(&Progress::Fetch { what: DEMO.source, bytes, total });
        }
        if observer.stop() { Flow::Stop } else { Flow::Continue }
    };
    let fetch = FetchOptions { offline: options.offline, ..FetchOptions::default() };
    let path = fetch_folder(&folder, &options.cache()?, &fetch, &mut hear)?;
    let table = path.join(TABLE);
    if !table.is_file() {
        atomic_write(&table, csv(&path)?.as_bytes())?;
    }
    Ok(table)
}

/// The data's own table (`images/cell0001.png  1.0  mono`: the probability of a defect) as ours,
/// without the cells experts were not sure of.
fn csv(folder: &Path) -> Result<String, Error> {
    let path = folder.join("labels.csv");
    let text =
        fs::read_to_string(&path).map_err(|source| Error::File { what: "read", path, source })?;
    let mut csv = "path,label\n".to_owned();
    for (i, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let wrong = || Error::DemoData { line: i + 1, got: line.chars().take(80).collect() };
        let [file, probability, ..] = words[..] else { return Err(wrong()) };
        let probability: f64 = probability.parse().map_err(|_| wrong())?;
        let label = match probability {
            p if p <= 0.0 => "intact",
            p if p >= 1.0 => "defective",
            _ => continue,
        };
        // Writing to a String cannot fail.
        let _ = writeln!(csv, "{file},{label}");
    }
    Ok(csv)
}
