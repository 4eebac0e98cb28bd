use rayon::prelude::*;
use regraft_kernels::{Aligned, Isa, to_chw};
use regraft_net::{Forward, Network};
use regraft_tensor::{Shape, Tensor};

use crate::InferError;
use crate::compile::{Schedule, schedule};

/// A network compiled to run fast, for chosen outputs.
///
/// The engine does not change while it runs: any number of threads may share it, each with a
/// [`Scratch`] of its own. One image is computed by one thread, so results do not depend on how
/// many there are.
pub struct Engine {
    schedule: Schedule,
    isa: Isa,
    input: Shape,
    outputs: Vec<(String, Shape)>,
}

/// Memory in which one thread runs one image.
pub struct Scratch(Aligned);

impl Engine {
    /// Compiles the part of `network` that leads to the layers `outputs`.
    ///
    /// # Errors
    /// When a layer does not exist, or a value is neither map nor vector.
    pub fn compile(network: &Network, outputs: &[&str]) -> Result<Self, InferError> {
        Self::compile_for(network, outputs, Isa::detect())
    }

    /// Like [`Engine::compile`], for given vector instructions; for tests and measurements.
    ///
    /// # Errors
    /// As [`Engine::compile`].
    ///
    /// # Panics
    /// When this machine lacks the instructions.
    pub fn compile_for(network: &Network, outputs: &[&str], isa: Isa) -> Result<Self, InferError> {
        assert!(Isa::available().contains(&isa), "this machine lacks {}", isa.name());
        let mut graph = network.graph().clone();
        graph.set_outputs(outputs)?;
        let input = graph.input()?;
        let network = Network::new(graph, network.params(), network.card().clone())?;
        let facts = network.facts()?;
        let shape = |id| facts.layer(id).shape.clone();
        let outputs = network.graph().outputs().iter().zip(outputs);
        let outputs = outputs.map(|(id, name)| ((*name).to_owned(), shape(*id))).collect();
        let schedule = schedule(&network, isa)?;
        Ok(Self { schedule, isa, input: shape(input), outputs })
    }

    /// Shape of one image, `[C, H, W]`.
    pub fn input(&self) -> &Shape {
        &self.input
    }

    /// Names and shapes (without the batch) of the outputs, in the order asked for.
    pub fn outputs(&self) -> &[(String, Shape)] {
        &self.outputs
    }

    /// The vector instructions in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Bytes that each thread needs for its activations.
    pub fn scratch_bytes(&self) -> usize {
        4 * self.schedule.arena
    }

    /// Memory for one thread.
    pub fn scratch(&self) -> Scratch {
        Scratch(Aligned::zeros(self.schedule.arena))
    }

    /// Runs one image `[C, H, W]`; `results` gets all outputs, one after the other, row-major.
    ///
    /// # Panics
    /// When a length is not that of [`Engine::input`] or the sum of [`Engine::outputs`], or the
    /// scratch is another engine's.
    pub fn run(&self, image: &[f32], scratch: &mut Scratch, results: &mut [f32]) {
        assert_eq!(image.len(), self.input.count(), "an image {}", self.input);
        let arena = scratch.0.as_mut_slice();
        assert_eq!(arena.len(), self.schedule.arena, "a scratch of this engine");
        for step in &self.schedule.steps {
            step.run(&self.schedule.values, image, arena);
        }
        let mut rest = results;
        for (value, (_, shape)) in self.schedule.outputs.iter().zip(&self.outputs) {
            let value = &self.schedule.values[*value];
            let (here, after) = rest.split_at_mut(shape.count());
            to_chw(&arena[value.place.clone()], &value.map, here);
            rest = after;
        }
        assert!(rest.is_empty(), "results as long as all outputs together");
    }

    /// Values that all outputs of one image have together.
    pub fn results_len(&self) -> usize {
        self.outputs.iter().map(|(_, shape)| shape.count()).sum()
    }
}

impl Forward for Engine {
    type Error = InferError;

    fn forward(&mut self, batch: &Tensor, outputs: &[&str]) -> Result<Vec<Tensor>, InferError> {
        if batch.shape().get(1..) != Some(self.input.dims()) {
            return Err(InferError::Batch {
                wanted: self.input.clone(),
                got: batch.shape().clone(),
            });
        }
        let slots: Vec<usize> = outputs.iter().map(|n| self.slot(n)).collect::<Result<_, _>>()?;
        let per_image = self.results_len();
        let mut results = vec![0.0; per_image * batch.rows()];
        results.par_chunks_mut(per_image).enumerate().for_each_init(
            || self.scratch(),
            |scratch, (i, row)| self.run(batch.row(i), scratch, row),
        );
        let starts: Vec<usize> = self
            .outputs
            .iter()
            .scan(0, |at, (_, shape)| {
                let start = *at;
                *at += shape.count();
                Some(start)
            })
            .collect();
        let tensor = |slot: usize| {
            let shape = &self.outputs[slot].1;
            let rows = results.chunks_exact(per_image);
            let range = starts[slot]..starts[slot] + shape.count();
            let data = rows.flat_map(|row| row[range.clone()].iter().copied()).collect();
            let mut dims = vec![batch.rows()];
            dims.extend_from_slice(shape);
            Tensor::new(dims, data).expect("each row gave as many values as its shape holds")
        };
        Ok(slots.into_iter().map(tensor).collect())
    }
}

impl Engine {
    fn slot(&self, name: &str) -> Result<usize, InferError> {
        let found = self.outputs.iter().position(|(n, _)| n == name);
        found.ok_or_else(|| InferError::NotCompiled {
            name: name.to_owned(),
            compiled: self.outputs.iter().map(|(n, _)| n.clone()).collect(),
        })
    }
}
