//! The way back.

use std::collections::BTreeMap;

use rayon::prelude::*;
use regraft_kernels::{
    Clamp, ConvWeight, Depthwise, Slice, SliceMut, Team, accumulate, channel_sums, concat_backward,
    depthwise_weight, from_chw, lrn_backward, norm_backward, scale_channels, softmax_backward,
    to_chw,
};
use regraft_tensor::Tensor;

use crate::buffers::Gradient;
use crate::forward::{drop_out, masked};
use crate::rule::redirected;
use crate::tape::{as_rows, team};
use crate::unit::{ConvUnit, NormUnit, Packed, Unit, Work};
use crate::{GradError, Gradients, ReluRule, Tape};

impl Tape {
    /// Gradients of the last batch, from the gradient of its output, `[N, …]`.
    ///
    /// # Errors
    /// When `output` does not fit the last batch's output.
    pub fn backward(&mut self, output: &Tensor) -> Result<Gradients, GradError> {
        self.backward_by(output, ReluRule::Gradient)
    }

    /// The same with another rule for what passes a `ReLU`: then they are signals and no gradients.
    ///
    /// # Errors
    /// As [`Tape::backward`]; [`GradError::NoRule`] for a network that the rule is not defined for.
    pub fn backward_by(&mut self, output: &Tensor, rule: ReluRule) -> Result<Gradients, GradError> {
        self.check_rule(rule)?;
        self.rule = rule;
        let (input_shape, wanted) = self.shapes();
        if *output.shape() != wanted {
            return Err(GradError::OutputGradient { wanted, got: output.shape().clone() });
        }
        let n = self.images;
        let mut all = Gradients::default();
        let mut gradients: Vec<Option<Gradient>> = vec![None; self.values.len()];
        let map = self.values[self.output].gradient;
        let mut last = self.buffers.take(&map, self.room);
        if let Some((data, map)) = last.own(n) {
            for (to, from) in
                data.chunks_exact_mut(map.len()).zip(output.data().chunks_exact(output.row_len()))
            {
                from_chw(from, map, SliceMut::F32(to));
            }
        }
        gradients[self.output] = Some(last);
        let mut units = std::mem::take(&mut self.units);
        let last = self.stretches.len() - 1;
        let done: Result<(), GradError> = (0..=last).rev().try_for_each(|at| {
            let stretch = self.stretches[at].clone();
            if !units[stretch.clone()].iter().any(|unit| self.values[unit.output].wanted) {
                return Ok(());
            }
            if at < last {
                let again = &mut units[stretch.start..stretch.end - 1];
                again.iter_mut().try_for_each(|unit| self.step(unit, None))?;
            }
            for unit in units[stretch.clone()].iter().rev() {
                match gradients[unit.output].take() {
                    Some(dy) if self.values[unit.output].wanted => {
                        if self.tap == Some(unit.output) {
                            all.tap = self.arrived(&dy);
                        }
                        self.unit(unit, dy, &mut gradients, &mut all)?;
                    }
                    Some(dy) => self.buffers.give(dy),
                    None => {}
                }
            }
            if last > 0 {
                self.forget(stretch);
                self.buffers.clear();
            }
            Ok(())
        });
        self.units = units;
        done?;
        if let Some(input) = &mut all.input {
            *input = std::mem::replace(input, Tensor::zeros([0]))
                .reshaped(input_shape.clone())
                .map_err(|_| GradError::OutputGradient {
                    wanted: input_shape,
                    got: output.shape().clone(),
                })?;
        }
        Ok(all)
    }

