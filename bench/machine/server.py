"""A process that loads libraries once and forks a child for every job.

    python -P server.py MODULE... NAME=FOLDER...

It loads each MODULE, and each package in a FOLDER under another NAME, and calls the module's
`before_forks` if it exists. It reads jobs from its standard input, one JSON object a line, and
reports on its standard output:

    {"job": 7, "call": "module:function", "log": PATH or null, "slot": {...} or null, ...}    in
    {"event": "ready"}  {"event": "started", "job": 7, "pid": 123}
    {"event": "ended", "job": 7, "code": 0}              code < 0: killed by that signal     out

The child calls `function(job)`, which returns its exit code (None is 0). The server imports
nothing of this project by itself, starts no threads and touches no GPU, so that its forks inherit
no thread pool and no context. It kills its children and ends when its input closes. If it dies,
the kernel kills its children.

Not the standard library's forkserver: that is one per process with one list of modules, and its
children import the parent's `__main__` again.
"""

import contextlib
import ctypes
import gc
import importlib
import importlib.util
import json
import os
import random
import select
import signal
import sys
import zlib
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 1.0  # a child that ends wakes the server earlier


def main(preloaded: list[str]) -> None:
    """Load the modules, then fork jobs until the input closes."""
    for argument in preloaded:
        with contextlib.suppress(Exception):  # a job that needs it fails with the reason
            name, _, folder = argument.partition("=")
            module = _load_package(name, Path(folder)) if folder else importlib.import_module(name)
            getattr(module, "before_forks", lambda: None)()
    gc.collect()
    gc.freeze()  # garbage collection in a fork would copy every page that it visits
    wakeup_read, wakeup_write = os.pipe()
    for end in (wakeup_read, wakeup_write):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # output of libraries must not reach the protocol
    _report(out, event="ready")
    running: dict[int, int] = {}  # pid -> job
    buffer = b""
    while True:
        readable, _, _ = select.select([0, wakeup_read], [], [], POLL_SECONDS)
        if wakeup_read in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(wakeup_read, 1 << 12)
        if 0 in readable:
            received = os.read(0, 1 << 20)
            if not received:
                break
            *lines, buffer = (buffer + received).split(b"\n")
            for line in lines:
                job = json.loads(line)
                pid = _fork(job)
                running[pid] = job["job"]
                _report(out, event="started", job=job["job"], pid=pid)
        _reap(running, out)
    for pid in running:
        _kill_group(pid)


def _load_package(name: str, folder: Path) -> Any:
    """Load the package in a folder under another name."""
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _report(out: Any, **event: Any) -> None:
    out.write(json.dumps(event) + "\n")


def _reap(running: dict[int, int], out: Any) -> None:
    """Report the children that ended, and kill their remaining descendants."""
    while running:
        # The pid of an ended child is not reused before waitpid, so the group is its own.
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return
        if ended.si_pid in running:
            _kill_group(ended.si_pid)
        pid, status = os.waitpid(ended.si_pid, 0)
        if pid in running:
            code = os.waitstatus_to_exitcode(status)
            _report(out, event="ended", job=running.pop(pid), code=code)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _fork(job: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        return pid
    code = 1
    try:
        _become_job(job["log"], job["slot"])
        _seed_generators(job.get("record", {}).get("key", ""))
        module, _, function = job["call"].partition(":")
        code = getattr(importlib.import_module(module), function)(job) or 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _seed_generators(key: str) -> None:
    """Start the global random generators from the key of a cell.

    A method should use only its seed. One that draws from them gives the same result again, and
    others for other seeds.
    """
    seed = zlib.crc32(key.encode())
    random.seed(seed)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(seed)
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(seed)


def _become_job(log: str | None, slot: dict[str, Any] | None) -> None:
    """Set the process group (to kill all of it), log, cores and GPU of a child."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    _die_with_parent()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if log is not None:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(file, 1)
        os.dup2(file, 2)
    if slot is None:
        return
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setaffinity(0, slot["cores"])
    if slot["gpu"] is not None:  # no library has detected GPUs yet
        os.environ["CUDA_VISIBLE_DEVICES"] = slot["gpu"]
    if "torch" in sys.modules:  # tables are made without it
        import torch

        torch.set_num_threads(len(slot["cores"]))


def _die_with_parent() -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    # Ctrl-C reaches the whole group, and the runner handles it. SLURM sends the other two signals
    # to all processes of a job that it preempts, and the parent process handles them.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    _die_with_parent()  # also while modules are loaded and the input is not read
    main(sys.argv[1:])
