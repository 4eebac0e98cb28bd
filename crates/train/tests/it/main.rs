//! The feature cache and what it promises: nothing torn is used, nothing done is lost.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod optimisers;
mod rates;
mod recipes;
mod tune;

use std::fs::{self, OpenOptions};
use std::path::PathBuf;

use regraft_infer::Engine;
use regraft_net::Network;
use regraft_testkit::small_networks;
use regraft_train::{Extracted, FeatureStore, Flow, TrainError, Trunk, TrunkKey, extract};

const OUTPUT: &str = "pool";

fn network() -> Network {
    let (_, network) = small_networks().swap_remove(3);
    network.cut(OUTPUT).unwrap()
}

fn trunk() -> Trunk {
    let network = network();
    let engine = Engine::compile(&network, &[OUTPUT]).unwrap();
    Trunk::new(&network, engine).unwrap()
}

fn key() -> TrunkKey {
    trunk().key()
}

/// Small pictures, no two alike, and their folder.
fn pictures(n: usize) -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let files = (0..n)
        .map(|i| {
            let path = folder.path().join(format!("{i:03}.png"));
            let pixel = |x: u32, y: u32| image::Rgb([(x * 5) as u8, (y * 5) as u8, i as u8]);
            image::RgbImage::from_fn(48, 40, pixel).save(&path).unwrap();
            path
        })
        .collect();
    (folder, files)
}

fn run(files: &[PathBuf], store: Option<&mut FeatureStore>) -> Extracted {
    extract(&trunk(), files, store, &|_| Flow::Continue).unwrap()
}

fn id(n: u8) -> [u8; 32] {
    [n; 32]
}

#[test]
fn what_is_stored_comes_back_bit_by_bit_and_survives_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = FeatureStore::open(folder.path(), key(), 3).unwrap();
    let row = [1.5, f32::MIN_POSITIVE, -0.0];
    store.add([(&id(1), row.as_slice()), (&id(2), [4.0, 5.0, 6.0].as_slice())]).unwrap();
    let again = FeatureStore::open(folder.path(), key(), 3).unwrap();
    let mut out = [0.0; 3];
    assert!(again.get(&id(1), &mut out).unwrap());
    assert_eq!(out.map(f32::to_bits), row.map(f32::to_bits));
    assert!(!again.get(&id(3), &mut out).unwrap());
}

#[test]
fn a_store_cut_at_any_byte_keeps_every_whole_record_and_takes_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("{}.features", key()));
    let row = [7.0; 3];
    let mut store = FeatureStore::open(folder.path(), key(), 3).unwrap();
    let ids = [id(0), id(1), id(2)];
    store.add(ids.iter().map(|id| (id, row.as_slice()))).unwrap();
    let whole = fs::read(&path).unwrap();
    let record = (whole.len() - 24) / 3;
    for cut in 0..whole.len() {
        let file = OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
        std::io::Write::write_all(&mut &file, &whole[..cut]).unwrap();
        let mut store = FeatureStore::open(folder.path(), key(), 3).unwrap();
        let kept = cut.saturating_sub(24) / record;
        assert_eq!(store.images(), kept, "cut at {cut}");
        store.add([(&id(9), row.as_slice())]).unwrap();
        let reopened = FeatureStore::open(folder.path(), key(), 3).unwrap();
        assert_eq!(reopened.images(), kept + 1, "cut at {cut}");
    }
}

#[test]
fn a_damaged_record_is_not_used_and_its_neighbours_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("{}.features", key()));
    let rows = [[1.0; 3], [2.0; 3]];
    let mut store = FeatureStore::open(folder.path(), key(), 3).unwrap();
    store.add([(&id(1), rows[0].as_slice()), (&id(2), rows[1].as_slice())]).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[24 + 34] ^= 1;
    let file = OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
    std::io::Write::write_all(&mut &file, &bytes).unwrap();
    let mut out = [0.0; 3];
    assert!(!store.get(&id(1), &mut out).unwrap(), "went bad after it was opened");
    let again = FeatureStore::open(folder.path(), key(), 3).unwrap();
    assert!(!again.has(&id(1)));
    assert!(again.get(&id(2), &mut out).unwrap());
    assert_eq!(out, rows[1]);
}

