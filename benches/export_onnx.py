"""The trunk of EfficientNet-Lite0 as ONNX: `input [N, 3, 224, 224]` -> `features [N, 1280]`.

    python export_onnx.py efficientnet-lite0.pth lite0.onnx
"""

import sys

import torch

import lite_torch


class Trunk(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net.features(x)


def main(weights, out):
    trunk = Trunk(lite_torch.load("efficientnet-lite0", weights)).eval()
    torch.onnx.export(
        trunk,
        (torch.zeros(1, 3, 224, 224),),
        out,
        input_names=["input"],
        output_names=["features"],
        dynamic_axes={"input": {0: "n"}, "features": {0: "n"}},
        opset_version=17,
        # The tracing exporter needs no further packages and folds batch norm into the convolutions.
        dynamo=False,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
