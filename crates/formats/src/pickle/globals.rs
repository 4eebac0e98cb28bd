//! The names in pickles that are understood, and those whose call is refused.

use crate::dtype::Dtype;

/// Longest `module.name` repeated in a message, in characters.
const NAME_SHOWN: usize = 200;

/// How a tensor is rebuilt: the order of the arguments of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rebuild {
    /// `(storage, offset, size, stride, ...)`; the storage has the number type.
    ByStorage,
    /// `(storage, offset, size, stride, requires_grad, hooks, dtype, ...)`.
    ByDtype,
}

/// How `NumPy` makes an array: the order of the arguments of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    /// Empty at first; the state that follows is `(1, shape, dtype, is_fortran, data)`.
    Reconstruct,
    /// `(data, dtype, shape, order)` (protocol 5).
    FromBuffer,
    /// `(dtype, data)`: one value.
    Scalar,
}

/// A name that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Makes a tensor.
    Tensor(Rebuild),
    /// Gives back its first argument: parameters around tensors, `torch.Size` around a tuple.
    First,
    /// A dict from pairs.
    OrderedDict,
    /// A dict that starts empty, whatever the arguments.
    EmptyDict,
    /// Makes an array of `NumPy`.
    Array(Make),
    /// `numpy.dtype(code, ...)`; byte order follows as state.
    NumberType,
    /// `_codecs.encode(text, "latin1")`: how protocols before 3 write bytes of Python 3.
    Encode,
    /// A value that no tensor is made of.
    Inert,
}

/// Names understood, `(module, name, meaning)`.
const KNOWN: [(&str, &str, Known); 29] = [
    ("collections", "OrderedDict", Known::OrderedDict),
    ("collections", "defaultdict", Known::EmptyDict),
    ("collections", "Counter", Known::Inert),
    ("torch._utils", "_rebuild_tensor", Known::Tensor(Rebuild::ByStorage)),
    ("torch._utils", "_rebuild_tensor_v2", Known::Tensor(Rebuild::ByStorage)),
    ("torch._utils", "_rebuild_tensor_v3", Known::Tensor(Rebuild::ByDtype)),
    ("torch._utils", "_rebuild_parameter", Known::First),
    ("torch._utils", "_rebuild_parameter_with_state", Known::First),
    ("torch.nn.parameter", "Parameter", Known::First),
    ("torch.nn.parameter", "Buffer", Known::First),
    ("torch.autograd.variable", "Variable", Known::First),
    ("torch", "Size", Known::First),
    ("torch", "device", Known::Inert),
    ("numpy.core.multiarray", "_reconstruct", Known::Array(Make::Reconstruct)),
    ("numpy._core.multiarray", "_reconstruct", Known::Array(Make::Reconstruct)),
    ("numpy.core.numeric", "_frombuffer", Known::Array(Make::FromBuffer)),
    ("numpy._core.numeric", "_frombuffer", Known::Array(Make::FromBuffer)),
    ("numpy.core.multiarray", "scalar", Known::Array(Make::Scalar)),
    ("numpy._core.multiarray", "scalar", Known::Array(Make::Scalar)),
    ("numpy", "dtype", Known::NumberType),
    ("_codecs", "encode", Known::Encode),
    ("builtins", "set", Known::Inert),
    ("builtins", "frozenset", Known::Inert),
    ("builtins", "list", Known::Inert),
    ("builtins", "dict", Known::EmptyDict),
    ("builtins", "complex", Known::Inert),
    ("builtins", "bytearray", Known::Inert),
    ("builtins", "slice", Known::Inert),
    ("builtins", "range", Known::Inert),
];

/// Modules (and all below them) of which every call is refused, not left inert: their presence in
/// a weight file is an attack. Nothing is called either way; this only decides how loudly to say so.
const CODE_MODULES: [&str; 40] = [
    "os",
    "posix",
    "nt",
    "posixpath",
    "ntpath",
    "subprocess",
    "_posixsubprocess",
    "sys",
    "builtins",
    "io",
    "_io",
    "socket",
    "_socket",
    "socketserver",
    "ssl",
    "shutil",
    "importlib",
    "_frozen_importlib",
    "imp",
    "pkgutil",
    "runpy",
    "pickle",
    "_pickle",
    "marshal",
    "code",
    "codeop",
    "pty",
    "pdb",
    "bdb",
    "pip",
    "ctypes",
    "_ctypes",
    "commands",
    "popen2",
    "platform",
    "webbrowser",
    "urllib",
    "http",
    "requests",
    "multiprocessing",
];

/// Names of `builtins` that only make values; a call of any other is refused.
const DATA_BUILTINS: [&str; 15] = [
    "set",
    "frozenset",
    "list",
    "dict",
    "tuple",
    "int",
    "long",
    "float",
    "complex",
    "bool",
    "str",
    "bytes",
    "bytearray",
    "slice",
    "range",
];

/// Python 2 wrote `__builtin__`.
fn modern(module: &str) -> &str {
    if module == "__builtin__" { "builtins" } else { module }
}

/// The meaning of a name that is understood.
pub(crate) fn known(module: &str, name: &str) -> Option<Known> {
    let module = modern(module);
    KNOWN.iter().find(|(m, n, _)| *m == module && *n == name).map(|(_, _, known)| *known)
}

/// The number type of a storage class, `torch.FloatStorage`.
pub(crate) fn storage_dtype(module: &str, name: &str) -> Option<Dtype> {
    ["torch", "torch.cuda", "torch.storage"].contains(&module).then(|| Dtype::of_storage(name))?
}

/// The number type of a dtype, `torch.float32`.
pub(crate) fn dtype(module: &str, name: &str) -> Option<Dtype> {
    (module == "torch").then(|| Dtype::of_name(name))?
}

/// Whether a call of this name is refused.
pub(crate) fn runs_code(module: &str, name: &str) -> bool {
    let module = modern(module);
    if module == "builtins" && DATA_BUILTINS.contains(&name) {
        return false;
    }
    let root = module.split('.').next().unwrap_or(module);
    CODE_MODULES.contains(&root)
}

/// `module.name`, cut to a length that can be read.
pub(crate) fn full_name(module: &str, name: &str) -> String {
    let whole = module.chars().chain(['.']).chain(name.chars());
    whole.take(NAME_SHOWN).flat_map(char::escape_default).collect()
}
