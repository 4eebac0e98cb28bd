use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;
use regraft_data::{
    AUGMENT_VERSION, Augment, DataError, Picture, Scratch as Pixels, Visit, augmented, content_id,
    decode, preprocess, read_file,
};
use regraft_infer::{Engine, Scratch, Threads};
use regraft_net::Network;
use regraft_net::card::Preprocess;

use crate::records::Records;
use crate::{FeatureStore, LookStore, TrainError, TrunkKey, channels};

/// Images between two writes to the store: as many as are lost, at most, when the machine dies.
const BATCH: usize = 128;

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop as soon as what is under way is done.
    Stop,
}

/// A frozen trunk, ready to run on image files.
pub struct Trunk {
    engine: Engine,
    preprocess: Preprocess,
    key: TrunkKey,
    /// Of each output its channels and values, where figures are kept instead of maps.
    channels: Option<Vec<[usize; 2]>>,
}

/// What is extracted: a picture, as it is or as a visit shows it.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The picture's file.
    pub file: &'a Path,
    /// How it is changed; `None` for not at all.
    pub visit: Option<(&'a Augment, Visit)>,
}

impl Look<'_> {
    /// What names its features among those of a trunk: the bytes of the file, and the visit.
    fn id(&self, bytes: &[u8]) -> [u8; 32] {
        let content = content_id(bytes);
        let Some((augment, visit)) = self.visit else { return content };
        let mut hash = blake3::Hasher::new();
        hash.update(&content).update(&AUGMENT_VERSION.to_le_bytes());
        for number in [visit.seed, visit.epoch, visit.index] {
            hash.update(&number.to_le_bytes());
        }
        hash.update(augment.to_string().as_bytes());
        *hash.finalize().as_bytes()
    }
}

impl Trunk {
    /// Compiles `network` for its outputs and checks that its card makes the input it wants.
    ///
    /// # Errors
    /// When the card's crop is not the size of the network's input.
    pub fn new(network: &Network, engine: Engine) -> Result<Self, TrainError> {
        Self::build(network, engine, None)
    }

    /// The same for what the channels of the engine's outputs, `[C, H, W]` or `[C]`, do over a picture: rows are the
    /// figures of one output after the other, read by [`Channel::of_row`](crate::Channel::of_row).
    ///
    /// # Errors
    /// As [`Trunk::new`].
    pub fn of_channels(network: &Network, engine: Engine) -> Result<Self, TrainError> {
        let outputs = engine.outputs().iter().map(|(_, shape)| {
            let channels = shape.dims().first().copied().unwrap_or_default();
            [channels, shape.count()]
        });
        let channels = outputs.collect();
        Self::build(network, engine, Some(channels))
    }

    fn build(
        network: &Network,
        engine: Engine,
        channels: Option<Vec<[usize; 2]>>,
    ) -> Result<Self, TrainError> {
        let preprocess = network.card().preprocess;
        let [h, w] = preprocess.crop;
        if engine.input().dims() != [3, h, w] {
            return Err(TrainError::Input {
                wanted: engine.input().to_string(),
                made: format!("3x{h}x{w}"),
            });
        }
        let outputs: Vec<&str> = engine.outputs().iter().map(|(n, _)| n.as_str()).collect();
        let kept = if channels.is_some() { " channels" } else { "" };
        let arithmetic = format!("{} {}{kept}", engine.precision().name(), engine.isa().name());
        let key = TrunkKey::new(network, &outputs, &preprocess, &arithmetic);
        Ok(Self { engine, preprocess, key, channels })
    }

    /// What names its features.
    pub fn key(&self) -> TrunkKey {
        self.key
    }

    /// Length of a feature vector: all outputs one after the other, or the figures of their channels.
    pub fn feature_len(&self) -> usize {
        let Some(channels) = &self.channels else { return self.engine.results_len() };
        channels::row_len(channels.iter().map(|[channels, _]| channels).sum())
    }

