"""EfficientNet-Lite in PyTorch, as small as it can be said.

Written from the papers: EfficientNet (Tan & Le 2019, arXiv 1905.11946, table 1 and section 3.3 for
the scaling) and the description of the Lite family (no squeeze-and-excitation, ReLU6 for swish, stem
and head not scaled, first and last stage not deepened). Parameter names are those of the published
checkpoints: `_conv_stem.weight`, `_blocks.{i}._expand_conv.weight`, ..., `_fc.bias`.

    net = load("efficientnet-lite0", "efficientnet-lite0-57934424.pth")
    features = net.features(x)      # [N, 3, S, S] -> [N, 1280]
    logits = net(x)                 # [N, 3, S, S] -> [N, 1000]
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

# name -> (width multiplier, depth multiplier, input size in pixels)
SCALES = {
    "efficientnet-lite0": (1.0, 1.0, 224),
    "efficientnet-lite1": (1.0, 1.1, 240),
    "efficientnet-lite2": (1.1, 1.2, 260),
}

# (expansion, kernel, stride of the first block, blocks, channels): table 1 of the paper.
STAGES = [
    (1, 3, 1, 1, 16),
    (6, 3, 2, 2, 24),
    (6, 5, 2, 2, 40),
    (6, 3, 2, 3, 80),
    (6, 5, 1, 3, 112),
    (6, 5, 2, 4, 192),
    (6, 3, 1, 1, 320),
]
STEM, HEAD, EPS = 32, 1280, 1e-3


def scaled_width(channels, width):
    """`channels * width` to the nearest multiple of 8, never below 90 % of it."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


class SameConv(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow's "SAME": the odd pixel at the bottom right."""

    def __init__(self, inputs, outputs, kernel, stride=1, groups=1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x):
        (k, _), (s, _) = self.kernel_size, self.stride
        # Plain integers, so that a trace (ONNX export) sees constants.
        pads = [max((math.ceil(int(n) / s) - 1) * s + k - int(n), 0) for n in x.shape[-2:]]
        (top, bottom), (left, right) = [(p // 2, p - p // 2) for p in pads]
        if top == bottom and left == right:
            return F.conv2d(x, self.weight, None, self.stride, (top, left), 1, self.groups)
        x = F.pad(x, (left, right, top, bottom))
        return F.conv2d(x, self.weight, None, self.stride, 0, 1, self.groups)


class Block(nn.Module):
    """Inverted residual: expand, depthwise, project; added to its input when the shapes allow."""

    def __init__(self, inputs, outputs, expansion, kernel, stride):
        super().__init__()
        middle = inputs * expansion
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = SameConv(inputs, middle, 1)
            self._bn0 = nn.BatchNorm2d(middle, eps=EPS)
        self._depthwise_conv = SameConv(middle, middle, kernel, stride, groups=middle)
        self._bn1 = nn.BatchNorm2d(middle, eps=EPS)
        self._project_conv = SameConv(middle, outputs, 1)
        self._bn2 = nn.BatchNorm2d(outputs, eps=EPS)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.residual else y


class Lite(nn.Module):
    """EfficientNet-Lite: stem, blocks, head, mean over the plane, classifier."""

    def __init__(self, name="efficientnet-lite0", classes=1000):
        super().__init__()
        width, depth, self.size = SCALES[name]
        self._conv_stem = SameConv(3, STEM, 3, 2)
        self._bn0 = nn.BatchNorm2d(STEM, eps=EPS)
        blocks, inputs = [], STEM
        for number, (expansion, kernel, stride, repeats, channels) in enumerate(STAGES):
            outputs = scaled_width(channels, width)
            if 0 < number < len(STAGES) - 1:
                repeats = math.ceil(repeats * depth)
            for repeat in range(repeats):
                blocks.append(
                    Block(inputs, outputs, expansion, kernel, stride if repeat == 0 else 1)
                )
                inputs = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv(inputs, HEAD, 1)
        self._bn1 = nn.BatchNorm2d(HEAD, eps=EPS)
        self._fc = nn.Linear(HEAD, classes)

    def features(self, x):
        """Pooled features: `[N, 3, S, S]` -> `[N, 1280]`."""
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return F.relu6(self._bn1(self._conv_head(x))).mean((2, 3))

    def forward(self, x):
        """Class scores: `[N, 3, S, S]` -> `[N, classes]`."""
        return self._fc(self.features(x))


def load(name, path):
    """The network `name` with the weights of the checkpoint `path`, ready for inference."""
    net = Lite(name)
    state = torch.load(path, map_location="cpu", weights_only=True)
    net.load_state_dict(state, strict=True)
    return net.eval()
