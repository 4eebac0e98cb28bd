//! Augmentation against torchvision, on Pillow pictures; `fixtures/make/augment.py` made the values.

use regraft_data::{
    Area, Augment, Change, Drawn, Mixed, Operation, Picture, Policy, Scratch, Step, Visit,
    decode_file,
};
use regraft_net::card::{Interpolation, Preprocess, Resize};

use crate::fixture;
use crate::pixels::{card, drawn};

/// The lines of a fixture without comments, each as words.
fn lines(name: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(fixture(&format!("augment/{name}"))).unwrap();
    let words = |line: &str| line.split(' ').map(String::from).collect();
    text.lines().filter(|line| !line.starts_with('#')).map(words).collect()
}

fn number<T: std::str::FromStr>(word: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    word.parse().unwrap()
}

fn area(words: &[String]) -> Area {
    let [top, left, height, width] = [0, 1, 2, 3].map(|at| number(&words[at]));
    Area { top, left, height, width }
}

/// The picture of the same name in the script.
fn picture(kind: &str, width: usize, height: usize) -> Picture {
    let mut picture = drawn(width, height);
    for (at, value) in picture.rgb.iter_mut().enumerate() {
        *value = match kind {
            "dull" => *value / 3 + 60,
            "two" => (*value >> 7) * 90 + 31,
            "flat" => [9, 140, 255][at % 3],
            _ => *value,
        };
    }
    picture
}

fn fnv(bytes: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100000001B3);
    format!("{:016x}", bytes.iter().fold(0xCBF29CE484222325, step))
}

/// The change of a line: an operation of the script's own table.
fn change(name: &str, value: &str) -> Change {
    let real = || number::<f64>(value);
    match name {
        "HorizontalFlip" => Change::HorizontalFlip,
        "VerticalFlip" => Change::VerticalFlip,
        "TranslateX" => Change::TranslateX(number(value)),
        "TranslateY" => Change::TranslateY(number(value)),
        "Rotate" => Change::Rotate(real()),
        "Brightness" => Change::Brightness(real()),
        "Contrast" => Change::Contrast(real()),
        "Saturation" => Change::Saturation(real()),
        "Sharpness" => Change::Sharpness(real()),
        "Hue" => Change::Hue(real()),
        "Posterize" => Change::Posterize(number(value)),
        "Solarize" => Change::Solarize(real()),
        "AutoContrast" => Change::AutoContrast,
        "Equalize" => Change::Equalize,
        other => panic!("no operation {other}"),
    }
}

fn policy(name: &str) -> Option<Policy> {
    match name {
        "rand" => Some(Policy::Rand),
        "trivial" => Some(Policy::TrivialWide),
        _ => None,
    }
}

/// `Operation`s are called as in torchvision.
fn operation(name: &str) -> Operation {
    Operation::ALL.into_iter().find(|o| format!("{o:?}") == name).unwrap()
}

#[test]
fn every_operation_gives_torchvisions_bytes() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for words in lines("changes.txt") {
        let (width, height) = (number(&words[1]), number(&words[2]));
        let (mut given, change) = match policy(&words[0]) {
            None => (picture(&words[0], width, height), Some(change(&words[3], &words[4]))),
            Some(policy) => {
                let (bin, size) = (number(&words[4]), [height, width]);
                let change = policy.change(operation(&words[3]), bin, words[5] == "-", size);
                (drawn(width, height), change)
            }
        };
        if let Some(change) = change {
            change.apply(&mut given).unwrap();
        }
        count += 1;
        if Some(&fnv(&given.rgb)) != words.last() {
            wrong.push(words.join(" "));
        }
    }
    assert_eq!(count, 1279);
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// The number of a change.
fn value(change: Change) -> f64 {
    match change {
        Change::TranslateX(v) | Change::TranslateY(v) => f64::from(v),
        Change::ShearX(v)
        | Change::ShearY(v)
        | Change::Rotate(v)
        | Change::Solarize(v)
        | Change::Hue(v)
        | Change::Brightness(v)
        | Change::Contrast(v)
        | Change::Saturation(v)
        | Change::Sharpness(v) => v,
        Change::Posterize(v) => f64::from(v),
        Change::HorizontalFlip | Change::VerticalFlip | Change::AutoContrast | Change::Equalize => {
            0.0
        }
    }
}

