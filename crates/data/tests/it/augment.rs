//! Augmentation as a function of seed, epoch and index.

use proptest::prelude::*;
use regraft_data::{
    Area, Augment, Change, DataError, Drawn, Mixed, Picture, Scratch, Strength, Visit, augmented,
    decode, preprocess, preview, to_png,
};
use regraft_net::card::{Channels, Interpolation, Preprocess};

use crate::pixels::{FACTS, drawn};

const EVERYTHING: &str = "random-resized-crop horizontal-flip vertical-flip rotation \
     color-jitter(hue=0.1) rand-augment trivial-augment random-erasing";

fn parse(text: &str) -> Augment {
    Augment::parse(text).unwrap()
}

fn small() -> Preprocess {
    Preprocess::imagenet(36, 32, Interpolation::Bilinear)
}

fn visit(seed: u64, epoch: u64, index: u64) -> Visit {
    Visit { seed, epoch, index }
}

fn input(picture: &Picture, augment: &Augment, visit: Visit) -> Vec<f32> {
    let mut out = vec![0.0; 3 * 32 * 32];
    augmented(picture, &small(), augment, visit, &mut Scratch::default(), &mut out).unwrap();
    out
}

#[test]
fn the_same_visit_gives_the_same_values_and_another_one_others() {
    let picture = drawn(90, 70);
    for text in
        [EVERYTHING, "random-resized-crop", "rotation", "trivial-augment random-erasing(p=1)"]
    {
        let augment = parse(text);
        let one = input(&picture, &augment, visit(3, 1, 5));
        assert_eq!(one, input(&picture, &augment, visit(3, 1, 5)), "{text}");
        for other in [visit(4, 1, 5), visit(3, 2, 5), visit(3, 1, 6), visit(3, 5, 1)] {
            assert_ne!(one, input(&picture, &augment, other), "{text}: {other:?}");
        }
    }
}

