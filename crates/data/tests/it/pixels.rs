//! Resize, crop and normalisation against Pillow and torchvision.

use proptest::prelude::*;
use regraft_data::{
    DataError, Format, Picture, PictureFacts, Scratch, crop_resized, decode, decode_file,
    preprocess, thumbnail,
};
use regraft_net::card::{Channels, Interpolation, Preprocess, Resize};

use crate::fixture;

pub(crate) const FACTS: PictureFacts = PictureFacts {
    format: Format::Png,
    orientation: 1,
    grey: false,
    alpha: false,
    sixteen_bit: false,
    palette: false,
};

/// The picture of the same name in `fixtures/make/pillow_pixels.py`.
pub(crate) fn drawn(width: usize, height: usize) -> Picture {
    let mut rgb = Vec::with_capacity(width * height * 3);
    for y in 0..height as u32 {
        for x in 0..width as u32 {
            for c in 0..3_u32 {
                let h = x
                    .wrapping_mul(374761393)
                    .wrapping_add(y.wrapping_mul(668265263))
                    .wrapping_add(c.wrapping_mul(2246822519));
                let noise = ((h ^ (h >> 13)).wrapping_mul(1274126177) >> 24) & 63;
                rgb.push(((x * (c + 1) + 2 * y + 50 * c + noise) & 255) as u8);
            }
        }
    }
    Picture { width, height, rgb, facts: FACTS }
}

pub(crate) fn card(resize: Resize, crop: [usize; 2], interpolation: Interpolation) -> Preprocess {
    Preprocess { resize, crop, ..Preprocess::imagenet(0, 0, interpolation) }
}

/// A line of `cases.txt`: name, picture, card.
fn parse(line: &str) -> (&str, Picture, Preprocess) {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |at: usize| words[at].parse::<usize>().unwrap();
    let resize = match words[3].split_once('x') {
        Some((h, w)) => Resize::Exact([h.parse().unwrap(), w.parse().unwrap()]),
        None => Resize::Shorter(number(3)),
    };
    let filter = Interpolation::parse(words[6]).unwrap();
    (words[0], drawn(number(1), number(2)), card(resize, [number(4), number(5)], filter))
}

#[test]
fn resize_and_crop_equal_pillow_within_one_level() {
    let cases = std::fs::read_to_string(fixture("pixels/cases.txt")).unwrap();
    for line in cases.lines().filter(|line| !line.starts_with('#')) {
        let (name, picture, card) = parse(line);
        let wanted = decode_file(&fixture(&format!("pixels/{name}.png"))).unwrap();
        let given = crop_resized(&picture, &card).unwrap();
        assert_eq!((given.width, given.height), (wanted.width, wanted.height), "{name}");
        let differences: Vec<u8> =
            given.rgb.iter().zip(&wanted.rgb).map(|(a, b)| a.abs_diff(*b)).collect();
        let most = differences.iter().max().unwrap();
        let share =
            differences.iter().filter(|d| **d > 0).count() as f64 / differences.len() as f64;
        let exact = card.interpolation == Interpolation::Nearest;
        assert!(
            *most <= u8::from(!exact) && share < 0.005,
            "{name}: at most {most}, {:.3} % of values differ",
            100.0 * share
        );
    }
}

#[test]
fn a_card_turns_levels_into_planes_in_its_channel_order() {
    let picture =
        Picture { width: 2, height: 1, rgb: vec![0, 51, 102, 153, 204, 255], facts: FACTS };
    let rgb = Preprocess {
        scale: 1.0 / 255.0,
        mean: [0.1, 0.2, 0.3],
        std: [0.5, 1.0, 2.0],
        ..card(Resize::Exact([1, 2]), [1, 2], Interpolation::Bilinear)
    };
    let bgr = Preprocess { channels: Channels::Bgr, scale: 1.0, std: [1.0; 3], ..rgb };
    let cases =
        [(rgb, [-0.2, 1.0, 0.0, 0.6, 0.05, 0.35]), (bgr, [101.9, 254.9, 50.8, 203.8, -0.3, 152.7])];
    for (card, wanted) in cases {
        let mut out = [9.0; 6];
        preprocess(&picture, &card, &mut Scratch::default(), &mut out).unwrap();
        for (given, wanted) in out.iter().zip(wanted) {
            assert!((given - wanted).abs() < 1e-4, "{out:?}, wanted {wanted:?}");
        }
    }
}

#[test]
fn what_is_padded_is_black_before_normalisation() {
    let picture = Picture { width: 1, height: 1, rgb: vec![255; 3], facts: FACTS };
    let card = card(Resize::Exact([1, 1]), [1, 3], Interpolation::Bilinear);
    let mut out = [0.0; 9];
    preprocess(&picture, &card, &mut Scratch::default(), &mut out).unwrap();
    let (black, white) = (-0.485 / 0.229, (1.0 - 0.485) / 0.229);
    assert!((out[0] - black).abs() < 1e-6 && (out[1] - white).abs() < 1e-6, "{out:?}");
    assert_eq!(out[0], out[2]);
}

