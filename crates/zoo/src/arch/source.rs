//! What frameworks call the parameters that are named otherwise here, and how theirs lie.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use regraft_net::facts::Facts;
use regraft_net::formula::{FormulaRules, formula_param};
use regraft_net::{Graph, Network, Op, ParamSpec, Params, Role};
use regraft_tensor::{Shape, Tensor};

use super::{ArchInfo, Naming, listed};
use crate::ZooError;

/// A parameter as the framework has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceParam {
    /// Its name in files.
    pub name: String,
    /// Its shape there.
    pub shape: Shape,
    /// Further parameters of the same shape that follow it in ours, one after the other.
    more: Vec<String>,
    /// The place of each of our values among theirs; none where the order is the same.
    order: Option<Order>,
}

/// How kernels and matrices lie in Keras.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// `[kh, kw, in, out]`.
    Kernel([usize; 4]),
    /// `[kh, kw, channels, 1]`.
    Depthwise([usize; 4]),
    /// `[in, out]`; the input was a map `[C, H, W]`, there `[H, W, C]`.
    Matrix([usize; 2], [usize; 3]),
}

impl Order {
    /// Where our value at `place` lies there.
    fn of(self, place: usize) -> usize {
        match self {
            // Ours: `[out, in, kh, kw]`.
            Self::Kernel([o, i, h, w]) | Self::Depthwise([o, i, h, w]) => {
                let (x, rest) = (place % w, place / w);
                let (y, rest) = (rest % h, rest / h);
                let (input, out) = (rest % i, rest / i);
                match self {
                    Self::Depthwise(_) => (y * w + x) * o + out,
                    Self::Kernel(_) | Self::Matrix(..) => ((y * w + x) * i + input) * o + out,
                }
            }
            Self::Matrix([out, input], [c, h, w]) => {
                let (row, column) = (place / input, place % input);
                let (channel, pixel) = (column / (h * w), column % (h * w));
                (pixel * c + channel) * out + row
            }
        }
    }
}

impl SourceParam {
    /// Several of one shape that follow one another in ours.
    pub(super) fn stacked(names: [String; 3], shape: impl Into<Shape>) -> Self {
        let [name, more @ ..] = names;
        Self { more: more.into(), ..Self::same(name, shape) }
    }

    pub(super) fn same(name: impl Into<String>, shape: impl Into<Shape>) -> Self {
        Self { name: name.into(), shape: shape.into(), more: Vec::new(), order: None }
    }

    /// Its names: several where ours is made of several.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_str()).chain(self.more.iter().map(String::as_str))
    }

    /// Values in the framework's order as a tensor of ours.
    pub(super) fn ours(&self, values: &[f32], spec: &ParamSpec) -> Tensor {
        let mut tensor = Tensor::zeros(spec.shape.clone());
        match self.order {
            None => tensor.data_mut().copy_from_slice(values),
            Some(order) => {
                for (place, value) in tensor.data_mut().iter_mut().enumerate() {
                    *value = values[order.of(place)];
                }
            }
        }
        tensor
    }
}

impl ArchInfo {
    /// What the framework calls each parameter of the graph and how it lies there; none for those that
    /// the framework does not have, which are ones.
    ///
    /// # Errors
    /// When shapes do not fit along the graph.
    pub fn sources(
        &self,
        graph: &Graph,
    ) -> Result<Vec<(ParamSpec, Option<SourceParam>)>, ZooError> {
        let facts = regraft_net::facts::facts(graph).map_err(ZooError::Net)?;
        let mut all = Vec::new();
        for (id, layer) in graph.layers() {
            for spec in &facts.layer(id).params {
                let source = if self.naming == Naming::Keras {
                    let flat = flattened(graph, &facts, &layer.inputs);
                    self.keras(spec, &layer.op, flat)
                } else if self.naming == Naming::Transformers {
                    Some(self.transformers(spec))
                } else {
                    Some(self.torch(spec))
                };
                all.push((spec.clone(), source));
            }
        }
        Ok(all)
    }

