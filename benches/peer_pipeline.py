"""A contestant of `cargo xtask bench pipeline`: picture files to pooled features `[N, D]`.

    python peer_pipeline.py WHO LIST --network NAME --onnx FILE --threads 2 [--batch 8]

LIST has a path a line. Preprocessing is the usual one: shorter side 256 (bicubic, antialiased),
centre crop 224, ImageNet mean and deviation. `torch` decodes and resizes with Pillow, as most people
do; `torch-channels-last` with torchvision; the runtimes with a fast exact decoder (OpenCV) and the
fastest antialiased resize found (PyTorch's on bytes). A thread takes a few pictures, decodes them
and runs the network on them alone, so all threads always have work and none waits for another.
"""

import argparse
import pathlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import contestant
import peer_nets

RESIZE, CROP = 256, 224
MEAN = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]
STD = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]
# (value / 255 - mean) / std as one product and one sum.
SCALE, SHIFT = 1 / (255 * STD), -MEAN / STD


def geometry(w, h):
    """Size after the resize, and the crop's left and top."""
    short = min(w, h)
    w, h = w * RESIZE // short, h * RESIZE // short
    return (w, h), round((w - CROP) / 2), round((h - CROP) / 2)


def by_pillow():
    from PIL import Image

    def load(path):
        image = Image.open(path).convert("RGB")
        size, left, top = geometry(*image.size)
        image = image.resize(size, Image.Resampling.BICUBIC)
        image = np.asarray(image.crop((left, top, left + CROP, top + CROP)))
        return image.transpose(2, 0, 1)

    return load


def resized(x):
    """Bytes `[3, H, W]` of a torch tensor -> bytes `[3, CROP, CROP]`."""
    from torchvision.transforms.v2 import functional as F

    (w, h), left, top = geometry(x.shape[2], x.shape[1])
    x = F.resize(x, [h, w], interpolation=F.InterpolationMode.BICUBIC, antialias=True)
    return x[:, top : top + CROP, left : left + CROP].numpy()


def by_torchvision():
    peer_nets.needs("torchvision")
    import torchvision.io as io

    return lambda path: resized(io.decode_jpeg(io.read_file(path), mode=io.ImageReadMode.RGB))


def by_opencv():
    peer_nets.needs("cv2")
    peer_nets.needs("torchvision")
    import cv2
    import torch

    cv2.setNumThreads(1)

    def load(path):
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR_RGB)
        return resized(torch.from_numpy(image).permute(2, 0, 1))

    return load


def decoder(who):
    if who == "torch":
        return by_pillow()
    return by_torchvision() if who in peer_nets.TORCH else by_opencv()


def sweep(paths, load, net, threads, batch):
    """Features of all `paths`, in their order."""

    def work(first):
        mine = paths[first : first + batch]
        x = np.stack([load(path) for path in mine]).astype(np.float32)
        x *= SCALE
        x += SHIFT
        # A fixed batch is filled up with its first picture.
        fill = np.broadcast_to(x[:1], (batch - len(mine), *x.shape[1:]))
        return net(np.ascontiguousarray(np.concatenate([x, fill])) if len(fill) else x)[: len(mine)]

    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(work, range(0, len(paths), batch))))


def main(args):
    # The pool's threads are the parallel ones: a call of the network has one.
    if args.who in peer_nets.TORCH:
        net, versions = peer_nets.torch_net(args.who, args.network, 1, features=True)
    else:
        net, versions = peer_nets.runtime_net(args.who, args.onnx, 1, args.batch, args.threads)
    load = decoder(args.who)
    paths = args.list.read_text().splitlines()

    def step(paths=paths):
        return sweep(paths, load, net, args.threads, args.batch)

    step(paths[: 2 * args.batch * args.threads])
    contestant.serve(step, len(paths), versions=versions)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("who", choices=sorted(peer_nets.TORCH | peer_nets.RUNTIMES))
    parser.add_argument("list", type=pathlib.Path)
    parser.add_argument("--network", required=True)
    parser.add_argument("--onnx")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=8)
    main(parser.parse_args())
