//! What is told of one file.

use std::sync::atomic::{AtomicUsize, Ordering};

use image::{ImageFormat, Rgb, RgbImage};
use regraft_data::audit::{Look, look, look_at};
use regraft_data::{Format, content_id, uniform};

use super::{encoded, files, jpeg, lighter, scene, shrunk};
use crate::fixture;

fn look_of(bytes: Vec<u8>) -> Look {
    let (_root, paths) = files(&[("a.png", bytes)]);
    look_at(&paths[0]).unwrap()
}

fn png(picture: &RgbImage) -> Look {
    look_of(encoded(picture, ImageFormat::Png))
}

#[test]
fn files_that_are_no_pictures_are_named_with_the_reason_and_the_others_looked_at() {
    let whole = jpeg(&scene(1, 80, 60), 80);
    let contents = [
        ("good.jpg", whole.clone()),
        ("cut.jpg", whole[..whole.len() / 2].to_vec()),
        ("empty.jpg", Vec::new()),
        ("page.jpg", b"<!DOCTYPE html><title>404</title>".to_vec()),
        ("zeros.png", vec![0; 99]),
        ("also.jpg", whole),
    ];
    let (root, mut paths) = files(&contents);
    paths.push(root.path().join("gone.jpg"));
    let done = AtomicUsize::new(0);
    let most = AtomicUsize::new(0);
    let looks = look(&paths, |n| {
        done.fetch_add(1, Ordering::Relaxed);
        most.fetch_max(n, Ordering::Relaxed);
    });
    let words: Vec<&str> =
        looks.iter().map(|l| l.as_ref().map_or_else(|e| e.reason.word(), |_| "good")).collect();
    let wanted = ["good", "truncated", "empty", "not an image", "not an image", "good", "missing"];
    assert_eq!(words, wanted);
    for (look, path) in looks.iter().zip(&paths) {
        assert!(look.as_ref().err().is_none_or(|e| e.path == *path));
    }
    assert!(looks[3].as_ref().unwrap_err().to_string().contains("web page"));
    assert_eq!((done.into_inner(), most.into_inner()), (7, 7));
}

#[test]
fn a_look_has_size_format_and_ids_of_bytes_and_pixels() {
    let picture = scene(2, 90, 30);
    let bytes = encoded(&picture, ImageFormat::Png);
    let (_root, paths) = files(&[
        ("a.png", bytes.clone()),
        ("b.bmp", encoded(&picture, ImageFormat::Bmp)),
        ("c.jpg", bytes.clone()),
    ]);
    let looks: Vec<Look> = paths.iter().map(|path| look_at(path).unwrap()).collect();
    assert_eq!((looks[0].width, looks[0].height), (90, 30));
    assert!((looks[0].aspect() - 3.0).abs() < 1e-12);
    assert_eq!(looks[0].bytes, bytes.len() as u64);
    assert_eq!(looks[0].content, content_id(&bytes));
    assert_ne!(looks[0].content, looks[1].content);
    assert_eq!(looks[0].pixels, looks[1].pixels);
    assert_eq!(looks[0].misnamed(&paths[0]), None);
    assert_eq!(looks[1].misnamed(&paths[1]), None);
    assert_eq!((looks[2].format, looks[2].misnamed(&paths[2])), (Format::Png, Some(Format::Jpeg)));
}

#[test]
fn pictures_of_other_size_with_the_same_bytes_of_pixels_have_other_ids() {
    let wide = png(&RgbImage::from_pixel(6, 2, Rgb([9, 9, 9])));
    let tall = png(&RgbImage::from_pixel(2, 6, Rgb([9, 9, 9])));
    assert_ne!(wide.pixels, tall.pixels);
}

#[test]
fn grey_depth_and_exif_are_told_by_the_file() {
    for (name, grey, sixteen_bit, exif_turned) in [
        ("grey.jpg", true, false, false),
        ("grey16.png", true, true, false),
        ("rgb16.png", false, true, false),
        ("exif_1.jpg", false, false, false),
        ("exif_6.jpg", false, false, true),
        ("rgb.png", false, false, false),
    ] {
        let look = look_at(&fixture(&format!("decode/{name}"))).unwrap();
        assert_eq!(
            (look.grey, look.sixteen_bit, look.exif_turned),
            (grey, sixteen_bit, exif_turned),
            "{name}"
        );
    }
}