    fn torch(&self, spec: &ParamSpec) -> SourceParam {
        let (name, dims) = (spec.name.as_str(), spec.shape.dims());
        let front = [&[1], dims].concat();
        let timm = self.naming.is_timm();
        match spec.role {
            Role::Token => SourceParam::same(if timm { "cls_token" } else { "class_token" }, front),
            Role::Position => {
                SourceParam::same(if timm { "pos_embed" } else { "encoder.pos_embedding" }, front)
            }
            // In timm this matrix is a convolution of one pixel.
            Role::Weight if name == "conv_head.weight" && dims.len() == 2 => {
                SourceParam::same(name, [dims, &[1, 1]].concat())
            }
            Role::Weight if name.ends_with(".layer_scale.weight") => {
                SourceParam::same(name.trim_end_matches(".weight"), [dims, &[1, 1]].concat())
            }
            Role::Weight if name.ends_with(".gamma.weight") => {
                SourceParam::same(name.trim_end_matches(".weight"), dims.to_vec())
            }
            Role::Weight if name.ends_with(".ls1.weight") || name.ends_with(".ls2.weight") => {
                SourceParam::same(name.replace(".weight", ".gamma"), dims.to_vec())
            }
            Role::Weight | Role::Bias if name.contains(".in_proj.") => {
                SourceParam::same(name.replace(".in_proj.", ".in_proj_"), dims.to_vec())
            }
            Role::Weight
            | Role::Bias
            | Role::Products
            | Role::Shares
            | Role::RunningMean
            | Role::RunningVar => SourceParam::same(name, dims.to_vec()),
        }
    }

    fn keras(&self, spec: &ParamSpec, op: &Op, flat: Option<[usize; 3]>) -> Option<SourceParam> {
        let (layer, _) = spec.name.rsplit_once('.').unwrap_or((&spec.name, ""));
        let layer = &*self.keras_path(layer);
        let dims = spec.shape.dims();
        let norm = matches!(op, Op::BatchNorm { .. } | Op::LayerNorm { .. });
        let word = match spec.role {
            // Keras's Inception v3 has norms without a scale.
            Role::Weight if norm && self.family == super::Family::InceptionV3 => return None,
            Role::Weight if norm => "gamma",
            Role::Bias if norm => "beta",
            Role::RunningMean => "moving_mean",
            Role::RunningVar => "moving_variance",
            Role::Bias => "bias",
            Role::Weight if matches!(op, Op::Scale { .. }) => "variable",
            Role::Weight | Role::Token | Role::Position | Role::Products | Role::Shares => {
                return Some(kernel(layer, dims, op, flat));
            }
        };
        Some(SourceParam::same(format!("{layer}/{word}"), dims.to_vec()))
    }