    /// The way back through one unit.
    #[expect(clippy::too_many_lines, reason = "a list: one short arm for each kind of work")]
    fn unit(
        &mut self,
        unit: &Unit,
        dy: Gradient,
        gradients: &mut [Option<Gradient>],
        all: &mut Gradients,
    ) -> Result<(), GradError> {
        let n = self.images;
        match &unit.work {
            Work::Input => {
                if self.input_gradient {
                    let (data, map) = dy.of(n);
                    let len = map.channels * map.pixels();
                    let mut out = vec![0.0; n * len];
                    for (from, to) in data.chunks_exact(map.len()).zip(out.chunks_exact_mut(len)) {
                        to_chw(Slice::F32(from), map, to);
                    }
                    all.input = Tensor::new([n * len], out).ok();
                }
                self.buffers.give(dy);
            }
            Work::Conv(conv) => {
                let dy = self.passed(unit, dy);
                self.conv(unit, conv, dy, gradients, &mut all.params)?;
            }
            Work::Norm(norm) => {
                let dy = self.passed(unit, dy);
                let dy = self.norm_back(unit, norm, dy, &mut all.params)?;
                self.give(unit.inputs[0], dy, gradients);
            }
            Work::Clamp => {
                let dy = self.passed(unit, dy);
                self.give(unit.inputs[0], dy, gradients);
            }
            Work::Plain(plain) => self.plain_back(unit, plain, dy, gradients, &mut all.params)?,
            Work::MaxPool(pool) => {
                let input = unit.inputs[0];
                let mut dx = self.buffers.take(&self.values[input].gradient, self.room);
                if let Some(dx) = dx.own(n) {
                    let on = (self.isa, team());
                    pool.max_backward(
                        on,
                        n,
                        self.value(input),
                        self.value(unit.output),
                        dy.of(n),
                        dx,
                    );
                }
                self.buffers.give(dy);
                self.give(input, dx, gradients);
            }
            Work::AvgPool { pool, count_pad } => {
                let input = unit.inputs[0];
                let mut dx = self.buffers.take(&self.values[input].gradient, self.room);
                if let Some(dx) = dx.own(n) {
                    pool.mean_backward((self.isa, team()), n, *count_pad, dy.of(n), dx);
                }
                self.buffers.give(dy);
                self.give(input, dx, gradients);
            }
            Work::Lrn { size, constants } => {
                let mut dy = self.alone(dy);
                if let Some(dy) = dy.own(n).filter(|_| self.rule != ReluRule::Deconvnet) {
                    let x = self.value(unit.inputs[0]);
                    lrn_backward(team(), n, (*size, *constants), x, dy);
                }
                self.give(unit.inputs[0], dy, gradients);
            }
            Work::Add => {
                let dy = self.passed(unit, dy);
                for input in &unit.inputs {
                    if self.values[*input].wanted {
                        self.give(*input, dy.clone(), gradients);
                    }
                }
                self.buffers.give(dy);
            }
            Work::Concat => {
                let mut first = 0;
                for input in &unit.inputs {
                    let mut dx = self.buffers.take(&self.values[*input].gradient, self.room);
                    if let Some(dx) = dx.own(n) {
                        concat_backward(team(), n, first, dy.of(n), dx);
                    }
                    first += self.values[*input].map.channels;
                    self.give(*input, dx, gradients);
                }
                self.buffers.give(dy);
            }
            Work::Flatten => {
                let input = unit.inputs[0];
                let mut dx = self.buffers.take(&self.values[input].gradient, self.room);
                if let Some((dx, map)) = dx.own(n) {
                    let (dy, from) = dy.of(n);
                    let pairs = dx.chunks_exact_mut(map.len()).zip(dy.chunks_exact(from.len()));
                    pairs.for_each(|(dx, dy)| {
                        from_chw(&dy[..from.channels], map, SliceMut::F32(dx));
                    });
                }
                self.buffers.give(dy);
                self.give(input, dx, gradients);
            }
            Work::Softmax => {
                let mut dy = self.alone(dy);
                if let Some(dy) = dy.own(n) {
                    softmax_backward(team(), n, self.value(unit.output), dy);
                }
                self.give(unit.inputs[0], dy, gradients);
            }
            Work::Dropout { rate } => {
                let dy = self.dropped(unit, *rate, dy);
                self.give(unit.inputs[0], dy, gradients);
            }
        }
        Ok(())
    }

