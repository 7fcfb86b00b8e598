"""Time and peak memory of each phase of a cell, and the progress file of a cell."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# The phases whose time and memory tables count.
COUNTED = ("convert_fit", "convert_train", "train", "convert_test", "predict")
STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")


class Phases:
    """Record phases in order and call `on_change` after each start and end.

    Seconds are wall-clock time, with the device synchronised. `peak_host_mib` is the peak
    resident memory of the phase, minus that of the process when the cell began, so that preloaded
    libraries do not count. `peak_device_mib` is the peak of torch's allocator, None without a GPU.
    `device` is "cpu", "cuda" or "mps". On the CPU, torch is not loaded.
    """

    def __init__(self, device: str, on_change: Callable[[], None] = lambda: None) -> None:
        self.device = device
        self.records: dict[str, dict[str, float | None]] = {}
        self.current: str | None = None
        self.on_change = on_change
        self._baseline = _resident_mib("VmRSS")

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self.current = name
        self.on_change()
        _reset_peaks(self.device)
        _synchronise(self.device)
        start = time.perf_counter()
        yield
        _synchronise(self.device)
        seconds = time.perf_counter() - start
        self.records[name] = {
            "seconds": seconds,
            "peak_host_mib": round(max(0.0, _resident_mib("VmHWM") - self._baseline), 1),
            "peak_device_mib": _device_peak_mib(self.device),
        }
        self.current = None
        self.on_change()

    @property
    def total_seconds(self) -> float:
        return sum(float(record["seconds"] or 0.0) for record in self.records.values())


class ProgressFile:
    """The file `running/<key>.json`: the `current` phase (or null), and `phases`.

    The process that kills the cell reads it. The file is overwritten in place and never truncated:
    on ext4, closing a truncated file waits for the disk, 3 ms each, twenty times a cell.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._path = _path(folder, key)
        self._path.parent.mkdir(exist_ok=True)
        self._file = self._path.open("wb")
        self._size = 0

    def write(self, phases: Phases) -> None:
        text = json.dumps({"current": phases.current, "phases": phases.records}).encode()
        self._size = max(self._size, len(text))
        self._file.seek(0)
        self._file.write(text.ljust(self._size))  # spaces overwrite the rest of a longer text
        self._file.flush()

    def remove(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def read_progress(folder: Path, key: str) -> dict[str, Any]:
    """Read the progress file of a killed cell. {} if it is missing or broken."""
    try:
        return json.loads(_path(folder, key).read_text())
    except (OSError, json.JSONDecodeError):
        return {}


def _path(folder: Path, key: str) -> Path:
    return folder / "running" / f"{key}.json"


def _synchronise(device: str) -> None:
    if device == "cpu":  # calls are synchronous
        return
    import torch

    from deepmapper.training.devices import synchronise

    synchronise(torch.device(device))


def _reset_peaks(device: str) -> None:
    if CLEAR_REFS.exists():
        CLEAR_REFS.write_text("5")  # proc(5): resets the peak resident set size
    if device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def _resident_mib(field: str) -> float:
    """Read VmRSS (now) or VmHWM (peak since the last reset), in MiB."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def _device_peak_mib(device: str) -> float | None:
    if device != "cuda":
        return None
    import torch

    return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
