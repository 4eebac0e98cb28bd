//! Damaged files of Keras: an error or a network, never a panic, never long, never much memory.
//!
//! A program of its own, because it counts what is allocated. `REGRAFT_FUZZ_SECONDS=600 cargo test -p
//! regraft-formats --test keras_fuzz -- --ignored` goes on as long as it is told.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(unsafe_code, reason = "an allocator that counts is one, and only tests have it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Cursor, Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use regraft_formats::{from_bytes, keras};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

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

/// A file to damage. Of an archive the members are damaged, and it is put together anew: a changed
/// member of an old one would be refused for its checksum at once.
enum Seed {
    Hdf5(Vec<u8>),
    Archive(Vec<(String, Vec<u8>)>),
}

fn seeds(archives: bool) -> Vec<Seed> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keras");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let ends = |path: &PathBuf, end: &str| path.extension().is_some_and(|e| e == end);
    let wanted = if archives { "keras" } else { "h5" };
    let seeds: Vec<Seed> = paths
        .iter()
        .filter(|p| ends(p, wanted))
        .map(|p| std::fs::read(p).unwrap())
        .map(|bytes| if archives { Seed::Archive(members(&bytes)) } else { Seed::Hdf5(bytes) })
        .collect();
    assert!(seeds.len() > 1);
    seeds
}

fn members(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut members = Vec::new();
    for n in 0..zip.len() {
        let mut member = zip.by_index(n).unwrap();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        members.push((member.name().unwrap().to_string(), bytes));
    }
    members
}

