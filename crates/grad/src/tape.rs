use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;
use regraft_kernels::{
    Aligned, Clamp, Conv, ConvInput, Depthwise, Each, Isa, Kind, Map, Team, Winograd,
};
use regraft_net::{LayerId, NetError, Network, Params};
use regraft_tensor::{Shape, Tensor};

use crate::buffers::Buffers;
use crate::build::{Built, build};
use crate::stretches::stretches;
use crate::unit::{ConvUnit, Forward, Packed, Unit, Value, Work};
use crate::{GradError, ReluRule};

/// What is tuned, by layer name.
#[derive(Clone, Copy)]
pub struct Tuning<'a> {
    /// Whether a layer's learned parameters are tuned. A norm in frozen mode is not, whatever this says.
    pub tuned: &'a dyn Fn(&str) -> bool,
    /// Whether a norm uses the statistics of the batch and moves its running ones; otherwise it is
    /// frozen, statistics and affine.
    pub batch_norm: &'a dyn Fn(&str) -> bool,
    /// Whether the gradient of the input is wanted.
    pub input_gradient: bool,
    /// Whether values are made again on the way back instead of kept: less memory, more time, the same
    /// bits.
    pub recompute: bool,
}

impl std::fmt::Debug for Tuning<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tuning")
            .field("input_gradient", &self.input_gradient)
            .field("recompute", &self.recompute)
            .finish_non_exhaustive()
    }
}

/// Gradients of one batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gradients {
    /// Of each tuned parameter, by its name, in its own shape.
    pub params: BTreeMap<String, Tensor>,
    /// Of the input, `[N, …]`, where it was asked for.
    pub input: Option<Tensor>,
    /// Of what the tapped layer gave, `[N, …]`, where there is one and it feeds the output.
    pub tap: Option<Tensor>,
}

/// A network compiled for training.
pub struct Tape {
    pub(crate) isa: Isa,
    pub(crate) units: Vec<Unit>,
    pub(crate) values: Vec<Value>,
    /// Values of the last batch; empty where they are not kept.
    pub(crate) data: Vec<Aligned>,
    /// Units that are run again on the way back, without those of the last value of each; one stretch
    /// with everything when all is kept.
    pub(crate) stretches: Vec<Range<usize>>,
    pub(crate) output: usize,
    pub(crate) buffers: Buffers,
    pub(crate) room: usize,
    /// Examples of the last batch.
    pub(crate) images: usize,
    pub(crate) seed: u64,
    params: Params,
    pub(crate) input_shape: Shape,
    pub(crate) output_shape: Shape,
    pub(crate) input_gradient: bool,
    /// Of the pass back under way.
    pub(crate) rule: ReluRule,
    /// The value that a tapped layer gives.
    pub(crate) tap: Option<usize>,
    /// Whether anything is tuned.
    training: bool,
}

impl Tape {
    /// Compiles `network`, which has one input and one output, for batches of up to `room` examples. Where nothing is
    /// tuned it runs as when it answers: dropout drops nothing.
    ///
    /// # Errors
    /// When the network is not of that kind, or nothing in it is tuned and the input's gradient is not
    /// wanted either.
    pub fn new(network: &Network, room: usize, tuning: &Tuning<'_>) -> Result<Self, GradError> {
        Self::with_isa(network, room, tuning, Isa::detect())
    }

    /// The same for an instruction set, which the machine must have.
    ///
    /// # Errors
    /// As [`Tape::new`].
    pub fn with_isa(
        network: &Network,
        room: usize,
        tuning: &Tuning<'_>,
        isa: Isa,
    ) -> Result<Self, GradError> {
        Self::build(network, room, tuning, isa, None)
    }