    /// The features of one image.
    ///
    /// # Errors
    /// When the picture cannot be brought to the network's size.
    fn features(
        &self,
        look: &Look<'_>,
        picture: &Picture,
        (memory, threads): (&mut Memory, Threads),
        out: &mut [f32],
    ) -> Result<(), DataError> {
        input(look, picture, &self.preprocess, &mut memory.pixels, &mut memory.input)?;
        if let Some(channels) = &self.channels {
            memory.maps.resize(self.engine.results_len(), 0.0);
            let maps = &mut memory.maps;
            self.engine.run_watched(threads, &memory.input, &mut memory.scratch, maps, |_| {});
            let (mut maps, mut out) = (&maps[..], out);
            for [channels, len] in channels {
                let (map, others) = maps.split_at(*len);
                let (row, rest) = out.split_at_mut(channels::row_len(*channels));
                channels::figures(map, row);
                (maps, out) = (others, rest);
            }
        } else {
            self.engine.run_watched(threads, &memory.input, &mut memory.scratch, out, |_| {});
        }
        Ok(())
    }

    fn memory(&self) -> Memory {
        Memory {
            pixels: Pixels::default(),
            input: vec![0.0; self.engine.input().count()],
            maps: Vec::new(),
            scratch: self.engine.scratch(),
        }
    }
}

/// The network's input `[3, H, W]` from the bytes of a picture's file.
pub(crate) fn picture(
    look: &Look<'_>,
    bytes: &[u8],
    card: &Preprocess,
    pixels: &mut Pixels,
    out: &mut [f32],
) -> Result<(), DataError> {
    input(look, &decoded(look, bytes)?, card, pixels, out)
}

fn decoded(look: &Look<'_>, bytes: &[u8]) -> Result<Picture, DataError> {
    decode(bytes).map_err(|source| DataError::Decode { path: look.file.to_path_buf(), source })
}

fn input(
    look: &Look<'_>,
    picture: &Picture,
    card: &Preprocess,
    pixels: &mut Pixels,
    out: &mut [f32],
) -> Result<(), DataError> {
    match look.visit {
        None => preprocess(picture, card, pixels, out),
        Some((augment, visit)) => augmented(picture, card, augment, visit, pixels, out),
    }
}

/// What one thread needs.
struct Memory {
    pixels: Pixels,
    input: Vec<f32>,
    /// Where figures are made of them.
    maps: Vec<f32>,
    scratch: Scratch,
}

/// A file without features.
#[derive(Debug)]
pub struct Failed {
    /// Its place in the list given.
    pub index: usize,
    /// Why.
    pub error: DataError,
}

/// The features of a list of files.
#[derive(Debug)]
pub struct Extracted {
    /// Files that could not be used, in order.
    pub failed: Vec<Failed>,
    /// Images that went through the network.
    pub computed: usize,
    /// Images whose features were in the store.
    pub cached: usize,
    /// What names each file's features: [`content_id`] of its bytes, where it is not changed by a visit;
    /// `None` where it failed.
    pub ids: Vec<Option<[u8; 32]>>,
    /// Length `D` of a row.
    len: usize,
    kept: Kept,
}

/// Where the rows are.
#[derive(Debug)]
enum Kept {
    /// Here: `[files, D]`, row-major; rows of failed files are zero.
    Memory(Vec<f32>),
    /// In the store: for each file the place of its record, `None` for one that failed.
    Store { records: Records, places: Vec<Option<NonZeroU64>> },
}

/// One file's result.
enum Row {
    Stored([u8; 32]),
    New([u8; 32], Vec<f32>),
    Failed(DataError),
    Skipped,
}

/// Features of all `files`. With a store they are kept there and not in memory, and those it has
/// are not computed; without one they are in the result. `progress` hears how many files are
/// done, from any thread.
///
/// # Errors
/// When the store fails or `progress` says stop. Files that cannot be read are no error: they are
/// listed in the result.
pub fn extract(
    trunk: &Trunk,
    files: &[PathBuf],
    store: Option<&mut FeatureStore>,
    progress: &(dyn Fn(usize) -> Flow + Sync),
) -> Result<Extracted, TrainError> {
    let looks: Vec<Look<'_>> = files.iter().map(|file| Look { file, visit: None }).collect();
    extract_all(trunk, &looks, store, None, progress)
}

