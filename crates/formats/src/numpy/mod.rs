//! Arrays of `NumPy`: pickles of them, `.npz` archives, and objects in a `.npy` file.
//!
//! Names are the keys of dicts and places in lists on the way to an array, joined with `/`: a pickle of
//! `{"conv1": [kernel, bias]}` gives `conv1/0` and `conv1/1`.

mod array;
mod npy;

use std::borrow::Cow;
use std::collections::BTreeMap;

use array::Lookup;

use crate::pickle::{Id, Make, Node, Pickle};
use crate::torch::Archive;
use crate::view::{Budget, View};
use crate::{Format, FormatError, NotWeights, TensorFault, Weights};

/// Dicts and lists inside one another on the way to an array.
const MAX_DEPTH: usize = 4;
/// Most values looked at: sharing must not multiply work.
const MAX_VISITS: usize = 1 << 18;
/// Most characters of a name.
const MAX_NAME: usize = 1000;

/// Reads a pickle that torch did not write.
pub(crate) fn parse_pickle(bytes: &[u8]) -> Result<Weights, FormatError> {
    let mut out = Out::new(Format::NumpyPickle, bytes.len());
    out.read("", bytes, "pickle")?;
    out.finish()
}

/// Reads an `.npz`: a zip archive of `.npy` members.
pub(crate) fn parse_npz(mut archive: Archive<'_>) -> Result<Weights, FormatError> {
    let mut out = Out::new(Format::Npz, archive.len());
    for member in archive.names_with(".npy")? {
        let bytes = archive.member(&member)?;
        let name = member.strip_suffix(".npy").unwrap_or(&member);
        out.npy(name, &bytes, &member)?;
    }
    out.finish()
}

/// Reads a `.npy` whose value is an object; a bare array has no name.
pub(crate) fn parse_npy(bytes: &[u8]) -> Result<Weights, FormatError> {
    let mut out = Out::new(Format::Npy, bytes.len());
    out.npy("", bytes, "array")?;
    out.finish()
}

/// What has been read.
struct Out {
    weights: Weights,
    budget: Budget,
    visits: usize,
}

/// Why a value is left aside, or the value.
enum Kind {
    Array,
    Inside(Vec<(String, Id)>),
    /// In the words of [`Weights::skipped`].
    Other(Option<String>),
}

impl Out {
    fn new(format: Format, bytes: usize) -> Self {
        let (tensors, metadata) = (BTreeMap::new(), BTreeMap::new());
        let weights = Weights { tensors, metadata, format, skipped: Vec::new() };
        Self { weights, budget: Budget::of_file(bytes), visits: 0 }
    }

    fn finish(self) -> Result<Weights, FormatError> {
        if self.weights.tensors.is_empty() {
            return Err(NotWeights::OtherPickle.into());
        }
        Ok(self.weights)
    }

    fn npy(&mut self, name: &str, bytes: &[u8], member: &str) -> Result<(), FormatError> {
        let fault = |fault| FormatError::Tensor { name: name.to_owned(), fault };
        let header = npy::header(bytes).map_err(fault)?;
        let data = bytes.get(header.end..).unwrap_or_default();
        if header.object {
            return self.read(name, data, member);
        }
        if name.is_empty() {
            return Err(NotWeights::Numpy.into());
        }
        self.keep(name, header.lookup(data)).map_err(fault)
    }

    /// Reads a pickle and keeps its arrays below `name`.
    fn read(&mut self, name: &str, bytes: &[u8], member: &str) -> Result<(), FormatError> {
        let pickle = Pickle::read(bytes, 0, member)?;
        let before = self.weights.tensors.len();
        self.walk(&pickle, name, pickle.root, 0)?;
        if self.weights.tensors.len() == before && name.is_empty() {
            let values = pickle.dict(pickle.root).unwrap_or_default().iter().map(|(_, v)| *v);
            let found =
                std::iter::once(pickle.root).chain(values).find_map(|id| pickle.foreign(id));
            if let Some((global, offset)) = found {
                let member = member.to_owned();
                return Err(FormatError::ForeignObject { member, offset, global });
            }
        }
        Ok(())
    }

