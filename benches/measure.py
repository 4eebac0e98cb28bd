"""Runs a command and writes what it cost as JSON: works wherever Python and POSIX are.

    python measure.py COST.json COMMAND [ARGUMENT ...]

stdin, stdout and stderr are the command's own; so is the exit code. `peak` is in bytes and never
below this wrapper's own size (about 10 MB), which the child inherits before it becomes the command.
"""

import json
import resource
import subprocess
import sys
import time


def main(out, command):
    start = time.perf_counter()
    code = subprocess.call(command)
    wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Linux counts kibibytes, macOS bytes.
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    cost = {"wall": wall, "user": used.ru_utime, "sys": used.ru_stime, "peak": peak}
    with open(out, "w") as file:
        json.dump(cost, file)
    # A signal is a negative code here; the shell's convention is 128 + signal.
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
