//! Curves for `TensorBoard`: an event file is a list of records (`TFRecord`: length, masked CRC-32C of it,
//! data, masked CRC-32C of that), each an `Event` message of `event.proto` in protobuf's wire format.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::{RunError, WriteStep};

/// The name that the reader looks for holds `tfevents`.
const NAME: &str = "events.out.tfevents.0.regraft";
/// Bytes of a record beside its data.
const FRAME: usize = 16;

/// One curve's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scalar<'a> {
    /// The curve, for instance `loss/training`.
    pub tag: &'a str,
    /// The value.
    pub value: f32,
}

/// Adds a step's values to the event file in `folder`, at `wall` seconds since 1970. With `anew`, or when
/// there is none, the file begins here; a record that an interrupted program left half-written is cut off.
///
/// # Errors
/// When the folder or file cannot be made or written.
pub fn append_scalars(
    folder: &Path,
    anew: bool,
    (wall, step): (f64, u64),
    scalars: &[Scalar<'_>],
) -> Result<(), RunError> {
    let path = folder.join(NAME);
    let fail = |step, path: &Path| {
        let path = path.to_owned();
        move |source| RunError::Write { path, step, source }
    };
    fs::create_dir_all(folder).map_err(fail(WriteStep::Folder, folder))?;
    let mut file = open(&path, anew).map_err(fail(WriteStep::Bytes, &path))?;
    let mut bytes = Vec::new();
    if file.metadata().is_ok_and(|about| about.len() == 0) {
        // Event.file_version = 3.
        record(&mut bytes, &message(wall, 0, |event| text(event, 3, b"brain.Event:2")));
    }
    for scalar in scalars {
        // Summary.value = 1 of Value { tag = 1, simple_value = 2 }, in Event.summary = 5.
        let mut value = Vec::new();
        text(&mut value, 1, scalar.tag.as_bytes());
        value.push(2 << 3 | 5);
        value.extend(scalar.value.to_le_bytes());
        let mut summary = Vec::new();
        text(&mut summary, 1, &value);
        record(&mut bytes, &message(wall, step, |event| text(event, 5, &summary)));
    }
    file.write_all(&bytes).map_err(fail(WriteStep::Bytes, &path))
}

/// The file, to be written at the end of its last whole record.
fn open(path: &PathBuf, anew: bool) -> std::io::Result<File> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(anew).open(path)?;
    let bytes = fs::read(path)?;
    let mut end = 0;
    while let Some(length) = bytes[end..].first_chunk::<8>() {
        let next = usize::try_from(u64::from_le_bytes(*length)).ok();
        let next = next.and_then(|length| end.checked_add(FRAME)?.checked_add(length));
        match next {
            Some(next) if next <= bytes.len() => end = next,
            _ => break,
        }
    }
    file.set_len(end as u64)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

/// An `Event`: `wall_time` = 1, step = 2, and what `rest` adds.
fn message(wall: f64, step: u64, rest: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut event = vec![1 << 3 | 1];
    event.extend(wall.to_le_bytes());
    // A zero is left out, as protobuf does.
    if step > 0 {
        event.push(2 << 3);
        varint(&mut event, step);
    }
    rest(&mut event);
    event
}

/// A field with bytes: text, or a message within the message.
fn text(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn record(out: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    out.extend(length);
    out.extend(masked(&length));
    out.extend(data);
    out.extend(masked(data));
}

/// The checksum, turned and moved as `TFRecord` does so that sums of sums do not coincide.
fn masked(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xA282_EAD8).to_le_bytes()
}
