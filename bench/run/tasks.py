"""The tasks of a run, their shared settings, and their results."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from bench.cell import Cell
from bench.machine.processes import Limits
from bench.metrics import METRICS
from bench.store.records import Dataset, Method, Record, Split


@dataclass(frozen=True)
class CellSettings:
    """Settings that all cells of a run share.

    `folder` is the absolute path of the output folder, the same on every machine. `modules` are
    loaded before cells start. `device` is "cpu", "cuda" or "mps". `limits` are those of a cell.
    """

    folder: str
    modules: tuple[str, ...]
    device: str
    limits: Limits

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "CellSettings":
        """Make settings of a dictionary of `asdict`."""
        parts = {"modules": tuple(data["modules"]), "limits": Limits(**data["limits"])}
        return cls(**{**data, **parts})


@dataclass(frozen=True)
class Task:
    """A cell to run, with the key of its record and the description of its table."""

    key: str
    cell: Cell
    dataset: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {"key": self.key, "cell": asdict(self.cell), "dataset": self.dataset}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Task":
        return cls(data["key"], Cell.from_dict(data["cell"]), data["dataset"])

    def record(self, **values: Any) -> Record:
        """Make the record of the cell with the fields in `values`."""
        cell, facts = self.cell, self.dataset
        names = {field.name for field in fields(Dataset)}
        return Record(
            key=self.key,
            dataset=Dataset(**{name: facts[name] for name in facts if name in names}),
            method=Method(
                cell.method, cell.label, cell.params, cell.source_hash, replicate=cell.replicate
            ),
            seed=cell.seed,
            split=Split(None, cell.test_fraction),
            device=cell.device,
            metrics=dict.fromkeys(METRICS),
            **values,
        )


@dataclass(frozen=True)
class TaskResult:
    """The end of a task. Its other fields count if the store has no record.

    `written`: the other machine has seen a record, which a shared folder may show late.
    `claimed`: another run has claimed the cell. `reason`: why the record is missing.
    """

    key: str
    written: bool = False
    claimed: bool = False
    reason: str = "it ended without a record"
