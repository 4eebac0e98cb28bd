//! safetensors: a length, a JSON header, the values.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use ::safetensors::{Dtype as Stored, SafeTensors};
use regraft_tensor::{Shape, Tensor};
use serde_json::json;

use crate::dtype::Dtype;
use crate::view::{Budget, View};
use crate::{Format, FormatError, Weights};

/// Longest header that readers accept, in bytes (the limit of the reference implementation).
const MAX_HEADER: usize = 100_000_000;
/// Key of the header that holds the metadata.
const METADATA: &str = "__metadata__";
/// The header is padded with spaces to a multiple of this, in bytes.
const ALIGN: usize = 8;
/// Values turned to bytes at a time.
const BLOCK: usize = 1 << 14;

/// Reads safetensors from memory. Number types that have no `f32` (8-bit floats and smaller,
/// complex) are left aside and listed in [`Weights::skipped`].
///
/// # Errors
/// When the header is damaged or does not fit the bytes.
pub fn parse(bytes: &[u8]) -> Result<Weights, FormatError> {
    let header = |source| FormatError::Safetensors { source };
    let (_, head) = SafeTensors::read_metadata(bytes).map_err(header)?;
    let file = SafeTensors::deserialize(bytes).map_err(header)?;
    let metadata = head.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    let mut weights = Weights {
        tensors: BTreeMap::new(),
        metadata,
        format: Format::Safetensors,
        skipped: Vec::new(),
    };
    let mut budget = Budget::of_file(bytes.len());
    let views: BTreeMap<_, _> = file.iter().collect();
    for (name, stored) in views {
        let shape = Shape::new(stored.shape());
        let tensor = match dtype(stored.dtype()) {
            None => None,
            Some(dtype) => {
                let strides = View::dense_strides(&shape);
                let view = View { storage: String::new(), dtype, offset: 0, shape, strides };
                let fault = |fault| FormatError::Tensor { name: name.to_string(), fault };
                view.gather(stored.data(), &mut budget).map_err(fault)?
            }
        };
        match tensor {
            Some(tensor) => drop(weights.tensors.insert(name.to_string(), tensor)),
            None => weights.skipped.push(format!("{name} ({:?})", stored.dtype())),
        }
    }
    Ok(weights)
}

fn dtype(stored: Stored) -> Option<Dtype> {
    const TABLE: [(Stored, Dtype); 13] = [
        (Stored::F64, Dtype::F64),
        (Stored::F32, Dtype::F32),
        (Stored::F16, Dtype::F16),
        (Stored::BF16, Dtype::Bf16),
        (Stored::I64, Dtype::I64),
        (Stored::I32, Dtype::I32),
        (Stored::I16, Dtype::I16),
        (Stored::I8, Dtype::I8),
        (Stored::U64, Dtype::U64),
        (Stored::U32, Dtype::U32),
        (Stored::U16, Dtype::U16),
        (Stored::U8, Dtype::U8),
        (Stored::BOOL, Dtype::Bool),
    ];
    TABLE.iter().find(|(from, _)| *from == stored).map(|(_, to)| *to)
}

/// Writes tensors as `F32`, sorted by name: the same tensors and metadata give the same bytes.
///
/// The file appears whole or not at all: it is written beside its place, synced and renamed.
///
/// # Errors
/// When the system refuses, a tensor is named `__metadata__`, or the header exceeds 100 MB.
pub fn write(
    path: &Path,
    tensors: &BTreeMap<String, impl Borrow<Tensor>>,
    metadata: &BTreeMap<String, String>,
) -> Result<(), FormatError> {
    write_whole(path, tensors, metadata)
        .map_err(|fault| FormatError::InFile { path: path.to_path_buf(), fault: Box::new(fault) })
}

fn write_whole(
    path: &Path,
    tensors: &BTreeMap<String, impl Borrow<Tensor>>,
    metadata: &BTreeMap<String, String>,
) -> Result<(), FormatError> {
    let io = |source| FormatError::Io { action: crate::error::WRITE, source };
    let header = header(tensors, metadata)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = temporary(folder).map_err(io)?;
    let mut out = BufWriter::new(file.as_file_mut());
    out.write_all(&(header.len() as u64).to_le_bytes()).map_err(io)?;
    out.write_all(header.as_bytes()).map_err(io)?;
    let mut block = Vec::with_capacity(BLOCK * size_of::<f32>());
    for values in tensors.values().flat_map(|tensor| tensor.borrow().data().chunks(BLOCK)) {
        block.clear();
        block.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        out.write_all(&block).map_err(io)?;
    }
    out.flush().map_err(io)?;
    drop(out);
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|e| io(e.error))?;
    sync_folder(folder).map_err(io)
}

/// A temporary file in the folder, readable by whom the user's mask allows.
fn temporary(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(<Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666));
    builder.prefix(".regraft-").tempfile_in(folder)
}

/// Makes the rename last; only Unix lets a folder be opened for that.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// The JSON header, padded.
fn header(
    tensors: &BTreeMap<String, impl Borrow<Tensor>>,
    metadata: &BTreeMap<String, String>,
) -> Result<String, FormatError> {
    let mut entries = Vec::new();
    if !metadata.is_empty() {
        entries.push(format!("{}:{}", json!(METADATA), json!(metadata)));
    }
    let mut start = 0usize;
    for (name, tensor) in tensors {
        let tensor = tensor.borrow();
        if name == METADATA {
            return Err(FormatError::ReservedName { name: name.clone() });
        }
        let end = start + size_of_val(tensor.data());
        let (shape, name) = (json!(tensor.shape().dims()), json!(name));
        entries.push(format!(
            r#"{name}:{{"dtype":"F32","shape":{shape},"data_offsets":[{start},{end}]}}"#
        ));
        start = end;
    }
    let mut header = format!("{{{}}}", entries.join(","));
    let padding = header.len().next_multiple_of(ALIGN) - header.len();
    header.extend(std::iter::repeat_n(' ', padding));
    if header.len() > MAX_HEADER {
        return Err(FormatError::HeaderTooLong { bytes: header.len(), limit: MAX_HEADER });
    }
    Ok(header)
}