fn packed(members: &[(String, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Parts of descriptions, to put into one.
const WORDS: [&[u8]; 16] = [
    b"[",
    b"{",
    b"}",
    b"null",
    b"-1",
    b"1048576",
    b"99999999999",
    b"0",
    b"[[[[",
    b"\"same\"",
    b"\"Sequential\"",
    b"\"Functional\"",
    b"\"Concatenate\"",
    b"\"Multiply\"",
    b"\"stem\"",
    b",0,0,0,0",
];

fn damage(new: &mut Vec<u8>, text: bool, next: &mut Sequence) {
    for _ in 0..=next.below(4) {
        let at = next.below(new.len());
        match next.below(9) {
            0 if next.below(4) == 0 => new.truncate(at),
            1 if text => {
                let end = (at + next.below(2000)).min(new.len());
                let part = new[at..end].to_vec();
                let to = next.below(new.len());
                new.splice(to..to, part);
            }
            2 if text => {
                let end = (at + next.below(50)).min(new.len());
                new.drain(at..end);
            }
            3 if text => {
                new.splice(at..at, WORDS[next.below(WORDS.len())].iter().copied());
            }
            4 if text && !new.is_empty() => {
                // A digit for another.
                if let Some(found) = new[at..].iter().position(u8::is_ascii_digit) {
                    new[at + found] = b'0' + next.below(10) as u8;
                }
            }
            1 | 2 if new.len() > 8 => {
                // Another place of the file, as an address.
                let at = next.below(new.len() - 8) & !7;
                let place = (next.below(new.len()) & !7) as u64;
                new[at..at + 8].copy_from_slice(&place.to_le_bytes());
            }
            3 | 5 if !new.is_empty() => new[at] = [0, 1, 0x7f, 0x80, 0xff][next.below(5)],
            // What leads to the rest lies at the start.
            6 if !new.is_empty() => {
                let at = next.below(new.len().min(4000));
                new[at] = next.below(256) as u8;
            }
            _ if !new.is_empty() => new[at] ^= 1 << next.below(8),
            _ => {}
        }
    }
}

fn damaged(seed: &Seed, next: &mut Sequence) -> Vec<u8> {
    match seed {
        Seed::Hdf5(bytes) => {
            let mut new = bytes.clone();
            damage(&mut new, false, next);
            new
        }
        Seed::Archive(members) => {
            let mut members = members.clone();
            let at = next.below(members.len());
            let text = !members[at].0.ends_with("h5");
            damage(&mut members[at].1, text, next);
            let methods = [CompressionMethod::Stored, CompressionMethod::Deflated];
            let mut new = packed(&members, methods[usize::from(next.below(8) == 0)]);
            if next.below(8) == 0 {
                damage(&mut new, false, next);
            }
            new
        }
    }
}

/// Reads a file as a network and as weights; gives what it cost at most, and whether it was one.
fn read(bytes: &[u8]) -> (usize, bool) {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let good = keras::model(bytes).is_ok();
    drop(from_bytes(bytes));
    (PEAK.load(Ordering::Relaxed) - before, good)
}

/// Damages files until `enough`; gives how many were read, how many of them were sound networks, and the
/// largest cost in sizes of the file, the allowance aside.
fn run(seed: u64, archives: bool, enough: impl Fn(usize) -> bool) -> (usize, usize, f64) {
    let _alone = ALONE.lock().unwrap();
    let seeds = seeds(archives);
    let mut next = Sequence(seed);
    let (mut count, mut good, mut most) = (0, 0, 0f64);
    while !enough(count) {
        let file = damaged(&seeds[next.below(seeds.len())], &mut next);
        let start = Instant::now();
        let (cost, sound) = read(&file);
        let took = start.elapsed();
        // The file itself, which its reader holds, is one of the four.
        if cost > 3 * file.len() + ALLOWANCE || took > LONGEST {
            let kept = std::env::temp_dir().join("regraft-fuzz-keras");
            std::fs::create_dir_all(&kept).unwrap();
            #[expect(clippy::disallowed_methods, reason = "a file for whoever mends this")]
            std::fs::write(kept.join("damaged"), &file).unwrap();
            panic!(
                "number {count} of {} bytes cost {cost} bytes and {took:?}: {}",
                file.len(),
                kept.display()
            );
        }
        count += 1;
        good += usize::from(sound);
        most = most.max(cost.saturating_sub(ALLOWANCE) as f64 / file.len() as f64);
    }
    (count, good, most)
}

#[test]
fn damaged_files_are_refused_or_read_in_little_memory() {
    for archives in [false, true] {
        let (count, good, _) = run(1, archives, |count| count == 400);
        assert!(good > count / 50 && good < count, "{good} of {count} are sound");
    }
}

fn for_a_long_time(archives: bool) {
    let seconds = std::env::var("REGRAFT_FUZZ_SECONDS").map_or(60, |s| s.parse().unwrap());
    let seed = std::env::var("REGRAFT_FUZZ_SEED").map_or(7, |s| s.parse().unwrap());
    let end = Instant::now() + Duration::from_secs(seconds);
    let (count, good, most) = run(seed, archives, |_| Instant::now() >= end);
    #[expect(clippy::print_stdout, reason = "what a long run found")]
    {
        println!(
            "archives {archives}: {count} damaged files, {good} sound, at most {most:.2} sizes"
        );
    }
}

#[test]
#[ignore = "as long as REGRAFT_FUZZ_SECONDS says"]
fn damaged_hdf5_for_a_long_time() {
    for_a_long_time(false);
}

#[test]
#[ignore = "as long as REGRAFT_FUZZ_SECONDS says"]
fn damaged_archives_for_a_long_time() {
    for_a_long_time(true);
}

#[test]
fn whole_files_cost_little_more_than_their_weights() {
    let _alone = ALONE.lock().unwrap();
    for seed in seeds(false).into_iter().chain(seeds(true)) {
        let bytes = match seed {
            Seed::Hdf5(bytes) => bytes,
            Seed::Archive(members) => packed(&members, CompressionMethod::Stored),
        };
        let (cost, _) = read(&bytes);
        assert!(cost < 3 * bytes.len() + ALLOWANCE, "{} cost {cost}", bytes.len());
    }
}
