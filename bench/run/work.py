"""What is given out: a cell with what its process has to know, and what all of a run share."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from bench.cell import Cell, TableRequest
from bench.machine.processes import Limits
from bench.metrics import METRICS
from bench.store.records import Dataset, Method, Record, Split


@dataclass(frozen=True)
class Work:
    """What all cells of a run have in common.

    Args:
        folder: the output folder, absolute; every machine at work sees it under this path.
        modules: what a cell's process needs, loaded beforehand.
        device: "cpu", "cuda" or "mps".
        limits: of one cell.
    """

    folder: str
    modules: tuple[str, ...]
    device: str
    limits: Limits

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Work":
        """From what `dataclasses.asdict` makes."""
        parts = {"modules": tuple(data["modules"]), "limits": Limits(**data["limits"])}
        return cls(**{**data, **parts})


@dataclass(frozen=True)
class Task:
    """A cell to run.

    Args:
        key: of its record.
        dataset: what is known of its table, with the label.
    """

    key: str
    cell: Cell
    dataset: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"key": self.key, "cell": asdict(self.cell), "dataset": self.dataset}

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> "Task":
        cell = Cell(**{**told["cell"], "table": TableRequest(**told["cell"]["table"])})
        return cls(told["key"], cell, told["dataset"])

    def record(self, **known: Any) -> Record:
        """Its record as far as it is known before the cell runs, and the fields in `known`."""
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
    """A task that is out of the executor's hands.

    Whether the cell is done, the store says. Where it shows no record:

    Args:
        written: the machine at work saw one: a shared folder may be slow to show it elsewhere.
        held: somebody else is at work on it.
        reason: why there is none, as far as the executor knows.
    """

    key: str
    written: bool = False
    held: bool = False
    reason: str = "it ended without a record"