/// As [`extract`], and takes a look at each picture that `seen` has none of, for which it is not decoded
/// again.
///
/// # Errors
/// As [`extract`]; also when looks cannot be written.
pub fn extract_seen(
    trunk: &Trunk,
    files: &[PathBuf],
    store: &mut FeatureStore,
    seen: &LookStore,
    progress: &(dyn Fn(usize) -> Flow + Sync),
) -> Result<Extracted, TrainError> {
    let looks: Vec<Look<'_>> = files.iter().map(|file| Look { file, visit: None }).collect();
    let extracted = extract_all(trunk, &looks, Some(store), Some(seen), progress)?;
    seen.finish()?;
    Ok(extracted)
}

/// As [`extract`], of pictures changed by visits; the result's "files" are the looks.
///
/// # Errors
/// As [`extract`].
pub fn extract_looks(
    trunk: &Trunk,
    files: &[Look<'_>],
    store: Option<&mut FeatureStore>,
    progress: &(dyn Fn(usize) -> Flow + Sync),
) -> Result<Extracted, TrainError> {
    extract_all(trunk, files, store, None, progress)
}

fn extract_all(
    trunk: &Trunk,
    files: &[Look<'_>],
    mut store: Option<&mut FeatureStore>,
    seen: Option<&LookStore>,
    progress: &(dyn Fn(usize) -> Flow + Sync),
) -> Result<Extracted, TrainError> {
    let len = trunk.feature_len();
    let kept = match &store {
        Some(store) => {
            let places = vec![None; files.len()];
            Kept::Store { records: store.records(), places }
        }
        None => Kept::Memory(vec![0.0; files.len() * len]),
    };
    let ids = vec![None; files.len()];
    let mut all = Extracted { failed: Vec::new(), computed: 0, cached: 0, ids, len, kept };
    let done = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    for (batch_index, batch) in files.chunks(BATCH).enumerate() {
        let known = store.as_deref();
        // A lone picture is shared by all threads; otherwise each has its own.
        let few = batch.len() < rayon::current_num_threads();
        let threads = if few { Threads::All } else { Threads::One };
        let rows: Vec<Row> = batch
            .par_iter()
            .with_max_len(1)
            .map_init(
                || trunk.memory(),
                |memory, look| {
                    if stop.load(Ordering::Relaxed) {
                        return Row::Skipped;
                    }
                    let row = one(trunk, look, (known, seen), (memory, threads));
                    if progress(done.fetch_add(1, Ordering::Relaxed) + 1) == Flow::Stop {
                        stop.store(true, Ordering::Relaxed);
                    }
                    row
                },
            )
            .collect();
        if let Some(store) = store.as_deref_mut() {
            store.add(rows.iter().filter_map(|row| match row {
                Row::New(id, values) => Some((id, values.as_slice())),
                Row::Stored(_) | Row::Failed(_) | Row::Skipped => None,
            }))?;
        }
        if stop.load(Ordering::Relaxed) {
            return Err(TrainError::Stopped);
        }
        for (i, row) in rows.into_iter().enumerate() {
            all.place(batch_index * BATCH + i, row, store.as_deref())?;
        }
    }
    Ok(all)
}

impl Extracted {
    /// Number of files.
    pub fn files(&self) -> usize {
        match &self.kept {
            Kept::Memory(rows) => rows.len() / self.len.max(1),
            Kept::Store { places, .. } => places.len(),
        }
    }

    /// For each file the first with the same bytes, by the record that they share in the store; without a
    /// store, and for files that failed, the file itself.
    pub fn firsts(&self) -> Vec<usize> {
        let Kept::Store { places, .. } = &self.kept else { return (0..self.files()).collect() };
        let mut first = BTreeMap::new();
        let of = |(i, place): (usize, &Option<NonZeroU64>)| match place {
            Some(place) => *first.entry(*place).or_insert(i),
            None => i,
        };
        places.iter().enumerate().map(of).collect()
    }

    /// Length `D` of a row.
    pub fn row_len(&self) -> usize {
        self.len
    }

    /// The first `width` values of the rows of `files`, given by their places in the list, into
    /// `out`, which they replace: `[files, width]`, row-major. Wherever the rows are kept, and from
    /// any thread; the more files at once, and the nearer their order to the list's, the faster.
    ///
    /// # Errors
    /// When the store cannot be read.
    ///
    /// # Panics
    /// When a file is not in the list or `width` is more than a row has.
    pub fn read(
        &self,
        files: &[usize],
        width: usize,
        out: &mut Vec<f32>,
    ) -> Result<(), TrainError> {
        assert!(width <= self.len, "{width} values of a row of {}", self.len);
        out.clear();
        match &self.kept {
            Kept::Memory(rows) => {
                let row = |file: &usize| &rows[file * self.len..][..width];
                for file in files {
                    out.extend_from_slice(row(file));
                }
                Ok(())
            }
            Kept::Store { records, places } => {
                let places: Vec<_> = files.iter().map(|file| places[*file]).collect();
                records.read(&places, width, out)
            }
        }
    }

    /// All rows, `[files, D]`; those of failed files are zero.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rows(&self) -> Result<Vec<f32>, TrainError> {
        let mut out = Vec::new();
        self.read(&(0..self.files()).collect::<Vec<_>>(), self.len, &mut out)?;
        Ok(out)
    }

    /// Notes one file's result; its values are in the store by now, when there is one.
    fn place(
        &mut self,
        index: usize,
        row: Row,
        store: Option<&FeatureStore>,
    ) -> Result<(), TrainError> {
        let id = match row {
            Row::Failed(error) => {
                self.failed.push(Failed { index, error });
                return Ok(());
            }
            Row::Skipped => return Ok(()),
            Row::Stored(id) => {
                self.cached += 1;
                id
            }
            Row::New(id, values) => {
                self.computed += 1;
                if let Kept::Memory(rows) = &mut self.kept {
                    rows[index * self.len..][..self.len].copy_from_slice(&values);
                }
                id
            }
        };
        self.ids[index] = Some(id);
        if let (Kept::Store { places, .. }, Some(store)) = (&mut self.kept, store) {
            // What was written a moment ago and does not come back means a broken disk.
            let lost = || std::io::Error::from(std::io::ErrorKind::InvalidData);
            places[index] = Some(store.place(&id).ok_or_else(|| store.failed("read", lost()))?);
        }
        Ok(())
    }
}

fn one(
    trunk: &Trunk,
    look: &Look<'_>,
    (known, seen): (Option<&FeatureStore>, Option<&LookStore>),
    (memory, threads): (&mut Memory, Threads),
) -> Row {
    let bytes = match read_file(look.file) {
        Ok(bytes) => bytes,
        Err(error) => return Row::Failed(error),
    };
    let id = look.id(&bytes);
    let stored = known.is_some_and(|store| store.has(&id));
    let unseen = seen.filter(|seen| !seen.has(&id));
    if stored && unseen.is_none() {
        return Row::Stored(id);
    }
    let picture = match decoded(look, &bytes) {
        Ok(picture) => picture,
        Err(error) => return Row::Failed(error),
    };
    if let Some(seen) = unseen {
        seen.see(&bytes, &picture, &mut memory.pixels);
    }
    if stored {
        return Row::Stored(id);
    }
    let mut values = vec![0.0; trunk.feature_len()];
    match trunk.features(look, &picture, (memory, threads), &mut values) {
        Ok(()) => Row::New(id, values),
        Err(error) => Row::Failed(error),
    }
}
