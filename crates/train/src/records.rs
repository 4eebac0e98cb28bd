//! Reading records by their places.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::TrainError;
use crate::store::{CHECK, ID};

/// Bytes read at a time: enough that the call costs little beside the copying, few enough for a core's
/// second cache. A record longer than this is read alone.
const SPAN: u64 = 128 << 10;
/// Records between two wanted ones that are read along rather than skipped: copying some kilobytes
/// costs as much as another call.
const GAP: u64 = 4;

/// The records of one store; cheap to make, read from any thread, untouched by what is added.
#[derive(Debug)]
pub(crate) struct Records {
    path: PathBuf,
    file: Arc<File>,
    /// Values in a record.
    len: usize,
}

impl Records {
    pub(crate) fn new(path: &Path, file: &Arc<File>, len: usize) -> Self {
        Self { path: path.to_owned(), file: Arc::clone(file), len }
    }

    /// Reads without moving the file's own place, so that threads do not disturb each other.
    #[cfg(unix)]
    fn read_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&*self.file, out, at)
    }

    /// The same where reading moves the place: through an opening of its own.
    #[cfg(not(unix))]
    fn read_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut own = File::open(&self.path)?;
        own.seek(SeekFrom::Start(at))?;
        own.read_exact(out)
    }

    fn bytes(&self) -> usize {
        ID + 4 * self.len + CHECK
    }

    /// The values of the record at `at`; `None` when it is not whole or not that of `id`.
    pub(crate) fn checked(&self, at: NonZeroU64, id: &[u8; ID]) -> io::Result<Option<Vec<f32>>> {
        let mut record = vec![0; self.bytes()];
        self.read_at(&mut record, at.get())?;
        let (body, sum) = record.split_at(record.len() - CHECK);
        let good = check(body) == sum && body[..ID] == id[..];
        Ok(good.then(|| values(&body[ID..]).collect()))
    }

    /// Puts the first `width` values of the records at `places` behind `out`, one after the other;
    /// zeros where there is no record. Neighbours are read at once. The records were checked when
    /// they were indexed; that is not done again.
    pub(crate) fn read(
        &self,
        places: &[Option<NonZeroU64>],
        width: usize,
        out: &mut Vec<f32>,
    ) -> Result<(), TrainError> {
        let record = self.bytes();
        let mut bytes = Vec::new();
        let mut rest = places;
        while let Some(first) = rest.first() {
            let Some(first) = first.map(NonZeroU64::get) else {
                out.resize(out.len() + width, 0.0);
                rest = &rest[1..];
                continue;
            };
            let (count, last) = self.span(first, rest);
            bytes.resize((last - first) as usize + record, 0);
            self.read_at(&mut bytes, first).map_err(|source| TrainError::Store {
                what: "read",
                path: self.path.clone(),
                source,
            })?;
            let (these, others) = rest.split_at(count);
            for at in these.iter().flatten() {
                let from = (at.get() - first) as usize + ID;
                out.extend(values(&bytes[from..from + 4 * width]));
            }
            rest = others;
        }
        Ok(())
    }

    /// How many of `places`, the first of which is `first`, are read at once, and the last of them.
    fn span(&self, first: u64, places: &[Option<NonZeroU64>]) -> (usize, u64) {
        let record = self.bytes() as u64;
        let (mut count, mut last) = (1, first);
        for at in places[1..].iter().map_while(|at| at.map(NonZeroU64::get)) {
            let near = at > last && at - last <= (GAP + 1) * record;
            if !near || at - first + record > SPAN {
                break;
            }
            (count, last) = (count + 1, at);
        }
        (count, last)
    }
}

fn values(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))
}

/// What a record ends with: a hash of all before.
pub(crate) fn check(bytes: &[u8]) -> [u8; CHECK] {
    let mut sum = [0; CHECK];
    sum.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECK]);
    sum
}
