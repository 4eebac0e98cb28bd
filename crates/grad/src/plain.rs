//! Layers that keep nothing but their input and output, forth and back.

use std::collections::BTreeMap;

use rayon::prelude::*;
use regraft_kernels::{
    Attention, Clamp, Factors, LayerNorm, Map, Rearrange, Slice, SliceMut, Team, Tokens,
    accumulate, channel_products, channel_sums, copy_channels, curve, curve_backward, moved,
    norm_forward, prelu, prelu_backward, product, scale_channels, shuffle_channels, slice_channels,
    tokens_backward,
};
use regraft_tensor::Tensor;

use crate::backward::insert;
use crate::buffers::Gradient;
use crate::tape::{each, team};
use crate::unit::{Plain, Unit};
use crate::{GradError, Tape};

impl Tape {
    /// Runs such a unit into `y`.
    pub(crate) fn plain(
        &self,
        (layer, inputs): (&str, &[usize]),
        plain: &Plain,
        (y, map): (&mut [f32], &Map),
    ) -> Result<(), GradError> {
        let n = self.images;
        let x = self.value(inputs[0]);
        let alone = (self.isa, Team::ALONE);
        let role = |role: &str| self.param(&format!("{layer}.{role}"));
        match plain {
            Plain::Curve(kind) => each(n, x, (y, map), |(x, from), y| {
                curve(alone, *kind, Slice::F32(x), from, SliceMut::F32(y), map);
            }),
            Plain::Affine { scale, shift } => {
                norm_forward((self.isa, team()), n, (scale, shift, Clamp::NONE), x, (y, map));
            }
            Plain::Scale { bias } => {
                let (mut scale, mut shift) = (role("weight")?.to_vec(), Vec::new());
                if *bias {
                    shift = role("bias")?.to_vec();
                }
                scale.resize(map.stride, 0.0);
                shift.resize(map.stride, 0.0);
                norm_forward((self.isa, team()), n, (&scale, &shift, Clamp::NONE), x, (y, map));
            }
            Plain::Prelu => {
                let weight = role("weight")?;
                each(n, x, (y, map), |(x, from), y| {
                    prelu(alone, weight, Slice::F32(x), from, SliceMut::F32(y), map);
                });
            }
            Plain::Slice(first) => each(n, x, (y, map), |(x, from), y| {
                slice_channels(*first, Slice::F32(x), from, SliceMut::F32(y), map);
            }),
            Plain::Shuffle(groups) => each(n, x, (y, map), |(x, from), y| {
                shuffle_channels(*groups, Slice::F32(x), from, SliceMut::F32(y), map);
            }),
            Plain::LayerNorm { eps } => {
                let norm = LayerNorm { weight: role("weight")?, bias: role("bias")?, eps: *eps };
                each(n, x, (y, map), |(x, from), y| {
                    norm.run(alone, Slice::F32(x), from, SliceMut::F32(y), map);
                });
            }
            Plain::Move(by) => each(n, x, (y, map), |(x, from), y| {
                moved(*by, Slice::F32(x), from, SliceMut::F32(y), map);
            }),
            Plain::Token(index) => each(n, x, (y, map), |(x, from), y| {
                let by = [-(*index as isize), 0];
                moved(by, Slice::F32(x), from, SliceMut::F32(y), map);
            }),
            Plain::Mul => {
                let (gate, small) = self.value(inputs[1]);
                let maps = gate.par_chunks_exact(small.len()).zip(x.0.par_chunks_exact(x.1.len()));
                y.par_chunks_exact_mut(map.len()).zip(maps).for_each(|(y, (gate, values))| {
                    let gate = (Slice::F32(gate), small);
                    product(alone, (Slice::F32(values), x.1), gate, SliceMut::F32(y), map);
                });
            }
            Plain::Tokens { .. } => {
                let tokens = Tokens { first: role("token")?, position: role("position")? };
                each(n, x, (y, map), |(x, from), y| {
                    tokens.run(Slice::F32(x), from, SliceMut::F32(y), map);
                });
            }
            Plain::Rearrange([forth, _]) => {
                let places = Rearrange::new(forth, x.1, map);
                each(n, x, (y, map), |(x, _), y| places.run(Slice::F32(x), SliceMut::F32(y)));
            }
            Plain::Attention { .. } => {
                let attention = self.attention(layer, plain)?;
                let all: Vec<_> = inputs.iter().map(|input| self.value(*input)).collect();
                y.par_chunks_exact_mut(map.len()).enumerate().for_each(|(i, y)| {
                    let own = all
                        .iter()
                        .map(|&(x, from)| (Slice::F32(&x[i * from.len()..][..from.len()]), from));
                    let own: Vec<_> = own.collect();
                    attention.run(alone, &own, SliceMut::F32(y), map);
                });
            }
        }
        Ok(())
    }

