"""Two output folders that share some cells, merged by `bench collect`."""

import tempfile
import time
from pathlib import Path
from typing import Any

from bench.asv.stores import fill
from bench.cluster.collect import collect
from bench.experiments.runner import Case

TARGET = "two folders of 5,000 cells, 500 in both: merged in under 5 s"


def cases() -> list[Case]:
    return [Case("two_folders", {"cells": 5000, "shared": 500})]


def measure(cells: int, shared: int) -> dict[str, Any]:
    """Seconds to merge into a new folder, and again when nothing is new."""
    with tempfile.TemporaryDirectory() as place:
        one, two, out = (Path(place) / name for name in ("one", "two", "out"))
        total = 2 * cells - shared
        fill(one, total, range(cells))
        fill(two, total, range(cells - shared, total))
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            collect([one, two], out)
            seconds.append(time.perf_counter() - start)
        n_merged = len(list((out / "cells").glob("*.json")))
    return {"cells": n_merged, "seconds_new": seconds[0], "seconds_again": seconds[1]}


def summary(records: list[dict[str, Any]]) -> str:
    found = records[0]["measured"]
    return (
        f"- {found['cells']} cells in {found['seconds_new']:.2f} s; again, with nothing new: "
        f"{found['seconds_again']:.2f} s"
    )
