"""Peer: eager PyTorch + Pillow + scikit-learn. Prints one JSON line with `test.top1`.

    python peer_fit.py DIR --weights efficientnet-lite0.pth --out RUN --threads 2
"""

import peer_common
from peer_torch import trunk

if __name__ == "__main__":
    parser = peer_common.arguments(__doc__)
    parser.add_argument("--channels-last", action="store_true")
    args = parser.parse_args()
    peer_common.fit(args, trunk(args.weights, args.threads, args.channels_last))
