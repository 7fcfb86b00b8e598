"""Two output folders, partly the same, merged: seconds, and the memory it takes."""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any
from unittest import mock

import numpy as np
import typer

from bench.cluster.collecting.command import collect
from bench.experiments.scale._keeping import Out, keep
from bench.machine.environment import environment
from bench.store.store import SCHEMA

SPEC = """
name = "scale"
seeds = [0]
datasets = ["digits"]
methods = ["majority"]
"""
N_METHODS = 20


def measure(
    cells: Annotated[int, typer.Option(help="Of each of two folders.")] = 5000,
    overlap: Annotated[float, typer.Option(help="The share of them that both have.")] = 0.1,
    folder: Annotated[Path | None, typer.Option(help="Where to make them.")] = None,
    out: Out = None,
) -> None:
    """Merge two folders: into a new one, again into the same, and with copies for links."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        one, two = Path(place) / "one", Path(place) / "two"
        shared = round(cells * overlap)
        fill(one, range(cells))
        fill(two, range(cells - shared, 2 * cells - shared))
        n_bytes = sum(path.stat().st_size for path in (one / "cells").iterdir()) // cells
        before = _peak_mib()
        seconds = {"into a new folder": _seconds([one, two], Path(place) / "linked")}
        seconds["again, nothing new"] = _seconds([one, two], Path(place) / "linked")
        with mock.patch("os.link", side_effect=OSError("another file system")):
            seconds["copied, not linked"] = _seconds([one, two], Path(place) / "copied")
        more = _peak_mib() - before
        keep(
            out,
            {
                "cells_of_each": cells,
                "cells_in_both": shared,
                "bytes_a_record": n_bytes,
                "seconds": {name: wall for name, (wall, _) in seconds.items()},
                "cpu_seconds": {name: cpu for name, (_, cpu) in seconds.items()},
                "mib_above_the_start": more,
            },
        )
        sys.stdout.write(
            f"2 x {cells} cells of {n_bytes} bytes, {shared} in both (asked for: under 5 s "
            f"for 2 x 5000 on one core)\n"
            + "".join(
                f"    {name}: {wall:.2f} s ({cpu:.2f} s of work)\n"
                for name, (wall, cpu) in seconds.items()
            )
            + f"    peak memory above the start's: {more} MiB\n"
        )


def _seconds(sources: list[Path], out: Path) -> tuple[float, float]:
    """On the clock, and of this process: the machine may have others."""
    start, work = time.perf_counter(), time.process_time()
    collect(sources, out)
    return time.perf_counter() - start, time.process_time() - work


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def fill(folder: Path, numbers: range) -> None:
    """An output folder as `bench run` leaves it, without flushes: the same number, the same cell.

    Its arrays are the same file under many names.
    """
    for name in ("cells", "artifacts", "tables"):
        (folder / name).mkdir(parents=True)
    (folder / "spec.toml").write_text(SPEC)
    (folder / "environment.json").write_text(json.dumps(environment()))
    for number in numbers:
        made = record(number)
        (folder / "cells" / f"{made['key']}.json").write_text(json.dumps(made, indent=1))
        arrays = np.random.default_rng(number).random((50, 4), dtype=np.float32)
        np.savez(folder / "artifacts" / f"{made['key']}.npz", probabilities=arrays)


def record(number: int, **changes: Any) -> dict[str, Any]:
    """A record as `bench.run.worker` writes it, of the number-th cell of a grid, about 6 KB."""
    method = number % N_METHODS
    phases = [*("warm_up", "load", "convert_fit", "convert_train", "train", "convert_test")]
    phases += ["predict", "predict_train", "test_curve", "attribute"]
    peaks = {"peak_host_mib": 347.8, "peak_device_mib": None}
    accuracy = 0.5 + 0.4 * (number * 37 % 101) / 101
    metrics = ("train_accuracy", "accuracy", "balanced_accuracy", "macro_f1", "log_loss", "auroc")
    return {
        "schema": SCHEMA,
        "key": f"{number:032x}",
        "status": "ok",
        "reason": None,
        "transient": False,
        "traceback": None,
        "dataset": {
            "name": "digits",
            "label": "digits",
            "params": {"seed": number // N_METHODS},
            "checksum": "ab" * 32,
            "n_samples": 1_000,
            "n_features": 2_500,
            "n_classes": 4,
            "classes": ["a", "b", "c", "d"],
            "relevant": list(range(0, 2_500, 10)),
            "source": {"citation": "Nobody (2024)", "address": "generated", "licence": "CC0"},
            "prepare_seconds": 0.1,
            "n_train": 750,
            "n_test": 250,
        },
        "method": {
            "name": f"method{method}",
            "label": f"method{method}",
            "params": {},
            "source_hash": "cd" * 32,
            "looks_at_labels": False,
        },
        "seed": number // N_METHODS,
        "split": {"kind": "stratified", "test_fraction": 0.25},
        "device": "cpu",
        "phases": {name: {"seconds": 0.1 + number % 7 / 100, **peaks} for name in phases},
        "metrics": dict.fromkeys(metrics, accuracy),
        "n_parameters": 10_000,
        "image_shape": [50, 50],
        "wall_seconds": 1.0 + number % 7 / 10,
        "overhead_seconds": 0.05,
        "started": "2026-05-01T10:00:00+00:00",
        "finished": "2026-05-01T10:01:00+00:00",
        "warnings": [],
        "jobs": 2,
        "threads": 1,
        "environment": environment(),
        **changes,
    }
