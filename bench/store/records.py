"""The record of a cell: one frozen class and its JSON.

`status` is one of "ok", "failed", "timeout", "out_of_memory", "diverged", "unavailable",
"unsupported". It is that of fitting and predicting. What follows the predictions has a status of
its own (`attribution_status`): "ok", "timeout", "out_of_memory", "failed", or "none" for a method
without attributions and a cell without predictions.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

SCHEMA = 2
NEAR_LIMIT = 0.7  # of a limit: a cell above this share of it is marked


@dataclass(frozen=True)
class Dataset:
    """A table and its split. Sizes are None for a table that could not be made."""

    name: str
    label: str
    params: Mapping[str, Any]
    checksum: str | None
    n_samples: int | None
    n_features: int | None
    n_classes: int | None
    classes: list[str]
    relevant: list[int] | None
    source: Mapping[str, Any] | None
    prepare_seconds: float | None = None
    n_train: int | None = None
    n_test: int | None = None


@dataclass(frozen=True)
class Method:
    """A method with its parameters; `source_hash` covers every file of ours that it imports."""

    name: str
    label: str
    params: Mapping[str, Any]
    source_hash: str
    looks_at_labels: bool | None = None


@dataclass(frozen=True)
class Split:
    """How test rows were drawn: "stratified", "random" or "official"."""

    kind: str | None
    test_fraction: float


@dataclass(frozen=True)
class Record:
    """What became of a cell.

    Args:
        transient: something from outside ended it: the next run tries again.
        phases: seconds and peak memory (MiB) by phase, in their order.
        metrics: values of `bench.metrics`, of whose source `metrics_version` is the SHA-256.
        wall_seconds: from giving the cell out to writing its record.
        overhead_seconds: the part of it that lies in no phase.
        cpu_seconds: of all processes of the cell, until its predictions were stored.
        limits: that the cell had: `cpu_seconds`, `wall_seconds`, `memory_mib`.
        near_limit: whether it used over 70% of one of them.
        shared: why its times are not its own; empty if it was alone on its cores.
        jobs, threads: cells side by side, and threads of each.
    """

    key: str
    dataset: Dataset
    method: Method
    seed: int
    split: Split
    device: str
    schema: int = SCHEMA
    status: str = "failed"
    reason: str | None = None
    transient: bool = False
    traceback: str | None = None
    attribution_status: str = "none"
    attribution_reason: str | None = None
    phases: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    metrics_version: str | None = None
    n_parameters: int | None = None
    image_shape: list[int] | None = None
    wall_seconds: float | None = None
    overhead_seconds: float | None = None
    cpu_seconds: float | None = None
    near_limit: bool = False
    started: str | None = None
    finished: str | None = None
    warnings: list[str] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)
    jobs: int = 1
    threads: int = 1
    executor: str | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)

    @property
    def place(self) -> tuple[str, str, int]:
        """Its place in the tables: (dataset label, method label, seed)."""
        return self.dataset.label, self.method.label, self.seed

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The record of a dictionary as `to_dict` makes it.

        Raises:
            TypeError: a field is missing or unknown.
        """
        parts = {
            "dataset": Dataset(**data["dataset"]),
            "method": Method(**data["method"]),
            "split": Split(**data["split"]),
        }
        return cls(**{**data, **parts})

    def to_json(self) -> str:
        """Raises ValueError for NaN and infinity, which JSON has not."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls.from_dict(json.loads(text))


def is_near(limits: Mapping[str, float], used: Mapping[str, float]) -> bool:
    """Whether something that was used exceeds 70% of its limit.

    >>> is_near({"cpu_seconds": 10.0, "memory_mib": 1000}, {"cpu_seconds": 7.5})
    True
    """
    return any(used[name] > NEAR_LIMIT * limits[name] for name in used.keys() & limits.keys())
