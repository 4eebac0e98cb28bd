use std::fmt;

use regraft_data::PIXELS_VERSION;
use regraft_data::audit::LOOK_VERSION;
use regraft_net::card::Preprocess;
use regraft_net::{Network, notation};

/// Raised whenever the engine's results change in any bit.
const ENGINE_VERSION: u32 = 2;

/// A hash of everything that shapes a feature, apart from the image itself: the trunk's layers and
/// weights, the outputs taken, the preprocessing, and the versions of the code that computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrunkKey([u8; 32]);

impl TrunkKey {
    /// The key of a trunk; `arithmetic` names the precision and the instructions, which
    /// change the last bits.
    pub fn new(
        trunk: &Network,
        outputs: &[&str],
        preprocess: &Preprocess,
        arithmetic: &str,
    ) -> Self {
        let mut hash = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(&PIXELS_VERSION.to_le_bytes());
        part(&ENGINE_VERSION.to_le_bytes());
        part(arithmetic.as_bytes());
        part(notation::print(trunk.graph()).as_bytes());
        for output in outputs {
            part(output.as_bytes());
        }
        // `Debug` of plain numbers and words prints every bit of them.
        part(format!("{preprocess:?}").as_bytes());
        for (name, tensor) in trunk.params().iter() {
            part(name.as_bytes());
            let bytes: Vec<u8> = tensor.data().iter().flat_map(|x| x.to_le_bytes()).collect();
            part(&bytes);
        }
        Self(*hash.finalize().as_bytes())
    }

    /// The key of looks at pictures, which no network shapes.
    pub(crate) fn of_looks() -> Self {
        let mut hash = blake3::Hasher::new();
        hash.update(b"looks");
        hash.update(&PIXELS_VERSION.to_le_bytes()).update(&LOOK_VERSION.to_le_bytes());
        Self(*hash.finalize().as_bytes())
    }
}

impl fmt::Display for TrunkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(16).try_for_each(|b| write!(f, "{b:02x}"))
    }
}
