//! Names for pixels: what a cache of features needs to know that its input is the same.

/// Counts the changes to what [`decode`](crate::decode()) and
/// [`preprocess`](crate::preprocess()) make of the same bytes.
///
/// It is part of the key of every cached feature: add one whenever an output value may change,
/// also when only a decoder or the resizer was updated, or old features will be used as new.
pub const PIXELS_VERSION: u32 = 1;

/// Counts the changes to what [`augmented`](crate::augmented()) makes of the same picture, card,
/// augmentation and visit beyond what [`PIXELS_VERSION`] counts: random numbers and operations.
pub const AUGMENT_VERSION: u32 = 1;

/// The BLAKE3 hash of a file's bytes: equal for equal files, wherever they lie.
pub fn content_id(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::content_id;

    #[test]
    fn the_id_is_the_blake3_hash_of_the_bytes() {
        // The first bytes of the published hash of no bytes.
        assert_eq!(content_id(b"")[..4], [0xaf, 0x13, 0x49, 0xb9]);
        assert_ne!(content_id(b"a"), content_id(b"b"));
    }
}
