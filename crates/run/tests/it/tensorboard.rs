//! Event files against those of the real `TensorBoard` (`fixtures/make/scalars.py`).

use std::fs;

use regraft_run::{Scalar, append_scalars};

fn write(folder: &std::path::Path, anew: bool, at: (f64, u64)) {
    let loss = Scalar { tag: "loss/training", value: 0.5 / at.1 as f32 };
    append_scalars(folder, anew, at, &[loss, Scalar { tag: "accuracy", value: 0.75 }]).unwrap();
}

#[test]
fn the_bytes_are_those_of_tensorboards_own_writer() {
    let folder = tempfile::tempdir().unwrap();
    let wanted = include_bytes!("../fixtures/scalars.tfevents");
    let file = folder.path().join("events.out.tfevents.0.regraft");
    write(folder.path(), true, (1.5, 1));
    write(folder.path(), false, (2.25, 300));
    assert_eq!(fs::read(&file).unwrap(), wanted);
    // Half a record, as an interrupted program leaves it, is written over.
    let whole = fs::read(&file).unwrap();
    write(folder.path(), true, (1.5, 1));
    let one = fs::read(&file).unwrap().len();
    for torn in [one + 1, one + 9, one + 40] {
        std::io::Write::write_all(&mut fs::File::create(&file).unwrap(), &whole[..torn]).unwrap();
        write(folder.path(), false, (2.25, 300));
        assert_eq!(fs::read(&file).unwrap(), whole, "{torn}");
    }
    // A new training begins a new file.
    write(folder.path(), true, (1.5, 1));
    assert_eq!(fs::read(&file).unwrap().len(), one);
}
