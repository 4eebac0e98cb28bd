//! Damaged ONNX files: an error or a network, never a panic, never long, never much memory.
//!
//! A program of its own, because it counts what is allocated. `REGRAFT_FUZZ_SECONDS=600 cargo test -p
//! regraft-formats --test onnx_fuzz -- --ignored --nocapture` goes on as long as it is told.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(unsafe_code, reason = "an allocator that counts is one, and only tests have it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use regraft_formats::onnx;

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

/// Bytes that a file may cost beside four times its size: names, layers and tables of a small one.
const ALLOWANCE: usize = 512 << 10;
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

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/onnx")
}

/// Files to damage, and some that are nothing but many small parts.
fn seeds() -> Vec<Vec<u8>> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "onnx"))
        .collect();
    names.sort();
    assert!(names.len() >= 16, "fixtures are missing");
    let mut seeds: Vec<Vec<u8>> = names.iter().map(|n| std::fs::read(n).unwrap()).collect();
    // Fields of the graph: nodes, tensors, inputs, outputs of no bytes; a node with as many inputs.
    for part in [[0x0a, 0], [0x2a, 0], [0x5a, 0], [0x62, 0]] {
        seeds.push(graph(&part.repeat(20_000)));
    }
    for part in [[0x0a, 0], [0x2a, 0], [0x38, 1]] {
        let mut node = vec![0x0a];
        length(&mut node, 40_000);
        node.extend(part.repeat(20_000));
        seeds.push(graph(&node));
    }
    seeds
}

fn length(to: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        to.push(n as u8 | 0x80);
        n >>= 7;
    }
    to.push(n as u8);
}

/// A model whose graph has these bytes.
fn graph(bytes: &[u8]) -> Vec<u8> {
    let mut model = vec![0x08, 8, 0x3a];
    length(&mut model, bytes.len());
    model.extend(bytes);
    model
}

/// Words that mean something in a file, to put over others of their length.
const WORDS: [&[u8]; 16] = [
    b"Conv",
    b"Gemm",
    b"Add",
    b"Mul",
    b"Div",
    b"Pow",
    b"Expand",
    b"Concat",
    b"Reshape",
    b"Softmax",
    b"MaxPool",
    b"Transpose",
    b"Slice",
    b"Range",
    b"Gather",
    b"Shape",
];

fn damage(bytes: &[u8], next: &mut Sequence) -> Vec<u8> {
    let mut new = bytes.to_vec();
    for _ in 0..=next.below(4) {
        let at = next.below(new.len());
        match next.below(9) {
            0 if next.below(4) == 0 => new.truncate(at),
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
            3 => {
                let word = WORDS[next.below(WORDS.len())];
                let end = (at + word.len()).min(new.len());
                new[at..end].copy_from_slice(&word[..end - at]);
            }
            4 if !new.is_empty() => new[at] = [0, 1, 0x7f, 0x80, 0xff][next.below(5)],
            // Numbers of settings and extents are small: changed by one or two they still are.
            5 | 6 if !new.is_empty() => {
                let near = new[at..].iter().position(|b| *b < 32).unwrap_or(0);
                new[at + near] = new[at + near].wrapping_add(next.below(5) as u8).wrapping_sub(2);
            }
            _ if !new.is_empty() => new[at] ^= 1 << next.below(8),
            _ => {}
        }
    }
    new
}

/// Reads a file; gives what it cost at most, and whether it was a network.
fn read(bytes: &[u8]) -> (usize, bool) {
    let folder = folder();
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let good = onnx::from_bytes(bytes, Some(&folder)).is_ok();
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
fn run(seed: u64, enough: impl Fn(usize) -> bool) -> Found {
    let _alone = ALONE.lock().unwrap();
    let seeds = seeds();
    let mut next = Sequence(seed);
    let mut found = Found::default();
    while !enough(found.count) {
        let damaged = damage(&seeds[next.below(seeds.len())], &mut next);
        let start = Instant::now();
        let (cost, sound) = read(&damaged);
        let took = start.elapsed();
        // The file itself, which its reader holds, is one of the four.
        if cost > 3 * damaged.len() + ALLOWANCE || took > LONGEST {
            let kept = std::env::temp_dir().join("regraft-fuzz-damaged.onnx");
            #[expect(clippy::disallowed_methods, reason = "a file for whoever mends this")]
            std::fs::write(&kept, &damaged).unwrap();
            let (count, size) = (found.count, damaged.len());
            panic!(
                "number {count} of {size} bytes cost {cost} bytes and {took:?}: {}",
                kept.display()
            );
        }
        found.count += 1;
        found.good += usize::from(sound);
        found.longest = found.longest.max(took);
        found.beyond = found.beyond.max(cost.saturating_sub(3 * damaged.len()));
    }
    found
}

#[test]
fn damaged_files_are_refused_or_read_in_little_memory() {
    let Found { count, good, .. } = run(1, |count| count == 1500);
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
    let end = Instant::now() + Duration::from_secs(seconds);
    println!("{:?}", run(seed, |_| Instant::now() >= end));
}

#[test]
fn whole_files_cost_little_more_than_their_weights() {
    let _alone = ALONE.lock().unwrap();
    for bytes in seeds() {
        let (cost, _) = read(&bytes);
        assert!(cost < 3 * bytes.len() + ALLOWANCE, "{} bytes cost {cost}", bytes.len());
    }
}
