//! Each check fires on a network broken for it, and on nothing of a sound one.

use regraft_net::formula::{formula_params, formula_values};
use regraft_net::lint::{self, Activity, Finding, Severity};
use regraft_net::{Card, Graph, Params, notation};

/// `n` residual blocks of two convolutions, on 16 channels, and scores.
fn residual(n: usize) -> String {
    let mut text = "image = input 3x32x32
        stem = conv2d image out=16 size=5 pad=2
        stem.bn = batch_norm stem eps=0.00001
        b0 = relu stem.bn\n"
        .to_owned();
    for i in 0..n {
        let (at, next) = (format!("b{i}"), format!("b{}", i + 1));
        text.push_str(&format!(
            "{next}.c1 = conv2d {at} out=16 size=3 pad=1
             {next}.n1 = batch_norm {next}.c1 eps=0.00001
             {next}.r1 = relu {next}.n1
             {next}.c2 = conv2d {next}.r1 out=16 size=3 pad=1
             {next}.n2 = batch_norm {next}.c2 eps=0.00001
             {next}.sum = add {next}.n2 {at}
             {next} = relu {next}.sum\n"
        ));
    }
    text.push_str(&format!(
        "pool = global_avg_pool b{n}\ndrop = dropout pool rate=0.2\nfc = linear drop out=10\n-> fc\n"
    ));
    text
}

