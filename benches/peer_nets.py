"""A network in each peer: a function from f32 `[n, 3, 224, 224]` to f32 `[n, D]`.

Formula weights; nothing is downloaded. `threads` are those of one call. A peer that this machine
cannot run says `absent`.
"""

import importlib.util
import shutil

import contestant
import formula_nets

TORCH = {"torch", "torch-channels-last", "torch-compile"}
RUNTIMES = {"onnxruntime", "openvino", "openvino-bf16"}


def needs(module):
    if importlib.util.find_spec(module) is None:
        contestant.absent(f"Python has no package `{module}`")


def torch_net(who, network, threads, features=False):
    needs("torch")
    import torch

    torch.set_num_threads(threads)
    net = formula_nets.build(network, features)
    form = torch.contiguous_format if who == "torch" else torch.channels_last
    net = net.to(memory_format=form)
    if who == "torch-compile":
        if not any(map(shutil.which, ("g++", "clang++", "c++"))):
            contestant.absent("torch.compile needs a C++ compiler (g++ or clang++)")
        # Without this the weights are inputs, and nothing is folded or packed beforehand.
        import torch._inductor.config as inductor

        inductor.freezing = True
        net = torch.compile(net)

    def run(x):
        # `no_grad`: inference mode is not for compiled modules that are frozen.
        with torch.no_grad() if who == "torch-compile" else torch.inference_mode():
            return net(torch.from_numpy(x).contiguous(memory_format=form)).numpy()

    return run, {"torch": torch.__version__}


def onnxruntime_net(model, threads, batch):
    needs("onnxruntime")
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    if batch:
        options.add_free_dimension_override_by_name("n", batch)
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"input": x})[0], {"onnxruntime": ort.__version__}


def openvino_net(who, model, threads, batch, streams=1):
    """`batch` is fixed; `streams` calls may run at the same time, from a thread each."""
    needs("openvino")
    import threading

    import openvino

    core = openvino.Core()
    precision = "bf16" if who == "openvino-bf16" else "f32"
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        contestant.absent("OpenVINO has no bf16 on this processor")
    net = core.read_model(model)
    net.reshape([batch, 3, formula_nets.SIZE, formula_nets.SIZE])
    config = {
        "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads * streams,
        "NUM_STREAMS": streams,
    }
    compiled = core.compile_model(net, "CPU", config)
    own = threading.local()

    def run(x):
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        result = own.request.infer({0: x}, share_inputs=True, share_outputs=True)
        # The request's memory is written anew by its next call.
        return result[0].copy()

    return run, {"openvino": openvino.__version__.split("-")[0]}


def runtime_net(who, model, threads, batch, streams=1):
    if who == "onnxruntime":
        return onnxruntime_net(model, threads, batch if streams == 1 else None)
    return openvino_net(who, model, threads, batch, streams)