    /// The same with a tapped layer, whose value stands alone and is kept.
    pub(crate) fn build(
        network: &Network,
        room: usize,
        tuning: &Tuning<'_>,
        isa: Isa,
        tap: Option<LayerId>,
    ) -> Result<Self, GradError> {
        let Built { units, values, output, tap, training } = build(network, tuning, tap)?;
        if !values[output].wanted {
            return Err(GradError::NothingTuned);
        }
        let everything = || std::iter::once(0..units.len()).collect();
        let stretches = if tuning.recompute { stretches(&units, &values) } else { everything() };
        let data = values.iter().map(|_| Aligned::zeros(0)).collect();
        let facts = network.facts()?;
        let graph = network.graph();
        let mut tape = Self {
            isa,
            units,
            values,
            data,
            stretches,
            output,
            buffers: Buffers::default(),
            room,
            images: 0,
            seed: 0,
            params: network.params().clone(),
            input_shape: facts.layer(graph.input()?).shape.clone(),
            output_shape: facts.layer(graph.output()?).shape.clone(),
            input_gradient: tuning.input_gradient,
            rule: ReluRule::Gradient,
            tap,
            training,
        };
        tape.pack(|_| true)?;
        Ok(tape)
    }

    /// All parameters as they are now, tuned or not.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The values of a tuned parameter or running statistic, to write. `None` for a name that the
    /// network does not have.
    pub fn param_mut(&mut self, name: &str) -> Option<&mut [f32]> {
        self.params.get_mut(name).map(Tensor::data_mut)
    }

    /// Names of the tuned parameters, in the order of the layers.
    pub fn tuned(&self) -> Vec<String> {
        let mut names = Vec::new();
        for unit in self.units.iter().filter(|u| u.tuned) {
            names.extend(unit.work.roles().iter().map(|role| format!("{}.{role}", unit.layer)));
        }
        names
    }

    /// The most bytes that values and gradients took so far; each example of the room takes the same.
    pub fn peak_bytes(&self) -> usize {
        self.buffers.peak()
    }

    /// Bytes of packed weights.
    pub fn packed_bytes(&self) -> usize {
        let bytes = |unit: &Unit| {
            let Work::Conv(conv) = &unit.work else { return 0 };
            conv.packed.as_ref().map_or(0, Packed::bytes)
        };
        self.units.iter().map(bytes).sum()
    }

    /// Lets go of the values that the units of a stretch made.
    pub(crate) fn forget(&mut self, units: Range<usize>) {
        for value in units {
            let gone = std::mem::replace(&mut self.data[value], Aligned::zeros(0));
            self.buffers.release(gone);
        }
    }

    pub(crate) fn param(&self, name: &str) -> Result<&[f32], GradError> {
        let missing = || NetError::MissingParams { names: vec![name.to_owned()], near: vec![] };
        Ok(self.params.get(name).ok_or_else(missing)?.data())
    }

    /// Packs the weights of the units that `which` names.
    pub(crate) fn pack(&mut self, which: impl Fn(&Unit) -> bool + Sync) -> Result<(), GradError> {
        let mut units = std::mem::take(&mut self.units);
        let packed = units.par_iter_mut().filter(|u| which(u)).try_for_each(|unit| {
            let wanted = unit.inputs.first().is_some_and(|i| self.values[*i].wanted);
            let maps = unit.inputs.first().map(|i| (&self.values[*i], &self.values[unit.output]));
            if let (Work::Conv(conv), Some((input, output))) = (&mut unit.work, maps) {
                let packed = self.packed(conv, &unit.layer, unit.clamp, input, output, wanted)?;
                conv.packed = Some(packed);
            }
            Ok(())
        });
        self.units = units;
        packed
    }

