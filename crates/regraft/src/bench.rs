//! How fast this machine runs a network, and where the time goes. Shares of the peak are shares of
//! what the same kernels reach in the same minute on a [`Yardstick`], not of a data sheet.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use regraft_infer::{Engine, Precision, Scratch, StepInfo, Threads};
use regraft_net::{Card, Network, Params, facts, notation};
use regraft_tensor::Tensor;
use serde::Serialize;

use crate::precision::untried;
use crate::{Error, LoadOptions, Observer, PrecisionChoice, load};

/// Most images of a batch.
pub const MAX_BATCH: usize = 1024;
/// Runs of each measurement, however little time there is.
const LEAST_RUNS: usize = 3;
/// Runs after which a measurement ends: times of all are kept.
const MOST_RUNS: usize = 10_000;
/// Different images; longer batches begin again with the first.
const IMAGES: usize = 16;
/// Channels, height and width of the yardstick's map.
const YARDSTICK: [usize; 3] = [256, 28, 28];
/// Convolutions of the yardstick, one after the other: copying the image in and out is lost in them.
const YARDSTICK_LAYERS: usize = 16;

/// What a person asks for.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// Catalogue name or `ARCHITECTURE@SOURCE`; none takes the default of the catalogue.
    pub network: Option<String>,
    /// Images of a batch, 1 to [`MAX_BATCH`]; numbers outside are taken as the nearest inside.
    pub batch: usize,
    /// Seconds, by the observer's clock, for each measurement: one image on one thread, one on all,
    /// batches, the peak. Each has 3 runs at least (no more when that clock stands), 10000 at most.
    pub seconds: f64,
    /// In which precision the network runs; there are no images to try one on, so `auto` is `f32`.
    pub precision: PrecisionChoice,
    /// Where weights may come from.
    pub load: LoadOptions,
    /// Processor seconds of all threads of this process so far; none where the system does not tell.
    pub processor: fn() -> Option<f64>,
}

/// What was measured. A floating-point operation is a multiplication or an addition as the layer is
/// written: a multiply-add is two.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bench {
    /// The network.
    pub network: String,
    /// What finds it again.
    pub source: String,
    /// Checksum of its weights file.
    pub sha256: String,
    /// How values between layers are stored.
    pub precision: &'static str,
    /// The vector instructions in use.
    pub instructions: &'static str,
    /// Worker threads.
    pub threads: usize,
    /// One image, `[C, H, W]`.
    pub input: Vec<usize>,
    /// Values in learned parameters.
    pub parameters: u64,
    /// Multiply-adds for one image, in the steps that run.
    pub macs: u64,
    /// Bytes of all parameters as they were loaded, in `f32`.
    pub weight_bytes: u64,
    /// Bytes of activations that each thread needs.
    pub activation_bytes: u64,
    /// What this machine gives these kernels at most.
    pub peak: Peak,
    /// One image at a time: on one thread, and on all when there are more.
    pub latency: Vec<Speed>,
    /// Batches on all threads, each image on one; one of fewer images than threads: each on all.
    pub throughput: Speed,
    /// The steps of the schedule in order, one image on one thread.
    pub layers: Vec<LayerTime>,
}

/// The most that a compute-bound convolution reached.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Peak {
    /// What ran, in words.
    pub what: String,
    /// GFLOP/s of the best run on one thread.
    pub one_thread: f64,
    /// GFLOP/s of the best run with an image on each thread.
    pub all_threads: f64,
}

/// How fast the whole network runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Speed {
    /// Threads at work.
    pub threads: usize,
    /// Images of a run.
    pub batch: usize,
    /// Runs measured.
    pub runs: usize,
    /// Milliseconds of a run, the median.
    pub median_ms: f64,
    /// Milliseconds that nine of ten runs do not exceed.
    pub p90_ms: f64,
    /// Images a second, by the median.
    pub images_per_second: f64,
    /// Processor milliseconds of all threads for an image, the mean; none where nobody tells.
    pub cpu_ms: Option<f64>,
    /// Billions of floating-point operations a second, by the median.
    pub gflops: f64,
    /// Share of the peak on as many threads, 0 to 1.
    pub of_peak: f64,
}

/// One step of the schedule: a layer with the norms, additions and activations fused into it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerTime {
    /// The layer that does the work.
    pub layer: String,
    /// Its operation.
    pub op: &'static str,
    /// Shape of its first input, `[C, H, W]` or `[C]`; none for the network's own input.
    pub input: Option<Vec<usize>>,
    /// Shape of what comes out.
    pub output: Vec<usize>,
    /// Multiply-adds.
    pub macs: u64,
    /// Milliseconds, the median.
    pub ms: f64,
    /// Share of the sum of all steps, 0 to 1.
    pub share: f64,
    /// Billions of floating-point operations a second; none for a step without multiply-adds.
    pub gflops: Option<f64>,
    /// Share of the peak on one thread; 3x3 convolutions can exceed 1 where they are computed with
    /// fewer multiplications than written.
    pub of_peak: Option<f64>,
}