    /// What Keras calls a layer: in `ConvNeXt` every name begins with the network's, and stem and
    /// downsampling are models in the model.
    fn keras_path<'a>(&self, layer: &'a str) -> Cow<'a, str> {
        if self.family != super::Family::ConvNext {
            return layer.into();
        }
        let size = self.name.trim_start_matches("keras/ConvNeXt").to_lowercase();
        let own = format!("convnext_{size}_{layer}");
        let around = if layer.starts_with("stem_") {
            Some("stem".to_owned())
        } else {
            layer
                .strip_prefix("downsampling_")
                .and_then(|rest| rest.rsplit_once('_'))
                .map(|(_, number)| format!("downsampling_block_{number}"))
        };
        around.map_or(own.clone(), |around| format!("convnext_{size}_{around}/{own}")).into()
    }

    /// Mean and deviation of the colours, in `[0, 1]`, that a file keeps as weights (`EfficientNet` in
    /// Keras), taken out of its tensors. The published weights hold `ImageNet`'s deviation where the
    /// variance belongs, and their network divides by its root twice.
    pub fn colours(&self, tensors: &mut BTreeMap<String, Tensor>) -> Option<[[f32; 3]; 2]> {
        const IMAGENET: [f32; 3] = [0.229, 0.224, 0.225];
        if self.naming != Naming::Keras || self.family != super::Family::EfficientNet {
            return None;
        }
        let layer = tensors.keys().find_map(|name| {
            let (layer, part) = name.rsplit_once('/')?;
            (layer.starts_with("normalization") && part == "mean").then(|| layer.to_owned())
        })?;
        let mut take = |part: &str| tensors.remove(&format!("{layer}/{part}"));
        let (mean, variance) = (take("mean")?, take("variance")?);
        // How many pixels they were learned from.
        take("count");
        let mean = <[f32; 3]>::try_from(mean.data()).ok()?;
        let variance = <[f32; 3]>::try_from(variance.data()).ok()?;
        let published = variance.iter().zip(IMAGENET).all(|(v, known)| (v - known).abs() < 1e-4);
        Some([mean, variance.map(|v| if published { v } else { v.sqrt() })])
    }

    /// Gives layers that Keras named by itself (`conv2d_7`) the numbers of the architecture. Keras counts
    /// on through a session (Keras 2 from 1), so that the numbers in a file are any; their order is that
    /// in which the layers were made. Done for a kind of layers when there are as many as wanted and the
    /// shapes agree one by one; what was done comes back as a sentence for a person.
    ///
    /// # Errors
    /// When the graph cannot be built.
    pub fn renumber(
        &self,
        tensors: &mut BTreeMap<String, Tensor>,
    ) -> Result<Option<String>, ZooError> {
        if self.naming != Naming::Keras {
            return Ok(None);
        }
        let sources = self.sources(&self.graph()?)?;
        by_own_name(&sources, tensors);
        let wanted = by_number(sources.iter().filter_map(|(_, s)| s.as_ref()).map(|s| &*s.name));
        let given = by_number(tensors.keys().map(String::as_str));
        let shapes: BTreeMap<&str, &Shape> = sources
            .iter()
            .filter_map(|(_, s)| s.as_ref())
            .map(|s| (s.name.as_str(), &s.shape))
            .collect();
        let (mut renamed, mut kinds) = (BTreeMap::new(), Vec::new());
        for (kind, wanted) in &wanted {
            let Some(given) = given.get(kind).filter(|g| *g != wanted) else { continue };
            let pairs: Vec<(String, String)> = wanted
                .iter()
                .zip(given)
                .flat_map(|((_, wanted), (_, given))| {
                    let part = move |name: &&&str| {
                        name.strip_prefix(wanted.as_str()).is_some_and(|r| r.starts_with('/'))
                    };
                    shapes.keys().filter(part).map(move |name| {
                        ((*name).to_owned(), format!("{given}{}", &name[wanted.len()..]))
                    })
                })
                .collect();
            let fits = |(to, from): &(String, String)| {
                tensors.get(from).is_some_and(|t| Some(&t.shape()) == shapes.get(to.as_str()))
            };
            if wanted.len() == given.len() && pairs.iter().all(fits) {
                kinds.push(format!("`{kind}`"));
                renamed.extend(pairs);
            }
        }
        if kinds.is_empty() {
            return Ok(None);
        }
        let taken: Vec<(String, Option<Tensor>)> =
            renamed.into_iter().map(|(to, from)| (to, tensors.remove(&from))).collect();
        tensors.extend(taken.into_iter().filter_map(|(to, tensor)| Some((to, tensor?))));
        Ok(Some(format!(
            "layers that Keras numbers by itself ({}) are taken in their order, as their numbers are \
             others than usual",
            kinds.join(", ")
        )))
    }

    /// The graph up to the features, when the file has everything but the head: Keras publishes such
    /// files as `notop`.
    ///
    /// # Errors
    /// When the graph cannot be built.
    pub fn without_head(&self, params: &Params) -> Result<Option<Graph>, ZooError> {
        let graph = self.graph()?;
        if self.naming != Naming::Keras || self.headless() {
            return Ok(None);
        }
        let trunk = regraft_net::surgery::cut(&graph, self.penultimate).map_err(ZooError::Net)?;
        let all = |graph: &Graph| {
            let facts = regraft_net::facts::facts(graph).map_err(ZooError::Net)?;
            Ok::<_, ZooError>(facts.params().all(|p| params.get(&p.name).is_some()))
        };
        Ok((!all(&graph)? && all(&trunk)?).then_some(trunk))
    }

    /// Parameters of a file under the names and in the shapes of the graph. What the graph does not
    /// know stays as it is.
    ///
    /// A layer's arrays may also be a list without names, as `Keras`'s `get_weights` gives them and
    /// pickles of `NumPy` arrays hold them: `conv1/0` is the kernel `[kh, kw, in, out]`, `conv1/1` the
    /// bias.
    ///
    /// # Errors
    /// When the graph cannot be built.
    pub fn adopt(&self, mut tensors: BTreeMap<String, Tensor>) -> Result<Params, ZooError> {
        let graph = self.graph()?;
        listed::adopt(&graph, &mut tensors)?;
        self.adopt_to(&graph, tensors)
    }

    /// The same for a graph of this architecture with other classes, see [`ArchInfo::graph_for`].
    ///
    /// # Errors
    /// When shapes do not fit along the graph.
    pub fn adopt_to(
        &self,
        graph: &Graph,
        mut tensors: BTreeMap<String, Tensor>,
    ) -> Result<Params, ZooError> {
        for (spec, source) in self.sources(graph)? {
            let Some(source) = source else {
                tensors.insert(spec.name.clone(), ones(&spec));
                continue;
            };
            if source.name == spec.name {
                continue;
            }
            if !source.more.is_empty() {
                if source
                    .names()
                    .all(|n| tensors.get(n).is_some_and(|t| *t.shape() == source.shape))
                {
                    let parts = source.names().filter_map(|name| tensors.remove(name));
                    let values: Vec<f32> = parts.flat_map(Tensor::into_data).collect();
                    tensors.insert(spec.name.clone(), source.ours(&values, &spec));
                }
                continue;
            }
            if let Some(tensor) = tensors.remove(&source.name) {
                let fits = *tensor.shape() == source.shape;
                let tensor = if fits { source.ours(tensor.data(), &spec) } else { tensor };
                tensors.insert(spec.name, tensor);
            }
        }
        Ok(tensors.into_iter().collect())
    }

    /// The network with formula weights (see [`regraft_net::formula`]) by the framework's names: what
    /// the framework computes with them is known.
    ///
    /// # Errors
    /// When the graph cannot be built.
    pub fn formula_network(&self) -> Result<Network, ZooError> {
        let graph = self.graph()?;
        let rules = match self.naming {
            Naming::Keras => FormulaRules::Keras,
            Naming::Torchvision
            | Naming::Timm
            | Naming::Transformers
            | Naming::Lukemelas
            | Naming::Caffe => FormulaRules::Torch,
        };
        let mut params = Params::default();
        for (spec, source) in self.sources(&graph)? {
            let tensor = if let Some(source) = source {
                let values = source.names().flat_map(|n| formula_param(rules, n, &source.shape));
                source.ours(&values.collect::<Vec<_>>(), &spec)
            } else {
                ones(&spec)
            };
            params.insert(spec.name, tensor);
        }
        let mut card = self.card(self.name, "formula weights");
        "MIT OR Apache-2.0".clone_into(&mut card.licence);
        Network::new(graph, &params, card).map_err(ZooError::Net)
    }

    /// The picture that goes with [`ArchInfo::formula_network`], `[1, 3, size, size]`: the stream
    /// `input` in the framework's order, which is pixels first in Keras.
    pub fn formula_picture(&self) -> Tensor {
        let mut picture = regraft_net::formula::formula_input(self.size);
        if self.naming == Naming::Keras {
            let pixels = self.size * self.size;
            let theirs = picture.data().to_vec();
            for (place, value) in picture.data_mut().iter_mut().enumerate() {
                *value = theirs[place % pixels * 3 + place / pixels];
            }
        }
        picture
    }
}

