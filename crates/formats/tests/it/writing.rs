//! What is written is read back, bit for bit, and always the same bytes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use regraft_formats::{FormatError, open, safetensors};
use regraft_tensor::Tensor;

fn tensor() -> impl Strategy<Value = Tensor> {
    proptest::collection::vec(0usize..4, 0..4).prop_flat_map(|shape| {
        let count = shape.iter().product::<usize>();
        proptest::collection::vec(any::<u32>(), count).prop_map(move |bits| {
            Tensor::new(shape.clone(), bits.into_iter().map(f32::from_bits).collect()).unwrap()
        })
    })
}

/// Shapes and bits, so that NaN compares.
fn bits(tensors: &BTreeMap<String, Tensor>) -> Vec<(&String, Vec<usize>, Vec<u32>)> {
    let bits = |t: &Tensor| t.data().iter().map(|v| v.to_bits()).collect();
    tensors.iter().map(|(k, t)| (k, t.shape().to_vec(), bits(t))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn tensors_and_metadata_come_back_as_they_were(
        tensors in proptest::collection::btree_map("[a-z.\"\\\\ä\n]{0,8}", tensor(), 0..5),
        metadata in proptest::collection::btree_map("[a-zä\"]{0,6}", "\\PC{0,12}", 0..3),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.safetensors");
        safetensors::write(&path, &tensors, &metadata).unwrap();
        let first = std::fs::read(&path).unwrap();
        let back = safetensors::parse(&first).unwrap();
        prop_assert_eq!(bits(&back.tensors), bits(&tensors));
        prop_assert_eq!(&back.metadata, &metadata);
        safetensors::write(&path, &tensors, &metadata).unwrap();
        prop_assert_eq!(std::fs::read(&path).unwrap(), first);
        prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn the_bytes_are_those_of_the_specification() {
    let tensors = BTreeMap::from([
        ("b".to_string(), Tensor::new([2], vec![1.0, 2.0]).unwrap()),
        ("a".to_string(), Tensor::new([0usize; 0], vec![0.5]).unwrap()),
    ]);
    let metadata = BTreeMap::from([("format".to_string(), "pt".to_string())]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w");
    safetensors::write(&path, &tensors, &metadata).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let header = concat!(
        r#"{"__metadata__":{"format":"pt"},"#,
        r#""a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"#,
        r#""b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
    );
    let length = header.len().next_multiple_of(8);
    assert_eq!(bytes[..8], (length as u64).to_le_bytes());
    assert_eq!(std::str::from_utf8(&bytes[8..8 + length]).unwrap().trim_end(), header);
    assert_eq!(bytes[8 + length..], [0.5f32, 1.0, 2.0].map(f32::to_le_bytes).concat());
    assert_eq!(open(&path).unwrap().tensors, tensors);
}

#[test]
fn a_write_that_cannot_be_done_names_the_file_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no/such/folder/w.safetensors");
    let error =
        safetensors::write(&path, &BTreeMap::<_, Tensor>::new(), &BTreeMap::new()).unwrap_err();
    assert!(error.to_string().contains("w.safetensors: cannot write the file"), "{error}");
    let reserved = BTreeMap::from([("__metadata__".to_string(), Tensor::zeros([1]))]);
    let error = safetensors::write(&folder.path().join("w"), &reserved, &BTreeMap::new());
    match error.unwrap_err() {
        FormatError::InFile { fault, .. } => {
            assert!(matches!(*fault, FormatError::ReservedName { .. }));
        }
        other => panic!("{other}"),
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
