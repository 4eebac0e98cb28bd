//! The audit: pictures rendered for the purpose, with known copies and faults.

mod duplicates;
mod findings;
mod groups;
mod labels;
mod look;

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, crop_imm, flip_horizontal, resize};
use image::{ImageFormat, Rgb, RgbImage};
use regraft_data::audit::{Fingerprint, Look};
use regraft_data::{Dataset, Example, Layout, Split, SplitOrigin, uniform};

/// A picture like no other: blobs of colour and stripes on a ground, drawn from a seed.
fn scene(seed: u64, width: u32, height: u32) -> RgbImage {
    let n = uniform(seed, "scene", 200);
    let blob = |i: usize| (n[i], n[i + 1], 0.02 + 0.1 * n[i + 2], 230.0 * (n[i + 3] - 0.5));
    let blobs: Vec<_> = (0..36).map(|i| blob(4 * i)).collect();
    let (fx, fy) = (40.0 * (n[190] - 0.5), 40.0 * (n[191] - 0.5));
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) =
            ((f64::from(x) + 0.5) / f64::from(width), (f64::from(y) + 0.5) / f64::from(height));
        let mut value = 110.0 + 50.0 * (n[192] - 0.5) + 12.0 * (fx * x + fy * y).sin();
        for (cx, cy, radius, height) in &blobs {
            let far = ((x - cx).powi(2) + (y - cy).powi(2)) / (radius * radius);
            value += height * (-far).exp();
        }
        let tint = [1.0, 0.9 + 0.2 * n[193], 0.7 + 0.3 * n[194]];
        Rgb(tint.map(|t| (value * t).clamp(0.0, 255.0) as u8))
    })
}

fn jpeg(picture: &RgbImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(picture).unwrap();
    bytes
}

fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Shares cut from left, top, right and bottom.
fn cropped(picture: &RgbImage, cut: [f64; 4]) -> RgbImage {
    let (w, h) = (f64::from(picture.width()), f64::from(picture.height()));
    let (left, top) = ((cut[0] * w).round(), (cut[1] * h).round());
    let (right, bottom) = ((cut[2] * w).round(), (cut[3] * h).round());
    let (width, height) = ((w - left - right) as u32, (h - top - bottom) as u32);
    crop_imm(picture, left as u32, top as u32, width, height).to_image()
}

fn shrunk(picture: &RgbImage, share: f64) -> RgbImage {
    let side = |n: u32| (f64::from(n) * share).round() as u32;
    resize(picture, side(picture.width()), side(picture.height()), FilterType::Triangle)
}

fn lighter(picture: &RgbImage, times: f64) -> RgbImage {
    let mut lighter = picture.clone();
    lighter.iter_mut().for_each(|v| *v = (f64::from(*v) * times).min(255.0) as u8);
    lighter
}

fn mirrored(picture: &RgbImage) -> RgbImage {
    flip_horizontal(picture)
}

/// A fresh folder and the paths of its files, in the order given.
fn files(contents: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let root = tempfile::tempdir().unwrap();
    let put = |(name, bytes): &(&str, Vec<u8>)| {
        let path = root.path().join(name);
        crate::write(&path, bytes);
        path
    };
    let paths = contents.iter().map(put).collect();
    (root, paths)
}

/// A data set of files `SPLIT/CLASS/NAME` in the order given.
fn dataset(root: &Path, names: &[&str]) -> Dataset {
    let part = |name: &str, at: usize| name.split('/').nth(at).unwrap().to_owned();
    let mut classes: Vec<String> = names.iter().map(|name| part(name, 1)).collect();
    classes.sort();
    classes.dedup();
    let example = |name: &&str| Example {
        path: root.join(name),
        name: (*name).to_owned(),
        label: classes.binary_search(&part(name, 1)).unwrap(),
        split: Split::parse(&part(name, 0)).unwrap(),
    };
    let examples = names.iter().map(example).collect();
    let split_origin = SplitOrigin::Given { names: Vec::new() };
    let layout = Layout::SplitFolders;
    let (notes, together) = (Vec::new(), Vec::new());
    Dataset { root: root.to_path_buf(), layout, classes, examples, notes, split_origin, together }
}

/// `like` with other pixels, without the detour over a file. `number` makes its ids.
fn look_of_picture(like: &Look, picture: &RgbImage, number: u64) -> Look {
    let grey: Vec<u8> = picture.pixels().map(|p| p[1]).collect();
    let (height, width) = (picture.height() as usize, picture.width() as usize);
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_le_bytes());
    let fingerprint = Fingerprint::of(&grey, height, width).unwrap();
    Look { fingerprint, content: id, pixels: id, width, height, ..like.clone() }
}
