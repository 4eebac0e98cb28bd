//! Waves, colours, variation: numbers of lucid's rules in f64. And pictures made for units of a small network.

use regraft_look::{
    By, LookError, MaximiseSettings, Maximised, Objective, PixelRules, Spectrum, StepLength, Sway,
    Wish, from_colours, maximise, to_colours, total_variation,
};
use regraft_net::Network;
use regraft_tensor::Tensor;

use crate::tiny::{TEXT, network};

fn gen64(n: usize, seed: f64, scale: f64) -> Vec<f64> {
    (0..n).map(|i| scale * ((i + 1) as f64 * 12.9898 + seed * 78.233).sin()).collect()
}

fn close(got: f64, wanted: f64, what: &str) {
    assert!((got - wanted).abs() < 1e-12 * wanted.abs().max(1.0), "{what}: {got}, wanted {wanted}");
}

#[test]
fn waves_and_colours_are_lucids() {
    let spectrum = Spectrum::new(8, 8, 1.0);
    assert_eq!(spectrum.count(), 3 * 8 * 5 * 2);
    let mut picture = spectrum.picture(&gen64(spectrum.count(), 14.0, 0.01));
    close(picture.iter().sum(), 0.08709685647582213, "sum");
    close(picture.iter().map(|v| v.abs()).sum(), 1.1189765847553672, "absolute sum");
    for (got, wanted) in
        picture.iter().zip([0.004413465910403414, 0.008955922012388793, -0.0004424697238150752])
    {
        close(*got, wanted, "first");
    }
    to_colours(&mut picture);
    close(picture.iter().sum(), 96.04621588833227, "sum of colours");
    for (channel, wanted) in
        [0.5003319697686462, 0.5004470373040195, 0.5011317790876977].into_iter().enumerate()
    {
        close(picture[channel * 64], wanted, "colour");
        // As the network is given it.
        assert!((f64::from(picture[channel * 64] as f32) - wanted).abs() < 1e-5);
    }
    let spectrum = Spectrum::new(5, 8, 1.0);
    let picture = spectrum.picture(&gen64(spectrum.count(), 14.0, 0.01));
    close(picture.iter().sum(), 0.046148136890619335, "sum, odd height");
    for (got, wanted) in
        picture.iter().zip([0.004675694108442174, 0.00995101678697179, -0.0013227418126056038])
    {
        close(*got, wanted, "first, odd height");
    }
}

#[test]
fn variation_is_lucids() {
    let [absolute, squares] = total_variation(&gen64(126, 15.0, 1.0), [6, 7]);
    close(absolute, 162.0390412510033, "absolute");
    close(squares, 217.72245081518147, "squares");
}

