use regraft_look::{Change, counterparts, drifts};
use regraft_net::facts::facts;
use regraft_net::{Card, Graph, LayerId, Network, notation};

use crate::tiny::{TEXT, network};

/// Pairs and changes of two graphs, from the first: `name=other: change`, `name=` where there is none.
fn compared(a: &str, b: &str) -> [Vec<String>; 2] {
    let [a, b] = [a, b].map(|text| notation::parse(text).unwrap());
    let [fa, fb] = [&a, &b].map(|graph| facts(graph).unwrap());
    let [there, back] = counterparts((&a, &fa), (&b, &fb));
    let said = |own: &Graph, other: &Graph, of: Vec<regraft_look::Counterpart>| {
        own.layers()
            .zip(of)
            .map(|((_, layer), c)| {
                let name = c.other.map(|id| other.layer(id).name.clone()).unwrap_or_default();
                let changes: Vec<String> = c.changes.iter().map(Change::to_string).collect();
                format!("{}={name} {}", layer.name, changes.join("; ")).trim().to_owned()
            })
            .collect()
    };
    [said(&a, &b, there), said(&b, &a, back)]
}

#[test]
fn layers_are_matched_by_name_and_changes_are_told_from_both_sides() {
    let other = TEXT
        .replace("conv2d pool out=6 size=3", "conv2d pool out=6 size=1")
        .replace("size=1 pad=1", "size=1")
        .replace("relu2 = relu", "relu2 = relu6");
    let [here, there] = compared(TEXT, &other);
    assert_eq!(here[1], "conv1=conv1");
    assert_eq!(
        here[4],
        "conv2=conv2 conv2d out=6 size=3 pad=1 bias=yes here, conv2d out=6 size=1 bias=yes there; 222 parameters \
         here, 30 there"
    );
    assert_eq!(there[5], "relu2=relu2 relu6 here, relu there");
}

#[test]
fn without_names_in_common_what_is_alike_is_matched_in_order() {
    let a = "x = input 3x8x8\na = conv2d x out=4 size=3 pad=1\nb = relu a\nc = conv2d b out=8 size=1\nd = relu c\n\
             e = global_avg_pool d\n-> e";
    // One convolution more in front of the second.
    let b = "image = input 3x8x8\nk1 = conv2d image out=4 size=3 pad=1\nr1 = relu k1\n\
             k2 = conv2d r1 out=4 size=3 pad=1\nr2 = relu k2\nk3 = conv2d r2 out=8 size=1\nr3 = relu k3\n\
             top = global_avg_pool r3\n-> top";
    let [here, there] = compared(a, b);
    assert_eq!(here, ["x=image", "a=k1", "b=r1", "c=k3", "d=r3", "e=top"]);
    assert_eq!(there[3..5], ["k2=", "r2="], "{there:?}");
}

#[test]
fn a_connection_that_leads_elsewhere_is_a_change() {
    let a = "x = input 3x8x8\na = relu x\nb = relu a\nc = add b a\n-> c";
    let b = "x = input 3x8x8\na = relu x\nb = relu a\nc = add b x\n-> c";
    assert_eq!(compared(a, b)[0][3], "c=c reads b and a here, b and x there");
}

#[test]
fn drift_is_the_relative_distance_of_all_learned_parameters_of_a_layer() {
    let source = network(TEXT);
    let mut params = source.params().clone();
    // Everything of `conv1` a tenth larger; of `fc` one value.
    for name in ["conv1.weight", "conv1.bias"] {
        params.get_mut(name).unwrap().data_mut().iter_mut().for_each(|v| *v *= 1.1);
    }
    params.get_mut("fc.weight").unwrap().data_mut()[3] += 0.25;
    let moved = Network::new(source.graph().clone(), &params, Card::blank("moved")).unwrap();
    let pairs: Vec<Option<LayerId>> = source.graph().layers().map(|(id, _)| Some(id)).collect();
    let drift = drifts(&source, &moved, &pairs).unwrap();
    let of = |name: &str| drift[source.graph().find(name).unwrap().index()];
    assert!((of("conv1").unwrap() - 0.1).abs() < 1e-6, "{drift:?}");
    assert_eq!(of("conv2"), Some(0.0));
    assert_eq!(of("relu1"), None, "it learns nothing");
    let square = |name: &str| -> f64 {
        let values = source.params().get(name).unwrap();
        values.data().iter().map(|v| f64::from(*v).powi(2)).sum()
    };
    let size = (square("fc.weight") + square("fc.bias")).sqrt();
    assert!((of("fc").unwrap() - 0.25 / size).abs() < 1e-6, "{drift:?}");
    // Without a counterpart, or one of another shape, there is nothing to compare.
    assert!(drifts(&source, &moved, &[]).unwrap().iter().all(Option::is_none));
    let wider = network(&TEXT.replace("out=3", "out=5"));
    let drift = drifts(&source, &wider, &pairs).unwrap();
    assert_eq!(drift[wider.graph().find("fc").unwrap().index()], None);
}