/// Measures a network with its real weights on images of noise, on the current pool.
///
/// # Errors
/// When the network cannot be loaded or compiled, or the observer stops.
pub fn bench(options: &BenchOptions, observer: &dyn Observer) -> Result<Bench, Error> {
    let name = options.network.as_deref().unwrap_or(regraft_zoo::DEFAULT);
    let loaded = load(name, &options.load, observer)?;
    let (network, precision) = (&loaded.network, untried(options.precision));
    let watch = Watch { observer, processor: options.processor };
    let half = options.seconds / 2.0;
    let mut yardstick = Yardstick::new(precision)?;
    // Half before and half after: a machine that slows down as it warms shows both.
    yardstick.measure(half, &watch)?;
    let mut bed = Bed::new(compile(network, precision)?);
    let (alone, steps) = bed.alone(options.seconds, &watch)?;
    let mut latency = vec![(alone, 1, 1)];
    let threads = bed.seats.len();
    if threads > 1 {
        latency.push((watch.repeat(options.seconds, || bed.batch(1, observer))?, threads, 1));
    }
    let batch = options.batch.clamp(1, MAX_BATCH);
    let batches = watch.repeat(options.seconds, || bed.batch(batch, observer))?;
    yardstick.measure(half, &watch)?;
    let peak = yardstick.peak();
    let facts = network.facts()?;
    let macs = bed.engine.steps().iter().map(|s| s.macs).sum();
    let speed =
        |(laps, threads, batch): &(Laps, usize, usize)| speed(laps, *threads, *batch, macs, &peak);
    Ok(Bench {
        network: network.card().name.clone(),
        source: loaded.source.clone(),
        sha256: loaded.sha256.clone(),
        precision: precision.name(),
        instructions: bed.engine.isa().name(),
        threads,
        input: bed.engine.input().to_vec(),
        parameters: facts.learned(),
        macs,
        weight_bytes: 4 * facts.params().map(|p| p.shape.count() as u64).sum::<u64>(),
        activation_bytes: bed.engine.scratch_bytes() as u64,
        latency: latency.iter().map(speed).collect(),
        throughput: speed(&(batches, threads, batch)),
        layers: layers(bed.engine.steps(), &steps, peak.one_thread),
        peak,
    })
}

fn compile(network: &Network, precision: Precision) -> Result<Engine, Error> {
    let graph = network.graph();
    let outputs: Vec<&str> =
        graph.outputs().iter().map(|id| graph.layer(*id).name.as_str()).collect();
    Ok(Engine::compile_in(network, &outputs, precision)?)
}

/// Clocks and Ctrl-C.
struct Watch<'a> {
    observer: &'a dyn Observer,
    processor: fn() -> Option<f64>,
}

/// Times of the runs of one measurement.
struct Laps {
    /// Seconds of each, ascending.
    seconds: Vec<f64>,
    /// Processor seconds of all together.
    processor: Option<f64>,
}

