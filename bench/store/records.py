"""The record of a cell, a frozen class that is stored as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

SCHEMA = 2
NEAR_LIMIT = 0.7  # a cell that used a larger fraction of a limit is marked


@dataclass(frozen=True)
class Dataset:
    """A table and its split. Sizes are None if the table could not be made.

    Attributes
    ----------
    name, label, params : see `bench.spec.Choice`
    checksum : SHA-256 of the content
    relevant : indices of the features that carry the labels, if they are known
    source : citation, address and licence
    prepare_seconds : time to make the table
    n_missing, n_groups : missing values, groups that a split keeps together (None: no groups)
    """

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
    n_missing: int | None = None
    n_groups: int | None = None


@dataclass(frozen=True)
class Method:
    """A method with its parameters.

    Attributes
    ----------
    name, label, params : see `bench.spec.Choice`
    source_hash : SHA-256 of its source and of every file of this project that it imports
    looks_at_labels : whether its conversion uses labels
    replicate : see `bench.spec.Choice`
    """

    name: str
    label: str
    params: Mapping[str, Any]
    source_hash: str
    looks_at_labels: bool | None = None
    replicate: int = 0


@dataclass(frozen=True)
class Split:
    """How test rows were chosen. `kind` is that of the spec, or "official".

    A kind that kept groups together ends with ", grouped".
    """

    kind: str | None
    test_fraction: float


@dataclass(frozen=True)
class Record:
    """The result of a cell.

    Attributes
    ----------
    key : hash of everything that affects the result, see `bench.cell.Cell.key`
    schema : version of this class
    status : of fitting and predicting: "ok", "failed", "timeout", "out_of_memory", "diverged",
        "unavailable" or "unsupported"
    reason, traceback : why the status is not "ok"
    transient : whether the cell was ended from outside. The next run repeats it
    attribution_status : of the steps after the predictions: "ok", "timeout", "out_of_memory",
        "failed", or "none" for a method without attributions or a cell without predictions
    phases : seconds and peak memory (MiB) of each phase, in order
    metrics, metrics_version : values of `bench.metrics`, and the SHA-256 of its source
    image_shape : (height, width) of the images, if the method makes images
    wall_seconds : time from submission of the cell to its record
    overhead_seconds : the part of `wall_seconds` that is in no phase
    cpu_seconds : CPU time of all processes of the cell, until its predictions were stored
    near_limit : whether the cell used more than 70% of a limit
    shared : reasons why its times do not count (empty: it did not share cores or GPU)
    jobs, threads : number of cells side by side, and of threads of each
    limits : `cpu_seconds`, `wall_seconds` and `memory_mib`
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
    def grid_point(self) -> tuple[str, str, int]:
        """Its point of the grid: (dataset label, method label, seed)."""
        return self.dataset.label, self.method.label, self.seed

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make a record of a dictionary. Raises TypeError for a wrong field."""
        parts = {
            "dataset": Dataset(**data["dataset"]),
            "method": Method(**data["method"]),
            "split": Split(**data["split"]),
        }
        return cls(**{**data, **parts})

    def to_json(self) -> str:
        """Write as JSON. Raises ValueError for NaN and infinity."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls.from_dict(json.loads(text))


def is_near(limits: Mapping[str, float], used: Mapping[str, float]) -> bool:
    """Whether a used amount exceeds 70% of its limit.

    >>> is_near({"cpu_seconds": 10.0, "memory_mib": 1000}, {"cpu_seconds": 7.5})
    True
    """
    return any(used[name] > NEAR_LIMIT * limits[name] for name in used.keys() & limits.keys())