#[test]
fn a_used_scratch_and_another_thread_change_nothing() {
    let augment = parse(EVERYTHING);
    let pictures = [drawn(90, 70), drawn(31, 64), drawn(64, 64), drawn(1, 50)];
    let alone: Vec<Vec<f32>> =
        (0..12).map(|i| input(&pictures[i % 4], &augment, visit(1, 2, i as u64))).collect();
    let all = || {
        let mut scratch = Scratch::default();
        for (i, wanted) in alone.iter().enumerate() {
            let mut out = vec![9.0; 3 * 32 * 32];
            let visit = visit(1, 2, i as u64);
            augmented(&pictures[i % 4], &small(), &augment, visit, &mut scratch, &mut out).unwrap();
            assert_eq!(&out, wanted, "{i}");
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(all)).collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn nothing_is_what_the_card_alone_gives() {
    let picture = drawn(90, 70);
    let mut wanted = vec![0.0; 3 * 32 * 32];
    preprocess(&picture, &small(), &mut Scratch::default(), &mut wanted).unwrap();
    assert_eq!(input(&picture, &Augment::default(), visit(1, 1, 1)), wanted);
    let never = parse("horizontal-flip(p=0) vertical-flip(p=0) random-erasing(p=0)");
    assert_eq!(input(&picture, &never, visit(1, 1, 1)), wanted);
    let mirrored = input(&picture, &parse("horizontal-flip(p=1)"), visit(1, 1, 1));
    for (given, wanted) in mirrored.chunks(32).zip(wanted.chunks(32)) {
        assert!(given.iter().eq(wanted.iter().rev()));
    }
}

#[test]
fn a_step_draws_the_same_whatever_other_steps_there_are() {
    let draw = |text| parse(text).draw(visit(7, 3, 11), [375, 500], [224, 224]);
    let alone = draw("random-resized-crop");
    assert_eq!(draw(EVERYTHING).area, alone.area);
    let erased = draw("random-erasing(p=1)").erased;
    assert!(erased.is_some());
    assert_eq!(draw("random-resized-crop trivial-augment random-erasing(p=1)").erased, erased);
    // But two steps of one name draw for themselves.
    let turns = draw("rotation rotation").changes;
    assert_ne!(turns[0], turns[1]);
}

/// Least, greatest and mean.
fn spread(values: &[f64]) -> [f64; 3] {
    let least = values.iter().copied().fold(f64::MAX, f64::min);
    let most = values.iter().copied().fold(f64::MIN, f64::max);
    [least, most, values.iter().sum::<f64>() / values.len() as f64]
}

#[test]
fn crops_have_areas_ratios_and_places_within_their_ranges() {
    let augment = parse("random-resized-crop(scale=0.25..0.5,ratio=0.75..1.25)");
    let (height, width) = (400, 500);
    let areas: Vec<Area> = (0..2000)
        .filter_map(|i| augment.draw(visit(1, 0, i), [height, width], [224, 224]).area)
        .collect();
    let all = |f: fn(&Area) -> f64| spread(&areas.iter().map(f).collect::<Vec<_>>());
    let close = |given: f64, wanted: f64, by: f64| {
        assert!((given - wanted).abs() < by, "{given}, wanted {wanted}");
    };
    // Sides are whole pixels: a side of 200 and more is off by a quarter of a per cent at most.
    let [least, most, mean] = all(|a| (a.height * a.width) as f64 / 200_000.0);
    assert!(least > 0.2485 && most < 0.5015, "{least} {most}");
    close(least, 0.25, 0.005);
    close(most, 0.5, 0.005);
    close(mean, 0.375, 0.006);
    let [least, most, mean] = all(|a| (a.width as f64 / a.height as f64).ln());
    assert!(least > 0.745_f64.ln() && most < 1.257_f64.ln(), "{least} {most}");
    close(mean, f64::midpoint(0.75_f64.ln(), 1.25_f64.ln()), 0.012);
    let [least, most, mean] = all(|a| a.left as f64 / (500 - a.width) as f64);
    assert!(least < 0.01 && most > 0.99);
    close(mean, 0.5, 0.02);
}

#[test]
fn probabilities_and_jitter_are_what_they_say() {
    let count = |text: &str, keep: fn(&Drawn) -> bool| {
        let augment = parse(text);
        let size = [300, 400];
        (0..2000).filter(|i| keep(&augment.draw(visit(5, 0, *i), size, [224, 224]))).count()
    };
    let near = |given: usize, wanted: f64| {
        assert!((given as f64 - 2000.0 * wanted).abs() < 90.0, "{given}, wanted {wanted}");
    };
    near(count("horizontal-flip(p=0.3)", |d| !d.changes.is_empty()), 0.3);
    near(count("vertical-flip", |d| d.changes == [Change::VerticalFlip]), 0.5);
    near(count("random-erasing(p=0.7)", |d| d.erased.is_some()), 0.7);
    // One of fourteen operations is the identity, and it draws a direction and a magnitude.
    near(count("trivial-augment", |d| d.changes.is_empty()), 1.0 / 14.0);
    near(count("rand-augment(ops=1)", |d| d.changes == [Change::Equalize]), 1.0 / 14.0);
    assert_eq!(count("rand-augment(ops=3)", |d| d.changes.len() > 3), 0);

    let jitter = parse("color-jitter(brightness=0.5,contrast=0,saturation=2,hue=0.1)");
    let (mut factors, mut first) = (Vec::new(), 0);
    for index in 0..2000 {
        let changes = jitter.draw(visit(1, 0, index), [9, 9], [8, 8]).changes;
        assert_eq!(changes.len(), 3);
        first += usize::from(matches!(changes[0], Change::Hue(_)));
        for change in changes {
            if let Change::Brightness(factor) = change {
                factors.push(factor);
            } else if let Change::Saturation(factor) = change {
                assert!((0.0..3.0).contains(&factor));
            } else if let Change::Hue(turn) = change {
                assert!(turn.abs() <= 0.1001);
            }
        }
    }
    let [least, most, mean] = spread(&factors);
    assert!((0.5..0.51).contains(&least) && (1.49..1.5).contains(&most));
    assert!((mean - 1.0).abs() < 0.03);
    near(first, 1.0 / 3.0);
}

#[test]
fn what_is_erased_is_the_mean_colour_and_nothing_else_changes() {
    let picture = drawn(90, 70);
    let augment = parse("random-erasing(p=1)");
    let area = augment.draw(visit(1, 0, 4), [70, 90], [32, 32]).erased.unwrap();
    let plain = input(&picture, &Augment::default(), visit(1, 0, 4));
    let given = input(&picture, &augment, visit(1, 0, 4));
    for (at, (given, plain)) in given.iter().zip(&plain).enumerate() {
        let (y, x) = (at / 32 % 32, at % 32);
        let rows = area.top..area.top + area.height;
        let inside = rows.contains(&y) && (area.left..area.left + area.width).contains(&x);
        assert_eq!(*given, if inside { 0.0 } else { *plain });
    }
}

#[test]
fn batches_mix_by_seed_epoch_and_batch_and_only_when_asked() {
    assert_eq!(parse(EVERYTHING).draw_mix(1, 0, 0, [8, 8]), None);
    let both = parse("mixup(alpha=0.2) cutmix");
    let draw = |seed, epoch, batch| both.draw_mix(seed, epoch, batch, [8, 8]).unwrap();
    assert_eq!(draw(1, 2, 3), draw(1, 2, 3));
    assert_ne!(draw(1, 2, 3), draw(1, 3, 2));
    assert_ne!(draw(1, 2, 3), draw(2, 2, 3));
    let cut = (0..1000).filter(|batch| draw(1, 0, *batch).area.is_some()).count();
    assert!((440..560).contains(&cut), "{cut}");
    // All inputs are partners of one other.
    let partners: Vec<usize> = (0..4).map(|i| Mixed::partner(i, 4)).collect();
    assert_eq!(partners, [3, 0, 1, 2]);
    assert_eq!(Mixed::partner(0, 1), 0);
}

#[test]
fn batches_and_labels_that_make_no_sense_are_errors() {
    let mixed = Mixed::mixup(0.5);
    let given = mixed.inputs(&mut [0.0; 47], [4, 4]);
    assert!(matches!(given, Err(DataError::BatchLength { given: 47, .. })), "{given:?}");
    assert!(mixed.inputs(&mut [], [4, 4]).is_ok());
    assert!(mixed.inputs(&mut [], [0, 4]).is_err());
    assert!(Mixed::cutmix(0.0, [7, 7], [8, 8]).inputs(&mut [0.0; 48], [4, 4]).is_err());
    let given = mixed.targets(&[0, 3], 3);
    assert!(matches!(given, Err(DataError::Label { label: 3, classes: 3 })), "{given:?}");
    assert!(mixed.targets(&[], 0).unwrap().is_empty());
}

#[test]
fn pictures_and_areas_that_make_no_sense_are_errors() {
    let good = drawn(8, 8);
    let area = Area { top: 0, left: 5, height: 8, width: 4 };
    let mut out = vec![0.0; 3 * 32 * 32];
    let mut scratch = Scratch::default();
    for (area, erased) in [
        (Some(area), None),
        (None, Some(Area { left: 29, ..area })),
        (Some(Area { height: 0, ..area }), None),
        (Some(Area { left: usize::MAX, ..area }), None),
    ] {
        let drawn = Drawn { area, changes: vec![], erased };
        let given = drawn.apply(&good, &small(), &mut scratch, &mut out);
        assert!(matches!(given, Err(DataError::AreaOutside { .. })), "{given:?}");
    }
    let drawn = Drawn { area: None, changes: vec![], erased: None };
    let given = drawn.apply(&good, &small(), &mut scratch, &mut out[1..]);
    assert!(matches!(given, Err(DataError::InputLength { .. })), "{given:?}");
    let mut bad = Picture { width: 3, height: 3, rgb: vec![0; 26], facts: FACTS };
    let given = Change::Equalize.apply(&mut bad);
    assert!(matches!(given, Err(DataError::PictureLength { given: 26, .. })), "{given:?}");
    let given = input_error(&bad);
    assert!(matches!(given, DataError::PictureLength { .. }), "{given:?}");
}

fn input_error(picture: &Picture) -> DataError {
    let mut out = vec![0.0; 3 * 32 * 32];
    let (augment, mut scratch) = (parse(EVERYTHING), Scratch::default());
    augmented(picture, &small(), &augment, visit(0, 0, 0), &mut scratch, &mut out).unwrap_err()
}

#[test]
fn a_preview_shows_the_card_first_and_seven_epochs_in_the_cards_colours() {
    let pictures = [drawn(40, 50), drawn(64, 40)];
    let light = Strength::Light.augment(true);
    let bgr = Preprocess { channels: Channels::Bgr, ..small() };
    for p in [small(), bgr] {
        let grid = preview(&pictures, &p, &light, 1).unwrap();
        assert_eq!((grid.width, grid.height), (8 * 36 - 4, 2 * 36 - 4));
        let cell = |picture: &Picture, row: usize, column: usize| -> Vec<u8> {
            let rows = picture.rgb.chunks(picture.width * 3).skip(row * 36).take(32);
            rows.flat_map(|row| row[column * 108..column * 108 + 96].to_vec()).collect()
        };
        for (row, picture) in pictures.iter().enumerate() {
            let plain = regraft_data::crop_resized(picture, &p).unwrap();
            assert_eq!(cell(&grid, row, 0), plain.rgb);
            let shown: std::collections::BTreeSet<Vec<u8>> =
                (0..8).map(|column| cell(&grid, row, column)).collect();
            assert_eq!(shown.len(), 8, "all differ");
        }
        let png = decode(&to_png(&grid).unwrap()).unwrap();
        assert_eq!(png.rgb, grid.rgb);
    }
    let mixed = preview(&pictures, &small(), &parse("mixup"), 1).unwrap();
    assert_ne!(mixed.rgb, preview(&pictures, &small(), &Augment::default(), 1).unwrap().rgb);
    assert!(preview(&[], &small(), &light, 1).is_err());
    let large = Preprocess::imagenet(8192, 8192, Interpolation::Bilinear);
    assert!(preview(&pictures, &large, &light, 1).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn crops_lie_in_the_picture_however_long_it_is(
        (width, height) in prop_oneof![
            Just((1_usize, 1_usize)), Just((1, 500)), Just((500, 1)), (1_usize..60, 1_usize..60)
        ],
        (low, high) in (0.001_f32..1.0, 0.001_f32..1.0),
        index in 0_u64..1000,
    ) {
        let scale = format!("{}..{}", low.min(high), low.max(high));
        for text in [
            format!("random-resized-crop(scale={scale},ratio=0.01..100) random-erasing(p=1,scale={scale})"),
            // Nothing of this shape fits, and the fallback would round to no row at all.
            "random-resized-crop(ratio=100..100)".to_owned(),
            EVERYTHING.to_owned(),
        ] {
            let augment = parse(&text);
            let drawn = augment.draw(visit(1, 1, index), [height, width], [32, 32]);
            let area = drawn.area.unwrap();
            prop_assert!(area.height > 0 && area.width > 0);
            prop_assert!(area.top + area.height <= height && area.left + area.width <= width);
            let out = input(&super::pixels::drawn(width, height), &augment, visit(1, 1, index));
            prop_assert!(out.iter().all(|v| v.is_finite()));
        }
    }

    #[test]
    fn mixed_targets_sum_to_one_and_inputs_stay_between_their_partners(
        lambda in 0.0_f64..=1.0,
        centre in [0_usize..8, 0_usize..6],
        labels in prop::collection::vec(0_usize..5, 1..7),
    ) {
        for mixed in [Mixed::mixup(lambda), Mixed::cutmix(lambda, centre, [8, 6])] {
            for (i, row) in mixed.targets(&labels, 5).unwrap().chunks(5).enumerate() {
                prop_assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                prop_assert!((f64::from(row[labels[i]]) - mixed.lambda) > -1e-6);
            }
            // Input i is i everywhere, so the mean over an input says how much of each is in it.
            let n = labels.len();
            let mut batch: Vec<f32> = (0..n * 144).map(|at| (at / 144) as f32).collect();
            mixed.inputs(&mut batch, [8, 6]).unwrap();
            for (i, one) in batch.chunks(144).enumerate() {
                let mean = one.iter().map(|v| f64::from(*v)).sum::<f64>() / 144.0;
                let partner = Mixed::partner(i, n) as f64;
                let wanted = mixed.lambda * i as f64 + (1.0 - mixed.lambda) * partner;
                prop_assert!((mean - wanted).abs() < 1e-5, "{mean} {wanted}");
            }
        }
    }
}