#[test]
fn a_used_scratch_gives_the_same_values_as_a_fresh_one() {
    let mut scratch = Scratch::default();
    for (w, h) in [(90, 70), (31, 64), (64, 64), (20, 5)] {
        for crop in [[24, 20], [40, 44]] {
            let card = card(Resize::Shorter(32), crop, Interpolation::Bicubic);
            let mut out = vec![0.0; 3 * crop[0] * crop[1]];
            preprocess(&drawn(w, h), &card, &mut scratch, &mut out).unwrap();
            let mut fresh = vec![1.0; out.len()];
            preprocess(&drawn(w, h), &card, &mut Scratch::default(), &mut fresh).unwrap();
            assert_eq!(out, fresh, "{w} x {h}");
        }
    }
}

#[test]
fn a_thread_a_picture_gives_the_same_values_as_one_thread() {
    let card = card(Resize::Shorter(40), [32, 32], Interpolation::Lanczos);
    let picture = drawn(123, 77);
    let alone = crop_resized(&picture, &card).unwrap();
    std::thread::scope(|scope| {
        let others: Vec<_> =
            (0..4).map(|_| scope.spawn(|| crop_resized(&picture, &card).unwrap())).collect();
        for other in others {
            assert_eq!(other.join().unwrap(), alone);
        }
    });
}

#[test]
fn a_very_long_picture_is_not_resized_as_a_whole() {
    // The whole resized picture would have 256 x 7,680,000 pixels.
    let picture = Picture { width: 30_000, height: 1, rgb: vec![7; 90_000], facts: FACTS };
    for filter in [Interpolation::Nearest, Interpolation::Bilinear, Interpolation::Lanczos] {
        let card = card(Resize::Shorter(256), [224, 224], filter);
        assert!(crop_resized(&picture, &card).unwrap().rgb.iter().all(|v| *v == 7));
    }
}

#[test]
fn sizes_that_make_no_sense_are_errors() {
    let good = drawn(8, 8);
    let filter = Interpolation::Bilinear;
    let cards = [
        card(Resize::Shorter(0), [4, 4], filter),
        card(Resize::Shorter(8), [0, 4], filter),
        card(Resize::Exact([0, 8]), [4, 4], filter),
        card(Resize::Shorter(usize::MAX), [4, 4], filter),
        card(Resize::Exact([8, usize::MAX]), [usize::MAX, 4], filter),
    ];
    for card in cards {
        let given = crop_resized(&good, &card);
        assert!(matches!(given, Err(DataError::InputSize { .. })), "{card:?}: {given:?}");
    }
    let card = card(Resize::Shorter(8), [4, 4], filter);
    for (width, height, bytes) in [(8, 8, 191), (0, 8, 0), (usize::MAX, 3, 5), (30_001, 1, 90_003)]
    {
        let bad = Picture { width, height, rgb: vec![0; bytes], facts: FACTS };
        let given = crop_resized(&bad, &card);
        assert!(matches!(given, Err(DataError::PictureLength { .. })), "{given:?}");
    }
    let given = preprocess(&good, &card, &mut Scratch::default(), &mut [0.0; 47]);
    assert!(matches!(given, Err(DataError::InputLength { given: 47, crop: [4, 4] })), "{given:?}");
    assert!(matches!(thumbnail(&good, 0), Err(DataError::InputSize { .. })));
}

#[test]
fn a_thumbnail_is_a_jpeg_with_the_longer_side_asked_for_and_never_enlarged() {
    let cases = [
        ((120, 60), 40, (40, 20)),
        ((60, 120), 40, (20, 40)),
        ((30, 20), 64, (30, 20)),
        ((400, 1), 50, (50, 1)),
    ];
    for ((width, height), side, wanted) in cases {
        let jpeg = thumbnail(&drawn(width, height), side).unwrap();
        let small = decode(&jpeg).unwrap();
        assert_eq!(small.facts.format, Format::Jpeg);
        assert_eq!((small.width, small.height), wanted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Only what the crop shows is computed. The resizer picks the precision of its coefficients
    /// by the largest among those it computes, so a value may be one off after each of the two passes;
    /// the second weighs the first's by up to 1.5 in sum (negative lobes), which rounds to two.
    #[test]
    fn a_crop_is_the_middle_of_the_whole_resized_picture(
        (width, height) in (1_usize..150, 1_usize..150),
        resized in [1_usize..90, 1..90],
        share in [0.05_f64..1.0, 0.05..1.0],
        filter in 0_usize..4,
    ) {
        let words = ["nearest", "bilinear", "bicubic", "lanczos"];
        let filter = Interpolation::parse(words[filter]).unwrap();
        let picture = drawn(width, height);
        let crop = [0, 1].map(|i| ((resized[i] as f64 * share[i]) as usize).max(1));
        let whole = crop_resized(&picture, &card(Resize::Exact(resized), resized, filter)).unwrap();
        let cut = card(Resize::Exact([whole.height, whole.width]), crop, filter);
        let middle = crop_resized(&whole, &cut).unwrap();
        let given = crop_resized(&picture, &card(Resize::Exact(resized), crop, filter)).unwrap();
        let most = given.rgb.iter().zip(&middle.rgb).map(|(a, b)| a.abs_diff(*b)).max();
        let allowed = if filter == Interpolation::Nearest { 0 } else { 2 };
        prop_assert!(most <= Some(allowed), "{:?}", most);
    }
}