impl Watch<'_> {
    /// Repeats `work` for `seconds`, after one run that does not count: it wakes the threads.
    fn repeat(&self, seconds: f64, mut work: impl FnMut()) -> Result<Laps, Error> {
        self.go_on()?;
        work();
        self.go_on()?;
        let now = || self.observer.now();
        let (begin, processor) = (now(), (self.processor)());
        let mut laps = Vec::new();
        loop {
            let start = now();
            work();
            let end = now();
            // A run that was asked to stop may have been cut short, and is no measurement.
            self.go_on()?;
            laps.push(end - start);
            let over = end - begin >= seconds || end <= begin || laps.len() >= MOST_RUNS;
            if over && laps.len() >= LEAST_RUNS {
                break;
            }
        }
        let used = (self.processor)().zip(processor).map(|(end, begin)| end - begin);
        laps.sort_by(f64::total_cmp);
        Ok(Laps { seconds: laps, processor: used })
    }

    fn go_on(&self) -> Result<(), Error> {
        if self.observer.stop() { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// Where one thread works.
struct Seat {
    scratch: Scratch,
    results: Vec<f32>,
}

/// An engine, a seat for each thread, and images.
struct Bed {
    engine: Engine,
    seats: Vec<Seat>,
    images: Vec<Vec<f32>>,
}

impl Bed {
    fn new(engine: Engine) -> Self {
        let seat = |_| Seat { scratch: engine.scratch(), results: vec![0.0; engine.results_len()] };
        let seats = (0..rayon::current_num_threads()).map(seat).collect();
        let len = engine.input().count();
        // About as wide as preprocessed photographs: mean 0, deviation 1.
        let images = (0..IMAGES).map(|i| noise(len, i as u64, 12_f32.sqrt())).collect();
        Self { engine, seats, images }
    }

    /// One image at a time on one thread; also the median seconds of each step.
    fn alone(&mut self, seconds: f64, watch: &Watch<'_>) -> Result<(Laps, Vec<f64>), Error> {
        let Self { engine, seats, images } = self;
        let seat = &mut seats[0];
        let mut steps = vec![Vec::new(); engine.steps().len()];
        let mut next = images.iter().cycle();
        let laps = watch.repeat(seconds, || {
            let Some(image) = next.next() else { return };
            let mut last = watch.observer.now();
            let Seat { scratch, results } = &mut *seat;
            engine.run_watched(Threads::One, image, scratch, results, |i| {
                let now = watch.observer.now();
                steps[i].push(now - last);
                last = now;
            });
        })?;
        for times in &mut steps {
            times.sort_by(f64::total_cmp);
        }
        Ok((laps, steps.iter().map(|times| quantile(times, 0.5)).collect()))
    }

    /// A batch on all threads: fewer images than threads one after the other, each on all; otherwise
    /// each on one. Leaves off when the observer stops.
    fn batch(&mut self, images: usize, observer: &dyn Observer) {
        let Self { engine, seats, images: kinds } = self;
        let image = |i: usize| &kinds[i % kinds.len()][..];
        if images < seats.len() {
            let Seat { scratch, results } = &mut seats[0];
            for i in 0..images {
                engine.run_together(image(i), scratch, results);
            }
            return;
        }
        // Whoever is ready takes the next image.
        let next = AtomicUsize::new(0);
        seats.par_iter_mut().with_max_len(1).for_each(|Seat { scratch, results }| {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= images || observer.stop() {
                    return;
                }
                engine.run(image(i), scratch, results);
            }
        });
    }
}

/// Pointwise convolutions of one shape in a row: nothing but multiply-adds on values that lie in the
/// second-level cache. Not 3x3: those may be computed with fewer multiplications than written.
struct Yardstick {
    bed: Bed,
    macs: u64,
    /// Fewest seconds of a run: one image on one thread, and an image on each.
    best: [f64; 2],
    runs: usize,
}

impl Yardstick {
    fn new(precision: Precision) -> Result<Self, Error> {
        let [c, h, w] = YARDSTICK;
        let layers: Vec<String> = (1..=YARDSTICK_LAYERS)
            .map(|i| format!("c{i} = conv2d c{} out={c} size=1\n", i - 1))
            .collect();
        let text = format!("c0 = input {c}x{h}x{w}\n{}-> c{YARDSTICK_LAYERS}\n", layers.concat());
        let graph = notation::parse(&text)?;
        let mut params = Params::new();
        for (i, spec) in facts::facts(&graph)?.params().enumerate() {
            // Weights of deviation 1/sqrt(c): values neither grow nor fade from layer to layer.
            let width = (12.0 / c as f32).sqrt();
            let values = noise(spec.shape.count(), i as u64, width);
            params.insert(spec.name.clone(), Tensor::new(spec.shape.clone(), values)?);
        }
        let bed =
            Bed::new(compile(&Network::new(graph, &params, Card::blank("peak"))?, precision)?);
        let macs = bed.engine.steps().iter().map(|s| s.macs).sum();
        Ok(Self { bed, macs, best: [f64::INFINITY; 2], runs: 0 })
    }

    /// Measures for `seconds` in all.
    fn measure(&mut self, seconds: f64, watch: &Watch<'_>) -> Result<(), Error> {
        let bed = &mut self.bed;
        let threads = bed.seats.len();
        let alone = watch.repeat(seconds / 2.0, || {
            let Seat { scratch, results } = &mut bed.seats[0];
            bed.engine.run(&bed.images[0], scratch, results);
        })?;
        let all = watch.repeat(seconds / 2.0, || bed.batch(threads, watch.observer))?;
        for (best, laps) in self.best.iter_mut().zip([alone, all]) {
            self.runs += laps.seconds.len();
            *best = laps.seconds.first().map_or(*best, |least| best.min(*least));
        }
        Ok(())
    }

    fn peak(&self) -> Peak {
        let [c, h, w] = YARDSTICK;
        let threads = self.bed.seats.len() as u64;
        Peak {
            what: format!(
                "the best of {} runs of {YARDSTICK_LAYERS} 1x1 convolutions in a row, {c} to {c} \
                 channels on {h}x{w}, through the same kernels in {}, just now: what they reach \
                 here when nothing but arithmetic limits them, not the processor's data sheet",
                self.runs,
                self.bed.engine.precision().name(),
            ),
            one_thread: gflops(self.macs, self.best[0]),
            all_threads: gflops(threads * self.macs, self.best[1]),
        }
    }
}

fn speed(laps: &Laps, threads: usize, batch: usize, macs: u64, peak: &Peak) -> Speed {
    let median = quantile(&laps.seconds, 0.5);
    let images = (laps.seconds.len() * batch) as f64;
    let gflops = gflops(batch as u64 * macs, median);
    let best = if threads == 1 { peak.one_thread } else { peak.all_threads };
    Speed {
        threads,
        batch,
        runs: laps.seconds.len(),
        median_ms: 1e3 * median,
        p90_ms: 1e3 * quantile(&laps.seconds, 0.9),
        images_per_second: ratio(batch as f64, median),
        cpu_ms: laps.processor.map(|s| 1e3 * s / images),
        gflops,
        of_peak: ratio(gflops, best),
    }
}

fn layers(steps: &[StepInfo], seconds: &[f64], peak: f64) -> Vec<LayerTime> {
    let whole: f64 = seconds.iter().sum();
    let layer = |(step, seconds): (&StepInfo, &f64)| {
        let gflops = (step.macs > 0).then(|| gflops(step.macs, *seconds));
        LayerTime {
            layer: step.layer.clone(),
            op: step.op.name(),
            input: step.input.as_ref().map(|shape| shape.to_vec()),
            output: step.output.to_vec(),
            macs: step.macs,
            ms: 1e3 * seconds,
            share: ratio(*seconds, whole),
            gflops,
            of_peak: gflops.map(|g| ratio(g, peak)),
        }
    };
    steps.iter().zip(seconds).map(layer).collect()
}

/// Billions of floating-point operations a second.
fn gflops(macs: u64, seconds: f64) -> f64 {
    ratio(2e-9 * macs as f64, seconds)
}

/// `a / b`, and 0 where a clock stood still.
fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

/// The smallest of the ascending `values` that a share `q` of them does not exceed.
fn quantile(values: &[f64], q: f64) -> f64 {
    let rank = (q * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// `len` numbers without a pattern in `[-width / 2, width / 2)`, the same for the same `seed`
/// (Steele, Lea, Flood 2014, "Fast Splittable Pseudorandom Number Generators", the mixing function).
fn noise(len: usize, seed: u64, width: f32) -> Vec<f32> {
    let number = |i: usize| {
        let mut z = ((seed << 32) + i as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let unit = ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 24) as f32;
        width * (unit - 0.5)
    };
    (0..len).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// A clock that goes on by a millisecond each time it is read, and stops work at a time.
    struct Clock(Mutex<f64>, f64);

    impl Observer for Clock {
        fn tell(&self, _: &crate::Progress<'_>) {}

        fn now(&self) -> f64 {
            let mut now = self.0.lock().unwrap();
            *now += 1e-3;
            *now
        }

        fn stop(&self) -> bool {
            *self.0.lock().unwrap() > self.1
        }
    }

    #[test]
    fn a_measurement_lasts_its_time_or_its_fewest_runs_and_can_be_stopped() {
        let runs = |observer: &dyn Observer, seconds| {
            let mut runs = 0;
            let watch = Watch { observer, processor: || Some(1.0) };
            let laps = watch.repeat(seconds, || runs += 1);
            laps.map(|laps| {
                assert_eq!(runs, laps.seconds.len() + 1, "the first does not count");
                assert_eq!(laps.processor, Some(0.0));
                laps.seconds.len()
            })
        };
        let clock = |stop| Clock(Mutex::new(0.0), stop);
        // Two readings a run, one before.
        assert_eq!(runs(&clock(9.0), 0.0995).unwrap(), 50);
        assert_eq!(runs(&clock(9.0), 0.0).unwrap(), LEAST_RUNS);
        assert_eq!(runs(&crate::Quiet, 1.0).unwrap(), LEAST_RUNS, "a clock that stands");
        assert_eq!(runs(&clock(99.0), 98.0).unwrap(), MOST_RUNS);
        assert!(matches!(runs(&clock(0.01), 1.0), Err(Error::Interrupted)));
    }

    #[test]
    fn nine_of_ten_do_not_exceed_the_90_percent() {
        let times = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 99.0];
        assert_eq!((quantile(&times, 0.5), quantile(&times, 0.9)), (5.0, 9.0));
        assert_eq!((quantile(&times[..3], 0.5), quantile(&[], 0.5)), (2.0, 0.0));
    }

    #[test]
    fn the_yardstick_keeps_its_values_in_range() {
        for precision in [Precision::F32, Precision::Bf16] {
            let mut bed = Yardstick::new(precision).unwrap().bed;
            bed.batch(bed.seats.len(), &crate::Quiet);
            let out = &bed.seats[0].results;
            let square = out.iter().map(|x| x * x).sum::<f32>() / out.len() as f32;
            assert!((0.2..5.0).contains(&square), "{square}");
        }
    }
}
