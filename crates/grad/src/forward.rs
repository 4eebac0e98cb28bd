//! The way forth.

use rayon::prelude::*;
use regraft_kernels::{
    Aligned, Clamp, Isa, Map, Slice, SliceMut, Team, accumulate, copy_channels, from_chw, lrn,
    mask, norm_forward, norm_stats, softmax, to_chw,
};
use regraft_tensor::Tensor;

use crate::tape::{as_rows, each, team};
use crate::unit::{Forward, NormUnit, Unit, Work};
use crate::{GradError, Tape};

/// How far a running statistic moves towards that of a batch, PyTorch's default.
const MOMENTUM: f64 = 0.1;

impl Tape {
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
            Work::Plain(plain) => self.plain((&unit.layer, &unit.inputs), plain, (y, &map))?,
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
