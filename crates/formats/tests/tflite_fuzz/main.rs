//! Damaged `TFLite` files: an error or a network, never a panic, never long, never much memory.
//!
//! A program of its own, because it counts what is allocated. `REGRAFT_FUZZ_SECONDS=600 cargo test -p
//! regraft-formats --test tflite_fuzz -- --ignored --nocapture` goes on as long as it is told.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::PathBuf;

use regraft_formats::tflite;

#[path = "../fuzzing/mod.rs"]
mod fuzzing;

use fuzzing::{Enough, File, Limits, Sequence};

/// Small integers are four times as large as floats, and a layer is turned beside its numbers.
const LIMITS: Limits = Limits { allowance: 512 << 10, sizes: 5 };

/// Files to damage, and some that are nothing but many small parts.
fn seeds() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tflite");
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "tflite"))
        .collect();
    names.sort();
    assert!(names.len() >= 12, "fixtures are missing");
    let mut seeds: Vec<Vec<u8>> = names.iter().map(|n| std::fs::read(n).unwrap()).collect();
    for part in [1, 3, 4] {
        seeds.push(crowd(part));
    }
    seeds
}

/// A file with a vector of 20 000 distances that all lead to one small table: operator codes (1), or
/// buffers (4), or with tensors and operators in a graph (3).
fn crowd(part: usize) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    bytes[4..8].copy_from_slice(b"TFL3");
    // An empty table at 8: a vtable of two lengths, then the distance back to it.
    bytes.extend([4, 0, 4, 0, 4, 0, 0, 0]);
    let empty = 12;
    let vector = |bytes: &mut Vec<u8>, to: usize, negative: usize| {
        let at = bytes.len();
        bytes.extend(20_000u32.to_le_bytes());
        for _ in 0..20_000 {
            // Distances lead forward only: each entry gets a table of its own behind the vector.
            let _ = to;
            bytes.extend([0; 4]);
        }
        let table = bytes.len() + negative;
        bytes.extend([4, 0, 4, 0, 4, 0, 0, 0]);
        for i in 0..20_000 {
            let place = at + 4 + 4 * i;
            let step = (table + 4 - place) as u32;
            bytes[place..place + 4].copy_from_slice(&step.to_le_bytes());
        }
        at
    };
    // The root: version 3 and four vectors, then the vectors behind it.
    let fields = 5;
    let vtable = bytes.len();
    bytes.extend((4 + 2 * fields as u16).to_le_bytes());
    bytes.extend((4 + 4 * fields as u16).to_le_bytes());
    (0..fields as u16).for_each(|i| bytes.extend((4 + 4 * i).to_le_bytes()));
    bytes.extend([0; 2]);
    let root = bytes.len();
    bytes.extend(((root - vtable) as u32).to_le_bytes());
    bytes.extend(3u32.to_le_bytes());
    bytes.extend([0; 16]);
    bytes[..4].copy_from_slice(&(root as u32).to_le_bytes());
    for field in 1..fields {
        let at = if field == 2 || field == part {
            vector(&mut bytes, empty, 0)
        } else {
            let at = bytes.len();
            bytes.extend([0; 4]);
            at
        };
        let place = root + 4 + 4 * field;
        let step = (at - place) as u32;
        bytes[place..place + 4].copy_from_slice(&step.to_le_bytes());
    }
    bytes
}

fn damage(bytes: &[u8], next: &mut Sequence) -> Vec<u8> {
    let mut new = bytes.to_vec();
    for _ in 0..=next.below(4) {
        if new.len() < 16 {
            break;
        }
        let at = next.below(new.len());
        let word = next.below(new.len() - 4) & !3;
        match next.below(10) {
            0 if next.below(4) == 0 => new.truncate(at),
            1 => {
                // A distance or a count for another.
                let values = [0, 1, 2, 0x7fff_ffff, 0xffff_ffff, new.len() as u32, 64];
                let value = values[next.below(values.len())];
                new[word..word + 4].copy_from_slice(&value.to_le_bytes());
            }
            2 | 3 => {
                // A distance that leads to where another does.
                let from = next.below(new.len() - 4) & !3;
                let there: [u8; 4] = new[from..from + 4].try_into().unwrap();
                new[word..word + 4].copy_from_slice(&there);
            }
            4 => new[at] = [0, 1, 0x7f, 0x80, 0xff][next.below(5)],
            // Options, extents and numbers of operators are small: changed by one or two they still are.
            5..=7 => {
                let near = new[at..].iter().position(|b| *b < 32).unwrap_or(0);
                new[at + near] = new[at + near].wrapping_add(next.below(5) as u8).wrapping_sub(2);
            }
            8 => {
                let from = next.below(new.len() - 4) & !3;
                let count = (4 * next.below(16)).min(new.len() - word.max(from));
                new.copy_within(from..from + count, word);
            }
            _ => new[at] ^= 1 << next.below(8),
        }
    }
    new
}

fn read(file: &File) -> bool {
    tflite::from_bytes(&file.bytes).is_ok()
}

fn run(enough: &Enough) -> fuzzing::Found {
    let seeds = seeds();
    let make = |next: &mut Sequence| File::new(damage(&seeds[next.below(seeds.len())], next));
    fuzzing::run(&LIMITS, enough, make, read)
}

#[test]
fn damaged_files_are_refused_or_read_in_little_memory() {
    fuzzing::is_right(&run(&Enough::Count(3000)), 20);
}

#[test]
#[ignore = "as long as REGRAFT_FUZZ_SECONDS says"]
fn damaged_files_for_a_long_time() {
    println!("{:?}", run(&Enough::Time));
}

#[test]
fn whole_files_cost_little_more_than_their_weights() {
    let files = seeds().into_iter().map(File::new);
    fuzzing::whole(&LIMITS, files, read, |_| false);
}
