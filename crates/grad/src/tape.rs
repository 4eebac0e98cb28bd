use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;
use regraft_kernels::{
    Aligned, Clamp, Conv, ConvInput, Depthwise, Each, Isa, Kind, Map, Slice, SliceMut, Team,
    Winograd, accumulate, copy_channels, from_chw, lrn, mask, norm_forward, norm_stats, softmax,
    to_chw,
};
use regraft_net::{NetError, Network, Params};
use regraft_tensor::{Shape, Tensor};

use crate::GradError;
use crate::buffers::Buffers;
use crate::build::{Built, build};
use crate::stretches::stretches;
use crate::unit::{ConvUnit, Forward, NormUnit, Packed, Unit, Value, Work};

/// How far a running statistic moves towards that of a batch, PyTorch's default.
const MOMENTUM: f64 = 0.1;

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
    input_shape: Shape,
    output_shape: Shape,
    pub(crate) input_gradient: bool,
}

impl Tape {
    /// Compiles `network`, which has one input and one output, for batches of up to `room` examples.
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
        let Built { units, values, output } = build(network, tuning)?;
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
            names.push(format!("{}.weight", unit.layer));
            let bias = match &unit.work {
                Work::Conv(conv) => conv.bias,
                Work::Norm(_) => true,
                Work::Input
                | Work::Clamp
                | Work::MaxPool(_)
                | Work::AvgPool { .. }
                | Work::Lrn { .. }
                | Work::Add
                | Work::Concat
                | Work::Flatten
                | Work::Softmax
                | Work::Dropout { .. } => false,
            };
            if bias {
                names.push(format!("{}.bias", unit.layer));
            }
        }
        names
    }

    /// The most bytes that values and gradients took so far; each example of the room takes the same.
    pub fn peak_bytes(&self) -> usize {
        self.buffers.peak()
    }

    /// Bytes of packed weights.
    pub fn packed_bytes(&self) -> usize {
        let bytes = |unit: &Unit| match &unit.work {
            Work::Conv(conv) => conv.packed.as_ref().map_or(0, Packed::bytes),
            Work::Input
            | Work::Norm(_)
            | Work::Clamp
            | Work::MaxPool(_)
            | Work::AvgPool { .. }
            | Work::Lrn { .. }
            | Work::Add
            | Work::Concat
            | Work::Flatten
            | Work::Softmax
            | Work::Dropout { .. } => 0,
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
    fn pack(&mut self, which: impl Fn(&Unit) -> bool + Sync) -> Result<(), GradError> {
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
        } else if Winograd::fits(&spec, &output.map) {
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
    fn affine(&self, layer: &str, eps: f32) -> Result<(Vec<f32>, Vec<f32>), GradError> {
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

    /// Runs a batch `[N, …]` of examples in the input's shape and gives the output, `[N, …]`. What
    /// backward needs is kept until the next batch. `seed` draws what dropout drops.
    ///
    /// # Errors
    /// When the batch does not fit the network's input or the tape's room.
    pub fn forward(&mut self, batch: &Tensor, seed: u64) -> Result<Tensor, GradError> {
        let dims = batch.shape().dims();
        if dims.len() != self.input_shape.len() + 1 || dims[1..] != *self.input_shape.dims() {
            let (wanted, got) = (self.input_shape.clone(), batch.shape().clone());
            return Err(GradError::Batch { wanted, got });
        }
        if batch.rows() > self.room || batch.rows() == 0 {
            return Err(GradError::Room { room: self.room, got: batch.rows() });
        }
        (self.images, self.seed) = (batch.rows(), seed);
        self.pack(|unit| unit.tuned)?;
        let mut units = std::mem::take(&mut self.units);
        let last = self.stretches.len() - 1;
        let run: Result<(), GradError> = (0..=last).try_for_each(|at| {
            let stretch = self.stretches[at].clone();
            units[stretch.clone()].iter_mut().try_for_each(|unit| self.step(unit, Some(batch)))?;
            if at < last {
                self.forget(stretch.start..stretch.end - 1);
            }
            Ok(())
        });
        self.units = units;
        run?;
        let mut dims = vec![self.images];
        dims.extend_from_slice(self.output_shape.dims());
        let mut out = Tensor::zeros(dims);
        let map = self.values[self.output].map;
        let data = &self.data[self.output].as_slice()[..self.images * map.len()];
        let len = out.row_len();
        let rows = data.chunks_exact(map.len()).zip(out.data_mut().chunks_exact_mut(len));
        rows.for_each(|(x, y)| to_chw(Slice::F32(x), &map, y));
        Ok(out)
    }

    /// Runs a unit on the batch; once more, on the way back, without one.
    pub(crate) fn step(
        &mut self,
        unit: &mut Unit,
        batch: Option<&Tensor>,
    ) -> Result<(), GradError> {
        let n = self.images;
        let mut out = std::mem::replace(&mut self.data[unit.output], Aligned::zeros(0));
        let map = self.values[unit.output].map;
        if out.as_slice().is_empty() {
            out = self.buffers.block(self.room * map.len());
        }
        let y = &mut out.as_mut_slice()[..n * map.len()];
        let input = |i: usize| {
            let map = &self.values[unit.inputs[i]].map;
            (&self.data[unit.inputs[i]].as_slice()[..n * map.len()], map)
        };
        let on = (self.isa, team());
        match &mut unit.work {
            Work::Input => {
                let Some(batch) = batch else { return Ok(()) };
                let len = batch.row_len();
                let images =
                    y.par_chunks_exact_mut(map.len()).zip(batch.data().par_chunks_exact(len));
                images.for_each(|(y, x)| from_chw(x, &map, SliceMut::F32(y)));
            }
            Work::Conv(conv) => {
                if let Some(packed) = &conv.packed {
                    convolve(&packed.forward, n, input(0), (y, &map));
                }
            }
            Work::Norm(norm) => {
                let x = input(0);
                // The second time its factors are there, and the running statistics moved.
                let update = if batch.is_some() { self.norm(&unit.layer, norm, x)? } else { None };
                norm_forward(on, n, (&norm.scale, &norm.shift, unit.clamp), x, (y, &map));
                if let Some([mean, var]) = update {
                    self.running(&unit.layer, &mean, &var);
                }
            }
            Work::Clamp => {
                let (scale, shift) = (vec![1.0; map.stride], vec![0.0; map.stride]);
                norm_forward(on, n, (&scale, &shift, unit.clamp), input(0), (y, &map));
            }
            Work::MaxPool(pool) => each(n, input(0), (y, &map), |(x, from), y| {
                pool.max((self.isa, Team::ALONE), Slice::F32(x), from, SliceMut::F32(y), &map);
            }),
            Work::AvgPool { pool, count_pad } => each(n, input(0), (y, &map), |(x, from), y| {
                let on = (self.isa, Team::ALONE);
                pool.mean(on, *count_pad, Slice::F32(x), from, SliceMut::F32(y), &map);
            }),
            Work::Lrn { size, constants } => each(n, input(0), (y, &map), |(x, from), y| {
                lrn(*size, *constants, Slice::F32(x), from, SliceMut::F32(y), &map);
            }),
            Work::Add => {
                for i in 0..unit.inputs.len() {
                    accumulate(on, n, i > 0, input(i), (&mut *y, &map));
                }
                if unit.clamp != Clamp::NONE {
                    clamp(unit.clamp, y);
                }
            }
            Work::Concat => {
                let mut first = 0;
                for i in 0..unit.inputs.len() {
                    each(n, input(i), (&mut *y, &map), |(x, from), y| {
                        copy_channels(Slice::F32(x), from, SliceMut::F32(y), &map, first);
                    });
                    first += input(i).1.channels;
                }
            }
            Work::Flatten => each(n, input(0), (y, &map), |(x, from), y| {
                to_chw(Slice::F32(x), from, &mut y[..map.channels]);
            }),
            Work::Softmax => each(n, input(0), (y, &map), |(x, from), y| {
                softmax(Slice::F32(x), from, SliceMut::F32(y), &map);
            }),
            Work::Dropout { rate } => {
                accumulate(on, n, false, input(0), (&mut *y, &map));
                drop_out(*rate, self.seed, &unit.layer, y);
            }
        }
        self.data[unit.output] = out;
        Ok(())
    }

    /// Sets a norm's factors for this batch; in batch mode gives mean and unbiased variance.
    fn norm(
        &self,
        layer: &str,
        norm: &mut NormUnit,
        x: (&[f32], &Map),
    ) -> Result<Option<[Vec<f32>; 2]>, GradError> {
        let lanes = x.1.channels.next_multiple_of(regraft_kernels::LANES);
        if !norm.batch {
            (norm.scale, norm.shift) = self.affine(layer, norm.eps)?;
            norm.scale.resize(lanes, 0.0);
            norm.shift.resize(lanes, 0.0);
            return Ok(None);
        }
        norm.stats = norm_stats((self.isa, team()), self.images, x);
        let (weight, bias) =
            (self.param(&format!("{layer}.weight"))?, self.param(&format!("{layer}.bias"))?);
        let eps = f64::from(norm.eps);
        let inverse = |v: &f32| (1.0 / (f64::from(*v) + eps).sqrt()) as f32;
        norm.inverse = norm.stats.var.iter().map(inverse).collect();
        (norm.scale, norm.shift) = (vec![0.0; lanes], vec![0.0; lanes]);
        for (i, (w, b)) in weight.iter().zip(bias).enumerate() {
            norm.scale[i] = w * norm.inverse[i];
            norm.shift[i] = b - norm.stats.mean[i] * norm.scale[i];
        }
        let count = (self.images * x.1.pixels()) as f64;
        let unbiased = (count / (count - 1.0).max(1.0)) as f32;
        let var = norm.stats.var.iter().map(|v| v * unbiased).collect();
        Ok(Some([norm.stats.mean.clone(), var]))
    }

    /// Moves the running statistics towards those of a batch.
    fn running(&mut self, layer: &str, mean: &[f32], var: &[f32]) {
        for (role, now) in [("running_mean", mean), ("running_var", var)] {
            for (running, now) in
                self.param_mut(&format!("{layer}.{role}")).into_iter().flatten().zip(now)
            {
                let (old, new) = (f64::from(*running), f64::from(*now));
                *running = (old + MOMENTUM * (new - old)) as f32;
            }
        }
    }

    /// The first layer whose value in the last batch is not finite throughout.
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

fn convolve(
    forward: &Forward,
    n: usize,
    (x, input): (&[f32], &Map),
    (y, output): (&mut [f32], &Map),
) {
    // Threads take whole images; a few images, or single pixels, are shared.
    let team = team();
    let one = |team: Team<'_>, x: &[f32], input: &Map, y: &mut [f32], output: &Map| match forward {
        Forward::Conv(conv) => {
            conv.run(team, Slice::F32(x), input, SliceMut::F32(y), output, None);
        }
        Forward::Winograd(conv) => conv.run(team, x, input, y, output, None),
        Forward::Depthwise(conv) => {
            conv.run(team, Slice::F32(x), input, SliceMut::F32(y), output);
        }
    };
    if let (Some(input), Some(output)) = (as_rows(input, n), as_rows(output, n)) {
        one(team, x, &input, y, &output);
    } else if n < rayon::current_num_threads() {
        for (x, y) in x.chunks_exact(input.len()).zip(y.chunks_exact_mut(output.len())) {
            one(team, x, input, y, output);
        }
    } else {
        each(n, (x, input), (y, output), |(x, input), y| one(Team::ALONE, x, input, y, output));
    }
}

/// Zeros of borders and spare channels stay: no activation moves a zero.
fn clamp(clamp: Clamp, y: &mut [f32]) {
    y.par_chunks_mut(1 << 14).for_each(|y| {
        for v in y {
            let x = if *v < clamp.low { clamp.low } else { *v };
            *v = if x > clamp.high { clamp.high } else { x };
        }
    });
}

/// Zeroes a share of the values and makes the others larger by as much (inverted dropout, as in
/// PyTorch). What is dropped is a function of the seed, the unit and the place alone, so that the
/// backward pass drops the same.
pub(crate) fn drop_out(rate: f32, seed: u64, layer: &str, y: &mut [f32]) {
    const CHUNK: usize = 1 << 12;
    let keep = 1.0 / (1.0 - rate);
    let limit = (f64::from(rate) * 2f64.powi(32)) as u64;
    // By the name, so that a layer drops the same values wherever the frontier below it is.
    let name = layer.bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte)));
    let start = mix(seed ^ name);
    y.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, y)| {
        for (i, v) in y.iter_mut().enumerate() {
            let draw = mix(start.wrapping_add((chunk * CHUNK + i) as u64)) >> 32;
            *v = if draw < limit { 0.0 } else { *v * keep };
        }
    });
}

/// `SplitMix64` (Steele et al. 2014).
fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// In place, what of a gradient passes a unit's activation.
pub(crate) fn masked(
    on: (Isa, Team<'_>),
    images: usize,
    clamp: Clamp,
    y: (&[f32], &Map),
    gradient: (&mut [f32], &Map),
) {
    if clamp != Clamp::NONE {
        mask(on, images, clamp, y, gradient);
    }
}
