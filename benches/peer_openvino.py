"""The trunk in OpenVINO."""

import numpy as np
import openvino

from peer_common import BATCH, MEAN, STD


def trunk(model, threads, precision="f32"):
    """A function from `[B, 224, 224, 3]` u8, `B <= BATCH`, to pooled features `[B, 1280]` f32."""
    core = openvino.Core()
    net = core.read_model(model)
    net.reshape([BATCH, 3, 224, 224])
    config = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
    }
    request = core.compile_model(net, "CPU", config).create_infer_request()

    def run(batch):
        x = (batch.transpose(0, 3, 1, 2).astype(np.float32) - MEAN) / STD
        # A fixed batch is faster; the last one is filled up with zeros.
        full = np.zeros((BATCH, *x.shape[1:]), np.float32)
        full[: len(x)] = x
        return request.infer({0: full}, share_inputs=True)[0][: len(x)].copy()

    return run