#[test]
fn the_gradient_of_a_spectrum_is_what_small_steps_give() {
    for [height, width] in [[6, 8], [5, 7], [7, 5], [1, 4]] {
        let spectrum = Spectrum::new(height, width, 1.5);
        let values = gen64(spectrum.count(), 3.0, 0.05);
        let direction = gen64(3 * height * width, 4.0, 1.0);
        let of = |values: &[f64]| {
            let mut picture = spectrum.picture(values);
            to_colours(&mut picture);
            picture.iter().zip(&direction).map(|(p, d)| p * d).sum::<f64>()
        };
        let mut colours = spectrum.picture(&values);
        to_colours(&mut colours);
        let mut gradient = direction.clone();
        from_colours(&colours, &mut gradient);
        let gradient = spectrum.gradient(&gradient);
        for at in 0..values.len() {
            let moved = |by: f64| {
                let mut other = values.clone();
                other[at] += by;
                of(&other)
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!(
                (slope - gradient[at]).abs() < 1e-7,
                "{height}x{width} {at}: {slope} {}",
                gradient[at]
            );
        }
    }
}

fn waves() -> MaximiseSettings {
    let by = By::Waves { rate: 0.05, decay: 1.0, sway: Sway::none() };
    MaximiseSettings { by, side: 16, steps: 64, views: 1, diversity: 0.0, seed: 3 }
}

/// A published set, with steps as long as a network needs whose weights were not trained.
fn pixels(set: usize) -> MaximiseSettings {
    let length = StepLength::Progress { most: 1e8, wanted: 0.1 };
    let rules = PixelRules { length, small_norm: 0.0, ..PixelRules::PUBLISHED[set] };
    MaximiseSettings { by: By::Pixels(rules), ..waves() }
}

fn wish(objective: Objective) -> Wish {
    Wish { objective, pictures: 1, key: 0 }
}

fn make(network: &Network, wishes: &[Wish], settings: &MaximiseSettings) -> Vec<Vec<Maximised>> {
    maximise(network, wishes, settings, &mut |_, _| true).unwrap()
}

#[test]
fn the_objective_rises() {
    let whole = network(TEXT);
    let below = whole.cut("relu2").unwrap();
    let mut swaying = waves();
    swaying.by =
        By::Waves { rate: 0.05, decay: 1.0, sway: Sway { before: 2, after: 2, ..Sway::usual() } };
    swaying.views = 2;
    for settings in [waves(), swaying, pixels(0)] {
        for (network, wanted) in [
            (&whole, vec![Objective::Unit(0), Objective::Unit(1), Objective::Unit(2)]),
            (&below, vec![Objective::Unit(1), Objective::Middle(4), Objective::Everything]),
        ] {
            let wishes: Vec<Wish> = wanted.into_iter().map(wish).collect();
            for (wish, made) in wishes.iter().zip(make(network, &wishes, &settings)) {
                let [made] = made.as_slice() else { panic!("one picture") };
                assert!(
                    made.after > made.before + 0.05 * made.before.abs(),
                    "{settings:?} {wish:?}: {} {}",
                    made.before,
                    made.after
                );
                assert_eq!(made.colours.shape().dims(), [3, 16, 16]);
                assert!(made.colours.data().iter().all(|v| (0.0..=1.0).contains(v)));
                assert!(made.curve.len() <= 32 && !made.curve.is_empty());
            }
        }
    }
}

/// How a picture goes with a kernel of its size: Pearson's correlation.
fn correlation(made: &Maximised, kernel: &[f32]) -> f64 {
    let n = kernel.len() as f64;
    let mean = |values: &[f32]| values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let (colours, means) = (made.colours.data(), [mean(made.colours.data()), mean(kernel)]);
    let (mut dot, mut a, mut b) = (0.0, 0.0, 0.0);
    for (c, k) in colours.iter().zip(kernel) {
        let (c, k) = (f64::from(*c) - means[0], f64::from(*k) - means[1]);
        (dot, a, b) = (dot + c * k, a + c * c, b + k * k);
    }
    dot / (a * b).sqrt()
}

/// A network of one unit that sees all of a picture, with a kernel of one's own.
fn kernel_of(side: usize, of: impl Fn(usize, f64, f64) -> f64) -> (Network, Vec<f32>) {
    let text = format!("x = input 3x{side}x{side}\n conv = conv2d x out=1 size={side}\n -> conv");
    let plain = network(&text);
    let middle = (side as f64 - 1.0) / 2.0;
    let place = |i: usize| (i / side % side, i % side);
    let at = |i: usize| {
        let (y, x) = place(i);
        of(i / (side * side), y as f64 - middle, x as f64 - middle) as f32
    };
    let kernel: Vec<f32> = (0..3 * side * side).map(at).collect();
    let mut params = plain.params().clone();
    params.get_mut("conv.weight").unwrap().data_mut().copy_from_slice(&kernel);
    (Network::new(plain.graph().clone(), &params, plain.card().clone()).unwrap(), kernel)
}

#[test]
fn the_optimum_of_a_unit_that_is_a_kernel_is_the_kernel() {
    // An edge, as first layers have them; waves share the way there out among themselves, so that what they
    // reach is the best picture there can be, black and white, rather than the kernel's own greys.
    let edge = |_: usize, y: f64, x: f64| {
        (-(y * y + x * x) / 90.0).exp() * ((0.8 * x + 0.6 * y) / 1.5).tanh() * 0.1
    };
    let (network, kernel) = kernel_of(16, edge);
    let card = network.card().preprocess;
    let at = |best: bool| -> f64 {
        let value = |(i, k): (usize, &f32)| {
            let colour = if !best {
                0.5
            } else if *k > 0.0 {
                1.0
            } else {
                0.0
            };
            f64::from(k * (colour - card.mean[i / 256]) / card.std[i / 256])
        };
        kernel.iter().enumerate().map(value).sum()
    };
    let made =
        make(&network, &[wish(Objective::Middle(0))], &MaximiseSettings { steps: 256, ..waves() });
    let share = (made[0][0].after - at(false)) / (at(true) - at(false));
    let signs: Vec<f32> = kernel.iter().map(|k| k.signum()).collect();
    assert!(share > 0.9 && share <= 1.0, "waves: {share}");
    assert!(correlation(&made[0][0], &signs) > 0.8);
    // Any kernel, by pixels that nothing smooths.
    let chance = |c: usize, y: f64, x: f64| (12.9898 * (17.0 * y + x) + c as f64).sin() * 0.5;
    let (network, kernel) = kernel_of(8, chance);
    let length = StepLength::Progress { most: 1e8, wanted: 2.0 };
    let rules = PixelRules { blur: 0.0, small_norm: 0.0, length, ..PixelRules::PUBLISHED[0] };
    let settings = MaximiseSettings { by: By::Pixels(rules), side: 8, steps: 60, ..waves() };
    let made = make(&network, &[wish(Objective::Unit(0))], &settings);
    let got = correlation(&made[0][0], &kernel);
    assert!(got > 0.9, "pixels: {got}");
}

#[test]
fn a_picture_is_the_same_whatever_is_made_beside_it() {
    let network = network(TEXT).cut("relu2").unwrap();
    let all: Vec<Wish> = (0..6)
        .map(|unit| Wish { objective: Objective::Unit(unit), pictures: 1, key: unit as u64 })
        .collect();
    let settings = MaximiseSettings { steps: 12, ..waves() };
    let made = make(&network, &all, &settings);
    for (wish, wanted) in all.iter().zip(&made) {
        assert_eq!(&make(&network, std::slice::from_ref(wish), &settings)[0], wanted);
    }
    let other = MaximiseSettings { seed: 4, ..settings };
    assert_ne!(make(&network, &all, &other), made);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let network = network(TEXT).cut("relu2").unwrap();
    let wishes = [Wish { objective: Objective::Unit(1), pictures: 3, key: 9 }];
    let by = By::Waves { rate: 0.05, decay: 1.0, sway: Sway::usual() };
    let settings = MaximiseSettings { by, diversity: 1.0, steps: 12, views: 2, ..waves() };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| make(&network, &wishes, &settings))
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(5));
    assert_eq!(one[0].len(), 3);
}