fn parse(text: &str) -> Graph {
    notation::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn structure(text: &str) -> Vec<Finding> {
    lint::structure(&parse(text), &Card::blank("test")).unwrap()
}

fn ids(findings: &[Finding]) -> Vec<(&str, Severity, Option<&str>)> {
    findings.iter().map(|f| (f.check.id, f.severity, f.layer.as_deref())).collect()
}

#[test]
fn a_sound_network_has_no_structural_findings() {
    assert_eq!(ids(&structure(&residual(7))), []);
}

/// A change of the sound network that breaks it in one way: what is replaced, by what, and what must
/// be found where.
const BROKEN: &[(&str, &str, &str, Severity, &str)] = &[
    (
        "b3.c2 = conv2d b3.r1",
        "b3.c2 = conv2d b3.n1",
        "missing-nonlinearity",
        Severity::Warning,
        "b3.c1",
    ),
    (
        "b4.c1 = conv2d b3 ",
        "b4.c1 = conv2d b3.sum ",
        "missing-nonlinearity",
        Severity::Warning,
        "b3.sum",
    ),
    ("-> fc", "lost = conv2d b2 out=4 size=3\n-> fc", "unused-layer", Severity::Warning, "lost"),
    ("-> fc", "lost = relu b2\n-> fc", "unused-layer", Severity::Note, "lost"),
    (
        "b2.r1 = relu b2.n1",
        "b2.nn = batch_norm b2.n1 eps=0.00001\nb2.r1 = relu b2.nn",
        "norm-twice",
        Severity::Warning,
        "b2.nn",
    ),
    (
        "b2.n1 = batch_norm b2.c1 eps=0.00001\nb2.r1 = relu b2.n1",
        "b2.n0 = relu b2.c1\nb2.r1 = batch_norm b2.n0 eps=0.00001",
        "norm-order",
        Severity::Warning,
        "b2.r1",
    ),
    (
        "b2.c2 = conv2d b2.r1 out=16",
        "b2.c2 = conv2d b2.r1 bias=yes out=16",
        "bias-before-norm",
        Severity::Note,
        "b2.c2",
    ),
    (
        "b5.n1 = batch_norm b5.c1 eps=0.00001",
        "b5.n1 = batch_norm b5.c1 eps=0.001",
        "mixed-epsilon",
        Severity::Warning,
        "b5.n1",
    ),
    (
        "stem = conv2d image out=16",
        "stem = conv2d image stride=8 out=16",
        "skipped-pixels",
        Severity::Warning,
        "stem",
    ),
    (
        "pool = global_avg_pool b7",
        "tiny = max_pool b7 size=32 stride=32\nwide = conv2d tiny out=16 size=3 pad=1\nwr = relu wide\npool = global_avg_pool wr",
        "dead-resolution",
        Severity::Warning,
        "wide",
    ),
    (
        "b0 = relu stem.bn",
        "s0 = relu stem.bn\nup = conv2d s0 out=64 size=1\nupr = relu up\nthin = conv2d upr out=2 size=1\nthinr = relu thin\nback = conv2d thinr out=64 size=1\nbackr = relu back\nb00 = conv2d backr out=16 size=1\nb0 = relu b00",
        "channel-bottleneck",
        Severity::Warning,
        "thin",
    ),
    (
        "drop = dropout pool rate=0.2",
        "drop = dropout pool rate=0.9",
        "dropout",
        Severity::Warning,
        "drop",
    ),
    ("-> fc", "late = dropout fc rate=0.2\n-> late", "dropout", Severity::Warning, "late"),
    ("-> fc", "prob = softmax fc\n-> prob", "softmax", Severity::Note, "prob"),
    (
        "-> fc",
        "prob = softmax fc\nfc2 = linear prob out=10\n-> fc2",
        "softmax",
        Severity::Warning,
        "prob",
    ),
    (
        "-> fc",
        "prob = softmax fc\nagain = softmax prob\n-> again",
        "softmax",
        Severity::Problem,
        "again",
    ),
    (
        "image = input 3x32x32",
        "image = input 3x256x256",
        "receptive-field",
        Severity::Warning,
        "b7",
    ),
];

#[test]
fn each_check_of_structure_finds_the_network_broken_for_it() {
    let sound = notation::print(&parse(&residual(7)));
    for (from, to, check, severity, layer) in BROKEN {
        let text = sound.replace(from, to);
        assert_ne!(text, sound, "{from}");
        let found = structure(&text);
        let wanted = (*check, *severity, Some(*layer));
        assert!(ids(&found).contains(&wanted), "{check} at {layer}: {:?}", ids(&found));
        let worse = found.iter().filter(|f| f.severity > Severity::Note).count();
        assert_eq!(worse, usize::from(*severity > Severity::Note), "{check}: {:?}", ids(&found));
    }
}

#[test]
fn scores_that_are_probabilities_and_an_input_without_effect_are_problems() {
    let graph = parse(&residual(7).replace("-> fc", "prob = softmax fc\n-> prob"));
    let card = Card { logits: Some("prob".into()), ..Card::blank("test") };
    let found = lint::structure(&graph, &card).unwrap();
    assert_eq!(ids(&found), [("softmax", Severity::Problem, Some("prob"))]);
    let card = Card { logits: Some("fc".into()), ..Card::blank("test") };
    assert_eq!(ids(&lint::structure(&graph, &card).unwrap()), []);
    // What a card names is in use, though no output depends on it.
    let aside = parse(&residual(7).replace("-> fc", "flat = flatten b7\n-> fc"));
    let card = Card { cut: Some("flat".into()), ..Card::blank("test") };
    assert_eq!(ids(&lint::structure(&aside, &card).unwrap()), []);
}

#[test]
fn an_eps_that_is_not_the_familys_is_found_by_the_names() {
    let text = |name: &str, op: &str, eps: &str| {
        format!("x = input 3x8x8\nc = conv2d x out=8 size=3\n{name} = {op} c eps={eps}\n-> {name}")
    };
    let cases = [
        ("layer1.0.bn1", "batch_norm", "0.001", true),
        ("layer1.0.bn1", "batch_norm", "0.00001", false),
        ("Mixed_5b.branch1x1.bn", "batch_norm", "0.00001", true),
        ("Mixed_5b.branch1x1.bn", "batch_norm", "0.001", false),
        // Keras's value and the usual one are the same in single precision.
        ("conv2_block1_1_bn", "batch_norm", "0.00001001", false),
        ("conv2_block1_1_bn", "batch_norm", "0.001", true),
        ("blocks.0.norm1", "layer_norm", "0.00001", true),
        ("blocks.0.norm1", "layer_norm", "0.000001", false),
        ("anything", "batch_norm", "0.5", true),
    ];
    for (name, op, eps, wanted) in cases {
        let found = structure(&text(name, op, eps));
        assert_eq!(found.iter().any(|f| f.check.id == "wrong-epsilon"), wanted, "{name} {eps}");
    }
}

#[test]
fn designs_that_are_linear_on_purpose_pass() {
    // A linear bottleneck, a separable convolution, a squeeze behind a linear map, a convolution in two
    // halves: two of each, so that none is the odd one out.
    let text = "x = input 3x32x32
        s = conv2d x out=32 size=3 stride=2 pad=1
        r = relu s
        narrow = conv2d r out=16 size=1
        wide = conv2d narrow out=96 size=1
        wr = relu wide
        dw = conv2d wr out=96 size=3 pad=1 groups=96
        pw = conv2d dw out=96 size=1
        n = batch_norm pw eps=0.001
        squeeze = global_avg_pool n
        down = linear squeeze out=8
        dr = relu down
        up = linear dr out=96
        gate = sigmoid up
        gated = mul n gate
        gr = relu gated
        lie = conv2d gr out=96 size=1x7 pad=0,3,0,3
        stand = conv2d lie out=96 size=7x1 pad=3,0,3,0
        sr = relu stand
        pool = global_avg_pool sr
        fc = linear pool out=10
        -> fc";
    let found = structure(text);
    let worse: Vec<_> = found.iter().filter(|f| f.severity > Severity::Note).collect();
    assert!(worse.is_empty(), "{worse:?}");
    // A dense kernel in the bottleneck's place is no bottleneck.
    let broken =
        text.replace("narrow = conv2d r out=16 size=1", "narrow = conv2d r out=96 size=3 pad=1");
    let found = structure(&broken);
    assert!(ids(&found).contains(&("missing-nonlinearity", Severity::Warning, Some("narrow"))));
}

/// The sound network with weights that look trained: filters of uneven size, statistics of data.
fn trained() -> (Graph, Params) {
    let graph = parse(&residual(7));
    let mut params = formula_params(&graph).unwrap();
    let names: Vec<String> = params.names().map(str::to_owned).collect();
    for name in names.iter().filter(|n| n.ends_with(".weight")) {
        let tensor = params.get_mut(name).unwrap();
        if tensor.shape().len() < 2 {
            continue;
        }
        let rows = tensor.shape()[0];
        let len = tensor.data().len() / rows;
        let sizes = formula_values(&format!("size of {name}"), rows);
        for (row, size) in tensor.data_mut().chunks_exact_mut(len).zip(sizes) {
            for w in row {
                *w *= (1.2 * size).exp() as f32;
            }
        }
    }
    (graph, params)
}

fn weights(graph: &Graph, params: &Params) -> Vec<Finding> {
    lint::weights(graph, params, &Card::blank("test")).unwrap()
}

#[test]
fn weights_that_look_trained_have_no_findings() {
    let (graph, params) = trained();
    assert_eq!(ids(&weights(&graph, &params)), []);
}

type Change = fn(&mut [f32]);

const DAMAGED: &[(&str, Change, &str, Severity)] = &[
    ("b2.c1.weight", |w| w[5] = f32::NAN, "not-finite", Severity::Problem),
    ("fc.bias", |w| w[0] = f32::INFINITY, "not-finite", Severity::Problem),
    ("b2.c1.weight", |w| w[..144].fill(0.0), "dead-filter", Severity::Note),
    ("b2.c1.weight", |w| w[..144 * 8].fill(0.0), "dead-filter", Severity::Warning),
    ("b2.c1.weight", |w| w[..144].fill(0.1), "constant-filter", Severity::Note),
    (
        "b2.c1.weight",
        |w| {
            let (first, rest) = w.split_at_mut(144);
            rest[144..288].iter_mut().zip(first).for_each(|(a, b)| *a = 3.0 * *b);
        },
        "duplicate-filter",
        Severity::Note,
    ),
    (
        "b2.c2.weight",
        // The third input channel of every filter.
        |w| w.chunks_exact_mut(144).for_each(|f| f[18..27].fill(0.0)),
        "unused-channel",
        Severity::Note,
    ),
    ("b2.n1.weight", |w| w[3] = 0.0, "zero-gamma", Severity::Note),
    ("b2.n2.weight", |w| w.fill(0.0), "zero-gamma", Severity::Warning),
    ("b2.n1.running_var", |w| w[3] = -0.1, "norm-variance", Severity::Problem),
    ("b2.n1.running_var", |w| w[3] = 1e20, "norm-variance", Severity::Warning),
    ("fc.weight", |w| w.iter_mut().for_each(|w| *w *= 1e4), "scale-outlier", Severity::Warning),
    ("b3.c1.weight", |w| w.iter_mut().for_each(|w| *w *= 1e4), "scale-outlier", Severity::Note),
];

#[test]
fn each_check_of_weights_finds_the_damage_made_for_it() {
    let (graph, sound) = trained();
    for (name, change, check, severity) in DAMAGED {
        let mut params = sound.clone();
        change(params.get_mut(name).unwrap().data_mut());
        let found = weights(&graph, &params);
        let hit = found.iter().find(|f| f.check.id == *check);
        let hit = hit.unwrap_or_else(|| panic!("{check} in {name}: {:?}", ids(&found)));
        assert_eq!(hit.severity, *severity, "{check}: {}", hit.figures);
        let layer = hit.layer.as_deref().unwrap();
        let close = name.starts_with(layer) || *check == "unused-channel" && layer == "b2.c1";
        assert!(close, "{check}: {layer} for {name}");
    }
}

#[test]
fn a_network_as_it_was_drawn_is_called_untrained() {
    let graph = parse(&residual(7));
    let mut params = formula_params(&graph).unwrap();
    let found = weights(&graph, &params);
    assert_eq!(ids(&found), [("untrained", Severity::Warning, Some("stem"))]);
    assert!(found[0].figures.contains("He, fan in"), "{}", found[0].figures);
    let names: Vec<String> = params.names().map(str::to_owned).collect();
    for name in names {
        let value = if name.ends_with("running_mean") { 0.0 } else { 1.0 };
        if name.contains("running") {
            params.get_mut(&name).unwrap().data_mut().fill(value);
        }
    }
    let found = weights(&graph, &params);
    assert!(ids(&found).contains(&("norm-untrained", Severity::Problem, Some("stem.bn"))));
}

#[test]
fn parameters_that_do_not_fit_are_a_table_with_near_names() {
    let (graph, sound) = trained();
    let fit = lint::fit(&graph, &sound).unwrap();
    assert!(fit.complete && fit.findings.is_empty());
    let mut params = Params::new();
    for (name, tensor) in sound.iter() {
        let name = if name == "b1.c1.weight" { "b1.conv1.weight" } else { name };
        params.insert(name, tensor.clone());
    }
    params.insert("AuxLogits.fc.bias", sound.get("fc.bias").unwrap().clone());
    params.insert("fc.bias", sound.get("stem.bn.bias").unwrap().clone());
    let fit = lint::fit(&graph, &params).unwrap();
    assert!(!fit.complete);
    assert_eq!(
        ids(&fit.findings),
        [
            ("missing-parameter", Severity::Problem, Some("b1.c1")),
            ("parameter-shape", Severity::Problem, Some("fc")),
            ("unused-parameter", Severity::Note, None),
            ("unused-parameter", Severity::Warning, None),
        ]
    );
    assert!(fit.findings[0].figures.contains("`b1.c1.weight` (the file has `b1.conv1.weight`)"));
    assert!(fit.findings[1].figures.contains("`fc.bias` is 16, the layer wants 10"));
}

/// Activities of all layers, each as `values` says for `[channels, 16]` of the layer called.
fn seen(graph: &Graph, values: impl Fn(&str, usize) -> Vec<f32>) -> Vec<Option<Activity>> {
    let one = |layer: &regraft_net::Layer| {
        let channels = if layer.name == "image" { 3 } else { 16 };
        let mut activity = Activity::new(&layer.op, channels);
        activity.see(&values(&layer.name, channels));
        Some(activity)
    };
    graph.layers().map(|(_, layer)| one(layer)).collect()
}

type Put = fn(&mut Vec<f32>);

#[test]
fn each_check_of_images_finds_what_was_put_there_for_it() {
    let (graph, mut params) = trained();
    let graph_with_gate = parse(
        &residual(7)
            .replace("pool = global_avg_pool b7", "gate = sigmoid b7\npool = global_avg_pool gate"),
    );
    let names: Vec<String> = params.names().map(str::to_owned).collect();
    for name in &names {
        // The noise below has variance 1/3.
        let value = if name.ends_with("running_mean") { 0.0 } else { 1.0 / 3.0 };
        if name.contains("running") {
            params.get_mut(name).unwrap().data_mut().fill(value);
        }
    }
    let noise = |name: &str, channels: usize| -> Vec<f32> {
        formula_values(name, channels * 64).map(|v| v as f32).collect()
    };
    let run = |graph: &Graph, values: &dyn Fn(&str, usize) -> Vec<f32>| {
        let card = Card::blank("test");
        lint::activity(graph, &params, &card, &seen(graph, values)).unwrap()
    };
    assert_eq!(ids(&run(&graph, &noise)), []);
    let cases: [(&str, Put, &str, Severity, &str); 7] = [
        ("b3.c1", |v| v[7] = f32::NAN, "not-finite-activation", Severity::Problem, "b3.c1"),
        (
            "b3",
            |v| v.iter_mut().for_each(|v| *v *= 1e6),
            "activation-scale",
            Severity::Warning,
            "b3",
        ),
        (
            "b3",
            |v| v.iter_mut().for_each(|v| *v *= 1e-6),
            "activation-scale",
            Severity::Warning,
            "b3",
        ),
        ("b3.r1", |v| v[..64].fill(0.0), "dead-unit", Severity::Note, "b3.r1"),
        ("b3.r1", |v| v[..64 * 12].fill(0.0), "dead-unit", Severity::Warning, "b3.r1"),
        (
            "gate",
            |v| v.iter_mut().enumerate().for_each(|(i, v)| *v = (i % 2) as f32),
            "saturated",
            Severity::Warning,
            "gate",
        ),
        (
            "b3.c2",
            |v| v.iter_mut().for_each(|v| *v += 2.0),
            "norm-statistics",
            Severity::Note,
            "b3.n2",
        ),
    ];
    for (layer, put, check, severity, at) in cases {
        let values = |name: &str, channels: usize| {
            let mut values = noise(name, channels);
            if name == layer {
                put(&mut values);
            }
            values
        };
        let found = run(&graph_with_gate, &values);
        assert_eq!(ids(&found), [(check, severity, Some(at))], "{layer}");
    }
    // All norms off, as by a wrong preprocessing.
    let far = |name: &str, channels: usize| {
        noise(name, channels)
            .into_iter()
            .map(|v| if name.contains(".c") { 9.0 * v } else { v })
            .collect()
    };
    let found = run(&graph, &far);
    assert!(ids(&found).contains(&("norm-statistics", Severity::Warning, Some("b1.n1"))));
}

#[test]
fn names_of_checks_are_unique_and_each_says_why_and_what_to_do() {
    let mut ids: Vec<&str> = lint::CHECKS.iter().map(|c| c.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), lint::CHECKS.len());
    for check in lint::CHECKS {
        assert!(!check.what.is_empty() && !check.why.is_empty() && !check.fix.is_empty());
    }
}

