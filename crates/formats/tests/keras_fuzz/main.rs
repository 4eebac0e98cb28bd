//! Damaged files of Keras: an error or a network, never a panic, never long, never much memory.
//!
//! A program of its own, because it counts what is allocated. `REGRAFT_FUZZ_SECONDS=600 cargo test -p
//! regraft-formats --test keras_fuzz -- --ignored` goes on as long as it is told.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::{Cursor, Read as _, Write as _};
use std::path::PathBuf;

use regraft_formats::{from_bytes, keras};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

#[path = "../fuzzing/mod.rs"]
mod fuzzing;

use fuzzing::{Enough, File, Limits, Sequence};

/// What a file may cost: names, errors and tables of a small one are more than its size.
const LIMITS: Limits = Limits { allowance: 256 << 10, sizes: 3 };

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

/// Reads a file as a network and as weights.
fn read(file: &File) -> bool {
    let good = keras::model(&file.bytes).is_ok();
    drop(from_bytes(&file.bytes));
    good
}

/// Damages files until there are enough.
fn run(archives: bool, enough: &Enough) -> fuzzing::Found {
    let alone = fuzzing::alone();
    let seeds = seeds(archives);
    let make = |next: &mut Sequence| File::from(damaged(&seeds[next.below(seeds.len())], next));
    fuzzing::run(&alone, &LIMITS, enough, make, read)
}

#[test]
fn damaged_files_are_refused_or_read_in_little_memory() {
    for archives in [false, true] {
        fuzzing::is_right(&run(archives, &Enough::Count(400)), 50);
    }
}

#[test]
#[ignore = "as long as REGRAFT_FUZZ_SECONDS says"]
fn damaged_hdf5_for_a_long_time() {
    println!("{:?}", run(false, &Enough::Time));
}

#[test]
#[ignore = "as long as REGRAFT_FUZZ_SECONDS says"]
fn damaged_archives_for_a_long_time() {
    println!("{:?}", run(true, &Enough::Time));
}

#[test]
fn whole_files_cost_little_more_than_their_weights() {
    let alone = fuzzing::alone();
    let files = seeds(false).into_iter().chain(seeds(true)).map(|seed| match seed {
        Seed::Hdf5(bytes) => File::from(bytes),
        Seed::Archive(members) => File::from(packed(&members, CompressionMethod::Stored)),
    });
    fuzzing::whole(&alone, &LIMITS, files, read, |_| false);
}