    fn walk(
        &mut self,
        pickle: &Pickle<'_>,
        name: &str,
        id: Id,
        depth: usize,
    ) -> Result<(), FormatError> {
        self.visits += 1;
        if self.visits > MAX_VISITS || name.len() > MAX_NAME {
            let fault = crate::PickleFault::TooManyValues { limit: MAX_VISITS };
            return Err(FormatError::Pickle { member: "pickle".to_owned(), offset: 0, fault });
        }
        match kind(pickle, id, depth < MAX_DEPTH) {
            Kind::Array => {
                let fault = |fault| FormatError::Tensor { name: shown(name), fault };
                let lookup = array::locate(pickle, id).map_err(fault)?;
                self.keep(&shown(name), lookup).map_err(fault)
            }
            Kind::Inside(items) => {
                for (key, inner) in items {
                    let path = match (name, key.as_str()) {
                        // The one value of an object that is no list.
                        (_, "") => name.to_owned(),
                        ("", _) => key,
                        _ => format!("{name}/{key}"),
                    };
                    self.walk(pickle, &path, inner, depth + 1)?;
                }
                Ok(())
            }
            Kind::Other(why) => {
                self.skip(name, why.as_deref());
                Ok(())
            }
        }
    }

    fn keep(&mut self, name: &str, lookup: Lookup<'_>) -> Result<(), TensorFault> {
        match lookup {
            Lookup::NoF32(kind) => self.skip(name, Some(&kind)),
            Lookup::Found { view, data, big } => {
                let data = if big { swapped(&data, &view, &mut self.budget)? } else { data };
                match view.gather(&data, &mut self.budget)? {
                    Some(tensor) => drop(self.weights.tensors.insert(name.to_owned(), tensor)),
                    None => self.skip(name, Some("no f32")),
                }
            }
        }
        Ok(())
    }

    fn skip(&mut self, name: &str, why: Option<&str>) {
        let name = shown(name);
        self.weights.skipped.push(match why {
            Some(why) => format!("{name} ({why})"),
            None => name,
        });
    }
}

fn shown(name: &str) -> String {
    if name.is_empty() { "array".to_owned() } else { name.to_owned() }
}

/// What a value is; what is inside it is only looked at where that may be taken.
fn kind(pickle: &Pickle<'_>, id: Id, enter: bool) -> Kind {
    let listed = |items: &[Id]| {
        Kind::Inside(items.iter().enumerate().map(|(i, id)| (i.to_string(), *id)).collect())
    };
    match pickle.node(id) {
        Node::Array { make, .. } => match array::objects(pickle, id) {
            _ if !enter && array::objects(pickle, id).is_some() => {
                Kind::Other(Some("too deep".to_owned()))
            }
            // One object without axes is that object.
            Some((true, [only])) => Kind::Inside(vec![(String::new(), *only)]),
            Some((_, items)) => listed(items),
            None if *make == Make::Scalar => Kind::Other(Some("a number".to_owned())),
            None => Kind::Array,
        },
        Node::Seq(_) | Node::Dict(_) if !enter => Kind::Other(Some("too deep".to_owned())),
        Node::Seq(items) => listed(items),
        Node::Dict(pairs) => {
            let mut named = BTreeMap::new();
            for (key, value) in pairs {
                let text = pickle.str(*key).filter(|k| !k.is_empty()).map(str::to_owned);
                let number = || pickle.int(*key).map(|n| n.to_string());
                if let Some(key) = text.or_else(number) {
                    named.insert(key, *value);
                }
            }
            Kind::Inside(named.into_iter().collect())
        }
        Node::Inert
        | Node::Bool(_)
        | Node::Int(_)
        | Node::Long(_)
        | Node::Str(_)
        | Node::Bytes(_)
        | Node::Escaped { .. }
        | Node::Latin1(_)
        | Node::Global { .. }
        | Node::Foreign { .. }
        | Node::Persistent(_)
        | Node::Tensor { .. }
        | Node::NumberType { .. } => Kind::Other(pickle.foreign(id).map(|(global, _)| global)),
    }
}

/// Values written big end first, turned round.
fn swapped<'a>(
    data: &[u8],
    view: &View,
    budget: &mut Budget,
) -> Result<Cow<'a, [u8]>, TensorFault> {
    let bytes = data.len() as u64;
    budget.take(bytes).map_err(|left| TensorFault::Expansion { bytes, left })?;
    let mut turned = data.to_vec();
    turned.chunks_exact_mut(view.dtype.size()).for_each(<[u8]>::reverse);
    Ok(Cow::Owned(turned))
}
