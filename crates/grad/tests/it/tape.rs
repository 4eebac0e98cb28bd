use regraft_grad::{GradError, Tape, Tuning, loss};
use regraft_net::{Network, Op, notation};
use regraft_tensor::Tensor;
use regraft_testkit::{small_networks, with_formula_weights};

use crate::numeric::batch;

const ALL: Tuning<'static> =
    Tuning { tuned: &|_| true, batch_norm: &|_| true, input_gradient: false, recompute: false };

fn network(text: &str) -> Network {
    with_formula_weights(notation::parse(text).unwrap())
}

#[test]
fn threads_do_not_change_a_bit() {
    for (name, network) in small_networks() {
        let batch = batch(&network, 5);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut tape = Tape::new(&network, 5, &ALL).unwrap();
                let out = tape.forward(&batch, 7).unwrap();
                (tape.backward(&out).unwrap(), tape.params().clone())
            })
        };
        let one = run(1);
        for threads in [2, 3, 8] {
            assert_eq!(run(threads), one, "{name}, {threads} threads");
        }
    }
}

#[test]
fn what_is_frozen_has_no_gradient_and_a_frozen_norm_does_not_move() {
    let (_, network) = small_networks().swap_remove(0);
    let tuning = Tuning {
        tuned: &|layer| layer == "pw" || layer == "pwbn" || layer == "fc",
        batch_norm: &|layer| layer == "dwbn",
        input_gradient: false,
        recompute: false,
    };
    let mut tape = Tape::new(&network, 2, &tuning).unwrap();
    let batch = batch(&network, 2);
    let out = tape.forward(&batch, 1).unwrap();
    let got = tape.backward(&out).unwrap();
    let names: Vec<&str> = got.params.keys().map(String::as_str).collect();
    assert_eq!(names, ["fc.bias", "fc.weight", "pw.weight"]);
    assert_eq!(tape.tuned(), ["pw.weight", "fc.weight", "fc.bias"]);
    for (name, now) in tape.params().iter() {
        let moved = now != network.params().get(name).unwrap();
        assert_eq!(moved, name.starts_with("dwbn.running"), "{name}");
    }
}

#[test]
fn dropout_drops_its_share_by_the_seed_and_the_way_back_drops_the_same() {
    let network = network("x = input 4000\n d = dropout x rate=0.25\n -> d");
    let tuning = Tuning { input_gradient: true, ..ALL };
    let mut tape = Tape::new(&network, 2, &tuning).unwrap();
    let ones = Tensor::new([2, 4000], vec![1.0; 8000]).unwrap();
    let out = tape.forward(&ones, 3).unwrap();
    let kept = out.data().iter().filter(|v| **v != 0.0).count();
    assert!((5800..6200).contains(&kept), "{kept} of 8000 kept, wanted about 6000");
    assert!(out.data().iter().all(|v| *v == 0.0 || (*v - 4.0 / 3.0).abs() < 1e-6));
    assert_eq!(tape.backward(&ones).unwrap().input.unwrap(), out);
    assert_eq!(tape.forward(&ones, 3).unwrap(), out);
    assert_ne!(tape.forward(&ones, 4).unwrap(), out);
}

#[test]
fn a_smaller_batch_gives_what_a_tape_of_its_size_gives() {
    let (_, network) = small_networks().swap_remove(3);
    let (large, small) = (batch(&network, 6), batch(&network, 2));
    let mut tape = Tape::new(&network, 6, &ALL).unwrap();
    let out = tape.forward(&large, 0).unwrap();
    tape.backward(&out).unwrap();
    let out = tape.forward(&small, 0).unwrap();
    let got = tape.backward(&out).unwrap();
    let mut fresh = Tape::new(&network, 2, &ALL).unwrap();
    let wanted = fresh.forward(&small, 0).unwrap();
    assert_eq!(out, wanted);
    assert_eq!(got, fresh.backward(&wanted).unwrap());
}

#[test]
fn wrong_batches_and_wholly_frozen_networks_are_refused() {
    let (_, network) = small_networks().swap_remove(0);
    let frozen = Tuning { tuned: &|_| false, ..ALL };
    assert_eq!(Tape::new(&network, 2, &frozen).err(), Some(GradError::NothingTuned));
    let mut tape = Tape::new(&network, 2, &ALL).unwrap();
    let e = tape.forward(&batch(&network, 3), 0).unwrap_err();
    assert_eq!(e, GradError::Room { room: 2, got: 3 });
    let e = tape.forward(&Tensor::zeros([1, 3, 4, 4]), 0).unwrap_err();
    assert_eq!(e.to_string(), "the network wants examples of 3x19x23, got a batch of 1x3x4x4");
    tape.forward(&batch(&network, 2), 0).unwrap();
    let e = tape.backward(&Tensor::zeros([2, 8])).unwrap_err();
    assert_eq!(e.to_string(), "the output of the last batch is 2x7, got a gradient of 2x8");
}

#[test]
fn the_layer_at_which_numbers_break_is_named() {
    let (_, network) = small_networks().swap_remove(0);
    let mut tape = Tape::new(&network, 1, &ALL).unwrap();
    tape.forward(&batch(&network, 1), 0).unwrap();
    assert_eq!(tape.first_not_finite(), None);
    tape.param_mut("pw.weight").unwrap()[3] = f32::NAN;
    tape.forward(&batch(&network, 1), 0).unwrap();
    assert!(matches!(network.graph().layer(network.graph().find("pw").unwrap()).op, Op::Conv2d(_)));
    assert_eq!(tape.first_not_finite(), Some("pw"));
}