    /// The way back through such a unit.
    pub(crate) fn plain_back(
        &mut self,
        unit: &Unit,
        plain: &Plain,
        dy: Gradient,
        gradients: &mut [Option<Gradient>],
        params: &mut BTreeMap<String, Tensor>,
    ) -> Result<(), GradError> {
        let (n, input) = (self.images, unit.inputs[0]);
        let mut dx = match plain {
            Plain::Curve(_)
            | Plain::Affine { .. }
            | Plain::Scale { .. }
            | Plain::Prelu
            | Plain::LayerNorm { .. } => {
                let dy = self.in_place(unit, plain, dy, params)?;
                self.give(input, dy, gradients);
                return Ok(());
            }
            Plain::Mul => {
                self.product_back(unit, dy, gradients);
                return Ok(());
            }
            Plain::Attention { .. } => {
                return self.attention_back(unit, plain, dy, gradients, params);
            }
            Plain::Tokens { .. }
            | Plain::Move(_)
            | Plain::Slice(_)
            | Plain::Shuffle(_)
            | Plain::Token(_)
            | Plain::Rearrange(_) => self.buffers.take(&self.values[input].gradient, self.room),
        };
        if let Plain::Tokens { first } = plain {
            let [token, position] = tokens_backward(n, *first, dy.of(n), dx.own(n));
            if unit.tuned {
                let d = self.values[unit.output].map.channels;
                for (role, values) in [("token", token), ("position", position)] {
                    let shape = [values.len() / d, d];
                    insert(params, format!("{}.{role}", unit.layer), &shape, values);
                }
            }
        } else if let Some((dx, to)) = dx.own(n) {
            let back = |by: [isize; 2], dx: &mut [f32]| {
                each(n, dy.of(n), (dx, to), |(dy, from), dx| {
                    moved(by, Slice::F32(dy), from, SliceMut::F32(dx), to);
                });
            };
            match plain {
                Plain::Rearrange([_, back]) => {
                    let dy = dy.of(n);
                    let places = Rearrange::new(back, dy.1, to);
                    each(n, dy, (dx, to), |(dy, _), dx| {
                        places.run(Slice::F32(dy), SliceMut::F32(dx));
                    });
                }
                Plain::Move([down, right]) => back([-down, -right], dx),
                Plain::Token(index) => back([*index as isize, 0], dx),
                Plain::Slice(first) => each(n, dy.of(n), (dx, to), |(dy, from), dx| {
                    // The other channels pass nothing on.
                    dx.fill(0.0);
                    copy_channels(Slice::F32(dy), from, SliceMut::F32(dx), to, *first);
                }),
                Plain::Shuffle(groups) => each(n, dy.of(n), (dx, to), |(dy, from), dx| {
                    let undo = to.channels / groups;
                    shuffle_channels(undo, Slice::F32(dy), from, SliceMut::F32(dx), to);
                }),
                // The arms above and those that have their gradient already.
                Plain::Curve(_)
                | Plain::Affine { .. }
                | Plain::Scale { .. }
                | Plain::Prelu
                | Plain::LayerNorm { .. }
                | Plain::Mul
                | Plain::Tokens { .. }
                | Plain::Attention { .. } => {}
            }
        }
        self.buffers.give(dy);
        self.give(input, dx, gradients);
        Ok(())
    }

