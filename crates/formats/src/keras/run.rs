//! A model's description, layer by layer, as layers of a graph.

use std::collections::{BTreeMap, BTreeSet};

use regraft_net::Op;
use regraft_tensor::Shape;
use serde_json::Value;

use super::KerasFault;
use super::build::{At, Build, Val};
use super::config::{self, Arg, Call, Fields, MODELS, Model, Source, Spec, whole};
use super::layers::{self, Class, Given};
use crate::FormatError;

/// Most calls of layers, those in models that are called again and again included.
const MAX_CALLS: usize = 1 << 16;

/// Where a model is in the models around it.
#[derive(Debug, Clone, Default)]
struct Place {
    /// Names of the models around the layers, outermost first; none for the whole.
    path: Vec<String>,
    /// Where the newer layout has its layers, `layers/sequential`; empty for the whole.
    group: String,
    /// Whether this is called several times.
    again: bool,
}

/// All layers that are not known, in one error.
pub(super) fn known(model: &Model<'_>) -> Result<(), KerasFault> {
    let (mut unknown, mut code) = (Vec::new(), Vec::new());
    look(model, &mut unknown, &mut code)?;
    if !code.is_empty() {
        return Err(KerasFault::Code { layers: code });
    }
    if !unknown.is_empty() {
        return Err(KerasFault::UnknownLayers { layers: unknown });
    }
    Ok(())
}

fn look(
    model: &Model<'_>,
    unknown: &mut Vec<(String, String)>,
    code: &mut Vec<String>,
) -> Result<(), KerasFault> {
    for spec in &model.layers {
        if MODELS.contains(&spec.class) {
            look(&config::model(spec.config.map)?, unknown, code)?;
        } else if Class::is_code(spec) {
            code.push(spec.name.to_owned());
        } else if Class::of(spec).is_none() {
            let function = spec.config.text("function").map(|f| format!("{} {f}", spec.class));
            let class = function.unwrap_or_else(|| spec.class.to_owned());
            unknown.push((spec.name.to_owned(), class));
        }
    }
    Ok(())
}

/// Turns models into layers.
pub(super) struct Run {
    pub(super) b: Build,
    calls: usize,
}

impl Run {
    pub(super) fn new(b: Build) -> Self {
        Self { b, calls: 0 }
    }

    /// Adds the whole; its output.
    pub(super) fn whole(&mut self, model: &Model<'_>) -> Result<Val, FormatError> {
        let all = self.model(model, &Place::default(), None)?;
        let [output] = *all else {
            return Err(ends(model.name, "output_layers", "one output", all.len()).into());
        };
        let name = self.b.graph.layer(output.id).name.clone();
        self.b.graph.set_outputs(&[&name])?;
        Ok(output)
    }

    /// Adds the layers of a model; its outputs. Without values for its inputs it is the whole.
    fn model(
        &mut self,
        model: &Model<'_>,
        place: &Place,
        inputs: Option<&[Val]>,
    ) -> Result<Box<[Val]>, FormatError> {
        let groups = groups(model, &place.group);
        match &model.ends {
            None => Ok(Box::new([self.chain(model, place, &groups, inputs)?])),
            Some([first, last]) => self.functional(model, place, &groups, inputs, first, last),
        }
    }

    fn chain(
        &mut self,
        model: &Model<'_>,
        place: &Place,
        groups: &[String],
        inputs: Option<&[Val]>,
    ) -> Result<Val, FormatError> {
        let mut here = match inputs {
            Some([one]) => Some(*one),
            Some(all) => return Err(ends(model.name, "inputs", "one input", all.len()).into()),
            None => None,
        };
        for (spec, group) in model.layers.iter().zip(groups) {
            let input = Class::of(spec) == Some(Class::Input);
            if here.is_none() {
                let name = if input { spec.name } else { "input" };
                let shape = shape_field(&spec.config).or(model.built);
                let shape = shape.ok_or_else(|| {
                    spec.config.fault("batch_shape", "the shape of the input (a built model)")
                })?;
                here = Some(self.input(&spec.config, name, shape)?);
            }
            if input {
                continue;
            }
            if let Some(x) = here {
                here = Some(self.call(spec, place, group, &[Given::Value(x)], 1, 0)?);
            }
        }
        here.ok_or_else(|| ends(model.name, "layers", "at least one layer", 0).into())
    }

