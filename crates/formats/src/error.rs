//! What can be wrong with a weight file.

use std::io;
use std::path::{Path, PathBuf};

use regraft_tensor::{Shape, TensorError};

/// Why a weight file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Something is wrong with this file.
    #[error("{}: {fault}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: Box<FormatError>,
    },
    /// The system refused.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A folder or a device where a file was wanted.
    #[error("not a file; give the weight file itself")]
    NotAFile,
    /// The file is larger than will be held in memory.
    #[error("{bytes} bytes do not fit in memory, the limit is {limit}; split the weights")]
    FileTooLarge {
        /// Size of the file in bytes.
        bytes: u64,
        /// Largest size read, in bytes.
        limit: u64,
    },
    /// The file is something else.
    #[error(transparent)]
    NotWeights(#[from] NotWeights),
    /// Numbers are stored big end first.
    #[error(
        "written on a big-endian machine, only little-endian numbers are read; load it there with \
         torch and save its state_dict as safetensors"
    )]
    BigEndian,
    /// The zip archive is damaged or of an unknown kind.
    #[error("zip archive cannot be read: {source}; the file may be cut short, fetch it again")]
    Zip {
        /// What the archive reader said.
        source: zip::result::ZipError,
    },
    /// The tar archive is damaged.
    #[error("tar archive cannot be read: {source}; the file may be cut short, fetch it again")]
    Tar {
        /// What the archive reader said.
        source: io::Error,
    },
    /// The archive lacks a member.
    #[error("archive has no member `{member}`; the file is damaged or not from torch.save")]
    MissingMember {
        /// The member wanted.
        member: String,
    },
    /// A member of the archive is damaged.
    #[error("archive member `{member}` cannot be read: {source}; fetch the file again")]
    Member {
        /// The member.
        member: String,
        /// What the archive reader said.
        source: io::Error,
    },
    /// The archive has more members than any checkpoint.
    #[error("archive has {members} members, the limit is {limit}")]
    TooManyMembers {
        /// Members found.
        members: usize,
        /// Members allowed.
        limit: usize,
    },
    /// A compressed member grows beyond what the file's size allows.
    #[error("archive member `{member}` unpacks to {bytes} bytes, only {left} are allowed")]
    MemberTooLarge {
        /// The member.
        member: String,
        /// Bytes it unpacks to.
        bytes: u64,
        /// Bytes still allowed for this file.
        left: u64,
    },
    /// A pickle is damaged or uses what no checkpoint uses.
    #[error("pickle `{member}`, byte {offset}: {fault}")]
    Pickle {
        /// Archive member or part of the file.
        member: String,
        /// Offset in the member, in the file when it is no archive, in bytes.
        offset: usize,
        /// What is wrong.
        fault: PickleFault,
    },
    /// The pickle asks to call a function that runs code. Nothing was run.
    #[error(
        "pickle `{member}`, byte {offset}: wants to call `{global}`, which runs code; nothing was \
         run; do not load this file anywhere, and get the weights from another source"
    )]
    CodeInPickle {
        /// Archive member or part of the file.
        member: String,
        /// Offset of the call, counted likewise.
        offset: usize,
        /// The function, `module.name`.
        global: String,
    },
    /// The weights are inside an object of a class that is not known here.
    #[error(
        "pickle `{member}`, byte {offset}: the weights are inside `{global}`, and a pickle is read, \
         never run; load it with torch where its code is, and save `model.state_dict()` or convert \
         it to safetensors"
    )]
    ForeignObject {
        /// Archive member or part of the file.
        member: String,
        /// Offset where the object is made, counted likewise.
        offset: usize,
        /// Its class or maker, `module.name`.
        global: String,
    },
    /// The file is sound and holds no named tensors where they are looked for.
    #[error(
        "no named tensors at the top or under {wanted}; keys found: {found}; save a flat state_dict",
        wanted = wrappers(), found = list(keys)
    )]
    NoTensors {
        /// Keys at the top, at most twenty.
        keys: Vec<String>,
    },
    /// A part of an old torch file is not as torch wrote it.
    #[error("`{member}`, byte {offset}: {wanted} wanted; the file is damaged, fetch it again")]
    Layout {
        /// Archive member or part of the file.
        member: &'static str,
        /// Offset in the member, in the file when it is no archive, in bytes.
        offset: usize,
        /// What should be there.
        wanted: &'static str,
    },
    /// A tensor cannot be had.
    #[error("tensor `{name}`: {fault}")]
    Tensor {
        /// Name of the tensor in the file.
        name: String,
        /// What is wrong with it.
        fault: TensorFault,
    },
    /// Weights without a graph, where a network is wanted.
    #[error(
        "holds weights without a graph; say which architecture they are for, as in \
         `torchvision/resnet50@file:PATH` (`regraft zoo list` and docs/zoo.md name them)"
    )]
    NoGraph,
    /// An HDF5 file is damaged, or has what Keras does not write.
    #[error(transparent)]
    Hdf5(#[from] crate::Hdf5Fault),
    /// A file of Keras holds no network or weights that can be had.
    #[error(transparent)]
    Keras(#[from] crate::KerasFault),
    /// A protocol buffer message is damaged.
    #[error(transparent)]
    Wire(#[from] crate::WireFault),
    /// A network that an ONNX file cannot hold.
    #[error("cannot write ONNX: {0}")]
    OnnxWrite(#[from] crate::onnx::WriteFault),
    /// The index of a checkpoint in several files is wrong.
    #[error(transparent)]
    Shards(#[from] crate::ShardFault),
    /// An ONNX file that is damaged or not understood.
    #[error(transparent)]
    Onnx(#[from] crate::OnnxFault),
    /// A `TFLite` file that is damaged or not understood.
    #[error(transparent)]
    Tflite(#[from] crate::TfliteFault),
    /// What the file says makes no network.
    #[error(transparent)]
    Net(#[from] regraft_net::NetError),
    /// A network of Caffe cannot be taken over.
    #[error(transparent)]
    Caffe(Box<crate::caffe::CaffeFault>),
    /// The safetensors header is damaged.
    #[error("safetensors header: {source}; the file may be cut short, fetch it again")]
    Safetensors {
        /// What the header reader said.
        source: ::safetensors::SafeTensorError,
    },
    /// The header would be longer than readers of safetensors accept.
    #[error("safetensors header of {bytes} bytes, readers accept {limit}; write less metadata")]
    HeaderTooLong {
        /// Length of the header in bytes.
        bytes: usize,
        /// Longest header that readers accept, in bytes.
        limit: usize,
    },
    /// A name that safetensors keeps for itself.
    #[error("tensor name `{name}` is reserved in safetensors; rename the parameter")]
    ReservedName {
        /// The name.
        name: String,
    },
}

/// The action of a failed write, as [`FormatError::Io`] says it.
pub(crate) const WRITE: &str = "write the file";

impl From<crate::caffe::CaffeFault> for FormatError {
    fn from(fault: crate::caffe::CaffeFault) -> Self {
        Self::Caffe(Box::new(fault))
    }
}

impl FormatError {
    /// This fault with the file it is in, unless it names one already.
    pub(crate) fn in_file(self, path: &Path) -> Self {
        if let Self::InFile { .. } = self {
            return self;
        }
        Self::InFile { path: path.to_path_buf(), fault: Box::new(self) }
    }

    /// Whether a file is sound and holds weights without a graph.
    pub fn is_no_graph(&self) -> bool {
        if let Self::InFile { fault, .. } = self {
            return fault.is_no_graph();
        }
        matches!(self, Self::NoGraph)
    }

    /// Whether a file could not be written: the machine's fault, not the file's.
    pub fn is_write(&self) -> bool {
        if let Self::InFile { fault, .. } = self {
            return fault.is_write();
        }
        matches!(self, Self::Io { action, .. } if *action == WRITE)
    }
}

fn wrappers() -> String {
    crate::torch::WRAPPERS.map(|w| format!("`{w}`")).join(", ")
}

fn list(keys: &[String]) -> String {
    if keys.is_empty() {
        return "none".to_string();
    }
    keys.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")
}

/// Things people give as weights that are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotWeights {
    /// Nothing in it.
    #[error("the file is empty; fetch it again")]
    Empty,
    /// A Git LFS pointer.
    #[error(
        "this is a Git LFS pointer, not the weights: run `git lfs pull` in its repository, or \
         download the file itself"
    )]
    GitLfsPointer,
    /// HTML.
    #[error(
        "this is a web page, not the weights: open it in a browser to see what the server answered, \
         then download the file itself"
    )]
    WebPage,
    /// JSON text, often the index of a sharded checkpoint.
    #[error("this is JSON text, not weights; give the weight file that belongs to it")]
    Json,
    /// gzip.
    #[error("this is compressed with gzip: unpack it first")]
    Gzip,
    /// A `NumPy` array.
    #[error("this is a NumPy array without names; save the tensors as safetensors")]
    Numpy,
    /// A `TorchScript` program.
    #[error(
        "this is a TorchScript program; load it with `torch.jit.load` and save its \
         `state_dict()` with `torch.save`"
    )]
    TorchScript,
    /// A network of `TFLite`.
    #[error(
        "this is a TFLite file, which brings its own network: give the file alone, without an \
         architecture"
    )]
    Tflite,
    /// Some other zip archive.
    #[error(
        "this zip archive has neither `data.pkl` nor `.npy` members, so it is no PyTorch checkpoint and no .npz"
    )]
    OtherZip,
    /// Some other pickle.
    #[error(
        "this is a pickle, but neither one that `torch.save` wrote nor one of NumPy arrays; load it \
         where it was made and save the state_dict with `torch.save`"
    )]
    OtherPickle,
    /// Nothing known.
    #[error(
        "neither a PyTorch checkpoint nor safetensors, it begins with the bytes {first:02x?}; is \
         this the right file?"
    )]
    Unknown {
        /// The first eight bytes, zeros where the file is shorter.
        first: [u8; 8],
    },
}

