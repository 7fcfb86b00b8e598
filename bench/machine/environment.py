"""Versions and hardware of a run, without names of machine, user or folders."""

import hashlib
import platform
import subprocess
import sys
import uuid
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from bench.catalog import ROOT
from bench.machine.slots import own_cores

PACKAGES = (
    *("torch", "torchvision", "captum", "numpy", "scipy", "pandas", "scikit-learn"),
    *("pydeepinsight", "pyarrow"),
)
# Instructions by which torch and numpy choose kernels. They affect last digits and times.
CPU_FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
CPU_INFO = Path("/proc/cpuinfo")
DEVICES = Path("/dev")


class Hardware(NamedTuple):
    """The hardware of a cell. A field is None if the record lacks it.

    Times of cells on equal hardware are comparable, also between machines.
    """

    cpu: str | None
    cpu_features: tuple[str, ...] | None
    n_cpus: int | None
    gpu: str | None
    threads: int | None


@cache
def environment() -> dict[str, Any]:
    """Versions, platform, processor, memory, GPU, and commit of the checkout."""
    import psutil

    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "machine": machine_id(),
        "cpu": _cpu_name(),
        "cpu_features": cpu_features(CPU_INFO.read_text() if CPU_INFO.exists() else ""),
        "n_cpus": len(own_cores()),
        "memory_mib": psutil.virtual_memory().total // 2**20,
        "gpu": _gpu_name(),
        "packages": _versions(),
        **_commit(),
    }


@cache
def machine_id() -> str:
    """Eight hexadecimal digits, constant on this machine, that do not identify it."""
    paths = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
    machine = next((text for p in paths if p.is_file() and (text := p.read_text().strip())), None)
    secret = f"deepmapper {machine or uuid.getnode()}"
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


@cache
def may_have_accelerator() -> bool:
    """Whether torch might find a GPU. On Linux, False without a device file.

    NVIDIA's drivers make nvidia* (on Tegra nvhost*, nvmap), AMD's kfd, Windows' subsystem dxg.
    """
    patterns = ("nvidia*", "nvhost*", "nvmap", "kfd", "dxg")
    return sys.platform != "linux" or any(any(DEVICES.glob(name)) for name in patterns)


def hardware(record: dict[str, Any]) -> Hardware:
    """Get the hardware of a cell from its record."""
    facts = record.get("environment") or {}
    features = facts.get("cpu_features")
    return Hardware(
        facts.get("cpu"),
        None if features is None else tuple(features),
        facts.get("n_cpus"),
        facts.get("gpu"),
        record.get("threads"),
    )


def sharing_reasons(record: dict[str, Any]) -> list[str]:
    """Reasons why a cell's times do not count: it shared its cores or its GPU.

    For old records without `shared`: more threads than cores, or several cells on a GPU.
    """
    if record.get("shared") is not None:
        return list(record["shared"])
    n_cpus = (record.get("environment") or {}).get("n_cpus")
    jobs, threads = record.get("jobs") or 1, record.get("threads") or 1
    reasons = []
    if n_cpus and jobs * threads > n_cpus:
        reasons.append(f"cores: {jobs} cells of {threads} threads side by side on {n_cpus} cores")
    if jobs > 1 and record.get("device") not in (None, "cpu"):
        reasons.append(f"GPU: {jobs} cells side by side on 1")
    return reasons


def _versions() -> dict[str, str]:
    installed = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            installed[name] = version(name)
    return installed


def cpu_features(info: str) -> list[str]:
    """Find the `CPU_FEATURES` in the flags of /proc/cpuinfo. [] on ARM.

    The CPU's name is not enough: virtual machines with and without AVX-512 report "AMD EPYC".

    >>> cpu_features("model name\\t: AMD EPYC\\nflags\\t\\t: fpu avx2 avx512f avx512vl\\n")
    ['avx2', 'avx512f']
    """
    lines = [line for line in info.splitlines() if line.split(":")[0].strip() == "flags"]
    flags = lines[0].split(":", 1)[1].split() if lines else []
    return [name for name in CPU_FEATURES if name in flags]


def _cpu_name() -> str:
    lines = CPU_INFO.read_text().splitlines() if CPU_INFO.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _gpu_name() -> str | None:
    try:
        import pynvml

        pynvml.nvmlInit()
        return str(pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(0)))
    except Exception:  # no driver, no library or no device
        return None


def _commit() -> dict[str, Any]:
    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=10
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        return {"commit": git("rev-parse", "HEAD") or None, "dirty": bool(git("status", "-s"))}
    except (OSError, subprocess.TimeoutExpired):
        return {"commit": None, "dirty": None}
