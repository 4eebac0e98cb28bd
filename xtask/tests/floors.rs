//! The real workspace keeps its own rules.

use std::fs;
use std::path::Path;

use xtask::{Breach, Package, Workspace, floors, house};

#[test]
fn every_crate_uses_only_lower_floors() {
    let workspace = Workspace::load().unwrap();
    assert!(workspace.packages.len() > 10, "cargo metadata names {:?}", workspace.packages);
    let breaches: Vec<_> = floors::check(&workspace).iter().map(ToString::to_string).collect();
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn every_crate_has_the_lints_and_no_file_is_too_long() {
    let breaches = house::check(&Workspace::load().unwrap()).unwrap();
    let breaches: Vec<_> = breaches.iter().map(ToString::to_string).collect();
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn an_upward_edge_in_the_real_workspace_is_found() {
    let mut workspace = Workspace::load().unwrap();
    let tensor = workspace.packages.iter_mut().find(|p| p.name == "regraft-tensor").unwrap();
    tensor.uses.push("regraft-cli".into());
    assert!(matches!(&floors::check(&workspace)[..], [Breach::Edge { .. }]));
}

#[test]
fn a_crate_without_lints_and_a_long_file_are_found() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("careless");
    fs::create_dir_all(root.join("src/deep")).unwrap();
    let text = |lines| "\n".repeat(lines);
    for (path, text) in [
        ("Cargo.toml", "[package]\n".to_owned()),
        ("src/lib.rs", text(house::LINES)),
        ("src/deep/long.rs", text(house::LINES + 1)),
        ("src/table.txt", text(house::LINES + 1)),
    ] {
        std::io::Write::write_all(&mut fs::File::create(root.join(path)).unwrap(), text.as_bytes())
            .unwrap();
    }
    let manifest = root.join("Cargo.toml");
    let package = Package { name: "careless".into(), manifest, uses: vec![] };
    let workspace = Workspace { target: root.clone(), root, packages: vec![package] };
    let wanted = [
        Breach::Lints { manifest: "Cargo.toml".into() },
        Breach::Long {
            path: Path::new("src").join("deep").join("long.rs"),
            lines: house::LINES + 1,
            limit: house::LINES,
        },
    ];
    assert_eq!(house::check(&workspace).unwrap(), wanted);
}
