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

/// All memory for values and gradients: buffers for gradients not in use, by how they lie (the borders
/// of one map are not those of another), and blocks that may become anything.
#[derive(Default)]
pub(crate) struct Buffers {
    free: Vec<Gradient>,
    spare: Vec<Aligned>,
    /// Bytes of all there is, and the most there was.
    bytes: usize,
    peak: usize,
}

impl Buffers {
    /// The most bytes there were.
    pub(crate) fn peak(&self) -> usize {
        self.peak
    }

    /// Zeros: at least `len` of them. The smallest spare block that is large enough is used again; when
    /// none is, the largest makes way for a new one.
    pub(crate) fn block(&mut self, len: usize) -> Aligned {
        let sizes = || self.spare.iter().map(|block| block.as_slice().len()).enumerate();
        let fitting = sizes().filter(|(_, size)| *size >= len).min_by_key(|(_, size)| *size);
        if let Some((at, _)) = fitting {
            let mut block = self.spare.swap_remove(at);
            block.as_mut_slice()[..len].fill(0.0);
            return block;
        }
        if let Some((at, size)) = sizes().max_by_key(|(_, size)| *size) {
            self.spare.swap_remove(at);
            self.bytes -= 4 * size;
        }
        self.bytes += 4 * len;
        self.peak = self.peak.max(self.bytes);
        Aligned::zeros(len)
    }

    /// Takes a block back.
    pub(crate) fn release(&mut self, block: Aligned) {
        if !block.as_slice().is_empty() {
            self.spare.push(block);
        }
    }

    /// A buffer for `room` examples that nobody shares; its border is zero, the rest may be anything.
    pub(crate) fn take(&mut self, map: &Map, room: usize) -> Gradient {
        if let Some(i) = self.free.iter().position(|g| g.map == *map) {
            return self.free.swap_remove(i);
        }
        Gradient { data: Arc::new(self.block(room * map.len())), map: *map }
    }

    /// Makes blocks of the buffers that are not in use.
    pub(crate) fn clear(&mut self) {
        for gradient in std::mem::take(&mut self.free) {
            if let Ok(block) = Arc::try_unwrap(gradient.data) {
                self.release(block);
            }
        }
    }

    /// Takes a buffer back, unless somebody still has it.
    pub(crate) fn give(&mut self, mut gradient: Gradient) {
        if Arc::get_mut(&mut gradient.data).is_some() {
            self.free.push(gradient);
        }
    }
}
