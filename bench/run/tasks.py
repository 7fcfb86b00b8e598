"""The tasks of a run: a cell with the facts that its process needs, and what all cells share."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from bench.cell import Cell
from bench.machine.processes import Limits
from bench.metrics import METRICS
from bench.store.records import Dataset, Method, Record, Split


@dataclass(frozen=True)
class Work:
    """The settings that all cells of a run share.

    Args:
        folder: the output folder, absolute; every machine sees it under this path.
        modules: those that a cell's process needs, loaded before.
        device: "cpu", "cuda" or "mps".
        limits: of one cell.
    """

    folder: str
    modules: tuple[str, ...]
    device: str
    limits: Limits

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Work":
        """The work of a dictionary that `asdict` made."""
        parts = {"modules": tuple(data["modules"]), "limits": Limits(**data["limits"])}
        return cls(**{**data, **parts})


@dataclass(frozen=True)
class Task:
    """A cell to run.

    Args:
        key: of its record.
        dataset: the description of its table, with the label.
    """

    key: str
    cell: Cell
    dataset: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {"key": self.key, "cell": asdict(self.cell), "dataset": self.dataset}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Task":
        return cls(data["key"], Cell.from_dict(data["cell"]), data["dataset"])

    def record(self, **known: Any) -> Record:
        """Its record before the cell runs, with the fields in `known`."""
        cell, facts = self.cell, self.dataset
        names = {field.name for field in fields(Dataset)}
        return Record(
            key=self.key,
            dataset=Dataset(**{name: facts[name] for name in facts if name in names}),
            method=Method(cell.method, cell.label, cell.params, cell.source_hash),
            seed=cell.seed,
            split=Split(None, cell.test_fraction),
            device=cell.device,
            metrics=dict.fromkeys(METRICS),
            **known,
        )


@dataclass(frozen=True)
class Ended:
    """A task that has left its executor. If the store has no record of its cell:

    Args:
        written: the other machine saw one: a shared folder may be slow to show it here.
        held: another run works on the cell.
        reason: why the record is missing, if the executor knows.
    """

    key: str
    written: bool = False
    held: bool = False
    reason: str = "it ended without a record"