    fn packed(
        &self,
        conv: &ConvUnit,
        layer: &str,
        clamp: Clamp,
        input: &Value,
        output: &Value,
        wanted: bool,
    ) -> Result<Packed, GradError> {
        let (isa, spec) = (self.isa, conv.spec);
        let weight = self.param(&format!("{layer}.weight"))?;
        let mut bias = vec![0.0; spec.output];
        if conv.bias {
            bias.copy_from_slice(self.param(&format!("{layer}.bias"))?);
        }
        let mut scale = vec![1.0; spec.output];
        if let Some((norm, eps)) = &conv.norm {
            let shift;
            (scale, shift) = self.affine(norm, *eps)?;
            for ((b, s), t) in bias.iter_mut().zip(&scale).zip(shift) {
                *b = *b * s + t;
            }
        }
        let forward = if spec.groups > 1 && Depthwise::fits(&spec) {
            Forward::Depthwise(Depthwise::new(isa, spec, weight, &scale, &bias, clamp))
        } else if self.training && Winograd::fits(&spec, &output.map) {
            // Its rounding turns a ReLU here and there, which shows in the signal of a single pixel.
            Forward::Winograd(Winograd::new(isa, spec, weight, &scale, &bias, clamp))
        } else {
            let from = (&input.map, Kind::F32);
            Forward::Conv(Conv::new(isa, spec, from, weight, &scale, &bias, clamp))
        };
        let input = wanted
            .then(|| ConvInput::new(isa, spec, &input.gradient, &output.gradient, weight, &scale));
        Ok(Packed { forward, input, scale })
    }

    /// A norm by its running statistics, as `x * scale + shift`.
    pub(crate) fn affine(&self, layer: &str, eps: f32) -> Result<(Vec<f32>, Vec<f32>), GradError> {
        let param = |role: &str| self.param(&format!("{layer}.{role}"));
        let (weight, bias) = (param("weight")?, param("bias")?);
        let (mean, var) = (param("running_mean")?, param("running_var")?);
        let (mut scale, mut shift) = (Vec::new(), Vec::new());
        for (((w, b), m), v) in weight.iter().zip(bias).zip(mean).zip(var) {
            let s = f64::from(*w) / (f64::from(*v) + f64::from(eps)).sqrt();
            scale.push(s as f32);
            shift.push((f64::from(*b) - f64::from(*m) * s) as f32);
        }
        Ok((scale, shift))
    }

    /// The first layer whose value in the last batch is not finite throughout, of those kept.
    pub fn first_not_finite(&self) -> Option<&str> {
        let kept = |i: &usize| !self.data[*i].as_slice().is_empty();
        let bad = |i: &usize| kept(i) && self.value(*i).0.iter().any(|v| !v.is_finite());
        (0..self.values.len()).find(bad).map(|i| self.values[i].name.as_str())
    }

    pub(crate) fn shapes(&self) -> (Shape, Shape) {
        let of = |shape: &Shape| {
            let mut dims = vec![self.images];
            dims.extend_from_slice(shape.dims());
            Shape::new(dims)
        };
        (of(&self.input_shape), of(&self.output_shape))
    }

    /// The value of the last batch at `value`.
    pub(crate) fn value(&self, value: usize) -> (&[f32], &Map) {
        let map = &self.values[value].map;
        (&self.data[value].as_slice()[..self.images * map.len()], map)
    }
}

/// All threads.
pub(crate) fn team() -> Team<'static> {
    const EACH: &Each = &|parts, run| (0..parts).into_par_iter().with_max_len(1).for_each(run);
    Team::new(rayon::current_num_threads(), EACH)
}

/// A batch of single pixels as one map, in which each example is a row.
pub(crate) fn as_rows(map: &Map, images: usize) -> Option<Map> {
    let alone = map.len() == map.stride;
    alone.then_some(Map { height: images, ..*map })
}

/// Calls `f` with each example's maps, on all threads.
pub(crate) fn each(
    images: usize,
    (x, input): (&[f32], &Map),
    (y, output): (&mut [f32], &Map),
    f: impl Fn((&[f32], &Map), &mut [f32]) + Sync,
) {
    debug_assert_eq!(y.len(), images * output.len(), "values fill their maps");
    let x = x.par_chunks_exact(input.len());
    y.par_chunks_exact_mut(output.len()).zip(x).for_each(|(y, x)| f((x, input), y));
}
