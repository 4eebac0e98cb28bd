//! Looks at pictures for an audit, taken while pictures are decoded for a network, and kept by content.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use regraft_data::audit::{LOOK_NUMBERS, Look};
use regraft_data::{Picture, Scratch};

use crate::{FeatureStore, TrainError, TrunkKey};

/// Looks between two writes.
const BATCH: usize = 128;

/// Looks by the content ids of their files, beside the features and in a file like theirs.
///
/// To be shared by threads: each takes a look where one is missing.
pub struct LookStore(Mutex<Inner>);

struct Inner {
    store: FeatureStore,
    /// Not yet written.
    new: Vec<([u8; 32], Vec<f32>)>,
    /// Why looks could not be written.
    broken: Option<TrainError>,
}

impl LookStore {
    /// Opens or makes the store in `folder`.
    ///
    /// # Errors
    /// When the folder or file cannot be made or read.
    pub fn open(folder: &Path) -> Result<Self, TrainError> {
        let store = FeatureStore::open(folder, TrunkKey::of_looks(), LOOK_NUMBERS)?;
        Ok(Self(Mutex::new(Inner { store, new: Vec::new(), broken: None })))
    }

    /// A thread that panicked while it held the lock left whole looks behind.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a look at the file with this content.
    pub fn has(&self, content: &[u8; 32]) -> bool {
        self.lock().store.has(content)
    }

    /// Keeps a look at a picture that was decoded from `bytes`. One that cannot be looked at is passed over:
    /// whoever asks for its look finds none.
    pub fn see(&self, bytes: &[u8], picture: &Picture, scratch: &mut Scratch) {
        if let Ok(look) = Look::of(bytes, picture, scratch) {
            self.keep(&look);
        }
    }

    /// Keeps a look.
    pub fn keep(&self, look: &Look) {
        let numbers = look.to_numbers();
        let mut inner = self.lock();
        inner.new.push((look.content, numbers));
        if inner.new.len() >= BATCH {
            inner.write();
        }
    }

    /// Writes what is not yet written.
    ///
    /// # Errors
    /// When the file cannot be written, now or earlier.
    pub fn finish(&self) -> Result<(), TrainError> {
        let mut inner = self.lock();
        inner.write();
        inner.broken.take().map_or(Ok(()), Err)
    }

    /// The look at the file with this content; `None` when there is none, or it is damaged.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get(&self, content: &[u8; 32]) -> Result<Option<Look>, TrainError> {
        let mut numbers = vec![0.0; LOOK_NUMBERS];
        if !self.lock().store.get(content, &mut numbers)? {
            return Ok(None);
        }
        Ok(Look::from_numbers(*content, &numbers))
    }
}

impl Inner {
    fn write(&mut self) {
        let new = std::mem::take(&mut self.new);
        let rows = new.iter().map(|(id, numbers)| (id, numbers.as_slice()));
        if let Err(error) = self.store.add(rows) {
            self.broken.get_or_insert(error);
        }
    }
}

impl Drop for LookStore {
    /// An extraction that was stopped keeps what it has seen.
    fn drop(&mut self) {
        self.lock().write();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regraft_data::{content_id, decode};

    fn picture(folder: &Path, shade: u8) -> Vec<u8> {
        let path = folder.join("picture.png");
        let at = |x: u32, y: u32| image::Rgb([shade, (x * 7) as u8, (y * 5) as u8]);
        image::RgbImage::from_fn(40, 30, at).save(&path).unwrap();
        std::fs::read(path).unwrap()
    }

    #[test]
    fn a_look_is_found_again_by_the_content_also_when_nobody_finished() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = picture(folder.path(), 9);
        let id = content_id(&bytes);
        let decoded = decode(&bytes).unwrap();
        let looks = LookStore::open(folder.path()).unwrap();
        assert!(!looks.has(&id));
        looks.see(&bytes, &decoded, &mut Scratch::default());
        drop(looks);
        let looks = LookStore::open(folder.path()).unwrap();
        assert!(looks.has(&id));
        let look = Look::of(&bytes, &decoded, &mut Scratch::default()).unwrap();
        assert_eq!(looks.get(&id).unwrap(), Some(look));
        assert_eq!(looks.get(&content_id(b"another")).unwrap(), None);
    }
}
