"""The process that has the libraries loaded and forks a fresh process for each side of each pair.

    python -P zygote.py        a line of JSON on its input is a fork: {"address", "path", ...}

It computes nothing and imports nothing of ours, so that all that base and head share (libraries,
their place in memory, the seed of hashes) is the same for both, and only our code differs. It ends,
and its forks with it, when its input closes.
"""

import ctypes
import gc
import importlib
import importlib.util
import json
import os
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PR_SET_PDEATHSIG = 1
LIBRARIES = ("scipy.optimize", "sklearn.manifold", "pyarrow", "jinja2", "pydantic")


def main() -> None:
    """Load the libraries, say so, fork on demand until the input closes."""
    _package("measured", HERE.parent.parent / "asv")  # loads most
    _package("measuring", HERE)
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a fork that collects garbage need not look through all libraries again
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not reach the protocol
    out.write("ready\n")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel clears away what has ended
    for line in sys.stdin.buffer:
        order = json.loads(line)
        if os.fork() == 0:
            _become_side(order)


def _become_side(order: dict[str, object]) -> None:
    """Be one side until the connection closes; never returns."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # subprocess waits for its children
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        serve = importlib.import_module("measuring.side").serve
        serve(order)
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _package(name: str, folder: Path) -> None:
    """The package in that folder under another name: the revision has one of its own."""
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C: the check decides
    main()
