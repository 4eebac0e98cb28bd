"""Peer: ONNX Runtime + Pillow + scikit-learn. Prints one JSON line with `test.top1`.

    python peer_fit_ort.py DIR --weights lite0.onnx --out RUN --threads 2
"""

import peer_common
from peer_ort import trunk

if __name__ == "__main__":
    args = peer_common.arguments(__doc__).parse_args()
    peer_common.fit(args, trunk(args.weights, args.threads))
