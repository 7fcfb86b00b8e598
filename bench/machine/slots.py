"""Split cores and GPUs among cells, and measure the load of other processes."""

import os
import resource
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.store.locks import Claims

OTHERS_SHARE = 0.15  # maximum load of other processes on a cell's cores for its times to count
SHORTEST_SECONDS = 1.0  # minimum time to measure a load: the kernel counts in 0.01 s
STAT = Path("/proc/stat")


@dataclass(frozen=True)
class Slot:
    """Room for one cell at a time.

    `cores` are core numbers. `gpu` is a value of CUDA_VISIBLE_DEVICES, or None to leave it.
    `shared` has the reasons why cells in this slot share cores or a GPU.
    """

    cores: tuple[int, ...]
    gpu: str | None = None
    shared: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def split_cores(n_slots: int, cores: Sequence[int], gpus: Sequence[str] = ()) -> list[Slot]:
    """Split the cores evenly into `n_slots` slots.

    Slots share cores if there are more slots than cores. All slots have the same number of cores,
    so that times are comparable: with 3 slots on 8 cores, 2 cores are unused.

    >>> [slot.cores for slot in split_cores(2, [0, 1, 2, 3, 4])]
    [(0, 1), (2, 3)]
    >>> [slot.gpu for slot in split_cores(2, [0, 1], ["4", "7"])]
    ['4', '7']
    >>> split_cores(3, [0, 1])[2]
    Slot(cores=(0,), gpu=None, shared=('cores: 3 cells side by side on 2 cores',))
    """
    n_cores = max(1, len(cores) // n_slots)
    shared = []
    if n_slots > len(cores):
        shared.append(f"cores: {n_slots} cells side by side on {_count(len(cores), 'core')}")
    if gpus and n_slots > len(gpus):
        shared.append(f"GPU: {n_slots} cells side by side on {_count(len(gpus), 'GPU')}")
    return [
        Slot(
            tuple(cores[(i * n_cores + j) % len(cores)] for j in range(n_cores)),
            gpus[i % len(gpus)] if gpus else None,
            tuple(shared),
        )
        for i in range(n_slots)
    ]


def own_cores() -> list[int]:
    """List the cores that this process may use."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return cores or list(range(os.cpu_count() or 1))


def visible_gpus() -> list[str]:
    """List the CUDA devices of this process, in the form of CUDA_VISIBLE_DEVICES.

    NVML lists them: torch would open a CUDA context, and forks could not use a GPU then.
    """
    variable = os.environ.get("CUDA_VISIBLE_DEVICES")
    if variable is not None:
        return [name.strip() for name in variable.split(",") if name.strip() not in ("", "-1")]
    try:
        import pynvml

        pynvml.nvmlInit()
        return [str(i) for i in range(pynvml.nvmlDeviceGetCount())]
    except Exception:  # no driver, no library or no device
        return []


class Leases:
    """Leases of cores and GPUs among the workers of a machine, as lock files.

    A lease ends with its process.
    """

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or Path(tempfile.gettempdir()) / f"deepmapper-leases-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._claims = Claims(folder)

    def slot(self, n_cores: int, device: str) -> Slot:
        """Lease cores and a GPU for a cell. Mark the slot as shared if too few are free."""
        cores, gpus = own_cores(), visible_gpus() if device == "cuda" else []
        leased = [c for c in cores if len(cores) >= n_cores and self._claims.take(f"core-{c}")]
        for core in leased[n_cores:]:
            self._claims.drop(f"core-{core}")
        shared = []
        if len(leased) < n_cores:
            shared.append(f"cores: {_count(len(leased), 'core')} free of {n_cores} asked for")
            leased = cores[:n_cores]
        gpu = next((gpu for gpu in gpus if self._claims.take(f"gpu-{gpu}")), None)
        if gpus and gpu is None:
            shared.append(f"GPU: none of {len(gpus)} is free")
            gpu = gpus[0]
        return Slot(tuple(leased[:n_cores]), gpu, tuple(shared))

    def close(self) -> None:
        """Release all leases."""
        self._claims.drop_all()


class LoadMonitor:
    """Measures the load of other processes on the cores and the GPU of this one."""

    def __init__(self) -> None:
        self._start = time.monotonic(), own_seconds(), _busy_seconds(own_cores())

    def describe_load(self, device: str) -> list[str]:
        """Describe the load so far as reasons why times do not count, or return []."""
        reasons = []
        start, own, busy = self._start
        seconds, now = time.monotonic() - start, _busy_seconds(own_cores())
        if busy is not None and now is not None and seconds >= SHORTEST_SECONDS:
            load = now - busy - (own_seconds() - own)
            share = load / (seconds * len(own_cores()))
            if share > OTHERS_SHARE:
                reasons.append(f"cores: {share:.0%} of their time went to others")
        if device.startswith("cuda") and (n := _processes_on_gpu()) > 1:
            reasons.append(f"GPU: {n} processes on it")
        return reasons


def own_seconds() -> float:
    """CPU time of this process and of its descendants, living or ended."""
    usages = [
        resource.getrusage(target) for target in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    seconds = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it ended just now
            seconds += sum(child.cpu_times()[:4])
    return seconds


def _busy_seconds(cores: Sequence[int]) -> float | None:
    """Busy time of the cores since boot, or None if unknown.

    proc_stat(5): user nice system idle iowait irq softirq steal. Steal, the time of other virtual
    machines, counts as busy.
    """
    if not STAT.exists():
        return None
    ticks = {
        words[0]: sum(map(int, words[1:4])) + sum(map(int, words[6:9]))
        for words in map(str.split, STAT.read_text().splitlines())
        if words[0].startswith("cpu")
    }
    names = [f"cpu{core}" for core in cores]
    if not all(name in ticks for name in names):
        return None
    return sum(ticks[name] for name in names) / os.sysconf("SC_CLK_TCK")


def _processes_on_gpu() -> int:
    """Count the processes that compute on the first visible GPU. 0 if unknown."""
    try:
        import pynvml

        pynvml.nvmlInit()
        gpu = visible_gpus()[0]
        by_index = pynvml.nvmlDeviceGetHandleByIndex
        handle = by_index(int(gpu)) if gpu.isdigit() else pynvml.nvmlDeviceGetHandleByUUID(gpu)
        return len(pynvml.nvmlDeviceGetComputeRunningProcesses(handle))
    except Exception:  # a container may hide processes
        return 0


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
