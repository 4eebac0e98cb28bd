"""The trunk in eager PyTorch."""

import numpy as np
import torch

import lite_torch
from peer_common import MEAN, STD


def trunk(weights, threads, channels_last=False):
    """A function from `[B, 224, 224, 3]` u8 to pooled features `[B, 1280]` f32."""
    torch.set_num_threads(threads)
    form = torch.channels_last if channels_last else torch.contiguous_format
    net = lite_torch.load("efficientnet-lite0", weights).to(memory_format=form)

    def run(batch):
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(batch)).permute(0, 3, 1, 2)
            x = ((x.float() - MEAN) / STD).contiguous(memory_format=form)
            return net.features(x).numpy()

    return run
