"""How a contestant talks with `cargo xtask bench`: one line in, one JSON line out.

    (started)       {"ready": true, "versions": {"torch": "..."}, ...} or {"absent": "why"}
    run SECONDS     passes until SECONDS of processor time are used, at least one:
                    {"wall": s, "cpu": s, "images": n}
    answer FILE     what it computes, f32, little endian, row-major: {"values": n}
    (end of input)  ends

`cpu` is the processor time of all threads of the process, user and system. What libraries print
goes to stderr, so that stdout has the answers only.
"""

import json
import os
import sys
import time

OUT = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def say(**fields):
    print(json.dumps(fields), file=OUT, flush=True)


def absent(why):
    """Ends a contestant that cannot run on this machine."""
    say(absent=why)
    sys.exit(0)


def run(step, images, seconds):
    wall, cpu, passes = time.perf_counter(), time.process_time(), 0
    while passes == 0 or time.process_time() - cpu < seconds:
        step()
        passes += 1
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "images": passes * images,
    }


def serve(step, images, **about):
    """Answers until the input ends. `step` runs `images` images once and gives `[images, D]`."""
    say(ready=True, **about)
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "run":
            say(**run(step, images, float(rest)))
        elif word == "answer":
            values = step().astype("<f4")
            values.tofile(rest)
            say(values=values.size)
        else:
            sys.exit(f"no word `{word}`; there are `run SECONDS` and `answer FILE`")