    /// What of a gradient passes the unit's activation, in a buffer of its own.
    pub(super) fn passed(&mut self, unit: &Unit, dy: Gradient) -> Gradient {
        if unit.clamp == Clamp::NONE {
            return dy;
        }
        let mut dy = self.alone(dy);
        if let Some((data, map)) = dy.own(self.images)
            && self.rule.masks()
        {
            let on = (self.isa, team());
            let (y, from) = self.value(unit.output);
            let came = (self.rule == ReluRule::Redirected).then(|| data.to_vec());
            masked(on, self.images, unit.clamp, (y, from), (&mut *data, map));
            if let Some(came) = came {
                let examples =
                    data.par_chunks_exact_mut(map.len()).zip(came.par_chunks_exact(map.len()));
                examples.zip(y.par_chunks_exact(from.len())).for_each(|((data, came), y)| {
                    redirected(unit.clamp, (y, from), came, (data, map));
                });
            }
        }
        if let Some(dy) = dy.own(self.images) {
            self.rule.rectify(dy);
        }
        dy
    }

    /// The forward pass drew by place in the value's buffer, whose border may be another.
    fn dropped(&mut self, unit: &Unit, rate: f32, dy: Gradient) -> Gradient {
        let n = self.images;
        let map = self.values[unit.output].map;
        let mut kept = vec![1.0; n * map.len()];
        drop_out(rate, self.seed, &unit.layer, &mut kept);
        let mut dy = self.alone(dy);
        if let Some((dy, to)) = dy.own(n) {
            for (dy, kept) in dy.chunks_exact_mut(to.len()).zip(kept.chunks_exact(map.len())) {
                for row in 0..map.height {
                    let len = map.width * map.stride;
                    let kept = &kept[map.at(row, 0)..][..len];
                    let dy = &mut dy[to.at(row, 0)..][..len];
                    dy.iter_mut().zip(kept).for_each(|(d, k)| *d *= k);
                }
            }
        }
        dy
    }

    /// The gradient in a buffer that nobody shares.
    pub(super) fn alone(&mut self, mut dy: Gradient) -> Gradient {
        if dy.own(self.images).is_some() {
            return dy;
        }
        let mut copy = self.buffers.take(&dy.map, self.room);
        if let Some(copy) = copy.own(self.images) {
            accumulate((self.isa, team()), self.images, false, dy.of(self.images), copy);
        }
        copy
    }

    /// Adds a gradient to those of a value.
    pub(super) fn give(&mut self, value: usize, dy: Gradient, gradients: &mut [Option<Gradient>]) {
        if !self.values[value].wanted {
            return self.buffers.give(dy);
        }
        let Some(there) = gradients[value].take() else {
            gradients[value] = Some(dy);
            return;
        };
        let mut sum = self.alone(there);
        if let Some(sum) = sum.own(self.images) {
            accumulate((self.isa, team()), self.images, true, dy.of(self.images), sum);
        }
        self.buffers.give(dy);
        gradients[value] = Some(sum);
    }

    fn norm_back(
        &mut self,
        unit: &Unit,
        norm: &NormUnit,
        dy: Gradient,
        params: &mut BTreeMap<String, Tensor>,
    ) -> Result<Gradient, GradError> {
        let n = self.images;
        let mut dy = self.alone(dy);
        let on = (self.isa, team());
        if !norm.batch {
            let Some((data, map)) = dy.own(n) else { return Ok(dy) };
            let copy = data.to_vec();
            scale_channels(on.1, n, &norm.scale, (&copy, map), (data, map));
            return Ok(dy);
        }
        let lanes = norm.inverse.len();
        let weight = self.param(&format!("{}.weight", unit.layer))?;
        let mut scale = weight.to_vec();
        scale.resize(lanes, 0.0);
        if let Some(own) = dy.own(n) {
            let x = self.value(unit.inputs[0]);
            let got = norm_backward(on, n, (&norm.stats, &norm.inverse, &scale), x, own);
            if unit.tuned {
                let channels = weight.len();
                for (role, mut values) in [("weight", got.weight), ("bias", got.bias)] {
                    values.truncate(channels);
                    insert(params, format!("{}.{role}", unit.layer), &[channels], values);
                }
            }
        }
        Ok(dy)
    }

