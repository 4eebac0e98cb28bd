# Runs pip so that nothing of a package can run: no other program may start, and at the first try to
# start Python, which is what pip does with a source package after it was downloaded, all ends at once.
import os, runpy, sys

STARTS = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.startfile",
          "pty.spawn", "_winapi.CreateProcess")


def forbid(event, details):
    if event.startswith(STARTS):
        if sys.executable and sys.executable in repr(details):
            os._exit(77)
        raise PermissionError("no program may start here")


if not hasattr(sys, "addaudithook"):
    sys.exit(78)
sys.addaudithook(forbid)
try:
    import pip
except ImportError:
    sys.exit("No module named pip")
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__", alter_sys=True)
