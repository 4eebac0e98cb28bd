//! Damaged files of Caffe: an error or a network, never a panic, never long, never much memory.
//!
//! A program of its own, because it counts what is allocated. `REGRAFT_FUZZ_SECONDS=600 cargo test -p
//! regraft-formats --test caffe_fuzz -- --ignored --nocapture` goes on as long as it is told, with
//! `REGRAFT_FUZZ_KIND=Prototxt` (`Caffemodel`, `Mean`) on files of one kind.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::PathBuf;

use regraft_formats::caffe;

#[path = "../fuzzing/mod.rs"]
mod fuzzing;

use fuzzing::{Alone, Enough, File, Limits, Sequence};

/// What a file may cost: names, errors and tables of a small one are more than its size.
const LIMITS: Limits = Limits { allowance: 256 << 10, sizes: 3 };

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

/// Reads a file of a kind.
fn read(kind: Kind, bytes: &[u8], text: Option<&[u8]>) -> bool {
    match kind {
        Kind::Prototxt => caffe::graph_from_bytes(bytes).is_ok(),
        Kind::Caffemodel => caffe::from_bytes(text, bytes).is_ok(),
        Kind::Mean => caffe::mean_from_bytes(bytes).is_ok(),
    }
}

/// A file of a seed, with these bytes.
fn file((kind, _, text): &Seed, bytes: Vec<u8>) -> File {
    let beside = text.as_ref().map_or(0, Vec::len);
    File { bytes, beside, kind: format!("{kind:?}") }
}

/// Damages files until there are enough.
fn run(alone: &Alone, seeds: &[Seed], enough: &Enough) -> fuzzing::Found {
    // The seed in hand: what is read depends on its kind.
    let hand = std::cell::Cell::new(0);
    let make = |next: &mut Sequence| {
        hand.set(next.below(seeds.len()));
        let seed = &seeds[hand.get()];
        file(seed, damage(&seed.1, seed.0, next))
    };
    fuzzing::run(alone, &LIMITS, enough, make, |file| {
        let (kind, _, text) = &seeds[hand.get()];
        read(*kind, &file.bytes, text.as_deref())
    })
}

#[test]
fn damaged_files_are_refused_or_read_in_little_memory() {
    // The largest seed is for the long run.
    let alone = fuzzing::alone();
    let mut seeds = seeds();
    seeds.retain(|(_, bytes, _)| bytes.len() < 20_000 || bytes.len() > 100_000);
    fuzzing::is_right(&run(&alone, &seeds, &Enough::Count(2000)), 20);
}

#[test]
#[ignore = "as long as REGRAFT_FUZZ_SECONDS says"]
fn damaged_files_for_a_long_time() {
    let alone = fuzzing::alone();
    let mut seeds = seeds();
    if let Ok(kind) = std::env::var("REGRAFT_FUZZ_KIND") {
        seeds.retain(|s| format!("{:?}", s.0) == kind);
    }
    println!("{:?}", run(&alone, &seeds, &Enough::Time));
}

#[test]
fn whole_files_cost_little_more_than_their_weights() {
    let alone = fuzzing::alone();
    for seed in seeds() {
        let (kind, bytes, text) = &seed;
        let whole = file(&seed, bytes.clone());
        let read = |file: &File| read(*kind, &file.bytes, text.as_deref());
        fuzzing::whole(&alone, &LIMITS, [whole], read, |_| *kind != Kind::Prototxt);
    }
}
