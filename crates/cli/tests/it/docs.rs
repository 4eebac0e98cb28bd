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
        &["fit"],
        &["predict"],
        &["evaluate"],
        &["demo"],
        &["show"],
        &["cut"],
        &["lint"],
        &["bench"],
        &["zoo"],
        &["zoo", "list"],
        &["zoo", "show"],
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

#[test]
fn the_zoo_table_is_what_the_catalogue_says() {
    let list = World::new().run(&["zoo", "list", "--json"]).json();
    let mut text = "# Networks of the catalogue\n\nMade from the catalogue; do not edit.\n\n\
                    | network | trained on | top-1 | parameters | multiply-adds | input | licence | weights |\n\
                    |---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in list.as_array().unwrap() {
        let word = |key: &str| row[key].as_str().unwrap().to_owned();
        text.push_str(&format!(
            "| `{}`{} | {} | {} % ({}) | {} | {} | {}x{} | {} | `{}` |\n",
            word("name"),
            if row["default"] == true { ", the default" } else { "" },
            word("dataset"),
            row["published_top1"],
            word("published_top1_source"),
            row["parameters"],
            row["macs"],
            row["input"][0],
            row["input"][1],
            word("licence"),
            word("source"),
        ));
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
