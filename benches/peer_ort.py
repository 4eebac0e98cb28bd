"""The trunk in ONNX Runtime."""

import numpy as np
import onnxruntime as ort

from peer_common import MEAN, STD


def trunk(model, threads):
    """A function from `[B, 224, 224, 3]` u8 to pooled features `[B, 1280]` f32."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(batch):
        x = (batch.transpose(0, 3, 1, 2).astype(np.float32) - MEAN) / STD
        return session.run(None, {"input": np.ascontiguousarray(x, np.float32)})[0]

    return run
