use regraft_net::surgery::{cut, graft, split, split_points};
use regraft_net::{NetError, Network, Params, notation, unused};
use regraft_tensor::Tensor;
use regraft_testkit::small_networks;

#[test]
fn a_cut_keeps_what_leads_to_the_layer_and_nothing_else() {
    let (_, network) = small_networks().swap_remove(0);
    let trunk = network.cut("pool").unwrap();
    assert_eq!(trunk.facts().unwrap().output().shape.to_string(), "20");
    assert!(trunk.graph().find("fc").is_err());
    assert!(trunk.params().get("fc.weight").is_none());
    assert!(trunk.params().get("stem.weight").is_some());
}

#[test]
fn split_and_graft_give_the_network_back_wherever_a_split_is_possible() {
    for (name, network) in small_networks() {
        let graph = network.graph();
        let points = split_points(graph);
        assert!(points.len() >= 3, "{name}: {points:?}");
        for layer in points {
            let (trunk, crown) = split(graph, layer).unwrap();
            let again = graft(&trunk, &crown).unwrap();
            assert_eq!(&again, graph, "{name}, split at `{layer}`");
        }
    }
}

#[test]
fn a_split_that_a_connection_goes_around_is_refused_with_the_nearest_layers_that_work() {
    let (_, network) = small_networks().swap_remove(0);
    let error = split(network.graph(), "dw").unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot split at `dw`: `sum` above it also reads `act` below it; did you mean `act` or `sum`?"
    );
    let points = split_points(network.graph());
    for (_, layer) in network.graph().layers() {
        let possible = points.contains(&layer.name.as_str());
        assert_eq!(split(network.graph(), &layer.name).is_ok(), possible, "`{}`", layer.name);
    }
}

#[test]
fn a_new_head_keeps_the_trunks_names_and_shapes() {
    let (_, network) = small_networks().swap_remove(0);
    let trunk = network.cut("pool").unwrap();
    let head = notation::parse("pool = input 20\nhead = linear pool out=3\n-> head").unwrap();
    let whole = graft(trunk.graph(), &head).unwrap();
    assert_eq!(whole.layer(whole.output().unwrap()).name, "head");
    for (id, layer) in trunk.graph().layers() {
        assert_eq!(whole.layer(id).name, layer.name);
    }
}

#[test]
fn a_head_of_another_width_or_with_a_taken_name_is_refused() {
    let trunk = cut(small_networks()[0].1.graph(), "pool").unwrap();
    let wide = notation::parse("x = input 21\nhead = linear x out=3\n-> head").unwrap();
    assert_eq!(
        graft(&trunk, &wide).unwrap_err().to_string(),
        "the trunk ends with 20 at `pool`, the head wants 21"
    );
    let clash = notation::parse("x = input 20\nstem = linear x out=3\n-> stem").unwrap();
    assert!(matches!(graft(&trunk, &clash), Err(NetError::DuplicateLayer { .. })));
}

#[test]
fn missing_and_misshapen_parameters_are_named_and_spare_ones_listed() {
    let (_, network) = small_networks().swap_remove(3);
    let build =
        |params: &Params| Network::new(network.graph().clone(), params, network.card().clone());
    let mut params = network.params().clone();
    params.insert("counter", Tensor::zeros([1]));
    assert_eq!(unused(network.graph(), &params).unwrap(), ["counter"]);
    assert_eq!(build(&params).unwrap(), network, "spare parameters are dropped");
    params.insert("fc.weight", Tensor::zeros([10, 31]));
    assert_eq!(
        build(&params).unwrap_err().to_string(),
        "parameter `fc.weight` has shape 10x31, the architecture wants 10x32"
    );
    let renamed: Params = network
        .params()
        .iter()
        .map(|(name, value)| (name.replace("fc.", "fcc."), Tensor::clone(value)))
        .collect();
    let error = build(&renamed).unwrap_err().to_string();
    assert!(
        error.contains("1 parameters are missing, first `fc.weight`; did you mean `fcc.weight`"),
        "{error}"
    );
}