/// What is wrong with a pickle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickleFault {
    /// The bytes end too early.
    #[error("{wanted} more bytes wanted, {left} left; the file is cut short, fetch it again")]
    Truncated {
        /// Bytes wanted.
        wanted: u64,
        /// Bytes left.
        left: usize,
    },
    /// Not an opcode that checkpoints use.
    #[error("opcode 0x{opcode:02x} is not one that checkpoints use")]
    Opcode {
        /// The opcode.
        opcode: u8,
    },
    /// An opcode wants more operands than there are.
    #[error("operand missing on the stack; the file is damaged, fetch it again")]
    StackUnderflow,
    /// An opcode wants a mark and there is none.
    #[error("mark missing on the stack; the file is damaged, fetch it again")]
    NoMark,
    /// A memo entry that was never stored.
    #[error("memo entry {index} was never stored; the file is damaged, fetch it again")]
    Memo {
        /// Number of the entry.
        index: u64,
    },
    /// An operand of another kind than wanted.
    #[error("{wanted} wanted as an operand; the file is damaged, fetch it again")]
    Kind {
        /// What was wanted.
        wanted: &'static str,
    },
    /// A number that is none.
    #[error("not a number; the file is damaged, fetch it again")]
    Number,
    /// More values than any checkpoint has.
    #[error("more than {limit} values; save only the state_dict")]
    TooManyValues {
        /// Values allowed.
        limit: usize,
    },
}

