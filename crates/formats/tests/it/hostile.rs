//! Files that must be refused, and what is said about them.

use std::io::{Cursor, Write as _};

use regraft_formats::{FormatError, NotWeights, from_bytes, open};
use zip::write::SimpleFileOptions;

use crate::fixture;

fn message(file: &str) -> String {
    let error = open(&fixture(file)).unwrap_err().to_string();
    assert!(error.contains(file), "the file is not named: {error}");
    error
}

/// A zip archive of these members, as torch lays them out.
fn archive(members: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, body) in members {
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(*name, options).unwrap();
        zip.write_all(body).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn checkpoint(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    let members = [("x/data.pkl", pickle), ("x/data/0", storage)];
    archive(&members, zip::CompressionMethod::Stored)
}

fn text(s: &str) -> Vec<u8> {
    [b"X".as_slice(), &(s.len() as u32).to_le_bytes(), s.as_bytes()].concat()
}

fn int(n: i64) -> Vec<u8> {
    [b"\x8a\x08".as_slice(), &n.to_le_bytes()].concat()
}

/// A tuple of whole numbers.
fn tuple(items: &[i64]) -> Vec<u8> {
    let mut bytes = b"(".to_vec();
    for &n in items {
        bytes.extend(int(n));
    }
    bytes.push(b't');
    bytes
}

/// The pickle of a dict with one tensor `w` over the storage `0` of `numel` floats.
fn one_tensor(numel: i64, offset: i64, size: &[i64], stride: &[i64]) -> Vec<u8> {
    [
        b"\x80\x02}".to_vec(),
        text("w"),
        b"ctorch._utils\n_rebuild_tensor_v2\n(".to_vec(),
        b"(".to_vec(),
        text("storage"),
        b"ctorch\nFloatStorage\n".to_vec(),
        text("0"),
        text("cpu"),
        int(numel),
        b"tQ".to_vec(),
        int(offset),
        tuple(size),
        tuple(stride),
        b"\x89NtRs.".to_vec(),
    ]
    .concat()
}

#[test]
fn a_call_that_runs_code_is_refused_by_name_and_offset() {
    let cases = [
        ("evil_os.pth", "os.system", "archive/data.pkl"),
        ("evil_posix.pth", "posix.system", "archive/data.pkl"),
        ("evil_eval.pth", "__builtin__.eval", "archive/data.pkl"),
        ("evil_subprocess.pth", "subprocess.Popen", "archive/data.pkl"),
        ("evil_legacy.pth", "os.system", "object"),
    ];
    for (file, wanted, part) in cases {
        match open(&fixture(file)).unwrap_err() {
            FormatError::InFile { fault, .. } => match *fault {
                FormatError::CodeInPickle { member, offset, global } => {
                    assert_eq!((global.as_str(), member.as_str()), (wanted, part), "{file}");
                    assert!(offset > 0);
                }
                other => panic!("{file}: {other}"),
            },
            other => panic!("{file}: {other}"),
        }
        assert!(message(file).contains(&format!("`{wanted}`, which runs code")));
    }
}

#[test]
fn code_beside_good_weights_is_refused_too() {
    let good = one_tensor(4, 0, &[4], &[1]);
    let call = [text("x"), b"cos\nsystem\n".to_vec(), text("ls"), b"\x85Rs.".to_vec()].concat();
    let evil = [&good[..good.len() - 1], &call].concat();
    assert!(from_bytes(&checkpoint(&good, &[0; 16])).is_ok());
    let error = from_bytes(&checkpoint(&evil, &[0; 16])).unwrap_err();
    assert!(matches!(error, FormatError::CodeInPickle { .. }), "{error}");
}

#[test]
fn code_is_refused_whatever_opcode_calls_it() {
    let global = b"cos\nsystem\n".to_vec();
    let cases = [
        [global.clone(), text("ls"), b"\x85R.".to_vec()].concat(),
        [global.clone(), text("ls"), b"\x85\x81.".to_vec()].concat(),
        [global.clone(), text("ls"), b"\x85}\x92.".to_vec()].concat(),
        [b"(".to_vec(), global, text("ls"), b"o.".to_vec()].concat(),
        [b"(".to_vec(), text("ls"), b"ios\nsystem\n.".to_vec()].concat(),
        [text("os"), text("system"), b"\x93".to_vec(), text("ls"), b"\x85R.".to_vec()].concat(),
        [text("os.path"), text("join"), b"\x93)R.".to_vec()].concat(),
        b"c__builtin__\ngetattr\n)R.".to_vec(),
        b"cbuiltins\n__import__\n)R.".to_vec(),
        b"\x80\x02cos\nsystem\n)R.".to_vec(),
    ];
    for pickle in cases {
        let error = from_bytes(&checkpoint(&pickle, &[])).unwrap_err();
        assert!(matches!(error, FormatError::CodeInPickle { .. }), "{error}");
    }
    // The first pickle of a file that is not a checkpoint at all.
    let error = from_bytes(b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R.").unwrap_err();
    assert!(matches!(error, FormatError::CodeInPickle { .. }), "{error}");
}

#[test]
fn a_whole_model_is_refused_with_the_name_of_its_class() {
    for file in ["whole_model.pth", "whole_model_legacy.pth", "model_in_dict.pth"] {
        let error = message(file);
        assert!(error.contains("`torch.nn.modules.linear.Linear`"), "{error}");
        assert!(error.contains("byte ") && error.contains("model.state_dict()"), "{error}");
    }
}

#[test]
fn big_endian_is_refused() {
    assert!(message("big_endian.pth").contains("big-endian"));
}

#[test]
fn files_that_are_no_weights_are_called_what_they_are() {
    let stored = zip::CompressionMethod::Stored;
    let cases: [(Vec<u8>, NotWeights); 11] = [
        (vec![], NotWeights::Empty),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n".into(),
            NotWeights::GitLfsPointer,
        ),
        (b"\n <!DOCTYPE html><html>".into(), NotWeights::WebPage),
        (b"<html lang=en>".into(), NotWeights::WebPage),
        (b"{\"weight_map\": {\"a\": \"model-00001.safetensors\"}}".into(), NotWeights::Json),
        (b"\x1f\x8b\x08\0\0".into(), NotWeights::Gzip),
        (std::fs::read(fixture("bare.npy")).unwrap(), NotWeights::Numpy),
        (b"\x80\x04K\x01.".into(), NotWeights::OtherPickle),
        (archive(&[("readme.txt", b"hello")], stored), NotWeights::OtherZip),
        (
            archive(&[("m/data.pkl", b"N."), ("m/constants.pkl", b"N.")], stored),
            NotWeights::TorchScript,
        ),
        (b"P6 4 4 255".into(), NotWeights::Unknown { first: *b"P6 4 4 2" }),
    ];
    for (bytes, wanted) in cases {
        match from_bytes(&bytes).unwrap_err() {
            FormatError::NotWeights(kind) => assert_eq!(kind, wanted),
            other => panic!("{wanted:?}: {other}"),
        }
    }
}

#[test]
fn a_missing_file_and_a_folder_are_named() {
    let error = open(&fixture("no_such_file.pth")).unwrap_err().to_string();
    assert!(error.contains("no_such_file.pth: cannot read the file"), "{error}");
    let error = open(&fixture("")).unwrap_err().to_string();
    assert!(error.contains("not a file") || error.contains("cannot read"), "{error}");
}

#[test]
fn a_view_must_stay_inside_its_storage() {
    type Case<'a> = (i64, i64, &'a [i64], &'a [i64], bool);
    let huge = i64::MAX;
    let cases: [Case<'_>; 16] = [
        (4, 0, &[4], &[1], true),
        (4, 0, &[2, 2], &[1, 2], true),
        (4, 3, &[], &[], true),
        (4, 9, &[0, 3], &[3, 1], true),
        (4, 1, &[4], &[1], false),
        (4, 0, &[5], &[1], false),
        (4, 4, &[], &[], false),
        (4, 0, &[2], &[4], false),
        (4, -1, &[4], &[1], false),
        (4, 0, &[-4], &[1], false),
        (4, 0, &[2], &[-1], false),
        (4, 0, &[2, 2], &[1], false),
        (8, 0, &[8], &[1], false),
        (huge, 0, &[huge], &[1], false),
        (4, 0, &[2, 2], &[huge, huge], false),
        (4, 0, &[0, huge, huge], &[0, 0, 0], false),
    ];
    for (numel, offset, size, stride, sound) in cases {
        let pickle = one_tensor(numel, offset, size, stride);
        let result = from_bytes(&checkpoint(&pickle, &[0; 16]));
        assert_eq!(result.is_ok(), sound, "{offset} {size:?} {stride:?} {result:?}");
    }
}

#[test]
fn a_view_of_stride_zero_expands_within_reason() {
    let expands = |n| from_bytes(&checkpoint(&one_tensor(4, 0, &[n, n], &[0, 0]), &[0; 16]));
    assert_eq!(expands(100).unwrap().tensors["w"].shape().count(), 10_000);
    let error = expands(1_000_000).unwrap_err().to_string();
    assert!(error.contains("tensor `w`: expands to 4000000000080 bytes"), "{error}");
}

#[test]
fn a_zip_bomb_is_refused_before_it_is_unpacked() {
    let pickle = one_tensor(1 << 24, 0, &[1 << 24], &[1]);
    let storage = vec![0; 1 << 26];
    let members = [("x/data.pkl", pickle.as_slice()), ("x/data/0", storage.as_slice())];
    let bomb = archive(&members, zip::CompressionMethod::Deflated);
    let error = from_bytes(&bomb).unwrap_err();
    assert!(matches!(error, FormatError::MemberTooLarge { .. }), "{error}");
}

#[test]
fn deep_nesting_neither_recurses_nor_overflows() {
    let deep = [vec![b']'; 1_000_000], vec![b'a'; 999_999], b".".to_vec()].concat();
    let error = from_bytes(&checkpoint(&deep, &[])).unwrap_err();
    assert!(matches!(error, FormatError::NoTensors { .. }), "{error}");
    let tuples = [b")".to_vec(), vec![0x85; 1_000_000], b".".to_vec()].concat();
    assert!(from_bytes(&checkpoint(&tuples, &[])).is_err());
    // A dict that holds itself under every wrapper key.
    let cycle = [b"}q\0".to_vec(), text("state_dict"), b"h\0s.".to_vec()].concat();
    assert!(from_bytes(&checkpoint(&cycle, &[])).is_err());
}

#[test]
fn too_many_values_are_an_error() {
    let many = [b"(".to_vec(), vec![b'N'; 4_000_001], b"t.".to_vec()].concat();
    let error = from_bytes(&checkpoint(&many, &[])).unwrap_err().to_string();
    assert!(error.contains("more than 4000000 values"), "{error}");
}

#[test]
fn bad_opcodes_and_stacks_are_errors() {
    let cases: [&[u8]; 14] = [
        b"",
        b".",
        b"\xff.",
        b"0.",
        b"t.",
        b"h\0.",
        b"R.",
        b"NNR.",
        b"}NNNe.",
        b"(NNs.",
        b"I1x\n.",
        b"X\xff\xff\xff\xffabc.",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc.",
        b"Nb.",
    ];
    for pickle in cases {
        let error = from_bytes(&checkpoint(pickle, &[])).unwrap_err();
        assert!(matches!(error, FormatError::Pickle { .. }), "{pickle:?}: {error}");
    }
}

#[test]
fn a_dict_without_tensors_says_which_keys_it_has() {
    let pickle = [b"}".to_vec(), text("epoch"), b"K\x01s.".to_vec()].concat();
    let error = from_bytes(&checkpoint(&pickle, &[])).unwrap_err().to_string();
    assert!(error.contains("keys found: `epoch`"), "{error}");
}

#[test]
fn a_pickle_of_arrays_that_wants_to_run_code_is_refused_whole() {
    let error = message("numpy_evil.pkl");
    assert!(error.contains("system`, which runs code; nothing was run"), "{error}");
}

#[test]
fn an_array_with_fewer_bytes_than_its_shape_says_is_refused() {
    let mut bytes = std::fs::read(fixture("numpy_python2.pkl")).unwrap();
    let at = bytes.windows(3).position(|w| w == b"K\x03\x85").unwrap();
    bytes[at + 1] = 200;
    let error = from_bytes(&bytes).unwrap_err().to_string();
    assert!(error.contains("tensor `w`: shape 200 with strides [1] from 0 leaves"), "{error}");
}

#[test]
fn lists_that_share_lists_do_not_multiply_work() {
    // A list of lists of lists ..., each holding the one below a thousand times.
    let mut bytes = b"\x80\x02]q\x00".to_vec();
    for level in 0..6u8 {
        bytes.extend([b']', b'q', level + 1, b'(']);
        for _ in 0..1000 {
            bytes.extend([b'h', level]);
        }
        bytes.push(b'e');
    }
    bytes.push(b'.');
    let start = std::time::Instant::now();
    from_bytes(&bytes).unwrap_err();
    assert!(start.elapsed().as_secs() < 5);
}
