//! Damaged files of Caffe: an error or a network, never a panic, never long, never much memory.
//!
//! A program of its own, because it counts what is allocated. `REGRAFT_FUZZ_SECONDS=600 cargo test -p
//! regraft-formats --test caffe_fuzz -- --ignored --nocapture` goes on as long as it is told, with
//! `REGRAFT_FUZZ_KIND=Prototxt` (`Caffemodel`, `Mean`) on files of one kind.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(unsafe_code, reason = "an allocator that counts is one, and only tests have it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use regraft_formats::caffe;

/// The system's allocator, counting.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the layout is the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `at` came from the call above with this layout.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Tests of this program run one after another: they all count the same bytes.
static ALONE: Mutex<()> = Mutex::new(());

/// Bytes that a file may cost beside four times its size: names, errors and tables of a small one.
const ALLOWANCE: usize = 256 << 10;
/// Longest that one file may take.
const LONGEST: Duration = Duration::from_secs(5);

/// A sequence that looks random and is always the same (`splitmix64`).
struct Sequence(u64);

impl Sequence {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/caffe/fixtures");
    std::fs::read(folder.join(name)).unwrap()
}

/// What is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Prototxt,
    Caffemodel,
    Mean,
}

/// A file to damage; a caffemodel may come with its prototxt.
type Seed = (Kind, Vec<u8>, Option<Vec<u8>>);

/// Files to damage.
fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for name in ["caffenet", "caffenet_v1", "googlenet", "odds", "pools", "senet", "face"] {
        seeds.push((Kind::Prototxt, fixture(&format!("{name}.prototxt")), None));
    }
    for name in ["lenet", "caffenet_v1", "inception"] {
        let text = fixture(&format!("{name}.prototxt"));
        let weights = fixture(&format!("{name}.caffemodel"));
        seeds.push((Kind::Caffemodel, weights.clone(), None));
        seeds.push((Kind::Caffemodel, weights, Some(text)));
    }
    let mut mean = vec![0x08, 1, 0x10, 3, 0x18, 4, 0x20, 5, 0x2a, 240, 1];
    mean.extend((0..60u8).flat_map(|n| f32::from(n).to_le_bytes()));
    seeds.push((Kind::Mean, mean, None));
    seeds
}

/// Words that a prototxt knows, to put into one.
const WORDS: [&[u8]; 24] = [
    b"{",
    b"}",
    b"layer {",
    b"layers {",
    b"input_dim: 999999999",
    b"num_output: 16777216",
    b"group: 0",
    b"kernel_size: 0",
    b"stride: 0",
    b"pad: 16777216",
    b"dim: -1",
    b"9223372036854775807",
    b"nan",
    b"[",
    b"]",
    b"axis: -1",
    b"\"",
    b"#",
    b"type: \"Concat\"",
    b"bottom: \"data\"",
    b"global_pooling: true",
    b"local_size: 4",
    b"type: \"Eltwise\"",
    b"dilation: 16777216",
];

fn damage(bytes: &[u8], kind: Kind, next: &mut Sequence) -> Vec<u8> {
    let mut new = bytes.to_vec();
    for _ in 0..=next.below(4) {
        let at = next.below(new.len());
        match next.below(8) {
            0 => new.truncate(at),
            1 => {
                let end = (at + next.below(200)).min(new.len());
                let part = new[at..end].to_vec();
                let to = next.below(new.len());
                new.splice(to..to, part);
            }
            2 => {
                let end = (at + next.below(50)).min(new.len());
                new.drain(at..end);
            }
            3 if kind == Kind::Prototxt => {
                new.splice(at..at, WORDS[next.below(WORDS.len())].iter().copied());
            }
            3 | 4 if !new.is_empty() => new[at] = [0, 1, 0x7f, 0x80, 0xff][next.below(5)],
            5 if kind == Kind::Prototxt && !new.is_empty() => {
                // A number for another.
                let digits = |b: &u8| b.is_ascii_digit();
                if let Some(found) = new[at..].iter().position(digits) {
                    new[at + found] = b'0' + next.below(10) as u8;
                }
            }
            // The fields that say how long things are lie at the start of layers.
            6 if !new.is_empty() => {
                let at = next.below(new.len().min(400));
                new[at] = next.below(256) as u8;
            }
            _ if !new.is_empty() => new[at] ^= 1 << next.below(8),
            _ => {}
        }
    }
    new
}

