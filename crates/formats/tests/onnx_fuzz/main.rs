//! Damaged ONNX files: an error or a network, never a panic, never long, never much memory.
//!
//! A program of its own, because it counts what is allocated. `REGRAFT_FUZZ_SECONDS=600 cargo test -p
//! regraft-formats --test onnx_fuzz -- --ignored --nocapture` goes on as long as it is told.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::PathBuf;

use regraft_formats::onnx;

#[path = "../fuzzing/mod.rs"]
mod fuzzing;

use fuzzing::{Enough, File, Limits, Sequence};

/// What a file may cost: names, layers and tables of a small one are more than its size.
const LIMITS: Limits = Limits { allowance: 512 << 10, sizes: 3 };

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

fn read(file: &File) -> bool {
    onnx::from_bytes(&file.bytes, Some(&folder())).is_ok()
}

fn run(enough: &Enough) -> fuzzing::Found {
    let alone = fuzzing::alone();
    let seeds = seeds();
    let make = |next: &mut Sequence| File::from(damage(&seeds[next.below(seeds.len())], next));
    fuzzing::run(&alone, &LIMITS, enough, make, read)
}

#[test]
fn damaged_files_are_refused_or_read_in_little_memory() {
    fuzzing::is_right(&run(&Enough::Count(1500)), 20);
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
