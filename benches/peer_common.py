"""What the Python peers share: the folder, Pillow preprocessing, the head, the result line.

Preprocessing is that of the published EfficientNet-Lite weights, as timm and torchvision do it:
shorter side 256 (bicubic), centre crop 224, (value - 127) / 128.
"""

import argparse
import json
import pathlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

RESIZE, CROP, MEAN, STD = 256, 224, 127.0, 128.0
BATCH, FEATURES = 32, 1280
PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}


def arguments(what):
    """`DIR --weights FILE --out DIR --threads N --workers N`, common to both fits."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=0, help="threads that decode; 0: in the loop")
    return parser


def listing(root):
    """Sorted class names, and (path, class index) of each picture below `root`."""
    classes = sorted(d.name for d in root.iterdir() if d.is_dir())
    files = [
        (path, index)
        for index, name in enumerate(classes)
        for path in sorted((root / name).rglob("*"))
        if path.suffix.lower() in PICTURES
    ]
    return classes, files


def examples(root):
    """Class names, training and test examples: `train/` beside `test/` or `val/`, or every fifth
    picture of each class (shuffled, seed 0) held out."""
    held = next((root / n for n in ("test", "val", "valid") if (root / n).is_dir()), None)
    if held and (root / "train").is_dir():
        classes, train = listing(root / "train")
        return classes, train, listing(held)[1]
    classes, files = listing(root)
    train, test, rng = [], [], np.random.default_rng(0)
    for index in range(len(classes)):
        own = [f for f in files if f[1] == index]
        order = rng.permutation(len(own))
        cut = max(1, len(own) // 5)
        test += [own[i] for i in order[:cut]]
        train += [own[i] for i in order[cut:]]
    return classes, train, test


def picture(path):
    """One picture, `[224, 224, 3]`, u8."""
    image = Image.open(path).convert("RGB")
    w, h = image.size
    short = min(w, h)
    image = image.resize((w * RESIZE // short, h * RESIZE // short), Image.Resampling.BICUBIC)
    left, top = (round((n - CROP) / 2) for n in image.size)
    return np.asarray(image.crop((left, top, left + CROP, top + CROP)))


def features(files, run, workers):
    """Pooled features `[N, 1280]`: `run` takes a batch `[B, 224, 224, 3]` u8 and gives `[B, 1280]`.

    With workers, decoding goes on beside the network; the pool keeps at most two batches ahead.
    """
    paths = [path for path, _ in files]
    batches = [paths[i : i + BATCH] for i in range(0, len(paths), BATCH)]
    if workers == 0:
        rows = [run(np.stack([picture(p) for p in batch])) for batch in batches]
    else:
        rows = []
        with ThreadPoolExecutor(workers) as pool:
            ahead = [[pool.submit(picture, p) for p in batch] for batch in batches[:2]]
            for number in range(len(batches)):
                rows.append(run(np.stack([f.result() for f in ahead.pop(0)])))
                if number + 2 < len(batches):
                    ahead.append([pool.submit(picture, p) for p in batches[number + 2]])
    return np.concatenate(rows)


def fit(args, run):
    """Features, logistic regression, test accuracy; the head is kept in `OUT/head.npz`."""
    from sklearn.linear_model import LogisticRegression

    classes, train, test = examples(args.data)
    x = features(train + test, run, args.workers)
    y = np.array([label for _, label in train + test])
    head = LogisticRegression(max_iter=1000).fit(x[: len(train)], y[: len(train)])
    top1 = float((head.predict(x[len(train) :]) == y[len(train) :]).mean())
    args.out.mkdir(parents=True, exist_ok=True)
    # Two classes share one row of coefficients; the other is its negative.
    coef, bias = head.coef_, head.intercept_
    if len(classes) == 2:
        coef, bias = np.concatenate([-coef, coef]) / 2, np.concatenate([-bias, bias]) / 2
    np.savez(args.out / "head.npz", coef=coef, bias=bias, classes=np.array(classes))
    print(json.dumps({"test": {"top1": top1, "examples": len(test)}, "train": len(train)}))


def predict(out, path, run):
    """The most probable class of one picture, as one JSON line."""
    head = np.load(out / "head.npz")
    scores = head["coef"] @ run(np.stack([picture(path)]))[0] + head["bias"]
    p = np.exp(scores - scores.max())
    p /= p.sum()
    best = int(p.argmax())
    print(json.dumps({"label": str(head["classes"][best]), "probability": float(p[best])}))
