//! Networks of Caffe against what `OpenCV` computes with them.
//!
//! The fixtures are made by `fixtures/make/caffe_networks.py`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod opencv;
mod reading;
mod refused;
mod text;
mod writing;

use std::path::PathBuf;

use regraft_testkit::formula_values;
use serde_json::Value;

/// The path of a fixture.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/caffe/fixtures").join(name)
}

/// The bytes of a fixture.
fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

/// What `OpenCV` gave, by network.
fn golden() -> serde_json::Map<String, Value> {
    let text = std::fs::read_to_string(fixture("opencv.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A field of the protocol buffers' wire.
fn put(to: &mut Vec<u8>, number: u32, kind: u8, payload: &[u8]) {
    varint(to, u64::from(number) << 3 | u64::from(kind));
    if kind == 2 {
        varint(to, payload.len() as u64);
    }
    to.extend_from_slice(payload);
}

fn varint(to: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        to.push(n as u8 | 0x80);
        n >>= 7;
    }
    to.push(n as u8);
}

/// The caffemodel of a network, as the script wrote it for `OpenCV`: layers of the second generation with
/// their blobs, formula values in them. `drop` leaves layers out.
fn caffemodel(network: &Value, keep: impl Fn(&str) -> bool) -> Vec<u8> {
    let mut file = Vec::new();
    for layer in network["blobs"].as_array().unwrap() {
        let name = layer[0].as_str().unwrap();
        if !keep(name) {
            continue;
        }
        let mut body = Vec::new();
        put(&mut body, 1, 2, name.as_bytes());
        for (i, blob) in layer[1].as_array().unwrap().iter().enumerate() {
            let dims: Vec<usize> =
                blob[0].as_array().unwrap().iter().map(|d| d.as_u64().unwrap() as usize).collect();
            let (offset, factor) = (blob[1].as_f64().unwrap(), blob[2].as_f64().unwrap());
            let values = formula_values(&format!("{name}/{i}"), dims.iter().product())
                .flat_map(|u| ((offset + factor * u) as f32).to_le_bytes());
            let (mut shape, mut packed, mut message) = (Vec::new(), Vec::new(), Vec::new());
            for d in &dims {
                varint(&mut packed, *d as u64);
            }
            put(&mut shape, 1, 2, &packed);
            put(&mut message, 7, 2, &shape);
            put(&mut message, 5, 2, &values.collect::<Vec<_>>());
            put(&mut body, 7, 2, &message);
        }
        put(&mut file, 100, 2, &body);
    }
    file
}