    fn conv(
        &mut self,
        unit: &Unit,
        conv: &ConvUnit,
        dy: Gradient,
        gradients: &mut [Option<Gradient>],
        params: &mut BTreeMap<String, Tensor>,
    ) -> Result<(), GradError> {
        let n = self.images;
        let Some(packed) = &conv.packed else { return Ok(()) };
        if unit.tuned {
            self.weights(unit, conv, packed, &dy, params)?;
        }
        let input = unit.inputs[0];
        if let Some(backward) = &packed.input {
            let sum = gradients[input].take();
            let mut dx = self.buffers.take(&self.values[input].gradient, self.room);
            if let Some((dx, to)) = dx.own(n) {
                let (dy, from) = dy.of(n);
                let there = sum.as_ref().map(|s| s.of(n));
                if let (Some(from), Some(to)) = (as_rows(from, n), as_rows(to, n)) {
                    let there = there.and_then(|(data, map)| Some((data, as_rows(map, n)?)));
                    let there = there.as_ref().map(|(data, map)| (*data, map));
                    backward.run(team(), (dy, &from), there, (dx, &to));
                } else {
                    let one = |team: Team<'_>, i: usize, dx: &mut [f32]| {
                        let dy = &dy[i * from.len()..][..from.len()];
                        let there =
                            there.map(|(data, map)| (&data[i * map.len()..][..map.len()], map));
                        backward.run(team, (dy, from), there, (dx, to));
                    };
                    if n < rayon::current_num_threads() {
                        dx.chunks_exact_mut(to.len())
                            .enumerate()
                            .for_each(|(i, dx)| one(team(), i, dx));
                    } else {
                        let images = dx.par_chunks_exact_mut(to.len()).enumerate();
                        images.for_each(|(i, dx)| one(Team::ALONE, i, dx));
                    }
                }
            }
            if let Some(sum) = sum {
                self.buffers.give(sum);
            }
            gradients[input] = Some(dx);
        }
        self.buffers.give(dy);
        Ok(())
    }

    fn weights(
        &self,
        unit: &Unit,
        conv: &ConvUnit,
        packed: &Packed,
        dy: &Gradient,
        params: &mut BTreeMap<String, Tensor>,
    ) -> Result<(), GradError> {
        let n = self.images;
        let name = format!("{}.weight", unit.layer);
        let mut out = vec![0.0; self.param(&name)?.len()];
        let (x, gradient) = (self.value(unit.inputs[0]), dy.of(n));
        if conv.spec.groups > 1 && Depthwise::fits(&conv.spec) {
            depthwise_weight((self.isa, team()), &conv.spec, n, x, gradient, &mut out);
        } else {
            ConvWeight::new(self.isa, conv.spec).run(team(), n, x, gradient, &mut out);
        }
        let per_output = out.len() / conv.spec.output;
        if conv.norm.is_some() {
            for (row, scale) in out.chunks_exact_mut(per_output).zip(&packed.scale) {
                for v in row {
                    *v *= scale;
                }
            }
        }
        let shape = self.params().get(&name).map(|t| t.shape().dims().to_vec()).unwrap_or_default();
        insert(params, name, &shape, out);
        if conv.bias {
            let mut sums = channel_sums(n, gradient);
            sums.truncate(conv.spec.output);
            sums.iter_mut().zip(&packed.scale).for_each(|(v, s)| *v *= s);
            insert(params, format!("{}.bias", unit.layer), &[conv.spec.output], sums);
        }
        Ok(())
    }
}

pub(crate) fn insert(
    params: &mut BTreeMap<String, Tensor>,
    name: String,
    shape: &[usize],
    values: Vec<f32>,
) {
    if let Ok(tensor) = Tensor::new(shape.to_vec(), values) {
        params.insert(name, tensor);
    }
}