#[test]
fn a_grey_picture_stored_in_colour_is_grey_and_a_coloured_spot_is_not() {
    let colour = scene(3, 100, 100);
    let mut grey = colour.clone();
    grey.pixels_mut().for_each(|p| *p = Rgb([p[1]; 3]));
    assert!(look_of(jpeg(&grey, 60)).grey);
    assert!(!png(&colour).grey);
    for (x, wanted) in [(9, true), (11, false)] {
        // One pixel in a thousand of 10,000 is ten.
        let mut spotted = grey.clone();
        (0..x).for_each(|x| spotted.put_pixel(x, 5, Rgb([200, 0, 0])));
        assert_eq!(png(&spotted).grey, wanted, "{x} pixels");
    }
}

#[test]
fn brightness_and_contrast_are_mean_and_deviation() {
    let half = RgbImage::from_fn(40, 40, |x, _| Rgb([if x < 20 { 51 } else { 153 }; 3]));
    let look = png(&half);
    assert!((look.brightness - 0.4).abs() < 1e-3, "{}", look.brightness);
    assert!((look.contrast - 0.2).abs() < 1e-3, "{}", look.contrast);
    assert_eq!(png(&RgbImage::from_pixel(5, 5, Rgb([255; 3]))).contrast, 0.0);
}

#[test]
fn a_blurred_picture_is_less_sharp_and_size_hardly_matters() {
    let draws = uniform(4, "blocks", 32 * 32);
    let sharp = RgbImage::from_fn(512, 512, |x, y| {
        Rgb([(255.0 * draws[(y / 16 * 32 + x / 16) as usize]) as u8; 3])
    });
    let blurred = image::imageops::blur(&sharp, 8.0);
    let (a, b) = (png(&sharp).sharpness, png(&blurred).sharpness);
    assert!(a > 4.0 * b, "{a} {b}");
    let small = png(&shrunk(&sharp, 0.5)).sharpness;
    assert!((a / small - 1.0).abs() < 0.2, "{a} {small}");
    // A checkerboard of one pixel: the Laplacian is +-8 half steps everywhere.
    let board =
        RgbImage::from_fn(20, 20, |x, y| Rgb([if (x + y) % 2 == 0 { 100 } else { 110 }; 3]));
    assert!((png(&board).sharpness - 1600.0).abs() < 1e-3);
    assert_eq!(png(&RgbImage::from_pixel(2, 9, Rgb([7; 3]))).sharpness, 0.0);
}

#[test]
fn a_fingerprint_averages_areas_whatever_the_size() {
    let quadrants = |w: u32, h: u32| {
        RgbImage::from_fn(w, h, |x, y| Rgb([if (x < w / 2) == (y < h / 2) { 200 } else { 40 }; 3]))
    };
    for (w, h) in [(64, 64), (640, 200), (20, 32), (2, 2)] {
        let look = png(&quadrants(w, h));
        let at = |x: usize, y: usize| look.fingerprint.values()[y * 64 + x];
        assert_eq!([at(8, 8), at(55, 8), at(8, 55), at(55, 55)], [200, 40, 40, 200], "{w} x {h}");
    }
}

#[test]
fn looks_do_not_depend_on_the_number_of_threads() {
    let contents: Vec<(String, Vec<u8>)> =
        (0..12).map(|i| (format!("{i}.jpg"), jpeg(&lighter(&scene(i, 50, 40), 1.1), 70))).collect();
    let contents: Vec<(&str, Vec<u8>)> =
        contents.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let (_root, paths) = files(&contents);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let looks = pool.install(|| look(&paths, |_| {}));
        looks.into_iter().map(Result::unwrap).collect::<Vec<_>>()
    };
    assert_eq!(with(1), with(5));
}
