//! Copies: the same bytes, the same pixels, the same picture altered, the same mirrored.
//!
//! Exact copies are told by their hashes. Altered ones are searched in three steps: hashes of 256
//! crops of each picture and of their mirror images are looked up among the hashes of whole pictures
//! (`candidates`), each candidate is laid over the crop and compared pixel by pixel (`align`), and only
//! what fits is a pair.

mod align;
mod candidates;
mod neighbours;
mod spectrum;

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::groups::Sets;
use super::{Fingerprint, Look, Unreadable, check_length};
use crate::DataError;
use align::{Ready, alike};
use candidates::{Candidate, Index};

/// Counts the changes to which pairs [`duplicates`] finds among the same looks and features: who keeps
/// pairs must search anew when it is raised.
pub const DUPLICATES_VERSION: u32 = 1;

/// Pictures at least so alike are copies. Measured with `fixtures/make/plant_faults.py`: copies of
/// photographs of 500 pixels reach 0.98 and unlike ones at most 0.2; of photographs of 100 pixels of
/// one hand on one ground, copies reach 0.90 and others at most 0.89.
const ALIKE: f64 = 0.9;

/// Where all pictures are much alike, copies must be nearer to one another than pictures usually are
/// to their eighth nearest: half of what is missing to 1 there, but no more than this.
const ALIKE_MOST: f64 = 0.99;
const USUAL_PLACE: usize = 8;

/// Small pictures are alike by chance: of the smaller of two, sides (geometric mean, in pixels) from
/// which [`ALIKE`] will do and below which [`ALIKE_MOST`] is asked for, in between in proportion. Of
/// scikit-learn's digits of 8 pixels, unlike ones reach 0.98.
const SMALL: [f64; 2] = [16.0, 32.0];

/// Pictures whose grey values vary less (standard deviation, of 255) show nothing to compare.
const FLAT: f32 = 3.0 / 255.0;

/// How two files are copies of one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PairKind {
    /// The same bytes.
    Bytes,
    /// The same pixels in other bytes: another format, other metadata.
    Pixels,
    /// The same picture re-encoded, resized, cropped or made brighter.
    Near,
    /// As near, and mirrored left to right.
    Mirrored,
}

impl PairKind {
    /// The kind for programs: `bytes`, `pixels`, `near` or `mirrored`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Pixels => "pixels",
            Self::Near => "near",
            Self::Mirrored => "mirrored",
        }
    }
}

/// Two files that show the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The first, a place in the looks.
    pub a: usize,
    /// The second, larger than `a`.
    pub b: usize,
    /// How they are copies.
    pub kind: PairKind,
    /// How alike they are once laid over one another: correlation of their details, 0.9 to 1; 1 for
    /// exact copies.
    pub similarity: f32,
}

/// Finds copies among looks, sorted by file.
///
/// Files with the same pixels are paired with the first of them only, and only that one is compared
/// with others: of a picture that is there a thousand times there are 999 pairs.
///
/// Found are copies re-encoded, resized, made lighter or darker, mirrored, and cropped by up to some
/// 15 % on each side, on one of the two pictures. Not found are copies turned, collages, and crops of
/// less. Pictures without details (one shade, a gradient) have exact copies only.
///
/// Cost, for `N` pictures: 2.7 million products and 8,192 places of a hash table each, and an
/// alignment of some 0.3 ms for each candidate, at most 16 a picture. `features`, `[N, width]` with its
/// width, proposes further candidates: the four nearest of each picture by cosine, which takes
/// `N * N * width` products. They are aligned like all others.
///
/// # Errors
/// [`DataError::AuditLength`] when there are not `N * width` features.
pub fn duplicates(
    looks: &[Result<Look, Unreadable>],
    features: Option<(&[f32], usize)>,
) -> Result<Vec<Pair>, DataError> {
    if let Some((values, width)) = features {
        check_length("features", values.len(), looks.len().saturating_mul(width))?;
    }
    let mut pairs = Vec::new();
    let mut firsts: BTreeMap<[u8; 32], (usize, [u8; 32])> = BTreeMap::new();
    // Pictures that may have altered copies, and where they are in the looks.
    let mut pictures: Vec<&Fingerprint> = Vec::new();
    let mut sides: Vec<f64> = Vec::new();
    let mut files: Vec<usize> = Vec::new();
    for (b, look) in looks.iter().enumerate().filter_map(|(i, l)| Some((i, l.as_ref().ok()?))) {
        if let Some((a, content)) = firsts.get(&look.pixels) {
            let same = *content == look.content;
            let kind = if same { PairKind::Bytes } else { PairKind::Pixels };
            pairs.push(Pair { a: *a, b, kind, similarity: 1.0 });
            continue;
        }
        firsts.insert(look.pixels, (b, look.content));
        if look.contrast >= FLAT {
            pictures.push(&look.fingerprint);
            sides.push((look.width as f64 * look.height as f64).sqrt());
            files.push(b);
        }
    }
    let near = aligned(&pictures, features.map(|(values, width)| (values, width, &files[..])));
    let least = threshold(pictures.len(), &near);
    let is_copy = |p: &Pair| {
        let by_size = for_size(sides[p.a].min(sides[p.b]));
        f64::from(p.similarity) >= least.max(by_size)
    };
    let near = near.into_iter().filter(is_copy);
    pairs.extend(near.map(|p| Pair { a: files[p.a], b: files[p.b], ..p }));
    pairs.sort_by_key(|pair| (pair.a, pair.b));
    Ok(pairs)
}

