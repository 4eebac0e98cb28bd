use serde_json::Value;

use crate::support::{ARCHITECTURE, World, network};

/// Short: the tests look at what is reported, never at how fast it is.
const SHORT: [&str; 4] = ["--seconds", "0.001", "--batch", "3"];

fn bench(world: &World, arguments: &[&str]) -> crate::support::Done {
    let network = network();
    world.run(&[&["bench", network.as_str()], &SHORT[..], arguments].concat())
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("no number `{name}` in {value}"))
}

fn near(a: f64, b: f64, what: &str) {
    assert!((a - b).abs() <= 1e-9 * b.abs(), "{what}: {a} and {b}");
}

#[test]
fn the_numbers_of_a_bench_follow_from_each_other() {
    let b = bench(&World::new(), &["--threads", "2", "--json"]).json();
    assert_eq!((&b["precision"], &b["threads"]), (&"f32".into(), &2.into()));
    assert_eq!(b["input"], serde_json::json!([3, 224, 224]));
    let macs = number(&b, "macs");
    let peak = |threads: f64| {
        number(&b["peak"], if threads == 1.0 { "one_thread" } else { "all_threads" })
    };
    let mut speeds = b["latency"].as_array().unwrap().clone();
    speeds.push(b["throughput"].clone());
    let wanted = [(1.0, 1.0), (2.0, 1.0), (2.0, 3.0)];
    assert_eq!(speeds.len(), wanted.len());
    for (s, (threads, batch)) in speeds.iter().zip(wanted) {
        let (ms, gflops) = (number(s, "median_ms"), number(s, "gflops"));
        assert_eq!((number(s, "threads"), number(s, "batch")), (threads, batch));
        assert!(number(s, "runs") >= 3.0 && ms > 0.0 && number(s, "p90_ms") >= ms, "{s}");
        near(number(s, "images_per_second"), 1e3 * batch / ms, "images a second");
        near(gflops, 2e-6 * macs * batch / ms, "operations a second");
        near(number(s, "of_peak"), gflops / peak(threads), "share of the peak");
        assert_eq!(s["cpu_ms"].is_number(), cfg!(target_os = "linux"), "{s}");
    }
    let layers = b["layers"].as_array().unwrap();
    let sum = |name: &str| layers.iter().map(|l| number(l, name)).sum::<f64>();
    near(sum("share"), 1.0, "shares");
    assert_eq!(sum("macs"), macs);
    let all = sum("ms");
    for l in layers {
        near(number(l, "share"), number(l, "ms") / all, "share");
        if number(l, "macs") > 0.0 {
            let gflops = number(l, "gflops");
            near(gflops, 2e-6 * number(l, "macs") / number(l, "ms"), "operations a second");
            near(number(l, "of_peak"), gflops / peak(1.0), "share of the peak");
        } else {
            assert!(l["gflops"].is_null() && l["of_peak"].is_null(), "{l}");
        }
    }
    assert_eq!((&layers[0]["op"], &layers[0]["input"]), (&"input".into(), &Value::Null));
    assert_eq!(layers[1]["layer"], "features.0.0");
    assert_eq!(layers[1]["input"], serde_json::json!([3, 224, 224]));
    assert_eq!(layers[1]["output"], serde_json::json!([32, 112, 112]));
}

#[test]
fn the_table_has_ten_layers_or_all_in_order() {
    let world = World::new();
    let names = |text: &str| -> Vec<String> {
        let lines = text.lines().skip_while(|l| !l.starts_with("layer, one thread")).skip(1);
        let rows = lines.take_while(|l| !l.is_empty());
        rows.map(|l| l.split_whitespace().next().unwrap().to_owned()).collect()
    };
    let done = bench(&world, &["--threads", "1", "--precision", "bf16"]);
    let text = done.stdout();
    assert!(text.contains(" in bf16 (") && text.contains("of weights ("), "{text}");
    assert!(text.contains("peak: the best of "), "{text}");
    assert!(!text.contains("1 threads") && !text.contains("2 threads"), "{text}");
    assert!(done.stderr().contains("measuring"), "{}", done.stderr());
    let top = names(&text);
    assert_eq!(top.len(), 11, "ten and the others: {text}");
    let others: usize = top[10].parse().unwrap();
    let done = bench(&world, &["--threads", "1", "--layers", "--quiet"]);
    assert_eq!(done.stderr(), "");
    let all = names(&done.stdout());
    assert_eq!(all.len(), others + 10);
    assert_eq!(all[1], "features.0.0");
    assert!(top[..10].iter().all(|name| all.contains(name)), "{top:?} of {all:?}");
}

#[test]
fn a_bench_that_cannot_be_is_refused() {
    let world = World::new();
    for (arguments, word) in [
        (["--batch", "0"], "1..="),
        (["--batch", "1025"], "1024"),
        (["--seconds", "0"], "more than 0"),
        (["--seconds", "soon"], "more than 0"),
        (["--seconds", "NaN"], "more than 0"),
        (["--precision", "auto"], "bf16"),
    ] {
        world.run(&[&["bench"], &arguments[..]].concat()).refused(2, &[word]);
    }
    world.run(&["bench", "--offline"]).refused(4, &["efficientnet-lite0", "offline"]);
    world.run(&["bench", "efficientnet-light0"]).refused(4, &["efficientnet-lite0"]);
    world.run(&["bench", ARCHITECTURE]).refused(4, &[ARCHITECTURE, "file:"]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_bench_ends_at_once_and_prints_no_result() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let network = network();
    let mut child = World::new()
        .command(&["bench", &network, "--seconds", "3600", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("measuring"), "{said}");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(130), 0));
}
