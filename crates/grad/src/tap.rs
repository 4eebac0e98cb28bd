//! A layer in between: what it gave, and what comes back to it.

use regraft_kernels::{Isa, Map, Slice, to_chw};
use regraft_net::Network;
use regraft_tensor::Tensor;

use crate::buffers::Gradient;
use crate::{GradError, Tape, Tuning};

impl Tape {
    /// [`Tape::new`], with values and signals of `layer` to be had, after its own activation or before it, as the
    /// name says. Nothing is made again on the way back, whatever `tuning` says, and where it asks for nothing below
    /// the layer, the way back ends there.
    ///
    /// # Errors
    /// As [`Tape::new`]: [`GradError::NothingTuned`] also where the layer does not lead to the output; or there is no such
    /// layer.
    pub fn with_tap(
        network: &Network,
        room: usize,
        tuning: &Tuning<'_>,
        layer: &str,
    ) -> Result<Self, GradError> {
        let tap = network.graph().find(layer)?;
        let tuning = Tuning { recompute: false, ..*tuning };
        Self::build(network, room, &tuning, Isa::detect(), Some(tap))
    }

    /// What the tapped layer gave for the last batch, `[N, …]`; none without one, or where it leads nowhere.
    pub fn tapped(&self) -> Option<Tensor> {
        let (data, map) = self.value(self.tap?);
        self.unpacked(data, map)
    }

    /// A signal as it lies, `[N, …]`.
    pub(crate) fn arrived(&self, signal: &Gradient) -> Option<Tensor> {
        let (data, map) = signal.of(self.images);
        self.unpacked(data, map)
    }

    fn unpacked(&self, data: &[f32], map: &Map) -> Option<Tensor> {
        let len = map.channels * map.pixels();
        let mut out = vec![0.0; self.images * len];
        for (from, to) in data.chunks_exact(map.len()).zip(out.chunks_exact_mut(len)) {
            to_chw(Slice::F32(from), map, to);
        }
        Tensor::new([self.images, map.channels, map.height, map.width], out).ok()
    }
}