/// Files that pairs connect, each set in order: every file is a copy of another in its set, though not
/// always of each.
///
/// # Errors
/// [`DataError::AuditLength`] when a pair is about a file beyond `files`.
pub fn copy_sets(files: usize, pairs: &[Pair]) -> Result<Vec<Vec<usize>>, DataError> {
    let needed = pairs.iter().map(|pair| pair.a.max(pair.b) + 1).max().unwrap_or(0);
    check_length("files", files, needed.max(files))?;
    let mut sets = Sets::new(files);
    for pair in pairs {
        sets.join(pair.a, pair.b);
    }
    Ok(sets.several())
}

/// Pairs that may be altered copies, with how alike they are; about places in `pictures`.
fn aligned(pictures: &[&Fingerprint], features: Option<(&[f32], usize, &[usize])>) -> Vec<Pair> {
    let index = Index::new(pictures);
    let mut asked = vec![Vec::new(); pictures.len()];
    if let Some((values, width, rows)) = features {
        for (a, b) in neighbours::neighbours(values, width, rows) {
            asked[a].push(b);
            asked[b].push(a);
        }
    }
    let candidates = index.candidates(pictures, &asked);
    let compared: Vec<Pair> =
        candidates.par_iter().filter_map(|candidate| compare(candidate, pictures)).collect();
    let mut best: BTreeMap<(usize, usize), Pair> = BTreeMap::new();
    for pair in compared {
        let kept = best.entry((pair.a, pair.b)).or_insert(pair);
        if pair.similarity > kept.similarity {
            *kept = pair;
        }
    }
    best.into_values().collect()
}

fn compare(candidate: &Candidate, pictures: &[&Fingerprint]) -> Option<Pair> {
    let Candidate { whole, part, crop, mirrored, .. } = *candidate;
    // Of a mirrored crop it is the other picture that is mirrored: the crop stays where it is.
    let similarity = alike(
        &Ready::new(pictures[whole], false),
        &Ready::new(pictures[part], mirrored),
        spectrum::crop(crop),
    )?;
    let kind = if mirrored { PairKind::Mirrored } else { PairKind::Near };
    let (a, b) = (whole.min(part), whole.max(part));
    Some(Pair { a, b, kind, similarity: similarity.min(1.0) as f32 })
}

/// How alike copies must be of which the smaller has these sides: see [`SMALL`].
fn for_size(side: f64) -> f64 {
    let large = ((side - SMALL[0]) / (SMALL[1] - SMALL[0])).clamp(0.0, 1.0);
    ALIKE_MOST - large * (ALIKE_MOST - ALIKE)
}

/// How alike copies must be among these pictures: see [`ALIKE`] and [`ALIKE_MOST`].
fn threshold(n: usize, pairs: &[Pair]) -> f64 {
    let mut others: Vec<Vec<f32>> = vec![Vec::new(); n];
    for pair in pairs {
        others[pair.a].push(pair.similarity);
        others[pair.b].push(pair.similarity);
    }
    let mut usual: Vec<f32> = others
        .into_iter()
        .map(|mut similar| {
            similar.sort_by(|a, b| b.total_cmp(a));
            similar.get(USUAL_PLACE - 1).copied().unwrap_or(0.0)
        })
        .collect();
    usual.sort_by(f32::total_cmp);
    let usual = usual.get(n / 2).map_or(0.0, |similar| f64::from(*similar));
    f64::midpoint(1.0, usual).clamp(ALIKE, ALIKE_MOST)
}
