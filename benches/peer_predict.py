"""Peer: one picture, whole process; the head is the one a peer fit left in RUN.

    python peer_predict.py torch|ort RUN IMAGE --weights FILE --threads 2
"""

import argparse
import pathlib

import peer_common

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=["torch", "ort"])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("image", type=pathlib.Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    # Only the engine that is asked for pays for its import.
    if args.engine == "torch":
        from peer_torch import trunk
    else:
        from peer_ort import trunk
    peer_common.predict(args.run, args.image, trunk(args.weights, args.threads))
