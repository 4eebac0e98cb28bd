use rayon::prelude::*;
use regraft_kernels::{Aligned, Isa, Team, to_chw};
use regraft_net::{Forward, Network};
use regraft_tensor::{Shape, Tensor};

use crate::compile::{Schedule, schedule};
use crate::step::Run;
use crate::{InferError, StepInfo};

/// How values between layers, and the weights that meet them, are stored. Sums, vectors (pooled
/// features, logits) and the picture itself are `f32` in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    F32,
    /// 16 bits with the range of `f32` and 8 bits of precision.
    Bf16,
}

impl Precision {
    /// The word used in plans and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

/// A network compiled to run fast, for chosen outputs.
///
/// The engine does not change while it runs: any number of threads may share it, each with a
/// [`Scratch`] of its own. Every value is summed in one order by one thread, so results do not depend
/// on how many there are.
pub struct Engine {
    schedule: Schedule,
    isa: Isa,
    precision: Precision,
    input: Shape,
    outputs: Vec<(String, Shape)>,
}

/// Who works on one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// The calling thread: best when there are as many images as threads.
    One,
    /// All threads of the current pool share each layer: best for a single image.
    All,
}

/// Memory in which one image runs.
pub struct Scratch(Aligned);

impl Engine {
    /// Compiles the part of `network` that leads to the layers `outputs`, in `f32`.
    ///
    /// # Errors
    /// When a layer does not exist, or a value is neither map nor vector.
    pub fn compile(network: &Network, outputs: &[&str]) -> Result<Self, InferError> {
        Self::compile_in(network, outputs, Precision::F32)
    }

    /// Like [`Engine::compile`], in a given precision.
    ///
    /// # Errors
    /// As [`Engine::compile`].
    pub fn compile_in(
        network: &Network,
        outputs: &[&str],
        precision: Precision,
    ) -> Result<Self, InferError> {
        Self::compile_for(network, outputs, precision, Isa::detect())
    }

    /// Like [`Engine::compile_in`], for given vector instructions; for tests and measurements.
    ///
    /// # Errors
    /// As [`Engine::compile`].
    ///
    /// # Panics
    /// When this machine lacks the instructions.
    pub fn compile_for(
        network: &Network,
        outputs: &[&str],
        precision: Precision,
        isa: Isa,
    ) -> Result<Self, InferError> {
        assert!(Isa::available().contains(&isa), "this machine lacks {}", isa.name());
        let mut graph = network.graph().clone();
        graph.set_outputs(outputs)?;
        let input = graph.input()?;
        let network = Network::new(graph, network.params(), network.card().clone())?;
        let facts = network.facts()?;
        let shape = |id| facts.layer(id).shape.clone();
        let outputs = network.graph().outputs().iter().zip(outputs);
        let outputs = outputs.map(|(id, name)| ((*name).to_owned(), shape(*id))).collect();
        let schedule = schedule(&network, isa, precision)?;
        Ok(Self { schedule, isa, precision, input: shape(input), outputs })
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

    /// How values between layers are stored.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The steps of the schedule, in the order in which they run.
    pub fn steps(&self) -> &[StepInfo] {
        &self.schedule.infos
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
        self.run_watched(Threads::One, image, scratch, results, |_| {});
    }

    /// Like [`Engine::run`], with all threads of the current pool on this one image; the results are
    /// the same to the last bit.
    ///
    /// # Panics
    /// As [`Engine::run`].
    pub fn run_together(&self, image: &[f32], scratch: &mut Scratch, results: &mut [f32]) {
        self.run_watched(Threads::All, image, scratch, results, |_| {});
    }

    /// Like [`Engine::run`]; `done` hears the index of each step as it ends, to time it.
    ///
    /// # Panics
    /// As [`Engine::run`].
    pub fn run_watched(
        &self,
        threads: Threads,
        image: &[f32],
        scratch: &mut Scratch,
        results: &mut [f32],
        mut done: impl FnMut(usize),
    ) {
        assert_eq!(image.len(), self.input.count(), "an image {}", self.input);
        let arena = scratch.0.as_mut_slice();
        assert_eq!(arena.len(), self.schedule.arena, "a scratch of this engine");
        let values = &self.schedule.values[..];
        let count = rayon::current_num_threads();
        let together = Team::new(count, &|parts, part| {
            (0..parts).into_par_iter().with_max_len(1).for_each(part);
        });
        let team = match threads {
            Threads::All if count > 1 => together,
            Threads::All | Threads::One => Team::ALONE,
        };
        let run = Run { isa: self.isa, team, values, image };
        for (i, step) in self.schedule.steps.iter().enumerate() {
            step.run(&run, arena);
            done(i);
        }
        let mut rest = results;
        for (value, (_, shape)) in self.schedule.outputs.iter().zip(&self.outputs) {
            let value = &self.schedule.values[*value];
            let (here, after) = rest.split_at_mut(shape.count());
            to_chw(value.of(&arena[value.place.clone()]), &value.map, here);
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
        if batch.rows() < rayon::current_num_threads() {
            let mut scratch = self.scratch();
            for (i, row) in results.chunks_mut(per_image).enumerate() {
                self.run_together(batch.row(i), &mut scratch, row);
            }
        } else {
            results.par_chunks_mut(per_image).enumerate().for_each_init(
                || self.scratch(),
                |scratch, (i, row)| self.run(batch.row(i), scratch, row),
            );
        }
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
