"""The cells of the paper's profiles by label, and what is smaller than there."""

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench.spec import Choice, Spec, load_spec
from reports.machines import reasons
from reports.results import Group, Results, Spread
from reports.statistics.pairs import Pairs
from reports.tables.entries import failed_cell
from reports.tables.views import ABSENT, Cell, Footnotes

# The three ways to run an experiment, by the names of the profile. See `discrepancies`.
MODES = ("faithful", "corrected", "best")
PROFILE = "paper"  # with the paper's sizes
NOT_MEASURED = "not measured"
ON_A_GPU = (
    "Not measured: not run, or stopped at the limit of time. On a GPU: "
    f"`python -m bench run {PROFILE} --device cuda`."
)


@dataclass(frozen=True)
class Evidence:
    """The stored cells, the spec that they were run from, and that at full size."""

    results: Results
    ran: Spec
    full: Spec

    @classmethod
    def read(cls, folder: Path) -> "Evidence":
        """Read an output folder of `bench run paper` or `bench run paper_small`.

        Raises a BenchError if the folder's spec or a record cannot be read.
        """
        results = Results.read(folder)
        ran, _ = load_spec(str(folder / "spec.toml"))
        return cls(results, ran, load_spec(PROFILE)[0])

    @property
    def is_full_size(self) -> bool:
        """Whether the spec is that at full size, and each of its cells has a record."""
        if self.ran.without_run_options() != self.full.without_run_options():
            return False
        listed = self.results.records.values()
        recorded = {(r["dataset"]["label"], r["method"]["label"], r["seed"]) for r in listed}
        return recorded >= {
            (dataset.label, method.label, seed)
            for grid in self.full.grids()
            for dataset in grid.datasets
            for method in grid.methods
            for seed in grid.seeds or self.full.seeds
        }

    @cached_property
    def pairs(self) -> Pairs:
        return Pairs(self.results)

    def group(self, dataset: str, method: str) -> Group | None:
        """Return the cells of a method on a dataset, or None if it was not run there."""
        return self.results.group(dataset, method)

    def groups(self, dataset: str) -> list[Group]:
        """Return the groups of a dataset: the modes first, then as in the spec."""
        labels = dict.fromkeys([*MODES, *_labels(self.ran, dataset)])
        listed = [self.group(dataset, label) for label in labels]
        return [group for group in listed if group is not None]

    def arrays(self, group: Group | None) -> dict[str, np.ndarray]:
        if group is None or not group.ok:
            return {}
        return self.results.source.arrays(group.ok[0]["key"])

    def history(self, group: Group | None) -> list[dict[str, Any]]:
        return self.results.history(group.ok[0]["key"]) if group and group.ok else []

    def seconds(self, group: Group | None, column: str) -> Spread | None:
        """Return comparable seconds. None if all cells shared, or ran elsewhere."""
        return None if group is None or self.elsewhere(group) else group.spread(column)

    def elsewhere(self, group: Group) -> str:
        """Return the processor of these cells if it is not the usual one, else ""."""
        cells = group.timed or group.cells
        processors = {_processor(self.results.records[cell["key"]]) for cell in cells}
        return " and ".join(sorted(processors - {self._usual_processor}))

    @cached_property
    def _usual_processor(self) -> str:
        return Counter(map(_processor, self.results.records.values())).most_common(1)[0][0]

    def failed(self, group: Group, notes: Footnotes) -> Cell:
        """Return the entry of a group without an ok cell."""
        cell = failed_cell(group, notes)
        if is_timeout(group):
            marks = (*cell.notes, notes.number(ON_A_GPU))
            cell = replace(cell, text=NOT_MEASURED, mark=ABSENT, notes=marks)
        return cell

    def not_run(self, dataset: str) -> list[str]:
        """Return the labels of methods of the full size that have no cell on a dataset."""
        return [m for m in _labels(self.full, dataset) if self.group(dataset, m) is None]

    def smaller(self, dataset: str, method: str | None = None) -> dict[str, str]:
        """Return parameters that differ from the paper's own size.

        They are those of a dataset, or of a method on it: {"n_samples": "2,000 for 10,000"}.
        """
        ran, full = _find(self.ran, dataset, method), _find(self.full, dataset, method)
        if ran is None or full is None:
            return {}
        names = dict.fromkeys([*full.params, *ran.params])
        pairs = {name: (ran.params.get(name), full.params.get(name)) for name in names}
        return {n: f"{_words(a)} for {_words(b)}" for n, (a, b) in pairs.items() if a != b}

    def shrunk(self, keys: tuple[str, ...]) -> str:
        """Return the sizes of these cells that are smaller than the paper's, or ""."""
        names: dict[str, dict[str, None]] = {}
        for key in keys:
            record = self.results.records[key]
            dataset, method = record["dataset"]["label"], record["method"]["label"]
            for name, differences in (
                (dataset, self.smaller(dataset)),
                (method, self.smaller(dataset, method)),
            ):
                if differences:
                    names.setdefault(in_words(differences), {})[name] = None
        parts = [f"{text} ({' and '.join(listed)})" for text, listed in names.items()]
        return f"Smaller than at full size: {'; '.join(parts)}." if parts else ""

    def size_notes(self, dataset: str, notes: Footnotes) -> tuple[int, ...]:
        """Return the number of the footnote about smaller sizes, or ()."""
        smaller = in_words(self.smaller(dataset))
        text = f"{dataset} is smaller than at full size: {smaller}."
        return (notes.number(text),) if smaller else ()

    def dataset_notes(self, dataset: str, notes: Footnotes) -> tuple[int, ...]:
        """Return the footnotes on the size of a dataset and on methods that did not run."""
        left_out = self.not_run(dataset)
        text = f"On {dataset}, {NOT_MEASURED}: {', '.join(left_out)}."
        absent = (notes.number(text), notes.number(ON_A_GPU)) if left_out else ()
        return self.size_notes(dataset, notes) + absent

    def method_notes(self, group: Group, notes: Footnotes) -> tuple[int, ...]:
        """Return the footnotes on the size and the seconds of a method on a dataset."""
        texts = []
        if smaller := self.smaller(group.dataset, group.method):
            texts.append(f"{group.method} here: {in_words(smaller)}.")
        if elsewhere := self.elsewhere(group):
            texts.append(f"Measured on {elsewhere}: seconds do not compare with others.")
        if group.shared:
            texts.append(
                f"Without the seconds of {len(group.shared)} of {len(group.ok)} cells, which "
                f"shared their hardware ({reasons(group.shared)})."
            )
        return tuple(notes.number(text) for text in texts)


