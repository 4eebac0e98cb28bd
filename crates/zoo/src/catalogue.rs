//! The catalogue: TOML files that are part of the program. A file has one entry, or those of a zoo.

use std::sync::{Arc, LazyLock};

use regraft_net::{Card, nearest};

use crate::{Entry, ZooError};

/// The network that is used when nobody says otherwise.
pub const DEFAULT: &str = "efficientnet-lite0";

/// Name and text of every file in `catalogue/`.
const FILES: &[(&str, &str)] = &[
    ("efficientnet-lite0.toml", include_str!("../catalogue/efficientnet-lite0.toml")),
    ("efficientnet-lite1.toml", include_str!("../catalogue/efficientnet-lite1.toml")),
    ("efficientnet-lite2.toml", include_str!("../catalogue/efficientnet-lite2.toml")),
    ("mobilenet-v2.toml", include_str!("../catalogue/mobilenet-v2.toml")),
    ("squeezenet-1.1.toml", include_str!("../catalogue/squeezenet-1.1.toml")),
    ("torchvision.toml", include_str!("../catalogue/torchvision.toml")),
    ("timm.toml", include_str!("../catalogue/timm.toml")),
    ("keras.toml", include_str!("../catalogue/keras.toml")),
    ("caffe.toml", include_str!("../catalogue/caffe.toml")),
    ("onnx.toml", include_str!("../catalogue/onnx.toml")),
    ("gan.toml", include_str!("../catalogue/gan.toml")),
];

/// Every entry, in the order of the catalogue's files.
pub fn catalogue() -> &'static [Arc<Entry>] {
    // A test parses every file, so that nothing is left out here.
    static ENTRIES: LazyLock<Vec<Arc<Entry>>> = LazyLock::new(|| {
        let all = FILES.iter().filter_map(|(f, t)| Entry::parse_all(f, t).ok());
        all.flatten().map(Arc::new).collect()
    });
    &ENTRIES
}

/// Name and text of the catalogue's files, as they are in the program.
pub fn catalogue_files() -> &'static [(&'static str, &'static str)] {
    FILES
}

/// The entry of that name.
///
/// # Errors
/// When there is none, with the nearest names.
pub fn find(name: &str) -> Result<Arc<Entry>, ZooError> {
    catalogue().iter().find(|e| e.name == name).cloned().ok_or_else(|| ZooError::NoNetwork {
        name: name.to_owned(),
        near: nearest(name, catalogue().iter().map(|e| e.name.as_str())),
    })
}

/// The card of an entry, with its labels, default cut and logits.
pub fn card(entry: &Entry) -> Card {
    entry.card()
}
