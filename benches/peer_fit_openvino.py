"""Peer: OpenVINO + Pillow + scikit-learn. Prints one JSON line with `test.top1`.

    python peer_fit_openvino.py DIR --weights lite0.onnx --out RUN --threads 2 --precision bf16
"""

import peer_common
from peer_openvino import trunk

if __name__ == "__main__":
    parser = peer_common.arguments(__doc__)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    args = parser.parse_args()
    peer_common.fit(args, trunk(args.weights, args.threads, args.precision))