def is_timeout(group: Group) -> bool:
    """Whether all cells of a group were stopped at the limit of time."""
    return {cell["status"] for cell in group.cells} == {"timeout"}


def _processor(record: dict[str, Any]) -> str:
    """Name the processor and its vector instructions, or the GPU."""
    facts = record.get("environment") or {}
    if record["device"] != "cpu":
        return str(facts.get("gpu"))
    features = facts.get("cpu_features")
    known = (
        f" with {', '.join(features) or 'no vector instructions'}" if features is not None else ""
    )
    return f"{facts.get('cpu') or 'an unknown processor'}{known}"


def _labels(spec: Spec, dataset: str) -> list[str]:
    grids = [g for g in spec.grids() if any(choice.label == dataset for choice in g.datasets)]
    return list(dict.fromkeys(choice.label for grid in grids for choice in grid.methods))


def _find(spec: Spec, dataset: str, method: str | None) -> Choice | None:
    grids = [g for g in spec.grids() if any(choice.label == dataset for choice in g.datasets)]
    choices = (choice for g in grids for choice in (g.methods if method else g.datasets))
    return next((choice for choice in choices if choice.label == (method or dataset)), None)


def _words(value: Any) -> str:
    if value is None:
        return "the default"
    return f"{value:,}" if isinstance(value, int) else str(value)


def in_words(differences: dict[str, str]) -> str:
    """Write such as "n_samples 2,000 for 10,000, epochs 1 for 15"."""
    return ", ".join(f"{name} {words}" for name, words in differences.items())


def keys_of(*groups: Group | None) -> tuple[str, ...]:
    """Return the keys of the cells of these groups, failed ones included, once each."""
    keys = (cell["key"] for group in groups if group is not None for cell in group.cells)
    return tuple(dict.fromkeys(keys))