    fn functional<'j>(
        &mut self,
        model: &'j Model<'j>,
        place: &Place,
        groups: &[String],
        inputs: Option<&[Val]>,
        first: &[Source<'j>],
        last: &[Source<'j>],
    ) -> Result<Box<[Val]>, FormatError> {
        let mut made: BTreeMap<Source<'j>, Val> = BTreeMap::new();
        match inputs {
            Some(values) if values.len() == first.len() => {
                made.extend(first.iter().copied().zip(values.iter().copied()));
            }
            None if first.len() == 1 => {
                let source = first[0];
                let spec = model.layers.iter().find(|s| s.name == source.layer);
                let shape = spec.and_then(|s| shape_field(&s.config)).zip(spec);
                let Some((shape, spec)) = shape else {
                    return Err(ends(source.layer, "batch_shape", "a shape", 0).into());
                };
                made.insert(source, self.input(&spec.config, spec.name, shape)?);
            }
            Some(_) | None => {
                return Err(ends(model.name, "input_layers", "one input", first.len()).into());
            }
        }
        for (layer, call) in order(model, &made)? {
            let spec = &model.layers[layer];
            let source = Source { layer: spec.name, call };
            let mut given = Vec::new();
            for arg in &spec.calls[call].args {
                let value = || match arg {
                    Arg::From(source) => made.get(source).copied(),
                    Arg::Number(_) => None,
                };
                given.extend(Given::of(arg, value));
            }
            let value = self.call(spec, place, &groups[layer], &given, spec.calls.len(), call)?;
            made.insert(source, value);
        }
        let value = |s: &Source<'_>| made.get(s).copied();
        let all: Option<Box<[Val]>> = last.iter().map(value).collect();
        all.ok_or_else(|| {
            let layers = last.iter().map(|s| s.layer.to_owned()).collect();
            KerasFault::Circle { layers }.into()
        })
    }

    /// One call of a layer or of a model.
    fn call(
        &mut self,
        spec: &Spec<'_>,
        place: &Place,
        group: &str,
        given: &[Given],
        calls: usize,
        call: usize,
    ) -> Result<Val, FormatError> {
        self.calls += 1;
        if self.calls > MAX_CALLS {
            return Err(KerasFault::TooManyLayers { limit: MAX_CALLS }.into());
        }
        let mut path = place.path.clone();
        path.push(spec.name.to_owned());
        let again = place.again || calls > 1;
        if MODELS.contains(&spec.class) {
            let inner = config::model(spec.config.map)?;
            let mut values = Vec::new();
            for one in given {
                if let Given::Value(value) = one {
                    values.push(*value);
                }
            }
            let place = Place { path, group: group.to_owned(), again };
            let all = self.model(&inner, &place, Some(&values))?;
            return match *all {
                [one] => Ok(one),
                _ => Err(ends(spec.name, "output_layers", "one output", all.len()).into()),
            };
        }
        let class = Class::of(spec).ok_or_else(|| KerasFault::UnknownLayers {
            layers: vec![(spec.name.to_owned(), spec.class.to_owned())],
        })?;
        let wanted = if call == 0 { spec.name.to_owned() } else { format!("{}.{call}", spec.name) };
        let name = self.b.free_name(&wanted, &path);
        let at = At { spec, name, path, group: group.to_owned(), again };
        layers::add(&mut self.b, &at, class, given)
    }

    /// The input of the whole, `[C, H, W]` or `[N]`.
    fn input(
        &mut self,
        config: &Fields<'_>,
        name: &str,
        shape: &Value,
    ) -> Result<Val, FormatError> {
        let fault = || config.fault("batch_shape", "a shape `[null, H, W, C]` or `[null, N]`");
        let all = shape.as_array().ok_or_else(fault)?;
        let extents: Vec<Option<usize>> = all.iter().map(whole).collect();
        let shape = match *extents.as_slice() {
            [_, h, w, Some(c)] => {
                if h.is_none() || w.is_none() {
                    self.b.notes.push(format!(
                        "the file leaves the size of pictures open; {} pixels are taken",
                        self.b.usual
                    ));
                }
                vec![c, h.unwrap_or(self.b.usual), w.unwrap_or(self.b.usual)]
            }
            [_, Some(n)] => vec![n],
            _ => return Err(fault().into()),
        };
        let name = self.b.free_name(name, &[]);
        self.b.push(&name, Op::Input { shape: Shape::new(shape) }, &[])
    }
}

/// The shape of an input, with the batch, under the names it has had.
fn shape_field<'j>(config: &Fields<'j>) -> Option<&'j Value> {
    ["batch_shape", "batch_input_shape"].into_iter().find_map(|field| config.get(field))
}

