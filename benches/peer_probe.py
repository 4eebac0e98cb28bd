"""Linear heads of scikit-learn on made features: what `crates/probe/examples/bench.rs` does.

    python peer_probe.py ridge|logistic [--rows 10000] [--columns 1280] [--classes 100] [--threads 1]

The data are the same bits in both (see `features`). Prints one JSON line: wall and processor
seconds of the fit alone, and `score` (ridge: the best penalty's leave-one-out mean squared error)
or `objective` (logistic: sum of negative log likelihoods + 0.5 * |W|^2).
"""

import argparse
import json
import os
import resource
import time

MASK = (1 << 64) - 1
parser = argparse.ArgumentParser(description="scikit-learn's heads on made features")
parser.add_argument("what", choices=["ridge", "logistic"])
parser.add_argument("--rows", type=int, default=10_000)
parser.add_argument("--columns", type=int, default=1280)
parser.add_argument("--classes", type=int, default=100)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--tolerance", type=float, default=1e-4, help="logistic: scikit-learn's tol")
parser.add_argument("--steps", type=int, default=10_000, help="logistic: scikit-learn's max_iter")
parser.add_argument("--double", action="store_true", help="features as f64, not f32")
args = parser.parse_args()
for name in ("OMP", "OPENBLAS", "MKL"):
    os.environ[name + "_NUM_THREADS"] = str(args.threads)

import numpy as np  # noqa: E402: the number of threads is read when it is loaded
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV  # noqa: E402


def uniform(seed, first, count):
    """Uniform numbers in [0, 1): SplitMix64 at `first`, `first + 1`, ... of the stream `seed`."""
    with np.errstate(over="ignore"):
        z = np.arange(first, first + count, dtype=np.uint64) + np.uint64((seed << 40) & MASK)
        z = (z + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def bell(seed, first, count):
    """Sum of four uniform numbers less 2."""
    u = uniform(seed, 4 * first, 4 * count).reshape(-1, 4)
    return ((u[:, 0] + u[:, 1]) + u[:, 2]) + u[:, 3] - 2.0


def features(n, d, classes):
    """Class clusters, cut off below 0 and with columns of falling size, as pooled layers are.

    Row `i` is of class `i % classes`; the value is `max(0, 0.5 + 0.15 * centre + noise) / sqrt(1 +
    j / 32)`, rounded to f32.
    """
    y = np.arange(n) % classes
    centre = bell(1, 0, classes * d).reshape(classes, d)
    size = 1.0 / np.sqrt(1.0 + np.arange(d) / 32.0)
    x = np.empty((n, d), np.float32)
    for first in range(0, n, 1000):
        rows = slice(first, min(n, first + 1000))
        noise = bell(2, first * d, (rows.stop - first) * d).reshape(-1, d)
        x[rows] = np.maximum(0.0, 0.5 + 0.15 * centre[y[rows]] + noise) * size
    return x, y


def used():
    r = resource.getrusage(resource.RUSAGE_SELF)
    return r.ru_utime + r.ru_stime


def objective(x, y, head):
    logits = x.astype(np.float64) @ head.coef_.T.astype(np.float64) + head.intercept_
    top = logits.max(1, keepdims=True)
    total = np.log(np.exp(logits - top).sum(1)) + top[:, 0]
    weight = (head.coef_.astype(np.float64) ** 2).sum()
    return float((total - logits[np.arange(len(y)), y]).sum() + 0.5 * weight)


x, y = features(args.rows, args.columns, args.classes)
if args.double:
    x = x.astype(np.float64)
out = {"checksum": float(x.astype(np.float64).sum())}
cpu, wall = used(), time.perf_counter()
if args.what == "ridge":
    head = RidgeClassifierCV(alphas=np.logspace(-1, 6, 30)).fit(x, y)
else:
    head = LogisticRegression(C=1.0, solver="lbfgs", tol=args.tolerance, max_iter=args.steps)
    head.fit(x, y)
out |= {"wall": time.perf_counter() - wall, "cpu": used() - cpu}
if args.what == "ridge":
    out |= {"score": float(head.best_score_), "penalty": float(head.alpha_)}
else:
    out |= {"objective": objective(x, y, head), "steps": int(head.n_iter_[0])}
out["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps(out))
