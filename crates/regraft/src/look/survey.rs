//! What the channels of a layer do over a folder of pictures; kept where features are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regraft_data::list_images;
use regraft_infer::Engine;
use regraft_net::Network;
use regraft_run::Skipped;
use regraft_train::{Channel, Extracted, FeatureStore, Flow, Trunk, extract};

use super::asked::channels;
use crate::features::blocks;
use crate::reading::reason;
use crate::{Error, LoadOptions, Observer, Progress};

/// One pass of all pictures up to some layers.
pub(super) struct Survey {
    /// Units of each layer.
    pub(super) channels: Vec<usize>,
    /// Places in the list of those that could be read.
    pub(super) read: Vec<usize>,
    /// Every picture below the folder, in the order of their names.
    pub(super) files: Vec<PathBuf>,
    folder: PathBuf,
    extracted: Extracted,
}

impl Survey {
    /// Runs the pictures below `folder` up to `layers`; at least one must be readable.
    pub(super) fn take(
        network: &Network,
        layers: &[&str],
        folder: &Path,
        load: &LoadOptions,
        observer: &dyn Observer,
    ) -> Result<Self, Error> {
        let files = list_images(folder)?;
        if files.is_empty() {
            return Err(Error::EmptyFolder { path: folder.to_owned(), looked: "pictures" });
        }
        Self::of(network, layers, (folder, files), load, observer)
    }

    /// The same of some files.
    pub(super) fn of(
        network: &Network,
        layers: &[&str],
        (folder, files): (&Path, Vec<PathBuf>),
        load: &LoadOptions,
        observer: &dyn Observer,
    ) -> Result<Self, Error> {
        let find = |layer: &&str| channels(network, network.graph().find(layer)?);
        let channels = layers.iter().map(find).collect::<Result<Vec<usize>, Error>>()?;
        let trunk = Trunk::of_channels(network, Engine::compile(network, layers)?)?;
        let cache = load.cache()?.root().join("features");
        let mut store = FeatureStore::open(&cache, trunk.key(), trunk.feature_len())?;
        let progress = |done| {
            observer.tell(&Progress::Features { done, total: files.len() });
            if observer.stop() { Flow::Stop } else { Flow::Continue }
        };
        let extracted = extract(&trunk, &files, Some(&mut store), &progress)?;
        let failed: BTreeSet<usize> = extracted.failed.iter().map(|f| f.index).collect();
        let read: Vec<usize> = (0..files.len()).filter(|i| !failed.contains(i)).collect();
        let survey = Self { channels, read, files, folder: folder.to_owned(), extracted };
        match survey.skipped().first() {
            Some(first) if survey.read.is_empty() => {
                let (file, reason) = (first.file.clone().into(), first.reason.clone());
                Err(Error::NoImages { images: survey.files.len(), file, reason })
            }
            _ => Ok(survey),
        }
    }

    /// Shows what the channels of each layer do over each picture that could be read, in order.
    pub(super) fn each(&self, mut see: impl FnMut(&[&[Channel]])) -> Result<(), Error> {
        let width = self.extracted.row_len();
        let mut all: Vec<Channel> = Vec::new();
        blocks(&self.extracted, &self.read, width, |block| {
            for row in block.chunks_exact(width) {
                all.clear();
                all.extend(Channel::of_row(row));
                let mut rest = &all[..];
                let layers = self.channels.iter().map(|count| {
                    let (own, others) = rest.split_at(*count);
                    rest = others;
                    own
                });
                see(&layers.collect::<Vec<_>>());
            }
            Ok(())
        })
    }

    /// A file's name below the folder.
    pub(super) fn name(&self, file: usize) -> String {
        let path = &self.files[file];
        path.strip_prefix(&self.folder).unwrap_or(path).display().to_string()
    }

    /// For each picture that could be read a number that its exact copies share.
    pub(super) fn copies(&self) -> Vec<usize> {
        let firsts = self.extracted.firsts();
        self.read.iter().map(|i| firsts[*i]).collect()
    }

    /// Files that could not be read.
    pub(super) fn skipped(&self) -> Vec<Skipped> {
        let failed = self.extracted.failed.iter();
        failed.map(|f| Skipped { file: self.name(f.index), reason: reason(&f.error) }).collect()
    }
}
