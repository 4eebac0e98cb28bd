"""The networks of the contests without a download: formula weights, formula images.

The formula is that of `fixtures/make/formula.py`; regraft has the same in Rust (its test kit).
"""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "make"))
import formula  # noqa: E402: its folder had to be named first

SIZE = 224


def build(name, features=False):
    """`torchvision/NAME` or `timm/NAME` with formula weights, f32, for inference; with `features`
    it ends with the pooled vector."""
    library, model = name.split("/")
    if library == "torchvision":
        import torch
        import torchvision

        net = torchvision.models.get_model(model, weights=None)
        formula.fill(net)
        if features:
            setattr(net, "fc" if hasattr(net, "fc") else "classifier", torch.nn.Identity())
    else:
        import timm

        net = timm.create_model(model, pretrained=False)
        formula.fill(net)
        if features:
            net.reset_classifier(0)
    return net.float().eval()


def images(count):
    """`[count, 3, SIZE, SIZE]`, f32 in [-1, 1): image 0 is the formula's own, image i `input.i`."""
    names = ["input"] + [f"input.{i}" for i in range(1, count)]
    rows = [formula.u(name, 3 * SIZE * SIZE).astype(np.float32) for name in names]
    return np.stack(rows).reshape(count, 3, SIZE, SIZE)