/// Gives weights whose layers lie in others (`stem/stem_conv/kernel`) the names of the architecture. Files
/// say other names of what is around a layer, or none; a weight that a layer of one's own made without a
/// name (`variable_3`) is numbered through the session.
fn by_own_name(
    sources: &[(ParamSpec, Option<SourceParam>)],
    tensors: &mut BTreeMap<String, Tensor>,
) {
    for source in sources.iter().filter_map(|(_, source)| source.as_ref()) {
        let mut parts = source.name.rsplitn(3, '/');
        let (Some(leaf), Some(layer)) = (parts.next(), parts.next()) else { continue };
        let around = parts.next().is_some();
        if tensors.contains_key(&source.name) || !(around || leaf == "variable") {
            continue;
        }
        let alike = |name: &&String| {
            let (own, given) = name.rsplit_once('/').unwrap_or(("", name));
            own.rsplit('/').next() == Some(layer) && (given == leaf || leaf == "variable")
        };
        let mut found = tensors.keys().filter(alike).cloned();
        if let (Some(name), None) = (found.next(), found.next())
            && let Some(tensor) = tensors.remove(&name)
        {
            tensors.insert(source.name.clone(), tensor);
        }
    }
}

/// Names that Keras gives by itself, before the number.
const AUTOMATIC: [&str; 5] =
    ["conv2d", "batch_normalization", "depthwise_conv2d", "separable_conv2d", "dense"];

