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

/// What a file may cost: names, layers and tables of a small one are a few times its size.
const LIMITS: Limits = Limits { allowance: 512 << 10, sizes: 3 };

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
    seeds.extend([None, Some(0), Some(3)].map(crowd));
    seeds
}

/// A flatbuffer being written.
struct Writer(Vec<u8>);

impl Writer {
    /// A table with these fields, each a distance or a number of 4 bytes that is 0 so far; gives the
    /// places of the table and of the fields.
    fn table(&mut self, fields: &[u16]) -> (usize, Vec<usize>) {
        let count = fields.iter().max().map_or(0, |f| f + 1);
        let vtable = self.0.len();
        self.0.extend((4 + 2 * count).to_le_bytes());
        self.0.extend((4 + 4 * fields.len() as u16).to_le_bytes());
        for number in 0..count {
            let place = fields.iter().position(|f| *f == number);
            self.0.extend(place.map_or(0, |i| 4 + 4 * i as u16).to_le_bytes());
        }
        let at = self.0.len();
        self.0.extend(((at - vtable) as u32).to_le_bytes());
        self.0.resize(at + 4 + 4 * fields.len(), 0);
        (at, (0..fields.len()).map(|i| at + 4 + 4 * i).collect())
    }

    /// A vector of `count` distances at the place `at`, which all lead to one table with `fields`;
    /// gives the places of those.
    fn vector(&mut self, at: usize, count: usize, fields: &[u16]) -> Vec<usize> {
        let start = self.0.len();
        self.lead(at, start);
        self.0.extend((count as u32).to_le_bytes());
        self.0.resize(start + 4 + 4 * count, 0);
        let (table, places) = self.table(fields);
        for i in 0..count {
            self.lead(start + 4 + 4 * i, table);
        }
        places
    }

    /// The distance at `at` leads to `to`.
    fn lead(&mut self, at: usize, to: usize) {
        self.0[at..at + 4].copy_from_slice(&((to - at) as u32).to_le_bytes());
    }
}

/// A file of 20 000 distances that all lead to one empty table: tensors (0) or operators (3) of its
/// graph; or as many graphs.
fn crowd(part: Option<u16>) -> Vec<u8> {
    let mut file = Writer(b"\0\0\0\0TFL3".to_vec());
    let (root, fields) = file.table(&[0, 1, 2, 4]);
    file.lead(0, root);
    file.0[fields[0]] = 3;
    file.vector(fields[1], 1, &[]);
    file.vector(fields[3], 1, &[]);
    let many = if part.is_some() { 1 } else { 20_000 };
    let lists = file.vector(fields[2], many, &[0, 3]);
    for (number, place) in [0, 3].into_iter().zip(lists) {
        file.vector(place, if part == Some(number) { 20_000 } else { 1 }, &[]);
    }
    file.0
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
    let alone = fuzzing::alone();
    let seeds = seeds();
    let make = |next: &mut Sequence| File::from(damage(&seeds[next.below(seeds.len())], next));
    fuzzing::run(&alone, &LIMITS, enough, make, read)
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
    let alone = fuzzing::alone();
    let files = seeds().into_iter().map(File::from);
    fuzzing::whole(&alone, &LIMITS, files, read, |_| false);
}