/// Reads a file as often as it can be; gives what it cost at most, and whether it was a network.
fn read(kind: Kind, bytes: &[u8], text: Option<&[u8]>) -> (usize, bool) {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let good = match kind {
        Kind::Prototxt => caffe::graph_from_bytes(bytes).is_ok(),
        Kind::Caffemodel => caffe::from_bytes(text, bytes).is_ok(),
        Kind::Mean => caffe::mean_from_bytes(bytes).is_ok(),
    };
    (PEAK.load(Ordering::Relaxed) - before, good)
}

/// What a run found.
#[derive(Debug, Default)]
struct Found {
    /// Files read.
    count: usize,
    /// Those that were sound.
    good: usize,
    /// The longest that one took.
    longest: Duration,
    /// The most that one cost beyond three times its size, in bytes.
    beyond: usize,
}

/// Damages files until `enough` are read.
fn run(seed: u64, seeds: &[Seed], enough: impl Fn(usize) -> bool) -> Found {
    let _alone = ALONE.lock().unwrap();
    let mut next = Sequence(seed);
    let mut found = Found::default();
    while !enough(found.count) {
        let (kind, bytes, text) = &seeds[next.below(seeds.len())];
        let damaged = damage(bytes, *kind, &mut next);
        let start = Instant::now();
        let (cost, sound) = read(*kind, &damaged, text.as_deref());
        let took = start.elapsed();
        let size = damaged.len() + text.as_ref().map_or(0, Vec::len);
        // The file itself, which its reader holds, is one of the four.
        if cost > 3 * size + ALLOWANCE || took > LONGEST {
            let kept = std::env::temp_dir().join("regraft-fuzz-caffe");
            std::fs::create_dir_all(&kept).unwrap();
            #[expect(clippy::disallowed_methods, reason = "a file for whoever mends this")]
            std::fs::write(kept.join("damaged"), &damaged).unwrap();
            let count = found.count;
            panic!(
                "{kind:?} number {count} of {size} bytes cost {cost} bytes and {took:?}: {}",
                kept.display()
            );
        }
        found.count += 1;
        found.good += usize::from(sound);
        found.longest = found.longest.max(took);
        found.beyond = found.beyond.max(cost.saturating_sub(3 * size));
    }
    found
}

#[test]
fn damaged_files_are_refused_or_read_in_little_memory() {
    // The largest seed is for the long run.
    let mut seeds = seeds();
    seeds.retain(|(_, bytes, _)| bytes.len() < 20_000 || bytes.len() > 100_000);
    let Found { count, good, .. } = run(1, &seeds, |count| count == 2000);
    assert!(
        good > count / 20 && good < count,
        "{good} of {count} are sound: the damage is not right"
    );
}

#[test]
#[ignore = "as long as REGRAFT_FUZZ_SECONDS says"]
fn damaged_files_for_a_long_time() {
    let seconds = std::env::var("REGRAFT_FUZZ_SECONDS").map_or(60, |s| s.parse().unwrap());
    let seed = std::env::var("REGRAFT_FUZZ_SEED").map_or(7, |s| s.parse().unwrap());
    let mut seeds = seeds();
    if let Ok(kind) = std::env::var("REGRAFT_FUZZ_KIND") {
        seeds.retain(|s| format!("{:?}", s.0) == kind);
    }
    let end = Instant::now() + Duration::from_secs(seconds);
    println!("{:?}", run(seed, &seeds, |_| Instant::now() >= end));
}

#[test]
fn whole_files_cost_little_more_than_their_weights() {
    let _alone = ALONE.lock().unwrap();
    for (kind, bytes, text) in seeds() {
        let (cost, good) = read(kind, &bytes, text.as_deref());
        assert!(good || kind == Kind::Prototxt, "{kind:?}");
        assert!(cost < 3 * bytes.len() + ALLOWANCE, "{kind:?} of {} cost {cost}", bytes.len());
    }
}