/// Layers with names that Keras gives by itself, by kind, in the order of their numbers.
fn by_number<'a>(
    names: impl Iterator<Item = &'a str>,
) -> BTreeMap<&'a str, BTreeSet<(u64, String)>> {
    let mut kinds: BTreeMap<&str, BTreeSet<(u64, String)>> = BTreeMap::new();
    for layer in names.filter_map(|name| name.rsplit_once('/').map(|(layer, _)| layer)) {
        let numbered = layer.rsplit_once('_').and_then(|(kind, n)| Some((kind, n.parse().ok()?)));
        let (kind, number) = numbered.unwrap_or((layer, 0));
        if AUTOMATIC.contains(&kind) {
            kinds.entry(kind).or_default().insert((number, layer.to_owned()));
        }
    }
    kinds
}

fn ones(spec: &ParamSpec) -> Tensor {
    let mut ones = Tensor::zeros(spec.shape.clone());
    ones.data_mut().fill(1.0);
    ones
}

/// The map that a flattened input was.
pub(super) fn flattened(
    graph: &Graph,
    facts: &Facts,
    inputs: &[regraft_net::LayerId],
) -> Option<[usize; 3]> {
    let flatten = graph.layer(*inputs.first()?);
    if !matches!(flatten.op, Op::Flatten) {
        return None;
    }
    match *facts.layer(*flatten.inputs.first()?).shape.dims() {
        [c, h, w] => Some([c, h, w]),
        _ => None,
    }
}

/// A kernel or matrix of Keras; ours is `dims`.
pub(super) fn kernel(
    layer: &str,
    dims: &[usize],
    op: &Op,
    flat: Option<[usize; 3]>,
) -> SourceParam {
    let named = |name: String, shape: Vec<usize>, order: Order| SourceParam {
        name,
        shape: shape.into(),
        more: Vec::new(),
        order: Some(order),
    };
    match (dims, op) {
        (&[o, 1, h, w], Op::Conv2d(conv)) if conv.groups == o => {
            let name = match layer.strip_suffix(".depthwise") {
                Some(layer) => format!("{layer}/depthwise_kernel"),
                None => format!("{layer}/kernel"),
            };
            // `ConvNeXt` has a convolution of as many groups instead of a depthwise one.
            let shape =
                if layer.ends_with("_depthwise_conv") { [h, w, 1, o] } else { [h, w, o, 1] };
            named(name, shape.to_vec(), Order::Depthwise([o, 1, h, w]))
        }
        (&[o, i, h, w], _) => {
            let name = match layer.strip_suffix(".pointwise") {
                Some(layer) => format!("{layer}/pointwise_kernel"),
                None => format!("{layer}/kernel"),
            };
            named(name, vec![h, w, i, o], Order::Kernel([o, i, h, w]))
        }
        (&[o, i], _) => {
            // The last matrices of `MobileNet` and `MobileNetV3` are convolutions of one pixel.
            let pixel = ["conv_preds", "conv_2", "logits"].contains(&layer);
            let shape = if pixel { vec![1, 1, i, o] } else { vec![i, o] };
            let map = flat.unwrap_or([i, 1, 1]);
            named(format!("{layer}/kernel"), shape, Order::Matrix([o, i], map))
        }
        _ => SourceParam::same(format!("{layer}/kernel"), dims.to_vec()),
    }
}
