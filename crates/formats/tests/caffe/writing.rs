//! Networks written for Caffe and read again.

use regraft_formats::caffe;
use regraft_net::{Card, Network, notation};
use regraft_testkit::formula_params;

use crate::opencv::distance;
use crate::{bytes, caffemodel, golden};

#[test]
fn what_is_written_is_read_as_the_same_network() {
    for (name, wanted) in golden() {
        let text = bytes(&format!("{name}.prototxt"));
        let model = caffe::from_bytes(Some(&text), &caffemodel(&wanted, |_| true)).unwrap();
        let written = match caffe::write(&model.network) {
            Ok(written) => written,
            Err(error) => {
                assert_eq!(name, "odds");
                let said = error.to_string();
                assert!(
                    said.contains("nothing for 3 of its layers:\n  `slice.slice_a` (slice)"),
                    "{said}"
                );
                continue;
            }
        };
        let text = written.prototxt.as_bytes();
        let again = caffe::from_bytes(Some(text), &written.caffemodel).unwrap();
        let alone = caffe::from_bytes(None, &written.caffemodel).unwrap();
        assert_eq!(again.network.params(), model.network.params(), "{name}");
        assert_eq!(alone.network.params(), model.network.params(), "{name}");
        let print = |n: &Network| notation::print(n.graph());
        if name != "senet" {
            assert_eq!(print(&again.network), print(&model.network), "{name}");
        }
        assert_eq!(print(&alone.network), print(&again.network), "{name}");
        assert!(distance(&alone, &wanted)[0] < 1e-5, "{name}");
    }
}

#[test]
fn layers_that_caffe_does_not_have_are_all_named() {
    let graph = notation::parse(
        "image = input 3x8x8
         conv = conv2d image out=4 size=3
         swish = hard_swish conv
         norm = layer_norm swish eps=1e-6
         -> norm",
    )
    .unwrap();
    let network =
        Network::new(graph.clone(), &formula_params(&graph).unwrap(), Card::blank("x")).unwrap();
    let error = caffe::write(&network).unwrap_err().to_string();
    for said in [
        "2 of its layers",
        "`swish` (hard_swish): Caffe has no such function",
        "`norm` (layer_norm)",
    ] {
        assert!(error.contains(said), "{error}");
    }
}