/// Numeric gradient of a loss, in `f64` steps of its `f32` logits.
fn numeric(logits: &Tensor, value: impl Fn(&Tensor) -> f64) -> Vec<f64> {
    let step = 1.0 / 1024.0;
    let at = |i: usize, by: f32| {
        let mut z = logits.clone();
        z.data_mut()[i] += by;
        value(&z)
    };
    (0..logits.data().len())
        .map(|i| (at(i, step) - at(i, -step)) / (2.0 * f64::from(step)))
        .collect()
}

#[test]
fn losses_have_the_numeric_gradient_and_the_known_values() {
    let logits = Tensor::new([2, 3], vec![1.0, 2.0, 3.0, -1.0, 0.5, 0.25]).unwrap();
    let weights = [0.5, 2.0, 1.25];
    // torch.nn.functional.cross_entropy and binary_cross_entropy_with_logits, 2.x, in f64.
    let known = [
        (vec![0.0, 0.0, 1.0, 1.0, 0.0, 0.0], None, 1.300_859_075_4),
        (vec![0.0, 0.0, 1.0, 1.0, 0.0, 0.0], Some(weights), 0.918_036_313_6),
        (vec![0.7, 0.2, 0.1, 0.0, 0.5, 0.5], None, 1.413_359_075_4),
        (vec![0.7, 0.2, 0.1, 0.0, 0.5, 0.5], Some(weights), 1.370_418_760_9),
    ];
    for (targets, weights, wanted) in known {
        let weights = weights.as_ref().map(<[f32; 3]>::as_slice);
        let loss = |z: &Tensor| loss::cross_entropy(z, &targets, weights).unwrap();
        let got = loss(&logits);
        for (g, n) in got.gradient.data().iter().zip(numeric(&logits, |z| loss(z).value)) {
            assert!((f64::from(*g) - n).abs() < 1e-6, "{targets:?}: {g} is not {n}");
        }
        assert!((got.value - wanted).abs() < 1e-6, "{targets:?}, {weights:?}: {}", got.value);
    }
    let targets = [0.0, 1.0, 1.0, 1.0, 0.25, 0.0];
    for (weights, wanted) in [(None, 0.746_175_857_0), (Some(&weights[..]), 0.679_669_732_2)] {
        let loss = |z: &Tensor| loss::binary_cross_entropy(z, &targets, weights).unwrap();
        let got = loss(&logits);
        for (g, n) in got.gradient.data().iter().zip(numeric(&logits, |z| loss(z).value)) {
            assert!((f64::from(*g) - n).abs() < 1e-6, "{g} is not {n}");
        }
        assert!((got.value - wanted).abs() < 1e-6, "{weights:?}: {}", got.value);
    }
    let t = loss::smoothed(&[2], 4, 0.1).unwrap();
    assert!(
        t.iter().zip([0.025, 0.025, 0.925, 0.025]).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-7)
    );
    assert!(loss::smoothed(&[4], 4, 0.1).is_err());
}

#[test]
fn values_made_again_give_the_same_bits_in_less_memory() {
    let text = "x = input 3x24x24
        c1 = conv2d x out=8 size=3 pad=1
        n1 = batch_norm c1 eps=0.001
        a1 = relu n1
        c2 = conv2d a1 out=8 size=3 pad=1
        n2 = batch_norm c2 eps=0.001
        s = add a1 n2
        a2 = relu s
        c3 = conv2d a2 out=8 size=3 pad=1 bias=yes
        d3 = dropout c3 rate=0.3
        p = max_pool d3 size=2 stride=2
        c4 = conv2d p out=8 size=3 pad=1 bias=yes
        a4 = relu6 c4
        c5 = conv2d a4 out=8 size=3 pad=1 bias=yes
        g = global_avg_pool c5
        f = linear g out=3
        -> f";
    let network = with_formula_weights(notation::parse(text).unwrap());
    let mut results = Vec::new();
    for (recompute, frozen) in [(false, false), (true, false), (false, true), (true, true)] {
        let tuned = |layer: &str| !frozen || !["c1", "n1"].contains(&layer);
        let tuning = Tuning { tuned: &tuned, batch_norm: &|_| true, recompute, ..ALL };
        let mut tape = Tape::new(&network, 3, &tuning).unwrap();
        let mut bits = Vec::new();
        for step in 0..3 {
            let n = 3 - step % 2;
            let input: Vec<f32> =
                (0..n * 3 * 24 * 24).map(|i| ((i * 7 + step) as f32 * 0.37).sin()).collect();
            let out = tape.forward(&Tensor::new([n, 3, 24, 24], input).unwrap(), 5).unwrap();
            let gradients = tape.backward(&out).unwrap().params;
            for (name, gradient) in &gradients {
                let value = tape.param_mut(name).unwrap();
                value.iter_mut().zip(gradient.data()).for_each(|(v, g)| *v -= 0.01 * g);
            }
            bits.push((out, gradients));
        }
        results.push((bits, tape.params().clone(), tape.peak_bytes()));
    }
    for pair in results.chunks(2) {
        assert_eq!(pair[0].0, pair[1].0, "outputs and gradients");
        assert_eq!(pair[0].1, pair[1].1, "weights and running statistics");
        assert!(pair[1].2 * 4 < pair[0].2 * 3, "{} of {} bytes", pair[1].2, pair[0].2);
    }
}