#[test]
fn two_writers_of_one_store_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4u8 {
            let folder = folder.path();
            scope.spawn(move || {
                let mut store = FeatureStore::open(folder, key(), 3).unwrap();
                for i in 0..20u8 {
                    store.add([(&id(writer * 20 + i), [f32::from(i); 3].as_slice())]).unwrap();
                }
            });
        }
    });
    assert_eq!(FeatureStore::open(folder.path(), key(), 3).unwrap().images(), 80);
}

#[test]
fn the_second_pass_computes_nothing_and_gives_the_same_bits() {
    let (folder, files) = pictures(9);
    let mut store = FeatureStore::open(folder.path(), key(), 32).unwrap();
    let first = run(&files, Some(&mut store));
    assert_eq!((first.computed, first.cached), (9, 0));
    let mut store = FeatureStore::open(folder.path(), key(), 32).unwrap();
    let second = run(&files, Some(&mut store));
    assert_eq!((second.computed, second.cached), (0, 9));
    let wanted = run(&files, None).rows().unwrap();
    assert_eq!(first.rows().unwrap(), wanted);
    assert_eq!(second.rows().unwrap(), wanted);
}

#[test]
fn kept_rows_are_read_in_any_order_and_width_like_rows_in_memory() {
    let (folder, mut files) = pictures(12);
    std::io::Write::write_all(&mut fs::File::create(&files[4]).unwrap(), b"no picture").unwrap();
    fs::copy(&files[9], &files[10]).unwrap();
    let mut store = FeatureStore::open(folder.path(), key(), 32).unwrap();
    // Their records lie before all others, and one file that lies between is not asked for.
    run(&files[6..9], Some(&mut store));
    files.remove(7);
    let (kept, memory) = (run(&files, Some(&mut store)), run(&files, None));
    assert_eq!((kept.files(), memory.files()), (11, 11));
    let orders: [&[usize]; 5] =
        [&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], &[8, 2, 2, 9, 4, 0], &[0, 6, 10], &[4], &[]];
    for files in orders {
        for width in [32, 7, 0] {
            let (mut a, mut b) = (vec![1.0; 3], Vec::new());
            kept.read(files, width, &mut a).unwrap();
            memory.read(files, width, &mut b).unwrap();
            assert_eq!(a.len(), files.len() * width);
            assert_eq!(a, b, "{files:?}, {width} wide");
        }
    }
}

#[test]
fn rows_are_read_from_several_threads_while_others_are_added() {
    let (folder, files) = pictures(40);
    let mut store = FeatureStore::open(folder.path(), key(), 32).unwrap();
    let kept = run(&files, Some(&mut store));
    let wanted = kept.rows().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..50).for_each(|_| assert_eq!(kept.rows().unwrap(), wanted)));
        }
        for i in 0..50 {
            store.add([(&id(i), [f32::from(i); 32].as_slice())]).unwrap();
        }
    });
}

#[test]
fn a_store_that_lost_its_end_is_an_error_when_rows_are_read() {
    let (folder, files) = pictures(3);
    let mut store = FeatureStore::open(folder.path(), key(), 32).unwrap();
    let kept = run(&files, Some(&mut store));
    let path = folder.path().join(format!("{}.features", key()));
    OpenOptions::new().write(true).open(&path).unwrap().set_len(100).unwrap();
    let error = kept.read(&[0, 2], 32, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, TrainError::Store { what: "read", .. }), "{error}");
}

