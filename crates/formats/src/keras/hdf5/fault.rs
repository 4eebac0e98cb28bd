//! What can be wrong with an HDF5 file.

/// Why an HDF5 file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Hdf5Fault {
    /// A structure is not where or how it should be.
    #[error(
        "HDF5, byte {offset}: {wanted} wanted; the file is cut short or damaged, fetch it again"
    )]
    Layout {
        /// Offset in the HDF5 file, in bytes.
        offset: u64,
        /// What should be there.
        wanted: &'static str,
    },
    /// A part of HDF5 that Keras does not use.
    #[error(
        "HDF5, byte {offset}: {what} is not read here; load the weights with Keras and save them anew"
    )]
    Unsupported {
        /// Offset in the HDF5 file, in bytes.
        offset: u64,
        /// What it is.
        what: String,
    },
    /// Something that is kept in another file.
    #[error(
        "HDF5, byte {offset}: {what} points into the file `{file}`, and no other file is opened; put \
         everything into one file"
    )]
    External {
        /// Offset in the HDF5 file, in bytes.
        offset: u64,
        /// What points there.
        what: String,
        /// The file it points to.
        file: String,
    },
    /// A name that is not in its group.
    #[error("HDF5: no `{name}` in `{group}`{}", hint(near))]
    Missing {
        /// The name wanted.
        name: String,
        /// The group looked into.
        group: String,
        /// Names in it that are close.
        near: Vec<String>,
    },
    /// Structures that lead in circles, or far more of them than the file has room for.
    #[error("HDF5: the structures of this file lead in circles; it is damaged, fetch it again")]
    Circles,
    /// More than a file of this size can hold.
    #[error(
        "HDF5, byte {offset}: {what} would take {bytes} bytes, only {left} are allowed for a file of \
         this size; it is damaged, fetch it again"
    )]
    TooLarge {
        /// Offset in the HDF5 file, in bytes.
        offset: u64,
        /// What it is.
        what: &'static str,
        /// Bytes wanted.
        bytes: u64,
        /// Bytes still allowed.
        left: u64,
    },
}

fn hint(near: &[String]) -> String {
    match near.first() {
        Some(near) => format!("; there is `{near}`"),
        None => "; is this file complete?".to_owned(),
    }
}
