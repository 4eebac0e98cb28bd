"""A contestant of `cargo xtask bench engine`: forward passes of one network on one batch.

    python peer_engine.py WHO NETWORK --batch 32 --threads 1 [--onnx FILE]

WHO: torch, torch-channels-last, torch-compile, onnxruntime, openvino, openvino-bf16; or one of the
`MEASURES`, products of f32 matrices, each counted as one image. Speaks the protocol of
`contestant.py`.
"""

import argparse

import numpy as np

import contestant
import formula_nets
import peer_nets

def by_torch(threads, n):
    import torch

    torch.set_num_threads(threads)
    a, b, c = (torch.rand(n, n) for _ in range(3))
    return lambda: torch.mm(a, b, out=c).numpy()


def by_numpy(_, n):
    # Its threads are set in the environment.
    a, b = (np.random.default_rng(i).random((n, n), np.float32) for i in range(2))
    c = np.empty_like(a)
    return lambda: np.matmul(a, b, out=c)


def by_onnxruntime(threads, n):
    """One factor is constant, so that it is packed beforehand, as weights are."""
    import onnx
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper

    a, b = (np.random.default_rng(i).random((n, n), np.float32) for i in range(2))
    side = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [n, n])
    node = helper.make_node("MatMul", ["a", "b"], ["c"])
    weights = [numpy_helper.from_array(b, "b")]
    graph = helper.make_graph([node], "product", [side("a")], [side("c")], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"a": a})[0]


# The measure for all: who multiplies f32 matrices, and how large. No library is the fastest
# everywhere, and a slow one would make all shares look good.
MEASURES = {
    "sgemm-torch": (by_torch, 2048),
    "sgemm-numpy": (by_numpy, 2048),
    "sgemm-onnxruntime": (by_onnxruntime, 512),
}


def main(args):
    if args.who in MEASURES:
        make, n = MEASURES[args.who]
        contestant.serve(make(args.threads, n), 1, flops=2 * n**3)
        return
    if args.who in peer_nets.TORCH:
        run, versions = peer_nets.torch_net(args.who, args.network, args.threads)
    else:
        run, versions = peer_nets.runtime_net(args.who, args.onnx, args.threads, args.batch)
    x = formula_nets.images(args.batch)
    for _ in range(3):
        run(x)
    contestant.serve(lambda: run(x), args.batch, versions=versions)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    choices = sorted(peer_nets.TORCH | peer_nets.RUNTIMES | MEASURES.keys())
    parser.add_argument("who", choices=choices)
    parser.add_argument("network")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--onnx")
    main(parser.parse_args())
