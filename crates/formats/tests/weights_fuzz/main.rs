//! Damaged files of weights: pickles and archives of `PyTorch`, arrays of `NumPy`, safetensors. An error or
//! tensors, never a panic, never long, never much memory.
//!
//! A program of its own, because it counts what is allocated. `REGRAFT_FUZZ_SECONDS=600 cargo test -p
//! regraft-formats --test weights_fuzz -- --ignored --nocapture` goes on as long as it is told.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::PathBuf;

use regraft_formats::from_bytes;

#[path = "../fuzzing/mod.rs"]
mod fuzzing;

use fuzzing::{Enough, File, Limits, Sequence};

/// What a file may cost: tables of a pickle are more than the size of a small one.
const LIMITS: Limits = Limits { allowance: 512 << 10, sizes: 3 };

/// Files to damage.
fn seeds() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut names: Vec<PathBuf> = [folder.clone(), folder.join("wrappers")]
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let kinds = ["pth", "pkl", "npz", "npy", "safetensors"];
            path.extension().is_some_and(|e| kinds.iter().any(|kind| e == *kind))
        })
        .collect();
    names.sort();
    assert!(names.len() >= 40, "fixtures are missing");
    names.iter().map(|n| std::fs::read(n).unwrap()).collect()
}

/// Codes of pickles, to put over others: memo, tuples, calls, marks, lists, states, the end.
const CODES: &[u8] = b"(.012RbcdeglopqrstuX]}\x80\x81\x85\x86\x87\x88\x89\x8a\x8b\x8c\x93\x94\x95";

fn damage(bytes: &[u8], next: &mut Sequence) -> Vec<u8> {
    let mut new = bytes.to_vec();
    for _ in 0..=next.below(3) {
        if new.is_empty() {
            break;
        }
        let at = next.below(new.len());
        match next.below(8) {
            0 if next.below(4) == 0 => new.truncate(at),
            1 => {
                let end = (at + next.below(200)).min(new.len());
                let part = new[at..end].to_vec();
                let to = next.below(new.len());
                new.splice(to..to, part);
            }
            2 => {
                let end = (at + next.below(20)).min(new.len());
                new.drain(at..end);
            }
            3 => new[at] = CODES[next.below(CODES.len())],
            4 => new[at] = [0, 1, 0x7f, 0x80, 0xff][next.below(5)],
            5 => {
                // Sizes and offsets are numbers of four or eight bytes.
                let wide = [4, 8][next.below(2)];
                let number = (u64::MAX >> next.below(64)).to_le_bytes();
                let end = (at + wide).min(new.len());
                new[at..end].copy_from_slice(&number[..end - at]);
            }
            _ => new[at] ^= 1 << next.below(8),
        }
    }
    new
}

fn read(file: &File) -> bool {
    from_bytes(&file.bytes).is_ok()
}

fn run(enough: &Enough) -> fuzzing::Found {
    let alone = fuzzing::alone();
    let seeds = seeds();
    let make = |next: &mut Sequence| File::from(damage(&seeds[next.below(seeds.len())], next));
    fuzzing::run(&alone, &LIMITS, enough, make, read)
}

#[test]
fn damaged_files_are_errors_or_tensors() {
    fuzzing::is_right(&run(&Enough::Count(3000)), 50);
}

#[test]
#[ignore = "as long as REGRAFT_FUZZ_SECONDS says"]
fn damaged_files_for_a_long_time() {
    println!("{:?}", run(&Enough::Time));
}

#[test]
fn whole_files_cost_no_more_than_they_should() {
    let alone = fuzzing::alone();
    let files: Vec<File> = seeds().into_iter().map(File::from).collect();
    fuzzing::whole(&alone, &LIMITS, files, read, |_| false);
}
