//! What the programs that read damaged files share: an allocator that counts, a sequence of numbers, and
//! the loop that damages files and reads them.
//!
//! Each takes this in by its path, and is a program of its own because the allocator counts all that it
//! does.

#![expect(unsafe_code, reason = "an allocator that counts is one, and only tests have it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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

static ALONE: Mutex<()> = Mutex::new(());

/// Says that no other test of the program runs: they all count the same bytes.
pub(crate) struct Alone(
    #[expect(dead_code, reason = "held until it is dropped")] MutexGuard<'static, ()>,
);

/// Waits for the other tests of the program. To be asked before anything is read or made.
pub(crate) fn alone() -> Alone {
    Alone(ALONE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Longest that one file may take.
const LONGEST: Duration = Duration::from_secs(5);

/// A sequence that looks random and is always the same (`splitmix64`).
pub(crate) struct Sequence(u64);

impl Sequence {
    /// A number below `n`, 0 when there is none.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

/// A file to read.
pub(crate) struct File {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Bytes that belong to it beside those, in another file.
    pub(crate) beside: usize,
    /// A word for it.
    pub(crate) kind: String,
}

impl From<Vec<u8>> for File {
    /// A file without another.
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, beside: 0, kind: "file".to_owned() }
    }
}

/// What may be wrong with reading: how much memory a file may cost.
pub(crate) struct Limits {
    /// Bytes beside `sizes` times the file: names, layers, errors and tables of a small one.
    pub(crate) allowance: usize,
    /// Sizes of the file that it may cost, beside the file itself, which its reader holds.
    pub(crate) sizes: usize,
}

/// What a run found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Files read.
    pub(crate) count: usize,
    /// Those that were sound.
    pub(crate) good: usize,
    /// The longest that one took.
    pub(crate) longest: Duration,
    /// The most that one cost beyond the sizes that are allowed, in bytes.
    pub(crate) beyond: usize,
}

/// How many files are read.
pub(crate) enum Enough {
    /// So many.
    Count(usize),
    /// As many as can be in `REGRAFT_FUZZ_SECONDS` (60).
    Time,
}

/// Seed of the sequence: `REGRAFT_FUZZ_SEED` (7) for a long run, 1 else.
fn seed(enough: &Enough) -> u64 {
    match enough {
        Enough::Count(_) => 1,
        Enough::Time => std::env::var("REGRAFT_FUZZ_SEED").map_or(7, |s| s.parse().unwrap()),
    }
}

/// Reads a file; gives what it cost at most in bytes, and whether it was sound.
fn cost(read: impl FnOnce() -> bool) -> (usize, bool) {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let good = read();
    (PEAK.load(Ordering::Relaxed) - before, good)
}

/// Reads files that `make` gives until there are enough. Panics at one that costs too much or takes too
/// long, and keeps it.
pub(crate) fn run(
    _alone: &Alone,
    limits: &Limits,
    enough: &Enough,
    mut make: impl FnMut(&mut Sequence) -> File,
    read: impl Fn(&File) -> bool,
) -> Found {
    let mut next = Sequence(seed(enough));
    let seconds = std::env::var("REGRAFT_FUZZ_SECONDS").map_or(60, |s| s.parse().unwrap());
    let end = Instant::now() + Duration::from_secs(seconds);
    let done = |count: usize| match enough {
        Enough::Count(all) => count >= *all,
        Enough::Time => Instant::now() >= end,
    };
    let mut found = Found::default();
    while !done(found.count) {
        let file = make(&mut next);
        let size = limits.sizes * (file.bytes.len() + file.beside);
        let start = Instant::now();
        let (cost, sound) = cost(|| read(&file));
        let took = start.elapsed();
        if cost > size + limits.allowance || took > LONGEST {
            let kept = std::env::temp_dir().join(format!("regraft-fuzz-{}", std::process::id()));
            #[expect(clippy::disallowed_methods, reason = "a file for whoever mends this")]
            std::fs::write(&kept, &file.bytes).unwrap();
            let (kind, count, len) = (&file.kind, found.count, file.bytes.len());
            panic!(
                "{kind} number {count} of {len} bytes cost {cost} bytes and {took:?}: {}",
                kept.display()
            );
        }
        found.count += 1;
        found.good += usize::from(sound);
        found.longest = found.longest.max(took);
        found.beyond = found.beyond.max(cost.saturating_sub(size));
    }
    found
}

/// Reads whole files: none may cost more than the limits say. `must` says whether one must be sound.
pub(crate) fn whole(
    _alone: &Alone,
    limits: &Limits,
    files: impl IntoIterator<Item = File>,
    read: impl Fn(&File) -> bool,
    must: impl Fn(&File) -> bool,
) {
    for file in files {
        let (cost, good) = cost(|| read(&file));
        let (kind, len) = (&file.kind, file.bytes.len());
        assert!(good || !must(&file), "{kind} of {len} bytes is not read");
        let most = limits.sizes * (len + file.beside) + limits.allowance;
        assert!(cost < most, "{kind} of {len} bytes cost {cost}");
    }
}

/// Asserts that damage is neither too little nor too much: at least one of `part` files is sound, not all.
pub(crate) fn is_right(found: &Found, part: usize) {
    let Found { count, good, .. } = found;
    assert!(
        *good > count / part && good < count,
        "{good} of {count} are sound: the damage is not right"
    );
}
