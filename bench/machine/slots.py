"""Cores and GPUs of a machine, split fairly among cells, and the load of other processes."""

import os
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.store.locks import Claims

OTHERS_SHARE = 0.15  # of a cell's cores: above it times do not count
SHORTEST_SECONDS = 1.0  # the kernel counts a core's time in hundredths of a second
STAT = Path("/proc/stat")


@dataclass(frozen=True)
class Slot:
    """Room for one cell at a time.

    Args:
        cores: the numbers of its cores.
        gpu: its GPU as CUDA_VISIBLE_DEVICES names it; None leaves all of them visible.
        shared: why a cell in it shares cores or a GPU; empty if it does not.
    """

    cores: tuple[int, ...]
    gpu: str | None = None
    shared: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def split_cores(n_slots: int, cores: Sequence[int], gpus: Sequence[str] = ()) -> list[Slot]:
    """Split the cores evenly into `n_slots` slots, which share cores if there are too few.

    Equal shares keep times comparable: with 3 slots on 8 cores, 2 cores are unused.

    >>> [slot.cores for slot in split_cores(2, [0, 1, 2, 3, 4])]
    [(0, 1), (2, 3)]
    >>> [slot.gpu for slot in split_cores(2, [0, 1], ["4", "7"])]
    ['4', '7']
    >>> split_cores(3, [0, 1])[2]
    Slot(cores=(0,), gpu=None, shared=('cores: 3 cells side by side on 2 cores',))
    """
    each = max(1, len(cores) // n_slots)
    shared = []
    if n_slots > len(cores):
        shared.append(f"cores: {n_slots} cells side by side on {_count(len(cores), 'core')}")
    if gpus and n_slots > len(gpus):
        shared.append(f"GPU: {n_slots} cells side by side on {_count(len(gpus), 'GPU')}")
    return [
        Slot(
            tuple(cores[(i * each + j) % len(cores)] for j in range(each)),
            gpus[i % len(gpus)] if gpus else None,
            tuple(shared),
        )
        for i in range(n_slots)
    ]


def own_cores() -> list[int]:
    """The cores that this process may use."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return cores or list(range(os.cpu_count() or 1))


def visible_gpus() -> list[str]:
    """The CUDA devices that this process may use, as CUDA_VISIBLE_DEVICES names them.

    From the driver's library: torch would open a context, and forks could not use a GPU then.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    try:
        import pynvml

        pynvml.nvmlInit()
        return [str(i) for i in range(pynvml.nvmlDeviceGetCount())]
    except Exception:  # no driver, no library or no device
        return []


class Leases:
    """Cores and GPUs that workers of one machine leave to each other, by a lock for each.

    A lease ends with its process.
    """

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or Path(tempfile.gettempdir()) / f"deepmapper-leases-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._claims = Claims(folder)

    def slot(self, n_cores: int, device: str) -> Slot:
        """Room for a cell on free cores and a free GPU; marked as shared if there are too few."""
        cores, gpus = own_cores(), visible_gpus() if device == "cuda" else []
        mine = [c for c in cores if len(cores) >= n_cores and self._claims.take(f"core-{c}")]
        for core in mine[n_cores:]:
            self._claims.drop(f"core-{core}")
        shared = []
        if len(mine) < n_cores:
            shared.append(f"cores: {_count(len(mine), 'core')} free of {n_cores} asked for")
            mine = cores[:n_cores]
        gpu = next((gpu for gpu in gpus if self._claims.take(f"gpu-{gpu}")), None)
        if gpus and gpu is None:
            shared.append(f"GPU: none of {len(gpus)} is free")
            gpu = gpus[0]
        return Slot(tuple(mine[:n_cores]), gpu, tuple(shared))

    def close(self) -> None:
        """Give all leases back."""
        self._claims.drop_all()


class Watch:
    """Measures the load of other processes on the cores and the GPU of this one."""

    def __init__(self) -> None:
        self._start = time.monotonic(), own_seconds(), _busy_seconds(own_cores())

    def others(self, device: str) -> list[str]:
        """The load of others so far, as reasons for which times do not count."""
        reasons = []
        start, own, busy = self._start
        seconds, now = time.monotonic() - start, _busy_seconds(own_cores())
        if busy is not None and now is not None and seconds >= SHORTEST_SECONDS:
            theirs = now - busy - (own_seconds() - own)
            share = theirs / (seconds * len(own_cores()))
            if share > OTHERS_SHARE:
                reasons.append(f"cores: {share:.0%} of their time went to others")
        if device.startswith("cuda") and (n := _processes_on_gpu()) > 1:
            reasons.append(f"GPU: {n} processes on it")
        return reasons


def own_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _busy_seconds(cores: Sequence[int]) -> float | None:
    """Time that cores have worked since the machine's start; None if unknown.

    proc_stat(5): user nice system idle iowait irq softirq steal. Steal, the time of another guest
    of the same host, counts as work of others.
    """
    if not STAT.exists():
        return None
    ticks = {
        words[0]: sum(map(int, words[1:4])) + sum(map(int, words[6:9]))
        for words in map(str.split, STAT.read_text().splitlines())
        if words[0].startswith("cpu")
    }
    wanted = [f"cpu{core}" for core in cores]
    if not all(name in ticks for name in wanted):
        return None
    return sum(ticks[name] for name in wanted) / os.sysconf("SC_CLK_TCK")


def _processes_on_gpu() -> int:
    """Processes that compute on the first visible GPU, with this one; 0 if unknown."""
    try:
        import pynvml

        pynvml.nvmlInit()
        gpu = visible_gpus()[0]
        by_index = pynvml.nvmlDeviceGetHandleByIndex
        handle = by_index(int(gpu)) if gpu.isdigit() else pynvml.nvmlDeviceGetHandleByUUID(gpu)
        return len(pynvml.nvmlDeviceGetComputeRunningProcesses(handle))
    except Exception:  # a container may hide them
        return 0


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