#[test]
fn pictures_made_to_differ_are_less_alike() {
    let network = network(TEXT).cut("relu2").unwrap();
    let wishes = [Wish { objective: Objective::Unit(1), pictures: 3, key: 9 }];
    let large = regraft_look::resized(&network, [16, 16]).unwrap();
    let card = network.card().preprocess;
    // The Gram matrix of what the layer gives, 6 channels of 8 x 8, of length one.
    let gram = |made: &Maximised| {
        let colours = made.colours.data().iter().enumerate();
        let seen = colours.map(|(i, v)| (v - card.mean[i / 256]) / card.std[i / 256]).collect();
        let seen = Tensor::new([1, 3, 16, 16], seen).unwrap();
        let out = regraft_look::outputs(&large, &seen).unwrap();
        let rows: Vec<&[f32]> = out.chunks_exact(64).collect();
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let gram: Vec<f32> = (0..36).map(|i| dot(rows[i / 6], rows[i % 6])).collect();
        let length = dot(&gram, &gram).sqrt();
        gram.into_iter().map(|v| v / length).collect::<Vec<f32>>()
    };
    let alike = |diversity: f64| {
        let made = make(&network, &wishes, &MaximiseSettings { diversity, ..waves() });
        let grams: Vec<Vec<f32>> = made[0].iter().map(gram).collect();
        let dot =
            |a: usize, b: usize| grams[a].iter().zip(&grams[b]).map(|(a, b)| a * b).sum::<f32>();
        (dot(0, 1) + dot(0, 2) + dot(1, 2)) / 3.0
    };
    let (free, apart) = (alike(0.0), alike(3.0));
    assert!(1.0 - apart > 1.2 * (1.0 - free), "{free} {apart}");
}

#[test]
fn a_unit_that_nothing_reaches_is_reached_by_redirected_gradients() {
    // Without it the first ReLU, whose bias keeps it shut, lets nothing through for ever.
    let text = "x = input 3x16x16
        conv = conv2d x out=2 size=3 pad=1 bias=yes
        relu = relu conv
        -> relu";
    let shut = network(text);
    let mut params = shut.params().clone();
    params.get_mut("conv.bias").unwrap().data_mut().fill(-2.0);
    let network = Network::new(shut.graph().clone(), &params, shut.card().clone()).unwrap();
    let made = make(&network, &[wish(Objective::Unit(0))], &waves());
    assert_eq!(made[0][0].before, 0.0);
    assert!(made[0][0].after > 0.1, "{:?}", made[0][0].after);
}

#[test]
fn what_cannot_be_made_is_named() {
    let whole = network(TEXT);
    let of = |wish: Wish, settings: &MaximiseSettings| {
        maximise(&whole, &[wish], settings, &mut |_, _| true).unwrap_err().to_string()
    };
    let good = || wish(Objective::Unit(0));
    let error = of(wish(Objective::Unit(3)), &waves());
    assert!(
        error.contains("`fc`") && error.contains("3 units") && error.contains("0 to 2"),
        "{error}"
    );
    let direction = Objective::Direction { direction: vec![1.0; 2], power: 1 };
    assert!(of(wish(direction), &waves()).contains("3 units"));
    for (settings, word) in [
        (MaximiseSettings { side: 0, ..waves() }, "side"),
        (MaximiseSettings { steps: 0, ..waves() }, "steps"),
        (MaximiseSettings { views: 0, ..waves() }, "views"),
    ] {
        assert!(of(good(), &settings).contains(word));
    }
    assert!(of(Wish { pictures: 17, ..good() }, &waves()).contains("16"));
    let grey = network("x = input 1x16x16\n conv = conv2d x out=2 size=3\n -> conv");
    let error = maximise(&grey, &[good()], &waves(), &mut |_, _| true).unwrap_err();
    assert!(error.to_string().contains("colours"), "{error}");
    let stopped = maximise(&whole, &[good()], &waves(), &mut |done, _| done < 3).unwrap_err();
    assert!(matches!(stopped, LookError::Stopped));
}
