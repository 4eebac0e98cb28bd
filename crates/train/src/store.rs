//! Feature vectors on disk.
//!
//! A file for each trunk: a header, then records of one length: the image's content id (32 bytes),
//! the values (`f32`, little-endian), and 8 bytes of a hash over both. Records are only ever added
//! at the end, under a lock between processes. A torn or damaged record is not used; a
//! torn one is written over by the next. A record never moves, so whoever knows where one lies can
//! read it without a lock while others add more.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::records::{Records, check};
use crate::{TrainError, TrunkKey};

const MAGIC: &[u8; 16] = b"regraft feature1";
const HEADER: u64 = 24;
pub(crate) const ID: usize = 32;
pub(crate) const CHECK: usize = 8;

/// The feature vectors of one trunk.
pub struct FeatureStore {
    path: PathBuf,
    file: Arc<File>,
    /// Values in a vector.
    len: usize,
    /// Where each image's record begins.
    index: BTreeMap<[u8; ID], NonZeroU64>,
    /// End of the last whole record.
    end: u64,
}

impl FeatureStore {
    /// Opens or makes the store of a trunk in `folder`; `len` is the length of its vectors.
    ///
    /// # Errors
    /// When the folder or file cannot be made or read.
    pub fn open(folder: &Path, key: TrunkKey, len: usize) -> Result<Self, TrainError> {
        let path = folder.join(format!("{key}.features"));
        let at = |what| {
            let path = path.clone();
            move |source| TrainError::Store { what, path, source }
        };
        std::fs::create_dir_all(folder).map_err(at("make the folder of"))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(at("open"))?;
        let file = Arc::new(file);
        let mut store = Self { path: path.clone(), file, len, index: BTreeMap::new(), end: 0 };
        store.file.lock().map_err(at("lock"))?;
        let scanned = store.scan();
        let unlocked = store.file.unlock();
        scanned.map_err(at("read"))?;
        unlocked.map_err(at("unlock"))?;
        Ok(store)
    }

    /// How many images it holds.
    pub fn images(&self) -> usize {
        self.index.len()
    }

    fn record(&self) -> usize {
        ID + 4 * self.len + CHECK
    }

    /// Reads all records behind `end` into the index; starts the file anew when its header is not
    /// that of this store.
    fn scan(&mut self) -> std::io::Result<()> {
        let size = self.file.metadata()?.len();
        if self.end == 0 {
            if !self.header_fits()? {
                self.file.set_len(0)?;
                let mut file = &*self.file;
                file.seek(SeekFrom::Start(0))?;
                file.write_all(MAGIC)?;
                file.write_all(&(self.len as u64).to_le_bytes())?;
                self.end = HEADER;
                return Ok(());
            }
            self.end = HEADER;
        }
        let mut record = vec![0; self.record()];
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(self.end))?;
        let mut reader = BufReader::with_capacity(1 << 20, file);
        while self.end + record.len() as u64 <= size {
            reader.read_exact(&mut record)?;
            if check(&record[..record.len() - CHECK]) == record[record.len() - CHECK..] {
                let mut id = [0; ID];
                id.copy_from_slice(&record[..ID]);
                // Behind the header, so never 0.
                self.index.extend(NonZeroU64::new(self.end).map(|at| (id, at)));
            }
            self.end += record.len() as u64;
        }
        Ok(())
    }

    fn header_fits(&self) -> std::io::Result<bool> {
        let mut header = [0; HEADER as usize];
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(0))?;
        match file.read_exact(&mut header) {
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            Err(e) => Err(e),
            Ok(()) => {
                let (magic, len) = header.split_at(MAGIC.len());
                Ok(magic == MAGIC && len == (self.len as u64).to_le_bytes())
            }
        }
    }

    /// Whether the store has the features of an image.
    pub fn has(&self, id: &[u8; ID]) -> bool {
        self.index.contains_key(id)
    }

    /// Copies an image's features into `out`; `false` when the store does not have them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get(&self, id: &[u8; ID], out: &mut [f32]) -> Result<bool, TrainError> {
        let Some(at) = self.place(id) else { return Ok(false) };
        let values = self.records().checked(at, id).map_err(|e| self.failed("read", e))?;
        // Damaged since it was indexed: as if it were not there.
        let Some(values) = values else { return Ok(false) };
        out.copy_from_slice(&values);
        Ok(true)
    }

    /// Where an image's record begins.
    pub(crate) fn place(&self, id: &[u8; ID]) -> Option<NonZeroU64> {
        self.index.get(id).copied()
    }

    /// The records by their places, for reading from several threads.
    pub(crate) fn records(&self) -> Records {
        Records::new(&self.path, &self.file, self.len)
    }

    /// Adds the features of images.
    ///
    /// # Errors
    /// When the file cannot be written, for instance because the disk is full; what was added
    /// before stays good.
    pub fn add<'a>(
        &mut self,
        rows: impl IntoIterator<Item = (&'a [u8; ID], &'a [f32])>,
    ) -> Result<(), TrainError> {
        let mut bytes = Vec::new();
        for (id, values) in rows {
            debug_assert_eq!(values.len(), self.len, "a vector of this store");
            let start = bytes.len();
            bytes.extend_from_slice(id);
            bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
            let sum = check(&bytes[start..]);
            bytes.extend_from_slice(&sum);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.file.lock().map_err(|e| self.failed("lock", e))?;
        let written = self.append(&bytes);
        let unlocked = self.file.unlock();
        written.map_err(|e| self.failed("write", e))?;
        unlocked.map_err(|e| self.failed("unlock", e))
    }

    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        // Others may have added records since; a torn one at the end is shorter than what is written
        // over it.
        self.scan()?;
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(self.end))?;
        file.write_all(bytes)?;
        self.scan()
    }

    pub(crate) fn failed(&self, what: &'static str, source: std::io::Error) -> TrainError {
        TrainError::Store { what, path: self.path.clone(), source }
    }
}