    /// Layers whose gradient is changed where it lies.
    fn in_place(
        &mut self,
        unit: &Unit,
        plain: &Plain,
        dy: Gradient,
        params: &mut BTreeMap<String, Tensor>,
    ) -> Result<Gradient, GradError> {
        let (n, on) = (self.images, (self.isa, team()));
        let mut dy = self.alone(dy);
        let x = self.value(unit.inputs[0]);
        let Some((data, map)) = dy.own(n) else { return Ok(dy) };
        let role = |role: &str| format!("{}.{role}", unit.layer);
        match plain {
            Plain::Curve(kind) => curve_backward(on, n, *kind, x, (data, map)),
            Plain::LayerNorm { eps } => {
                let (weight, bias) = (self.param(&role("weight"))?, self.param(&role("bias"))?);
                let norm = LayerNorm { weight, bias, eps: *eps };
                let got = norm.backward(on, n, x, (data, map));
                if unit.tuned {
                    for (name, values) in [("weight", got.weight), ("bias", got.bias)] {
                        insert(params, role(name), &[values.len()], values);
                    }
                }
            }
            Plain::Prelu => {
                let weight = self.param(&role("weight"))?;
                let got = prelu_backward(on, n, weight, x, (data, map));
                if unit.tuned {
                    insert(params, role("weight"), &[got.len()], got);
                }
            }
            Plain::Scale { bias } => {
                let mut scale = self.param(&role("weight"))?.to_vec();
                let mut keep = |name: &str, mut sums: Vec<f32>| {
                    sums.truncate(scale.len());
                    insert(params, role(name), &[scale.len()], sums);
                };
                if unit.tuned {
                    keep("weight", channel_products(n, x, (data, map)));
                }
                if unit.tuned && *bias {
                    keep("bias", channel_sums(n, (data, map)));
                }
                scale.resize(map.stride, 0.0);
                let copy = data.to_vec();
                scale_channels(on.1, n, &scale, (&copy, map), (data, map));
            }
            Plain::Affine { scale, .. } => {
                let copy = data.to_vec();
                scale_channels(on.1, n, scale, (&copy, map), (data, map));
            }
            Plain::Move(_)
            | Plain::Slice(_)
            | Plain::Shuffle(_)
            | Plain::Mul
            | Plain::Tokens { .. }
            | Plain::Rearrange(_)
            | Plain::Attention { .. }
            | Plain::Token(_) => {}
        }
        Ok(dy)
    }

    /// Attention with what its layer learned.
    fn attention(&self, layer: &str, plain: &Plain) -> Result<Attention<'_>, GradError> {
        let Plain::Attention { heads, biases, talking } = *plain else {
            unreachable!("only attention asks")
        };
        let role = |role: &str| self.param(&format!("{layer}.{role}"));
        let biases = if biases { role("position")? } else { &[] };
        let talking = if talking { Some([role("products")?, role("shares")?]) } else { None };
        Ok(Attention { heads, biases, talking })
    }

    fn attention_back(
        &mut self,
        unit: &Unit,
        plain: &Plain,
        dy: Gradient,
        gradients: &mut [Option<Gradient>],
        params: &mut BTreeMap<String, Tensor>,
    ) -> Result<(), GradError> {
        let n = self.images;
        let mut all = Vec::with_capacity(unit.inputs.len());
        for input in &unit.inputs {
            all.push(self.buffers.take(&self.values[*input].gradient, self.room));
        }
        let values: Vec<_> = unit.inputs.iter().map(|input| self.value(*input)).collect();
        let tokens = [self.values[unit.output].map.height, values[values.len() - 1].1.height];
        let mut dx: Vec<_> = all.iter_mut().map(|dx| dx.own(n)).collect();
        let attention = self.attention(&unit.layer, plain)?;
        let on = (self.isa, team());
        let got = attention.backward(on, n, &values, dy.of(n), &mut dx);
        if unit.tuned {
            let [s, t] = tokens;
            let heads = attention.heads;
            let name = |role: &str| format!("{}.{role}", unit.layer);
            if attention.talking.is_some() {
                for (role, values) in ["products", "shares"].into_iter().zip(got.talking) {
                    insert(params, name(role), &[heads, heads + 1], values);
                }
            } else {
                let count = got.biases.len() / (s * t);
                insert(params, name("position"), &[count, s, t], got.biases);
            }
        }
        self.buffers.give(dy);
        for (input, dx) in unit.inputs.iter().zip(all) {
            self.give(*input, dx, gradients);
        }
        Ok(())
    }

    fn product_back(&mut self, unit: &Unit, dy: Gradient, gradients: &mut [Option<Gradient>]) {
        let n = self.images;
        let [x, gate] = unit.inputs[..] else { return };
        let mut ds = self.buffers.take(&self.values[gate].gradient, self.room);
        let mut dx = self.buffers.take(&self.values[x].gradient, self.room);
        let factors = Factors { x: self.value(x), gate: self.value(gate) };
        if let Some(ds) = ds.own(n) {
            factors.gate_gradient(team(), n, dy.of(n), ds);
        }
        if let Some((dx, map)) = dx.own(n) {
            accumulate((self.isa, team()), n, false, dy.of(n), (&mut *dx, map));
            factors.gradient(team(), n, (dx, map));
        }
        self.buffers.give(dy);
        self.give(gate, ds, gradients);
        self.give(x, dx, gradients);
    }
}
