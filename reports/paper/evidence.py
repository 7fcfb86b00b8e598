"""A store as the paper's figures and tables want it: cells by label, and what was made smaller."""

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench.spec import Choice, Spec, load_spec
from reports.machines import reasons
from reports.results import Group, Results, Spread

# The three ways in which an experiment is run, as the profile calls them. See `discrepancies`.
MODES = ("faithful", "corrected", "best")
PROFILE = "paper"  # whose sizes are those of the paper


@dataclass(frozen=True)
class Evidence:
    """The stored cells, the spec that they were run from, and the spec at full size."""

    results: Results
    ran: Spec
    full: Spec

    @classmethod
    def read(cls, folder: Path) -> "Evidence":
        """That of an output folder of `bench run paper` or `bench run paper_small`.

        Raises:
            BenchError: the folder's spec or a record cannot be read.
        """
        results = Results.read(folder)
        ran, _ = load_spec(str(folder / "spec.toml"))
        return cls(results, ran, load_spec(PROFILE)[0])

    @property
    def is_full_size(self) -> bool:
        return self.ran.name == self.full.name

    def group(self, dataset: str, method: str) -> Group | None:
        """The cells of a method on a dataset, by their labels; None where it was not run there."""
        return self.results.group(dataset, method)

    def methods(self, dataset: str) -> list[str]:
        """The methods that ran on a dataset, in the order of the spec."""
        ran = {group.method for group in self.results.groups(dataset)}
        return [label for label in _labels(self.ran, dataset) if label in ran]

    def shrunk(self, keys: tuple[str, ...]) -> str:
        """What is smaller than in the paper about these cells, as a sentence; "" for nothing."""
        found: dict[str, dict[str, None]] = {}
        for key in keys:
            record = self.results.records[key]
            dataset, method = record["dataset"]["label"], record["method"]["label"]
            of_dataset = _differences(self._choice("datasets", dataset))
            of_method = _differences(self._choice("methods", method, dataset))
            for name, differences in ((dataset, of_dataset), (method, of_method)):
                if differences:
                    found.setdefault(", ".join(differences), {})[name] = None
        parts = [f"{text} ({' and '.join(names)})" for text, names in found.items()]
        return f"Smaller than at full size: {'; '.join(parts)}." if parts else ""

    def left_out(self, dataset: str) -> list[str]:
        """The methods that the spec at full size has for a dataset and this run has not."""
        return [m for m in _labels(self.full, dataset) if m not in _labels(self.ran, dataset)]

    def arrays(self, group: Group | None, seed: int | None = None) -> dict[str, np.ndarray]:
        """The stored arrays of the first seed that is ok (or of this one); {} without one."""
        if group is None:
            return {}
        cells = group.ok if seed is None else group.ok[group.ok["seed"] == seed]
        return self.results.source.arrays(cells["key"].iloc[0]) if len(cells) else {}

    def history(self, group: Group | None) -> list[dict[str, Any]]:
        """The history of the first seed that is ok, a row an epoch."""
        text = self.arrays(group).get("history")
        return json.loads(str(text)) if text is not None else []

    def smaller(self, dataset: str, method: str | None = None) -> str:
        """What is smaller than in the paper's own size, such as "n_samples 2,000 for 10,000"."""
        found = _differences(self._choice("datasets", dataset))
        if method is not None:
            found += _differences(self._choice("methods", method, dataset))
        return ", ".join(found)

    def elsewhere(self, dataset: str, method: str) -> str:
        """The processor of these cells where it is not that of most cells; "" where it is."""
        group = self.group(dataset, method)
        keys = (group.timed["key"].to_list() if group is not None else []) or keys_of(group)
        mine = {_processor(self.results.records[key]) for key in keys}
        return " and ".join(sorted(mine - {self._most}))

    @cached_property
    def _most(self) -> str:
        """The processor of most cells."""
        return Counter(map(_processor, self.results.records.values())).most_common(1)[0][0]

    def seconds(self, group: Group | None, column: str) -> Spread | None:
        """Seconds to compare with others': None where all cells shared, or ran elsewhere."""
        if group is None or self.elsewhere(group.dataset, group.method):
            return None
        return group.spread(column)

    def shared(self, dataset: str, method: str) -> str:
        """Which of these cells have no seconds, as they were not alone, and why; "" for none."""
        group = self.group(dataset, method)
        if group is None or not len(group.shared):
            return ""
        return f"{len(group.shared)} of {group.n_ok} cells ({reasons(group.shared)})"

    def _choice(
        self, kind: str, label: str, dataset: str | None = None
    ) -> tuple[Choice | None, Choice | None]:
        """The choice of this label in the spec that ran and in the one at full size."""
        return _find(self.ran, kind, label, dataset), _find(self.full, kind, label, dataset)

    @cached_property
    def machine(self) -> str:
        """The hardware of the cells, in words; several where they differ."""
        found: dict[str, None] = {}
        for record in self.results.records.values():
            facts = record.get("environment") or {}
            cores = f"{facts.get('cpu') or 'unknown processor'}, {record.get('threads')} threads"
            found[str(facts.get("gpu") or cores) if record["device"] != "cpu" else cores] = None
        return "; ".join(found)


def _processor(record: dict[str, Any]) -> str:
    """Its name and vector instructions; a GPU's name. Records before `cpu_features` lack these."""
    facts = record.get("environment") or {}
    if record["device"] != "cpu":
        return str(facts.get("gpu"))
    features = facts.get("cpu_features")
    known = (
        f" with {', '.join(features) or 'no vector instructions'}" if features is not None else ""
    )
    return f"{facts.get('cpu') or 'an unknown processor'}{known}"


def _labels(spec: Spec, dataset: str) -> list[str]:
    """The methods of a dataset, by their labels, in the order of the spec."""
    grids = [g for g in spec.grids() if any(choice.label == dataset for choice in g.datasets)]
    return list(dict.fromkeys(choice.label for grid in grids for choice in grid.methods))


def _find(spec: Spec, kind: str, label: str, dataset: str | None) -> Choice | None:
    for grid in spec.grids():
        if dataset is None or any(choice.label == dataset for choice in grid.datasets):
            for choice in getattr(grid, kind):
                if choice.label == label:
                    return choice
    return None


def _differences(pair: tuple[Choice | None, Choice | None]) -> list[str]:
    ran, full = pair
    if ran is None or full is None:
        return []
    names = dict.fromkeys([*full.params, *ran.params])
    pairs = [(name, ran.params.get(name), full.params.get(name)) for name in names]
    return [f"{name} {_words(mine)} for {_words(its)}" for name, mine, its in pairs if mine != its]


def _words(value: Any) -> str:
    if value is None:
        return "the default"
    return f"{value:,}" if isinstance(value, int) else str(value)


def keys_of(*groups: Group | None) -> tuple[str, ...]:
    """The keys of the cells behind these groups, failed ones included, each once, in order."""
    found = (key for group in groups if group is not None for key in group.cells["key"])
    return tuple(dict.fromkeys(str(key) for key in found))
