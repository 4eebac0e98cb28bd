//! Receptive fields of known networks, from the recursion of Araujo et al. 2019 ("Computing receptive fields of
//! convolutional neural networks", equations 2 and 5), worked out by hand for these; their table has the same for
//! Inception v3 and for `AlexNet`'s later layers.

use regraft_net::facts::facts;
use regraft_zoo::graph;

#[test]
fn receptive_fields_are_the_known_ones() {
    // Layer, extent and stride in pixels of the picture.
    type Rows = &'static [(&'static str, usize, usize)];
    let cases: [(&str, Rows); 4] = [
        (
            "caffe/caffenet",
            &[
                ("conv1", 11, 4),
                ("pool1", 19, 8),
                ("conv2", 51, 8),
                ("pool2", 67, 16),
                ("conv3", 99, 16),
                ("conv4", 131, 16),
                ("conv5", 163, 16),
                ("pool5", 195, 32),
            ],
        ),
        (
            "torchvision/resnet18",
            &[("layer1", 43, 4), ("layer2", 99, 8), ("layer3", 211, 16), ("layer4", 435, 32)],
        ),
        (
            "torchvision/resnet50",
            &[("layer1", 35, 4), ("layer2", 91, 8), ("layer3", 267, 16), ("layer4", 427, 32)],
        ),
        ("torchvision/inception_v3", &[("Mixed_5d", 127, 8), ("Mixed_7c", 1311, 32)]),
    ];
    for (name, rows) in cases {
        let graph = graph(name).unwrap();
        let facts = facts(&graph).unwrap();
        for (layer, size, stride) in rows {
            let field = facts.layer(graph.find(layer).unwrap()).field.unwrap();
            assert_eq!((field.size, field.stride), ([*size; 2], [*stride; 2]), "{name} {layer}");
        }
    }
}

#[test]
fn the_middle_of_the_first_patch_is_where_it_was_worked_out() {
    // CaffeNet: `start + (size - 1) / 2`; its paddings keep the stages' middles together.
    let graph = graph("caffe/caffenet").unwrap();
    let facts = facts(&graph).unwrap();
    let layers = ["conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5"];
    let middles = layers.map(|layer| {
        let field = facts.layer(graph.find(layer).unwrap()).field.unwrap();
        field.start[0] + (field.size[0] as isize - 1) / 2
    });
    assert_eq!(middles, [5, 9, 9, 17, 17, 17, 17, 33]);
}
