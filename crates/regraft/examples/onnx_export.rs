//! Writes networks with formula weights as ONNX, beside the picture and what our engine computes of it:
//! `cargo run -p regraft --example onnx_export -- FOLDER NAME…`, where a name is an architecture, a file of
//! notation, or `small` for the small networks of the tests. `fixtures/make/onnx_export.py` judges them.

#![expect(clippy::print_stdout, reason = "a program that says what it wrote")]

use std::error::Error;
use std::fs;
use std::path::Path;

use regraft::atomic_write;
use regraft_infer::Engine;
use regraft_net::formula::formula_values;
use regraft_net::{Forward as _, Network, notation};
use regraft_tensor::Tensor;
use regraft_testkit::{small_networks, with_formula_weights};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let folder = words.next().ok_or("which folder?")?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    for name in words {
        if name == "small" {
            for (i, (_, network)) in small_networks().into_iter().enumerate() {
                write(folder, &format!("small{i}"), &network, &picture(&network)?)?;
            }
        } else if Path::new(&name).extension().is_some_and(|e| e == "txt") {
            let network = with_formula_weights(notation::parse(&fs::read_to_string(&name)?)?);
            let stem = Path::new(&name).file_stem().unwrap_or_default().to_string_lossy();
            write(folder, &stem, &network, &picture(&network)?)?;
        } else {
            let info = regraft_zoo::architecture(&name)?;
            let network = info.formula_network()?;
            write(folder, &name.replace('/', "-"), &network, &info.formula_picture())?;
        }
    }
    Ok(())
}

/// The stream `input` as a batch of one.
fn picture(network: &Network) -> Result<Tensor, Box<dyn Error>> {
    let shape = network.facts()?.layer(network.graph().input()?).shape.clone();
    let dims: Vec<usize> = [1].into_iter().chain(shape.iter().copied()).collect();
    let values = formula_values("input", shape.count()).map(|x| x as f32).collect();
    Ok(Tensor::new(dims, values)?)
}

/// `NAME.onnx`, and `NAME.input` and `NAME.output` as `f32`, little end first, outputs one after another.
fn write(
    folder: &Path,
    name: &str,
    network: &Network,
    picture: &Tensor,
) -> Result<(), Box<dyn Error>> {
    let graph = network.graph();
    let outputs: Vec<&str> =
        graph.outputs().iter().map(|id| graph.layer(*id).name.as_str()).collect();
    let values = Engine::compile(network, &outputs)?.forward(picture, &outputs)?;
    let file = |ending: &str| folder.join(format!("{name}.{ending}"));
    atomic_write(file("onnx"), &regraft_formats::onnx::write(network)?)?;
    let bytes = |t: &Tensor| t.data().iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    atomic_write(file("input"), &bytes(picture))?;
    atomic_write(file("output"), &values.iter().flat_map(bytes).collect::<Vec<u8>>())?;
    println!("{name}");
    Ok(())
}