#[test]
fn a_picture_that_changed_is_computed_again_and_one_that_moved_is_not() {
    let (folder, files) = pictures(3);
    let mut store = FeatureStore::open(folder.path(), key(), 32).unwrap();
    run(&files, Some(&mut store));
    fs::rename(&files[0], folder.path().join("moved.png")).unwrap();
    fs::copy(folder.path().join("moved.png"), &files[2]).unwrap();
    image::RgbImage::new(50, 50).save(&files[1]).unwrap();
    let files = [folder.path().join("moved.png"), files[1].clone(), files[2].clone()];
    let again = run(&files, Some(&mut store));
    assert_eq!((again.computed, again.cached), (1, 2));
}

#[test]
fn bad_files_are_listed_and_do_not_stop_the_others() {
    let (folder, mut files) = pictures(4);
    fs::copy(&files[0], folder.path().join("copy.png")).unwrap();
    let truncated = fs::read(&files[1]).unwrap();
    let bad = [("empty.jpg", &b""[..]), ("text.jpg", b"hello"), ("cut.png", &truncated[..60])];
    for (name, bytes) in bad {
        let path = folder.path().join(name);
        std::io::Write::write_all(&mut fs::File::create(&path).unwrap(), bytes).unwrap();
        files.push(path);
    }
    files.push(folder.path().join("missing.png"));
    let got = run(&files, None);
    assert_eq!(got.computed, 4);
    assert_eq!(got.failed.iter().map(|f| f.index).collect::<Vec<_>>(), [4, 5, 6, 7]);
}

#[test]
fn a_stop_keeps_what_is_done_and_the_next_run_goes_on() {
    let (folder, files) = pictures(140);
    let mut store = FeatureStore::open(folder.path(), key(), 32).unwrap();
    let after = |n| move |done| if done >= n { Flow::Stop } else { Flow::Continue };
    let stopped = extract(&trunk(), &files, Some(&mut store), &after(10));
    assert!(matches!(stopped, Err(TrainError::Stopped)));
    let kept = FeatureStore::open(folder.path(), key(), 32).unwrap().images();
    assert!((10..140).contains(&kept), "{kept} kept");
    let rest = run(&files, Some(&mut store));
    assert_eq!(rest.cached, kept);
    assert_eq!(rest.computed, 140 - kept);
}

#[test]
fn threads_do_not_change_a_bit() {
    let (_folder, files) = pictures(12);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&files, None).rows().unwrap())
    };
    assert_eq!(with(1), with(2));
}

#[test]
fn the_key_changes_with_whatever_shapes_a_feature() {
    let network = network();
    let preprocess = network.card().preprocess;
    let base = TrunkKey::new(&network, &[OUTPUT], &preprocess, "avx2");
    let mut other = preprocess;
    other.std[1] += 1e-7;
    assert_ne!(base, TrunkKey::new(&network, &[OUTPUT], &other, "avx2"));
    assert_ne!(base, TrunkKey::new(&network, &[OUTPUT], &preprocess, "avx512"));
    assert_ne!(base, TrunkKey::new(&network, &["out"], &preprocess, "avx2"));
    let mut params = network.params().clone();
    let mut weight = regraft_tensor::Tensor::clone(params.get("c3.weight").unwrap());
    weight.data_mut()[7] += 1e-6;
    params.insert("c3.weight", weight);
    let changed = Network::new(network.graph().clone(), &params, network.card().clone()).unwrap();
    assert_ne!(base, TrunkKey::new(&changed, &[OUTPUT], &preprocess, "avx2"));
    assert_eq!(base, TrunkKey::new(&network, &[OUTPUT], &preprocess, "avx2"));
}

#[test]
fn a_card_that_makes_another_size_than_the_network_wants_is_refused() {
    let network = network();
    let mut card = network.card().clone();
    card.preprocess.crop = [64, 64];
    let network = Network::new(network.graph().clone(), network.params(), card).unwrap();
    let engine = Engine::compile(&network, &[OUTPUT]).unwrap();
    let error = Trunk::new(&network, engine).err().unwrap().to_string();
    assert_eq!(error, "the network wants 3x32x32, its preprocessing makes 3x64x64");
}
