//! Source packages, from an index of one package on this machine.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use regraft_zoo::{Checksum, FetchOptions, NetworkSpec, Source, ZooError};

use crate::pip::{World, put, spec};

/// A source package whose members are these, behind two that lead out of any folder.
fn hostile(members: &[(&str, &[u8])]) -> Vec<u8> {
    let outside: [(&str, &[u8]); 2] = [("../../outside", b"x"), ("/outside", b"x")];
    package(&[&outside, members].concat())
}

fn package(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// A script in place of Python that leaves `archive` where pip would.
fn world(archive: &[u8], action: &str) -> World {
    let world = World::new(&[], action);
    put(&world.folder.path().join("made.whl"), archive);
    world
}

const FOUND: &str = "cp WHEEL \"$dir/Net-1.0.tar.gz\"";
/// As pip leaves it when it is stopped.
const STOPPED: &str =
    "mkdir -p tmp/pip-unpack-x; cp WHEEL tmp/pip-unpack-x/net-1.0.tar.gz; exit 77";

#[test]
fn a_member_of_a_source_package_is_unpacked_and_nothing_else() {
    let archive = hostile(&[("net-1.0/setup.py", b"boom"), ("net-1.0/net/w.pkl", b"weights")]);
    for action in [FOUND, STOPPED] {
        let world = world(&archive, action);
        let sum = Checksum::of(b"weights");
        let fetched = world.get(&spec("net-1.0/net/w.pkl", Some(sum))).unwrap();
        assert_eq!(fs::read(&fetched.path).unwrap(), b"weights");
        let calls = world.calls().join(" ");
        assert!(calls.contains("addaudithook") && calls.contains("--no-binary :all:"), "{calls}");
        let around: Vec<_> = fs::read_dir(world.folder.path()).unwrap().collect();
        assert_eq!(around.len(), 4, "{around:?}");
        // Once fetched, Python is asked no more.
        world.get(&spec("net-1.0/net/w.pkl", Some(sum))).unwrap();
        assert_eq!(world.calls().iter().filter(|l| l.contains("--no-binary")).count(), 1);
    }
}

#[test]
fn a_source_package_without_the_member_or_damaged_is_an_error_that_says_so() {
    let archive = hostile(&[("net-1.0/net/w.pkl", b"weights")]);
    let error = world(&archive, FOUND).get(&spec("net-1.0/other", None)).unwrap_err();
    let ZooError::NoMember { members, .. } = error else { panic!("{error}") };
    assert!(members.contains(&"net-1.0/net/w.pkl".to_owned()), "{members:?}");
    let cut = &archive[..archive.len() / 2];
    let error = world(cut, FOUND).get(&spec("net-1.0/net/w.pkl", None)).unwrap_err();
    assert!(matches!(error, ZooError::Sdist { .. }), "{error}");
    let error = world(&archive, "exit 78").get(&spec("net-1.0/net/w.pkl", None)).unwrap_err();
    assert!(matches!(error, ZooError::Unguarded { .. }), "{error}");
}

#[test]
fn only_a_folder_of_name_and_version_means_the_source_package() {
    let world = World::new(&[("net-1.0.data/w", b"weights")], crate::pip::COPY);
    world.get(&spec("net-1.0.data/w", None)).unwrap();
    assert!(!world.calls().join(" ").contains("addaudithook"));
    let source = Source::parse("pypi:a-b==2.0/a_b-2.0/w.pkl").unwrap();
    assert_eq!(source.to_string(), "pypi:a-b==2.0/a_b-2.0/w.pkl");
}

/// Answers `GET` of the index's page and the archive, for as long as the test lives.
fn serve(archive: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().and_then(Result::ok).unwrap_or_default();
            for line in lines {
                if line.is_ok_and(|l| l.is_empty()) {
                    break;
                }
            }
            let page = b"<a href=\"/net-1.0.tar.gz\">net-1.0.tar.gz</a>".as_slice();
            let (kind, body) = if first.contains(".tar.gz") {
                ("application/gzip", archive.as_slice())
            } else {
                ("text/html", page)
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), body].concat());
        }
    });
    port
}

#[test]
fn the_real_pip_downloads_a_source_package_and_runs_nothing_of_it() {
    let has_pip = Command::new("python3").args(["-m", "pip", "--version"]).output();
    if !has_pip.is_ok_and(|out| out.status.success()) {
        eprintln!("skipped: no python3 with pip");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let ran = folder.path().join("ran");
    let setup = format!(
        "open({:?}, 'w').close()\nfrom setuptools import setup\nsetup(name='net', version='1.0')\n",
        ran.display().to_string()
    );
    let project = b"[build-system]\nrequires = []\nbuild-backend = 'own'\nbackend-path = ['.']\n";
    let plain: &[(&str, &[u8])] =
        &[("net-1.0/setup.py", setup.as_bytes()), ("net-1.0/w.pkl", b"weights")];
    // A build backend of its own needs nothing else, so that pip comes nearest to running it.
    let backend: &[(&str, &[u8])] = &[
        ("net-1.0/pyproject.toml", project),
        ("net-1.0/own.py", setup.as_bytes()),
        ("net-1.0/w.pkl", b"weights"),
    ];
    for members in [plain, backend] {
        let port = serve(package(members));
        let script = folder.path().join("python");
        let text = format!(
            "export PIP_INDEX_URL=http://127.0.0.1:{port}/simple PIP_CONFIG_FILE=/dev/null \
             PIP_NO_CACHE_DIR=1\nexec python3 \"$@\"\n"
        );
        put(&script, text.as_bytes());
        let python = Some(vec!["sh".to_owned(), script.display().to_string()]);
        let options = FetchOptions { offline: false, python, hub_cache: None };
        let cache = folder.path().join(format!("cache{port}"));
        let fetched = fetch(&cache, &options).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(fs::read(fetched).unwrap(), b"weights");
        assert!(!ran.exists(), "code of the package was run");
    }
}

fn fetch(cache: &Path, options: &FetchOptions) -> Result<std::path::PathBuf, ZooError> {
    let spec = NetworkSpec::parse(&spec("net-1.0/w.pkl", None)).unwrap();
    let cache = regraft_zoo::Cache::open(Some(cache.to_owned()))?;
    let mut observe = |_| regraft_zoo::Flow::Continue;
    Ok(regraft_zoo::fetch(&spec, &cache, options, &mut observe)?.path)
}
