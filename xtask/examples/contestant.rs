//! Regraft as a contestant of `cargo xtask bench engine`, `train` and `pipeline`: the line protocol of
//! `benches/contestant.py`.
//!
//! `contestant engine NETWORK BATCH THREADS f32|bf16` runs formula images through a network with
//! formula weights, `contestant train` in the place of `engine` trains all of it; `contestant pipeline NETWORK LIST THREADS f32|bf16` takes the picture files that
//! LIST names, a path a line, to pooled features.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rayon::prelude::*;
use regraft_grad::loss::{cross_entropy, smoothed};
use regraft_grad::{Tape, Tuning};
use regraft_infer::{Engine, Isa, Precision, Scratch};
use regraft_net::card::{Interpolation, Preprocess};
use regraft_net::{Card, Graph, Network, Op};
use regraft_tensor::Tensor;
use regraft_testkit::{formula_params, formula_values};
use regraft_train::{Change, Flow, Memory, Optimiser, Trunk, extract};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// One pass over all images: values `[images, D]`, row-major.
type Step = Box<dyn FnMut() -> Result<Vec<f32>> + Send>;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [job, network, what, threads, precision] = &words[..] else {
        return Err("contestant engine|train|pipeline NETWORK BATCH|LIST THREADS f32|bf16".into());
    };
    let precision = match precision.as_str() {
        "f32" => Precision::F32,
        "bf16" => Precision::Bf16,
        other => return Err(format!("no precision `{other}`; there are f32 and bf16").into()),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build()?;
    let (mut step, images, about) = pool.install(|| match job.as_str() {
        "engine" => engine(network, what.parse()?, precision),
        "pipeline" => pipeline(network, what, precision),
        "train" if precision == Precision::F32 => train(network, what.parse()?),
        "train" => Err("training is in f32".into()),
        other => Err(format!("no job `{other}`; there are engine, train and pipeline").into()),
    })?;
    pool.install(|| step().map(drop))?;
    say(&format!(r#"{{"ready": true, {about}}}"#))?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.split_once(' ') {
            Some(("run", seconds)) => {
                say(&pool.install(|| run(&mut step, images, seconds.parse()?))?)?;
            }
            Some(("answer", file)) => {
                let values = pool.install(&mut step)?;
                let mut out = BufWriter::new(File::create(file)?);
                values.iter().try_for_each(|v| out.write_all(&v.to_le_bytes()))?;
                out.flush()?;
                say(&format!(r#"{{"values": {}}}"#, values.len()))?;
            }
            Some(_) | None => return Err(format!("no word `{line}`").into()),
        }
    }
    Ok(())
}

/// Passes until `seconds` of processor time are used, at least one; what they took.
fn run(step: &mut Step, images: usize, seconds: f64) -> Result<String> {
    let (start, used) = (Instant::now(), cpu()?);
    let mut passes = 0;
    while passes == 0 || cpu()? - used < seconds {
        step()?;
        passes += 1;
    }
    let (wall, cpu, images) = (start.elapsed().as_secs_f64(), cpu()? - used, passes * images);
    Ok(format!(r#"{{"wall": {wall}, "cpu": {cpu}, "images": {images}}}"#))
}

fn say(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Processor seconds of all threads, as Python's `time.process_time`.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have no such clock")]
fn cpu() -> Result<f64> {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Ok(t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9)
}

#[cfg(not(unix))]
fn cpu() -> Result<f64> {
    Err("the processor's clock is read on Linux and macOS only".into())
}

/// An architecture with formula weights and the preprocessing of `benches/peer_pipeline.py`.
fn formula(name: &str) -> Result<Network> {
    let graph = regraft_zoo::graph(name)?;
    let params = formula_params(&graph)?;
    let info = regraft_zoo::architecture(name)?;
    let card = Card {
        name: name.to_owned(),
        framework: "none".to_owned(),
        dataset: "none".to_owned(),
        licence: "MIT OR Apache-2.0".to_owned(),
        origin: "formula weights".to_owned(),
        preprocess: Preprocess::imagenet(256, info.size, Interpolation::Bicubic),
        labels: Vec::new(),
        cut: Some(info.penultimate.to_owned()),
        logits: Some(info.logits.to_owned()),
        blocks: Vec::new(),
    };
    Ok(Network::new(graph, &params, card)?)
}

fn about(engine: &Engine) -> String {
    let macs: u64 = engine.steps().iter().map(|s| s.macs).sum();
    let (version, isa) = (env!("CARGO_PKG_VERSION"), engine.isa().name());
    format!(r#""flops": {}, "versions": {{"regraft": "{version} ({isa})"}}"#, 2 * macs)
}

/// Image 0 is the formula's own, image i the stream `input.i`, as in `benches/formula_nets.py`.
fn image(index: usize, count: usize) -> Vec<f32> {
    let name = if index == 0 { "input".to_owned() } else { format!("input.{index}") };
    formula_values(&name, count).map(|u| u as f32).collect()
}

fn engine(name: &str, batch: usize, precision: Precision) -> Result<(Step, usize, String)> {
    let network = formula(name)?;
    let logits = regraft_zoo::architecture(name)?.logits;
    let engine = Engine::compile_in(&network, &[logits], precision)?;
    let about = about(&engine);
    let images: Vec<_> = (0..batch).map(|i| image(i, engine.input().count())).collect();
    let threads = rayon::current_num_threads();
    let memory: Vec<Mutex<Scratch>> = (0..threads).map(|_| Mutex::new(engine.scratch())).collect();
    let len = engine.results_len();
    let step = move || {
        let mut results = vec![0.0; batch * len];
        if batch < threads {
            let mut scratch = memory[0].lock().unwrap_or_else(PoisonError::into_inner);
            for (image, row) in images.iter().zip(results.chunks_mut(len)) {
                engine.run_together(image, &mut scratch, row);
            }
        } else {
            let rows = results.par_chunks_mut(len).with_max_len(1).zip(&images);
            rows.for_each(|(row, image)| {
                // Each thread of the pool has its own: nobody waits.
                let own = rayon::current_thread_index().unwrap_or(0);
                let mut scratch = memory[own].lock().unwrap_or_else(PoisonError::into_inner);
                engine.run(image, &mut scratch, row);
            });
        }
        Ok(results)
    };
    Ok((Box::new(step), batch, about))
}

/// The network without its dropout, whose noise would be another in each library.
fn certain(network: &Network) -> Result<Network> {
    let mut graph = Graph::new();
    for (_, layer) in network.graph().layers() {
        let drops = matches!(layer.op, Op::Dropout { .. });
        let op = if drops { Op::Identity } else { layer.op.clone() };
        graph.push(&layer.name, op, &layer.inputs)?;
    }
    Ok(Network::new(graph, network.params(), network.card().clone())?)
}

/// Steps as those of `benches/peer_train.py`; the answer is the gradient of the first weight.
fn train(name: &str, batch: usize) -> Result<(Step, usize, String)> {
    let network = certain(&formula(name)?)?;
    let every = |_: &str| true;
    let tuning =
        Tuning { tuned: &every, batch_norm: &every, input_gradient: false, recompute: false };
    let mut tape = Tape::new(&network, batch, &tuning)?;
    let names = tape.tuned();
    let first = names.first().cloned().ok_or("nothing is tuned")?;
    let facts = network.facts()?;
    let shape = facts.layer(network.graph().input()?).shape.clone();
    let count = shape.count();
    let images: Vec<f32> = (0..batch).flat_map(|i| image(i, count)).collect();
    let mut dims = vec![batch];
    dims.extend_from_slice(shape.dims());
    let images = Tensor::new(dims, images)?;
    let labels: Vec<usize> = (0..batch).collect();
    let mut memory = Memory::default();
    let version = env!("CARGO_PKG_VERSION");
    let about = format!(r#""versions": {{"regraft": "{version} ({})"}}"#, Isa::detect().name());
    let step = move || {
        let logits = tape.forward(&images, 0)?;
        let targets = smoothed(&labels, logits.row_len(), 0.0)?;
        let loss = cross_entropy(&logits, &targets, None)?;
        let gradients = tape.backward(&loss.gradient)?;
        memory.begin();
        for name in &names {
            let (Some(value), Some(gradient)) = (tape.param_mut(name), gradients.params.get(name))
            else {
                return Err(format!("no gradient of {name}").into());
            };
            let how = Change { rate: 0.0, decay: 0.0, anchor: None };
            memory.change(Optimiser::SGD, name, value, gradient.data(), how);
        }
        Ok(gradients.params.get(&first).map(|g| g.data().to_vec()).unwrap_or_default())
    };
    Ok((Box::new(step), batch, about))
}

fn pipeline(name: &str, list: &str, precision: Precision) -> Result<(Step, usize, String)> {
    let network = formula(name)?;
    let pooled = regraft_zoo::architecture(name)?.penultimate;
    let engine = Engine::compile_in(&network, &[pooled], precision)?;
    let about = about(&engine);
    let trunk = Trunk::new(&network, engine)?;
    let files: Vec<PathBuf> = fs::read_to_string(list)?.lines().map(PathBuf::from).collect();
    let count = files.len();
    let step = move || {
        let all = extract(&trunk, &files, None, &|_| Flow::Continue)?;
        let rows = all.rows()?;
        match all.failed.into_iter().next() {
            Some(failed) => Err(failed.error.into()),
            None => Ok(rows),
        }
    };
    Ok((Box::new(step), count, about))
}
