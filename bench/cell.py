"""A cell: a point of the grid, identified by everything that affects its result."""

import hashlib
import inspect
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from bench.catalog import Entry, entries, entry, harness_hash, table_entry
from bench.errors import BenchError, unknown
from bench.spec import Choice, Spec
from bench.store.records import SCHEMA


def content_hash(content: object) -> str:
    """The first 32 hex digits of SHA-256 over canonical JSON.

    >>> content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class TableRequest:
    """A table to make: an entry and its parameters. Cells share a table."""

    name: str
    label: str
    params: dict[str, Any]
    source_hash: str

    @property
    def id(self) -> str:
        return content_hash([self.name, self.params, self.source_hash])


@dataclass(frozen=True)
class Cell:
    """A table, a method and a seed: one process and one record."""

    table: TableRequest
    method: str
    label: str
    params: dict[str, Any]
    source_hash: str
    seed: int
    test_fraction: float
    device: str
    split: str = "stratified"
    replicate: int = 0
    n_train: int | None = None
    unavailable: str | None = field(default=None, compare=False)
    resources: dict[str, Any] = field(default_factory=dict, compare=False)
    may_use_torch: bool = field(default=True, compare=False)

    def key(self, checksum: str | None) -> str:
        """The key of its record. `checksum` is that of the table, or None."""
        split = [self.split, self.test_fraction]
        again = [self.replicate] if self.replicate else []
        fewer = [] if self.n_train is None else [self.n_train]
        return content_hash(
            {
                "schema": SCHEMA,
                "harness": harness_hash(),
                "dataset": [self.table.name, self.table.params, checksum, *fewer],
                "method": [self.method, self.params, self.source_hash, *again],
                "seed": self.seed,
                "split": self.test_fraction if self.split == "stratified" else split,
                "device": self.device,
            }
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Cell":
        return cls(**{**data, "table": TableRequest(**data["table"])})

    @property
    def grid_point(self) -> tuple[str, str, int]:
        """Its point of the grid: (dataset label, method label, seed)."""
        return self.table.label, self.label, self.seed


def expand(
    spec: Spec,
    device: str,
    *,
    datasets: Collection[str] = (),
    methods: Collection[str] = (),
    seeds: Collection[int] = (),
    added: Collection[str] = (),
    sample: float = 1.0,
    sample_seed: int = 0,
) -> list[Cell]:
    """Expand a spec, or the part with these labels and seeds, into cells.

    `added` names further methods, with their default parameters. `sample` is the share of the cells
    to draw at random, at least one. Raises BenchError for an unknown dataset, method or label, and
    for a wrong parameter.
    """
    grids = [grid.with_methods(added) for grid in spec.grids()]
    tables = _choose("dataset", [grid.datasets for grid in grids], datasets)
    chosen = _choose("method", [grid.methods for grid in grids], methods)
    cells: dict[tuple[str, str, int], Cell] = {}
    for grid, grid_tables, grid_methods in zip(grids, tables, chosen, strict=True):
        resolved = [(method, _resolve_method(method)) for method in grid_methods]
        for seed in seeds or grid.seeds or spec.seeds:
            for table in grid_tables:
                request = _table_request(table, seed)
                for method, fields in resolved:
                    cell = Cell(
                        table=request,
                        seed=seed,
                        test_fraction=spec.test_fraction,
                        device=device,
                        split=grid.split or spec.split,
                        n_train=table.n_train,
                        resources=_requested(table, method),
                        **fields,
                    )
                    if cells.setdefault(cell.grid_point, cell) != cell:
                        message = (
                            f"experiment {grid.name!r} has another {method.label!r} on "
                            f"{table.label!r} than an earlier experiment; give one of them its "
                            "own `label`"
                        )
                        raise BenchError(message)
    _refuse_twins(list(cells.values()))
    n_drawn = max(1, round(sample * len(cells)))
    drawn = set(Random(sample_seed).sample(list(cells), n_drawn))
    return [cell for point, cell in cells.items() if point in drawn]


def _refuse_twins(cells: list[Cell]) -> None:
    """Refuse two labels for the same table, method and parameters."""
    known: dict[str, Cell] = {}
    for cell in cells:
        twin = known.setdefault(cell.key(cell.table.id), cell)
        if twin is not cell:
            (table, method, seed), (other_table, other_method, _) = cell.grid_point, twin.grid_point
            message = (
                f"{method!r} on {table!r} (seed {seed}) is the same cell as {other_method!r} on "
                f"{other_table!r}: same names, parameters and seed under two labels. Remove one."
            )
            raise BenchError(message)


def _choose(
    kind: str, choices: list[tuple[Choice, ...]], wanted: Collection[str]
) -> list[list[Choice]]:
    """Choose the members of each grid with these labels, or all."""
    labels = [choice.label for group in choices for choice in group]
    for label in wanted:
        if label not in labels:
            hint = " (--with NAME adds a listed method)" if kind == "method" else ""
            raise unknown(label, kind, labels, f"the spec{hint}")
    return [[c for c in group if not wanted or c.label in wanted] for group in choices]


def _table_request(choice: Choice, seed: int) -> TableRequest:
    table_source = table_entry(choice.name, "the spec")
    params = dict(choice.params)
    if table_source.unavailable is None:
        load = _attribute_of(table_source, "load")
        # If the spec does not fix the seed of a table, each seed of the grid gets its own table.
        if "seed" in inspect.signature(load).parameters and "seed" not in params:
            params["seed"] = seed
        params = resolve_parameters(load, params, f"dataset {choice.label!r}")
    return TableRequest(choice.name, choice.label, params, _source_of_table(table_source, params))


def _source_of_table(table_source: Entry, params: dict[str, Any]) -> str:
    """The hash of the source of a table, and of the table that its parameter `base` names."""
    if "base" not in params:
        return table_source.source_hash
    base = (entries("datasets") | entries("generators")).get(params["base"])
    if base is None:
        return table_source.source_hash
    return content_hash([table_source.source_hash, base.source_hash])


def _requested(table: Choice, method: Choice) -> dict[str, Any]:
    return (table.resources | method.resources).model_dump(exclude_none=True)


def _resolve_method(choice: Choice) -> dict[str, Any]:
    """The fields that all cells of a method share: there may be thousands."""
    source = entry("methods", choice.name, "the spec")
    unavailable, params = source.unavailable, dict(choice.params)
    if unavailable is None:
        declared = _attribute_of(source, "Params")
        params = resolve_parameters(declared, params, f"method {choice.label!r}")
    return {
        "method": choice.name,
        "label": choice.label,
        "params": params,
        "source_hash": source.source_hash,
        "replicate": choice.replicate,
        "unavailable": unavailable,
        "may_use_torch": source.may_use_torch,
    }


def _attribute_of(source: Entry, name: str) -> Any:
    module = source.load()
    if not hasattr(module, name):
        message = f"{source.kind[:-1]} {source.name!r} ({source.path.name}) defines no `{name}`"
        raise BenchError(message)
    return getattr(module, name)


def resolve_parameters(
    declared: Callable[..., Any], given: dict[str, Any], where: str
) -> dict[str, Any]:
    """Check the parameters of a spec and fill in the defaults, as JSON values.

    The signature of `declared`, a `Params` dataclass or a `load` function, decides. `where` names
    the parameters in errors. Raises BenchError for an unknown parameter and for a wrong type.
    """
    model = _model_of(declared)
    for name in given:
        if name not in model.model_fields:
            raise unknown(name, "parameter", model.model_fields, where)
    try:
        # Strict JSON: "5" is not accepted for 5, an array is accepted for a tuple.
        return model.model_validate_json(json.dumps(given), strict=True).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        message = f"{where}: parameter {name!r}: {first['msg']}, got {first.get('input')!r}"
        raise BenchError(message) from error


@cache  # thousands of cells share a few declarations
def _model_of(declared: Callable[..., Any]) -> type[BaseModel]:
    hints = get_type_hints(declared if inspect.isfunction(declared) else declared.__init__)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(declared).parameters.items():
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[name] = (hints.get(name, Any), default)
    return create_model("Parameters", __config__=ConfigDict(extra="forbid"), **fields)
