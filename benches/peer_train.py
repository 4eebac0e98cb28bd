"""A contestant of `cargo xtask bench train`: training steps of one network on one batch.

    python peer_train.py WHO NETWORK --batch 32 --threads 2

WHO: torch or torch-channels-last, each with `-bf16` for autocast to bf16. A step is forward,
cross-entropy, backward and SGD with momentum over all parameters, batch norms in training mode; the
rate is zero, so that every step is the first. The answer is the gradient of the first weight. Speaks
the protocol of `contestant.py`.
"""

import argparse

import contestant
import formula_nets
from peer_nets import needs


def main(args):
    needs("torch")
    import torch

    torch.set_num_threads(args.threads)
    form = torch.channels_last if "channels-last" in args.who else torch.contiguous_format
    net = formula_nets.build(args.network).train().to(memory_format=form)
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    x = torch.from_numpy(formula_nets.images(args.batch)).contiguous(memory_format=form)
    labels = torch.arange(args.batch)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.0, momentum=0.9, nesterov=True)
    first = next(net.parameters())

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=args.who.endswith("bf16")):
            logits = net(x)
        loss = torch.nn.functional.cross_entropy(logits.float(), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return first.grad.contiguous().numpy()

    for _ in range(2):
        step()
    contestant.serve(step, args.batch, versions={"torch": torch.__version__})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    whos = ["torch", "torch-channels-last"]
    parser.add_argument("who", choices=whos + [who + "-bf16" for who in whos])
    parser.add_argument("network")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    main(parser.parse_args())
