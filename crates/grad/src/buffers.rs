//! Memory for gradients, used again and again.

use std::sync::Arc;

use regraft_kernels::{Aligned, Map};

/// A gradient of a batch; shared where an addition passes one on to all that it added.
#[derive(Clone)]
pub(crate) struct Gradient {
    pub(crate) data: Arc<Aligned>,
    pub(crate) map: Map,
}

impl Gradient {
    /// The numbers of the first `images` examples.
    pub(crate) fn of(&self, images: usize) -> (&[f32], &Map) {
        (&self.data.as_slice()[..images * self.map.len()], &self.map)
    }

    /// The same to write, if nobody shares them.
    pub(crate) fn own(&mut self, images: usize) -> Option<(&mut [f32], &Map)> {
        let len = images * self.map.len();
        let data = Arc::get_mut(&mut self.data)?;
        Some((&mut data.as_mut_slice()[..len], &self.map))
    }
}

/// Buffers not in use, by how they lie: the borders of one map are not those of another.
#[derive(Default)]
pub(crate) struct Buffers {
    free: Vec<Gradient>,
    /// Bytes of all buffers there are.
    pub(crate) bytes: usize,
}

impl Buffers {
    /// A buffer for `room` examples that nobody shares; its border is zero, the rest may be anything.
    pub(crate) fn take(&mut self, map: &Map, room: usize) -> Gradient {
        if let Some(i) = self.free.iter().position(|g| g.map == *map) {
            return self.free.swap_remove(i);
        }
        let len = room * map.len();
        self.bytes += 4 * len;
        Gradient { data: Arc::new(Aligned::zeros(len)), map: *map }
    }

    /// Lets go of the buffers that are not in use.
    pub(crate) fn clear(&mut self) {
        self.bytes -= self.free.iter().map(|g| 4 * g.data.as_slice().len()).sum::<usize>();
        self.free.clear();
    }

    /// Takes a buffer back, unless somebody still has it.
    pub(crate) fn give(&mut self, mut gradient: Gradient) {
        if Arc::get_mut(&mut gradient.data).is_some() {
            self.free.push(gradient);
        }
    }
}
