"""Time and peak memory of each phase of a cell, and the note of how far it is."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")


class Phases:
    """Records phases in order; `on_change` is called after each start and end.

    Seconds are wall time, the device synchronised at both ends. `peak_host_mib` is the highest
    resident memory during the phase above that of the process when the cell began (the libraries
    loaded before count for no method); `peak_device_mib` is the peak of torch's allocator, None
    without a GPU.

    Args:
        device: "cpu", "cuda" or "mps"; on the CPU torch is not loaded.
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


class Note:
    """Writes `running/<key>.json` at each phase: the `current` phase, or null, and `phases`.

    The process that may have to kill the cell reads it. It is overwritten and never emptied:
    closing an emptied file waits for the disk on ext4, 3 ms each, twenty times a cell.
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
        self._file.write(text.ljust(self._size))  # spaces over the rest of a longer one
        self._file.flush()

    def remove(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def read_note(folder: Path, key: str) -> dict[str, Any]:
    """The last note of a killed cell; {} if it is missing or broken."""
    try:
        return json.loads(_path(folder, key).read_text())
    except (OSError, json.JSONDecodeError):
        return {}


def _path(folder: Path, key: str) -> Path:
    return folder / "running" / f"{key}.json"


def _synchronise(device: str) -> None:
    if device == "cpu":  # a call returns when its work is done
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
    """VmRSS (now) or VmHWM (peak since the last reset) in MiB."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def _device_peak_mib(device: str) -> float | None:
    if device != "cuda":
        return None
    import torch

    return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
