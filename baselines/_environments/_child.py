"""The process of `baselines._environment.call`, run by the Python of another environment.

    python -I _child.py SCRIPT FUNCTION OPTIONS PARENT < arrays.npz > results.npz

It imports nothing of this project. OPTIONS is a JSON object. PARENT is the id of the process that
started it: if that process dies, the kernel kills this one.
"""

import contextlib
import ctypes
import importlib.util
import io
import json
import os
import signal
import sys
from typing import Any

import numpy as np

PR_SET_PDEATHSIG = 1


def main(script: str, function: str, options: str, parent: str) -> None:
    """Call the function with the arrays of the input, and write those that it returns."""
    _die_with_parent(int(parent))
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # messages of libraries must not reach the results
    with np.load(io.BytesIO(sys.stdin.buffer.read())) as file:
        arrays = dict(file)
    results = getattr(_load(script), function)(**arrays, **json.loads(options))
    buffer = io.BytesIO()
    np.savez(buffer, **results)
    out.write(buffer.getvalue())
    out.close()


def _load(script: str) -> Any:
    spec = importlib.util.spec_from_file_location("script", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _die_with_parent(parent: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before
        sys.exit("the process that started this one has ended")


if __name__ == "__main__":
    main(*sys.argv[1:])
