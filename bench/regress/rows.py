"""The rows of a check (a workload and its sizes, of some milliseconds each), and its settings."""

import os
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError, unknown

Sizes = tuple[str, dict[str, Any]]  # module.function in bench/asv, and its parameters

ROWS: dict[str, Sizes] = {
    "normalise_standard": ("workloads.normalise", {"scale": "standard", "n_samples": 100}),
    "normalise_minmax": (
        "workloads.normalise",
        {"scale": "minmax", "log": False, "n_samples": 100},
    ),
    "convert": ("workloads.convert", {"n_samples": 100}),
    "fold": ("workloads.fold", {}),
    "fold_random": ("workloads.fold", {"layout": "random", "n_samples": 50}),
    "unfold": ("workloads.unfold", {"n_samples": 50}),
    "learn_layout": ("workloads.learn_layout", {"n_features": 16}),
    "screen": ("workloads.screen", {"side": 20}),
    "train_patch": ("workloads.train", {"backbone": "patch", "gated": True}),
    "train_cnn_small": ("workloads.train", {"backbone": "cnn_small", "n_samples": 32}),
    "predict": ("workloads.predict", {}),
    "saliency": ("workloads.attribute", {"method": "saliency", "backbone": "patch"}),
    "store_append": ("harness.store_append", {}),
    "store_read": ("harness.store_read", {}),
    "report_tables": ("harness.report_tables", {"n_records": 1}),
    "import_cli": ("harness.import_cli", {}),
}

# Too slow for a clock that alternates: only their figures are compared.
EXACT_ROWS: dict[str, Sizes] = {
    "train_resnet18": ("workloads.train", {"backbone": "resnet18", "n_samples": 4}),
    "train_vit": ("workloads.train", {"backbone": "vit", "n_samples": 8}),
    "integrated_gradients": (
        "workloads.attribute",
        {"method": "integrated_gradients", "backbone": "patch", "n_samples": 8},
    ),
}

# No code of this project: if it differs between base and head, the machine changed.
CONTROL = "control"
CONTROL_WORKLOAD: Sizes = ("workloads.control", {})

ACCEPTED = ("output", "peak_numpy", "peak_torch", "allocated_torch", "passes", "operators")


@dataclass(frozen=True)
class Settings:
    """What a check measures, and for how long.

    Args:
        rows: only these; empty means all.
        seconds: the time after which no pair beyond the fewest begins; after twice that no pair at
            all. Rows that are measured again have half of it.
        accept: intended changes: a row, "row.output" or "row.<figure>".
    """

    rows: tuple[str, ...] = ()
    seconds: float = 200.0
    accept: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse wrong settings before any work.

        Raises:
            BenchError: an unknown row or figure, no row to time, or a system without affinity.
        """
        known = {**ROWS, **EXACT_ROWS}
        for name in self.rows:
            if name not in known:
                raise unknown(name, "row", known, "--only")
        for name in self.accept:
            row, _, figure = name.partition(".")
            if row not in known:
                raise unknown(row, "row", known, "--accept")
            if figure and figure not in ACCEPTED:
                raise unknown(figure, "figure", ACCEPTED, f"--accept {name}")
        if not self.choose(ROWS):
            message = f"--only {self.rows[0]} leaves nothing to time; add one of {', '.join(ROWS)}"
            raise BenchError(message)
        if not hasattr(os, "sched_setaffinity"):
            message = "bench regress needs Linux: it keeps what it measures on one core"
            raise BenchError(message)

    def choose(self, rows: dict[str, Sizes]) -> dict[str, Sizes]:
        """Those of `rows` that are wanted."""
        return {name: rows[name] for name in rows if not self.rows or name in self.rows}


def measured_core() -> int:
    """The core to measure on: the last that this process may use."""
    return max(os.sched_getaffinity(0))
