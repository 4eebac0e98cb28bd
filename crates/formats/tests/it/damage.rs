//! Cut and changed files: an error or tensors, never a panic, never much memory.

use regraft_formats::from_bytes;

use crate::fixtures;

/// Changed files tried for each fixture.
const CHANGES: usize = 600;
/// Memory that reading kilobytes may ever ask for, in kilobytes.
const MEMORY_KB: u64 = 1 << 20;

/// The largest amount of memory this process ever asked for, in kilobytes, where Linux says so.
fn peak_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmPeak:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// A sequence that looks random and is always the same (`splitmix64`).
struct Sequence(u64);

impl Sequence {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

#[test]
fn a_file_cut_at_any_byte_is_an_error_or_whole() {
    for (file, bytes) in fixtures() {
        let whole = from_bytes(&bytes);
        // The end of a tar archive is padding; nowhere else may a cut go unnoticed.
        let padding = bytes.iter().rev().take_while(|b| **b == 0).count();
        let padded = file.starts_with("tar");
        for cut in 0..bytes.len() {
            if let Ok(weights) = from_bytes(&bytes[..cut]) {
                assert!(padded && cut >= bytes.len() - padding, "{file} cut at {cut} opens");
                assert_eq!(weights, *whole.as_ref().unwrap(), "{file} cut at {cut}");
            }
        }
    }
}

#[test]
fn a_changed_byte_never_panics_and_never_takes_much_memory() {
    let mut next = Sequence(7);
    let before = peak_kb();
    for (_, bytes) in fixtures() {
        for round in 0..CHANGES {
            let mut changed = bytes.clone();
            for _ in 0..=round % 3 {
                let at = next.below(changed.len());
                changed[at] = match next.below(4) {
                    0 => 0xff,
                    1 => 0,
                    2 => changed[at] ^ (1 << next.below(8)),
                    _ => next.below(256) as u8,
                };
            }
            drop(from_bytes(&changed));
        }
    }
    if let Some((before, after)) = before.zip(peak_kb()) {
        assert!(after - before < MEMORY_KB, "memory grew from {before} to {after} kB");
    }
}

#[test]
fn a_changed_value_in_a_zip_is_noticed_by_its_checksum() {
    let (_, bytes) = fixtures().into_iter().find(|(name, _)| name == "zip.pth").unwrap();
    let counter = 7i64.to_le_bytes();
    let at = bytes.windows(8).position(|w| w == counter).unwrap();
    let mut changed = bytes;
    changed[at] = 8;
    let error = from_bytes(&changed).unwrap_err().to_string();
    assert!(error.contains("archive member") && error.contains("fetch the file again"), "{error}");
}