/// The page on checks is made from the list: `REGRAFT_WRITE_DOCS=1 cargo test -p regraft-net lint`.
#[test]
fn the_page_on_checks_is_what_the_list_says() {
    let mut text = "# Checks of `regraft lint`\n\nMade from the list of checks; do not edit.\n\n\
        A *problem* means that the network does not do what it should, a *warning* that something is \
        probably not meant; a *note* is worth knowing, and many good networks have some. With problems \
        or warnings the exit code is 4.\n"
        .to_owned();
    let parts = [
        ("loading", "Weights against the architecture"),
        ("structure", "Structure"),
        ("weights", "Weights"),
        ("images", "On images (`--images DIR`)"),
    ];
    for (part, title) in parts {
        text.push_str(&format!(
            "\n## {title}\n\n| check | finds | why it matters | what to do |\n|---|---|---|---|\n"
        ));
        for c in lint::CHECKS.iter().filter(|c| c.part == part) {
            text.push_str(&format!("| `{}` | {} | {} | {} |\n", c.id, c.what, c.why, c.fix));
        }
    }
    assert_eq!(text.matches("\n| `").count(), lint::CHECKS.len(), "a part without a title");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/lint.md");
    if std::env::var_os("REGRAFT_WRITE_DOCS").is_some() {
        let mut file = std::fs::File::create(path).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        there == text,
        "docs/lint.md is stale: REGRAFT_WRITE_DOCS=1 cargo test -p regraft-net lint"
    );
}