fn ends(layer: &str, field: &str, wanted: &'static str, got: usize) -> KerasFault {
    KerasFault::Field {
        layer: layer.to_owned(),
        field: field.to_owned(),
        wanted,
        got: got.to_string(),
    }
}

/// Where the newer layout has each layer: it counts the layers of each class.
fn groups(model: &Model<'_>, group: &str) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let slash = if group.is_empty() { "" } else { "/" };
    let mut all = Vec::with_capacity(model.layers.len());
    for spec in &model.layers {
        let class = snake(spec.class);
        let n = counts.entry(class.clone()).or_insert(0);
        let number = if *n == 0 { String::new() } else { format!("_{n}") };
        *n += 1;
        all.push(format!("{group}{slash}layers/{class}{number}"));
    }
    all
}

/// Keras's way from `SeparableConv2D` to `separable_conv2d`.
fn snake(class: &str) -> String {
    let letters: Vec<char> = class.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect();
    let mut snake = String::new();
    for (n, c) in letters.iter().enumerate() {
        let before = n.checked_sub(1).and_then(|n| letters.get(n));
        let next = letters.get(n + 1);
        // Before a capital with a small letter behind it, and between a small letter and a capital.
        let begins = c.is_ascii_uppercase()
            && (next.is_some_and(char::is_ascii_lowercase)
                || before.is_some_and(char::is_ascii_lowercase));
        if begins && before.is_some_and(|b| *b != '_') {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

/// Calls in an order in which each has its inputs: layer and call.
fn order<'j>(
    model: &'j Model<'j>,
    made: &BTreeMap<Source<'j>, Val>,
) -> Result<Vec<(usize, usize)>, KerasFault> {
    let mut waits: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut users: BTreeMap<Source<'j>, Vec<(usize, usize)>> = BTreeMap::new();
    let mut ready = BTreeSet::new();
    for (layer, spec) in model.layers.iter().enumerate() {
        for (call, Call { args }) in spec.calls.iter().enumerate() {
            // An input that is given needs no call.
            if made.contains_key(&Source { layer: spec.name, call }) {
                continue;
            }
            let mut sources: Vec<Source<'j>> = Vec::new();
            for arg in args {
                if let Arg::From(source) = arg
                    && !made.contains_key(source)
                {
                    sources.push(*source);
                }
            }
            sources.sort_unstable();
            sources.dedup();
            if sources.is_empty() {
                ready.insert((layer, call));
            } else {
                waits.insert((layer, call), sources.len());
            }
            for source in sources {
                users.entry(source).or_default().push((layer, call));
            }
        }
    }
    let mut order = Vec::new();
    while let Some(next) = ready.pop_first() {
        order.push(next);
        let source = Source { layer: model.layers[next.0].name, call: next.1 };
        for user in users.remove(&source).unwrap_or_default() {
            if let Some(left) = waits.get_mut(&user) {
                *left -= 1;
                if *left == 0 {
                    waits.remove(&user);
                    ready.insert(user);
                }
            }
        }
    }
    if waits.is_empty() {
        return Ok(order);
    }
    let names = waits.keys().filter_map(|(layer, _)| model.layers.get(*layer));
    Err(KerasFault::Circle { layers: names.take(20).map(|s| s.name.to_owned()).collect() })
}

#[cfg(test)]
mod tests {
    use super::snake;

    #[test]
    fn classes_are_called_as_keras_calls_their_groups() {
        let pairs = [
            ("Conv2D", "conv2d"),
            ("SeparableConv2D", "separable_conv2d"),
            ("BatchNormalization", "batch_normalization"),
            ("ReLU", "re_lu"),
            ("PReLU", "p_re_lu"),
            ("ZeroPadding2D", "zero_padding2d"),
            ("GlobalAveragePooling2D", "global_average_pooling2d"),
            ("ELU", "elu"),
            ("LeakyReLU", "leaky_re_lu"),
            ("DepthwiseConv2D", "depthwise_conv2d"),
            ("LayerScale", "layer_scale"),
        ];
        for (class, group) in pairs {
            assert_eq!(snake(class), group);
        }
    }
}