#[test]
fn the_magnitudes_of_both_policies_are_torchvisions() {
    let mut count = 0;
    for words in lines("magnitudes.txt") {
        let size = [number(&words[2]), number(&words[1])];
        let operation = operation(&words[3]);
        assert_eq!(words.len(), 4 + 31);
        for (bin, word) in words[4..].iter().enumerate() {
            let given = policy(&words[0]).unwrap().change(operation, bin, false, size).unwrap();
            let wanted: f64 = number(word);
            // As `_apply_op` uses them.
            let wanted = match operation {
                Operation::TranslateX | Operation::TranslateY => wanted.trunc(),
                Operation::Brightness
                | Operation::Color
                | Operation::Contrast
                | Operation::Sharpness => 1.0 + wanted,
                Operation::Identity
                | Operation::ShearX
                | Operation::ShearY
                | Operation::Rotate
                | Operation::Posterize
                | Operation::Solarize
                | Operation::AutoContrast
                | Operation::Equalize => wanted,
            };
            assert_eq!(value(given), wanted, "{} {} {bin}", words[0], words[3]);
            count += 1;
        }
    }
    assert_eq!(count, 44 * 31);
}

/// A card that leaves the levels as they are.
fn levels(crop: [usize; 2], filter: Interpolation) -> Preprocess {
    let plain = card(Resize::Exact(crop), crop, filter);
    Preprocess { scale: 1.0, mean: [0.0; 3], std: [1.0; 3], ..plain }
}

#[test]
fn a_part_resized_equals_torchvisions_within_one_level() {
    for words in lines("crops.txt") {
        let name = &words[0];
        let picture = drawn(number(&words[1]), number(&words[2]));
        let filter = Interpolation::parse(&words[9]).unwrap();
        let crop = [number(&words[7]), number(&words[8])];
        let drawn = Drawn { area: Some(area(&words[3..7])), changes: vec![], erased: None };
        let mut out = vec![0.0; 3 * crop[0] * crop[1]];
        drawn.apply(&picture, &levels(crop, filter), &mut Scratch::default(), &mut out).unwrap();

        let wanted = decode_file(&fixture(&format!("augment/crop_{name}.png"))).unwrap();
        let plane = crop[0] * crop[1];
        let differences: Vec<f32> = (0..out.len())
            .map(|at| (out[at] - f32::from(wanted.rgb[at % plane * 3 + at / plane])).abs())
            .collect();
        let most = differences.iter().copied().fold(0.0, f32::max);
        let share = differences.iter().filter(|d| **d > 0.0).count() as f64 / out.len() as f64;
        let exact = filter == Interpolation::Nearest || name == "same_size";
        let allowed = if exact { 0.0 } else { 1.0 };
        assert!(most <= allowed && share < 0.005, "{name}: at most {most}, {share} differ");
    }
}

#[test]
fn the_fallback_is_torchvisions_middle_part() {
    for words in lines("areas.txt") {
        let size = [number(&words[1]), number(&words[0])];
        // A rectangle of the whole area that fits is the whole picture, or there is none that fits.
        let step = Step::RandomResizedCrop { scale: [1.0, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0] };
        let augment = Augment::new(vec![step], vec![]).unwrap();
        let fallback = (0..400).any(|index| {
            let drawn = augment.draw(Visit { seed: 1, epoch: 0, index }, size, [8, 8]);
            drawn.area == Some(area(&words[2..]))
        });
        assert!(fallback, "{words:?}");
    }
}

#[test]
fn mixup_gives_torchvisions_values() {
    let crop = [4, 5];
    let batch: Vec<f32> = (0..180).map(|i| ((i * 7919 % 257) - 128) as f32 / 32.0).collect();
    let (mut mixups, mut cutmixes) = (0, 0);
    for words in lines("mix.txt") {
        let lambda: f64 = number(&words[1]);
        let (mixed, values) = if words[0] == "mixup" {
            mixups += 1;
            (Mixed::mixup(lambda), &words[2..])
        } else {
            cutmixes += 1;
            let mixed = Mixed::cutmix(lambda, [number(&words[2]), number(&words[3])], crop);
            assert_eq!(mixed.area, Some(area(&words[4..8])));
            assert_eq!(mixed.lambda, number::<f64>(&words[8]));
            (mixed, &words[9..])
        };
        let mut given = batch.clone();
        mixed.inputs(&mut given, crop).unwrap();
        given.extend(mixed.targets(&[2, 0, 1], 4).unwrap());
        let wanted: Vec<f32> = values.iter().map(|word| number(word)).collect();
        assert_eq!(given, wanted, "{:?}", &words[..4]);
    }
    assert_eq!((mixups, cutmixes), (4, 5));
}
