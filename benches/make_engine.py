"""What the peers of `cargo xtask bench engine` and `pipeline` need: a network as ONNX, its logits.

    python make_engine.py NETWORK OUT.onnx [--features] [--logits FILE --images 32]

The logits are PyTorch's in f64, written as f32, `[images, 1000]`. Input `[n, 3, 224, 224]`.
"""

import argparse

import torch

import formula_nets

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("network")
parser.add_argument("onnx")
parser.add_argument("--features", action="store_true")
parser.add_argument("--logits")
parser.add_argument("--images", type=int, default=32)
args = parser.parse_args()

net = formula_nets.build(args.network, args.features)
torch.onnx.export(
    net,
    (torch.zeros(1, 3, formula_nets.SIZE, formula_nets.SIZE),),
    args.onnx,
    input_names=["input"],
    output_names=["output"],
    dynamic_axes={"input": {0: "n"}, "output": {0: "n"}},
    opset_version=17,
    # The tracing exporter needs no further packages and folds batch norm into the convolutions.
    dynamo=False,
)
if args.logits:
    net, x = net.double(), torch.from_numpy(formula_nets.images(args.images)).double()
    with torch.inference_mode():
        rows = [net(image[None]) for image in x]
    torch.cat(rows).numpy().astype("<f4").tofile(args.logits)
