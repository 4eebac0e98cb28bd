//! Which container the bytes are, and a plain word about the usual things that are none.

use crate::{Format, FormatError, NotWeights, keras, torch};

/// Longest stretch of the head looked at for text.
const HEAD: usize = 512;
/// Where a tar header says `ustar`.
const TAR_MAGIC_AT: usize = 257;

/// Leading bytes of files that people give by mistake.
const STRANGERS: [(&[u8], NotWeights); 2] =
    [(b"version https://git-lfs", NotWeights::GitLfsPointer), (b"\x1f\x8b", NotWeights::Gzip)];

/// The container, by content.
pub(crate) fn format(bytes: &[u8]) -> Result<Format, FormatError> {
    if bytes.is_empty() {
        return Err(FormatError::NotWeights(NotWeights::Empty));
    }
    for (magic, kind) in STRANGERS {
        if bytes.starts_with(magic) {
            return Err(FormatError::NotWeights(kind));
        }
    }
    if crate::tflite::is_model(bytes) {
        return Err(FormatError::NotWeights(NotWeights::Tflite));
    }
    if bytes.starts_with(b"\x93NUMPY") {
        return Ok(Format::Npy);
    }
    if bytes.starts_with(keras::hdf5::MAGIC) {
        return Ok(Format::KerasH5);
    }
    if bytes.starts_with(b"PK\x03\x04") {
        if torch::Archive::within(bytes, 0)?.has(keras::WEIGHTS_MEMBER) {
            return Ok(Format::KerasArchive);
        }
        return Ok(Format::TorchZip);
    }
    if bytes.get(TAR_MAGIC_AT..).is_some_and(|rest| rest.starts_with(b"ustar")) {
        return Ok(Format::TorchTar);
    }
    if is_safetensors(bytes) {
        return Ok(Format::Safetensors);
    }
    if bytes[0] == 0x80 || is_text_pickle(bytes) {
        return Ok(Format::TorchLegacy);
    }
    Err(FormatError::NotWeights(stranger(bytes)))
}

/// Eight bytes of header length that fit in the file, then JSON.
fn is_safetensors(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else { return false };
    rest.first() == Some(&b'{') && u64::from_le_bytes(*length) >= 2
}

/// Protocols 0 and 1 have no mark of their own: a dict, list or class at the front, a stop at the end.
fn is_text_pickle(bytes: &[u8]) -> bool {
    const FRONTS: [&[u8]; 6] = [b"(dp", b"(lp", b"}q", b"]q", b"ccollections\n", b"cnumpy"];
    bytes.ends_with(b".") && FRONTS.iter().any(|front| bytes.starts_with(front))
}

fn stranger(bytes: &[u8]) -> NotWeights {
    let head = &bytes[..bytes.len().min(HEAD)];
    let text =
        String::from_utf8_lossy(head).trim_start_matches('\u{feff}').trim_start().to_lowercase();
    if ["<!doctype", "<html", "<head", "<?xml"].iter().any(|tag| text.starts_with(tag)) {
        NotWeights::WebPage
    } else if text.starts_with('{') || text.starts_with('[') {
        NotWeights::Json
    } else {
        let mut first = [0; 8];
        for (to, from) in first.iter_mut().zip(head) {
            *to = *from;
        }
        NotWeights::Unknown { first }
    }
}