/// What is wrong with a tensor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TensorFault {
    /// The call that rebuilds it is not as torch writes it.
    #[error("{wanted} wanted in the call that rebuilds it; the file is damaged, fetch it again")]
    Call {
        /// What was wanted.
        wanted: &'static str,
    },
    /// Its storage is not in the file.
    #[error("storage `{key}` is not in the file")]
    NoStorage {
        /// Key of the storage.
        key: String,
    },
    /// Its storage is shorter than announced.
    #[error("storage `{key}` wants {wanted} bytes, has {got}; the file is damaged, fetch it again")]
    StorageLength {
        /// Key of the storage.
        key: String,
        /// Bytes announced.
        wanted: u64,
        /// Bytes there.
        got: usize,
    },
    /// A view that reaches outside its storage.
    #[error(
        "shape {shape} with strides {strides:?} from {offset} leaves its storage of {len} values"
    )]
    OutOfStorage {
        /// Shape of the view.
        shape: Shape,
        /// Strides, in values.
        strides: Vec<usize>,
        /// First value.
        offset: usize,
        /// Values in the storage.
        len: usize,
    },
    /// Views that expand to far more than the file holds.
    #[error("expands to {bytes} bytes, {left} are allowed for a file of this size")]
    Expansion {
        /// Bytes wanted.
        bytes: u64,
        /// Bytes still allowed.
        left: u64,
    },
    /// Shape and values do not agree.
    #[error(transparent)]
    Shape(#[from] TensorError),
}
