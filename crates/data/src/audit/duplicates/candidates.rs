//! Which pairs of pictures may be copies: hashes that agree in a quarter of their bits.

use rayon::prelude::*;

use super::spectrum::{BITS, Cosines, Tables};
use crate::audit::Fingerprint;

/// A hash is looked up by parts of so many bits.
const BAND: usize = 16;
const BANDS: usize = BITS / BAND;

/// Hashes further apart than so many bits are no candidates. Unrelated pictures differ in 32 +- 4, copies
/// measured in up to 5.
const FARTHEST: u32 = 12;

/// Of one picture at most so many candidates are aligned, the nearest: of a thousand alike it is
/// enough to find some.
const MOST: usize = 16;

/// Places of a hash table with more pictures are passed over: they would cost the square of their
/// number, and copies meet in another place too.
const CROWD: usize = 1024;

/// A crop of picture `whole` that may show what picture `part` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The picture that is cropped.
    pub(super) whole: usize,
    /// The picture that is compared with the crop.
    pub(super) part: usize,
    /// Number of the crop.
    pub(super) crop: usize,
    /// Whether the crop is mirrored.
    pub(super) mirrored: bool,
    /// Bits that differ.
    pub(super) distance: u32,
}

/// Pictures by the bits of one part of their hashes.
struct Band {
    /// Where the pictures of each value begin.
    starts: Vec<u32>,
    pictures: Vec<u32>,
}

impl Band {
    fn new(hashes: &[u64], band: usize) -> Self {
        let mut starts = vec![0_u32; (1 << BAND) + 1];
        for hash in hashes {
            starts[part(*hash, band) + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut next = starts.clone();
        let mut pictures = vec![0; hashes.len()];
        for (picture, hash) in hashes.iter().enumerate() {
            let place = &mut next[part(*hash, band)];
            pictures[*place as usize] = picture as u32;
            *place += 1;
        }
        Self { starts, pictures }
    }

    fn at(&self, value: usize) -> &[u32] {
        &self.pictures[self.starts[value] as usize..self.starts[value + 1] as usize]
    }
}

/// The bits of one part. Neighbouring bits are cosines of like frequency, so each part takes every
/// fourth bit.
fn part(hash: u64, band: usize) -> usize {
    (0..BAND).map(|i| ((hash >> (i * BANDS + band) & 1) as usize) << i).sum()
}

/// The least certain bits of each part, as masks of its value: none, one, the other, both.
fn doubts(away: &[f32; BITS], band: usize) -> [usize; 4] {
    let (mut first, mut second) = ((f32::INFINITY, 0), (f32::INFINITY, 0));
    for i in 0..BAND {
        let distance = away[i * BANDS + band];
        if distance < first.0 {
            second = first;
            first = (distance, 1 << i);
        } else if distance < second.0 {
            second = (distance, 1 << i);
        }
    }
    [0, first.1, second.1, first.1 | second.1]
}

/// Hashes of all pictures, to be asked for crops.
pub(super) struct Index {
    tables: Tables,
    middle: Cosines,
    hashes: Vec<u64>,
    bands: Vec<Band>,
}

/// The best crop of a picture that each other picture was met with.
struct Met {
    best: Vec<Candidate>,
    touched: Vec<usize>,
}

impl Met {
    fn new(n: usize) -> Self {
        let far = Candidate { whole: 0, part: 0, crop: 0, mirrored: false, distance: u32::MAX };
        Self { best: vec![far; n], touched: Vec::new() }
    }

    fn meet(&mut self, candidate: Candidate) {
        let best = &mut self.best[candidate.part];
        if best.distance == u32::MAX {
            self.touched.push(candidate.part);
        }
        if candidate.distance < best.distance {
            *best = candidate;
        }
    }

    fn take(&mut self) -> Vec<Candidate> {
        let mut found: Vec<Candidate> = self.touched.iter().map(|i| self.best[*i]).collect();
        for i in self.touched.drain(..) {
            self.best[i].distance = u32::MAX;
        }
        found.sort_by_key(|c| (c.distance, c.part));
        found.truncate(MOST);
        found
    }
}

impl Index {
    pub(super) fn new(pictures: &[&Fingerprint]) -> Self {
        let tables = Tables::new();
        let cosines: Vec<Cosines> = pictures.par_iter().map(|p| tables.whole(p)).collect();
        let middle = Cosines::middle(&cosines);
        let hashes: Vec<u64> = cosines.iter().map(|c| c.hash(&middle).0).collect();
        let bands = (0..BANDS).map(|band| Band::new(&hashes, band)).collect();
        Self { tables, middle, hashes, bands }
    }

    /// The candidates of each picture, as a whole that others may be parts of; those that are `asked` for
    /// by their places, of each picture, however far.
    pub(super) fn candidates(
        &self,
        pictures: &[&Fingerprint],
        asked: &[Vec<usize>],
    ) -> Vec<Candidate> {
        let of = |met: &mut Met, whole: usize| {
            let (crop, mirrored, distance) = (0, false, u32::MAX);
            let far = |part: &usize| Candidate { whole, part: *part, crop, mirrored, distance };
            let mut wanted: Vec<Candidate> = asked[whole].iter().map(far).collect();
            let rows = self.tables.rows(pictures[whole]);
            self.tables.crops(&rows, false, |crop, cosines| {
                for mirrored in [false, true] {
                    let seen = if mirrored { self.tables.mirrored(&cosines) } else { cosines };
                    let hashed = seen.hash(&self.middle);
                    for best in &mut wanted {
                        let distance = (hashed.0 ^ self.hashes[best.part]).count_ones();
                        if distance < best.distance {
                            *best = Candidate { crop, mirrored, distance, ..*best };
                        }
                    }
                    self.ask(&hashed, |part, distance| {
                        if part != whole {
                            met.meet(Candidate { whole, part, crop, mirrored, distance });
                        }
                    });
                }
            });
            let mut found = met.take();
            // Who was met as near by its hash need not be aligned twice.
            wanted.retain(|w| !found.iter().any(|f| f.part == w.part && f.distance <= w.distance));
            found.extend(wanted);
            found
        };
        let n = pictures.len();
        (0..n).into_par_iter().map_init(|| Met::new(n), of).flatten_iter().collect()
    }

    /// Pictures whose hash is near, and how far; given the hash and how certain its bits are.
    fn ask(&self, (hash, away): &(u64, [f32; BITS]), mut found: impl FnMut(usize, u32)) {
        for (number, band) in self.bands.iter().enumerate() {
            let value = part(*hash, number);
            for doubt in doubts(away, number) {
                let pictures = band.at(value ^ doubt);
                if pictures.len() > CROWD {
                    continue;
                }
                for picture in pictures {
                    let distance = (*hash ^ self.hashes[*picture as usize]).count_ones();
                    if distance <= FARTHEST {
                        found(*picture as usize, distance);
                    }
                }
            }
        }
    }
}
