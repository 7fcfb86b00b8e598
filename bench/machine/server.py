"""The process that has the libraries loaded and forks a process for every cell.

It reads jobs from its standard input, one JSON object a line, and reports on its standard output:

    {"job": 7, "kind": "cell" | "table", "folder": ..., "slot": {"cores": [0], ...}, ...}   in
    {"event": "ready"}  {"event": "started", "job": 7, "pid": 123}
    {"event": "ended", "job": 7, "code": 0}        code < 0: killed by that signal         out

It starts no threads and touches no GPU, so that its forks inherit no thread pools and no context.
A module that it loads may have a function `before_forks`, for what is better done once.
When its input closes, whatever the reason, it kills its children and ends: a run that dies leaves
no cell behind. When it dies itself, the kernel kills the children.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 1.0  # a child that ends wakes the server up before
DISK_FULL = 74  # EX_IOERR: the record could not be written


def main(modules: list[str]) -> None:
    """Load the modules that cells will need, then fork on demand until the input closes."""
    for name in modules:
        with contextlib.suppress(Exception):  # the cell that needs it will fail, with its reason
            module = importlib.import_module(name)
            getattr(module, "before_forks", lambda: None)()
    gc.collect()
    gc.freeze()  # a fork that collects garbage would copy every page that it looks at
    woken, waker = os.pipe()
    for end in (woken, waker):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not reach the protocol
    _say(out, event="ready")
    running: dict[int, int] = {}  # pid -> job
    buffer = b""
    while True:
        readable, _, _ = select.select([0, woken], [], [], POLL_SECONDS)
        if woken in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 1 << 12)
        if 0 in readable:
            received = os.read(0, 1 << 20)
            if not received:
                break
            *lines, buffer = (buffer + received).split(b"\n")
            for line in lines:
                job = json.loads(line)
                pid = _fork(job)
                running[pid] = job["job"]
                _say(out, event="started", job=job["job"], pid=pid)
        _reap(running, out)
    for pid in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def _say(out: Any, **event: Any) -> None:
    out.write(json.dumps(event) + "\n")


def _reap(running: dict[int, int], out: Any) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        if pid in running:
            code = os.waitstatus_to_exitcode(status)
            _say(out, event="ended", job=running.pop(pid), code=code)


def _fork(job: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        return pid
    code = 1
    try:
        _become_cell(job)
        code = _do(job)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _become_cell(job: dict[str, Any]) -> None:
    """Own process group (so that all of it can be killed), own cores and GPU, own log."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    _die_with_parent()
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setaffinity(0, job["slot"]["cores"])
    if job["slot"]["gpu"] is not None:  # nothing here has looked for GPUs yet
        os.environ["CUDA_VISIBLE_DEVICES"] = job["slot"]["gpu"]
    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if "torch" in sys.modules:  # tables are made without it
        import torch

        torch.set_num_threads(len(job["slot"]["cores"]))


def _die_with_parent() -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _do(job: dict[str, Any]) -> int:
    from bench.cell import Cell, TableRequest
    from bench.store.tables import prepare

    folder = Path(job["folder"])
    try:
        if job["kind"] == "table":
            told = prepare(folder / "tables", TableRequest(**job["table"]))
            Path(job["answer"]).write_text(json.dumps(told))
        else:
            from bench.run.worker import run_cell
            from bench.store.store import Store

            cell = Cell(**{**job["cell"], "table": TableRequest(**job["cell"]["table"])})
            context = {**job["context"], "shared": list(job["slot"]["shared"])}
            run_cell(Store(folder), cell, job["dataset"], context, job["dispatched"])
    except OSError as error:
        sys.stderr.write(f"cannot write: {error.strerror}\n")
        return DISK_FULL
    return 0


if __name__ == "__main__":
    # A terminal's Ctrl-C reaches the whole group; the runner decides what it means. SLURM sends
    # these two to all of a job that it preempts; there, too, the process that started this decides.
    for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
        signal.signal(kind, signal.SIG_IGN)
    _die_with_parent()  # also while libraries are loaded, when nobody reads the input
    main(sys.argv[1:])
