"""What a cell's own process does: fit, predict, attribute, measure, and write the record.

Arrays of a run (`artifacts/<key>.npz`): y_test, test_rows, probabilities (n_test, n_classes),
y_train, train_predictions, attributions (n_classes, n_features), history (JSON), and
example_images (k, h, w), k >= 2 of different classes, with example_rows and example_labels.

Torch is loaded where a method may use it (`bench.run.runner` says so to the server), and not here.
"""

import json
import math
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from bench import metrics
from bench.catalog import entries, entry
from bench.cell import Cell
from bench.machine.slots import Watch
from bench.run.answers import checked_attributions, predict
from bench.run.importances import attribute
from bench.run.note import Note
from bench.run.phases import Phases
from bench.run.split import split_kind, split_rows
from bench.store.store import SCHEMA, Record, Store
from bench.store.tables import read_table
from datasets.table import DataUnavailable
from deepmapper.errors import DivergedError
from deepmapper.training.streams import stream_seed

EXAMPLE_PIXELS = 10_000  # of a cell's example images: ten digits of MNIST

Arrays = dict[str, np.ndarray]


class Unsupported(ValueError):
    """A method politely refuses a table."""


@dataclass
class Run:
    """A cell on its way: its record and arrays as far as they are known."""

    cell: Cell
    record: Record
    phases: Phases
    arrays: Arrays = field(default_factory=dict)
    relevant: np.ndarray | None = None


def before_forks() -> None:
    """What is looked for once and then remembered, so that no cell pays for it.

    Our methods; scikit-learn's kinds of tables, for which every package on the path is looked at
    (25 ms). Nothing here may start a thread.
    """
    entries("methods")
    labels, certain = np.array([0, 1]), np.eye(2)
    metrics.compute(metrics.Outcome(labels, certain, labels, labels, certain, labels[:1]))


def run_cell(
    store: Store, cell: Cell, dataset: dict[str, Any], context: dict[str, Any], dispatched: float
) -> None:
    """Run a cell and write its record, whatever happens in it.

    Args:
        dataset: the table's description.
        context: `jobs`, `threads`, `shared`, `environment`, for the record.
        dispatched: `time.monotonic()` when the runner gave the cell out.
    """
    started, watch = datetime.now(UTC), Watch()
    record = blank_record(cell, dataset, context)
    note = Note(store.folder, record["key"])
    run = Run(cell, record, Phases(cell.device))
    run.phases.on_change = lambda: note.write(run.phases)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        status, reason, trace = _attempt(lambda: _run(store, run))
    if run.phases.current and reason:
        reason = f"in {run.phases.current}: {reason}"
    if "train_predictions" in run.arrays:
        record["metrics"] = score(run.arrays, run.relevant)
    wall = time.monotonic() - dispatched
    record["shared"] = [*record["shared"], *watch.others(cell.device)]
    record |= {
        "status": status,
        "reason": reason,
        "traceback": trace,
        "phases": run.phases.records,
        "wall_seconds": wall,
        "overhead_seconds": wall - run.phases.total_seconds,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "warnings": sorted({f"{w.category.__name__}: {w.message}" for w in caught})[:20],
    }
    store.put(record, run.arrays)
    note.remove()


def blank_record(cell: Cell, dataset: dict[str, Any], context: dict[str, Any]) -> Record:
    """The parts of a record that are known before the cell runs; the rest empty."""
    facts = {k: v for k, v in dataset.items() if k not in ("status", "reason")}
    return {
        "schema": SCHEMA,
        "key": cell.key(dataset["checksum"]),
        "status": "failed",
        "reason": None,
        "transient": False,
        "traceback": None,
        "dataset": {**facts, "n_train": None, "n_test": None},
        "method": {
            "name": cell.method,
            "label": cell.label,
            "params": cell.params,
            "source_hash": cell.source_hash,
            "looks_at_labels": None,
        },
        "seed": cell.seed,
        "split": {"kind": None, "test_fraction": cell.test_fraction},
        "device": cell.device,
        "phases": {},
        "metrics": dict.fromkeys(metrics.METRICS),
        "n_parameters": None,
        "image_shape": None,
        "wall_seconds": None,
        "overhead_seconds": None,
        "started": None,
        "finished": None,
        "warnings": [],
        "shared": [],
        **context,
    }


def score(arrays: Arrays, relevant: np.ndarray | None) -> dict[str, float | None]:
    """Every metric from a run's stored arrays."""
    outcome = metrics.Outcome(
        arrays["y_test"],
        arrays["probabilities"],
        arrays["y_train"],
        arrays["train_predictions"],
        arrays.get("attributions"),
        relevant,
    )
    return metrics.compute(outcome)


def _attempt(action: Callable[[], None]) -> tuple[str, str | None, str | None]:
    """Status, reason and traceback of an action: the one place where all errors are caught."""
    try:
        action()
    except Unsupported as error:
        return "unsupported", str(error), None
    except (DataUnavailable, ModuleNotFoundError) as error:
        return "unavailable", str(error), traceback.format_exc()
    except DivergedError as error:
        return "diverged", str(error), None
    except Exception as error:  # a method may raise anything: that is a row in the table
        if _is_out_of_memory(error):
            return "out_of_memory", str(error) or "an allocation failed", traceback.format_exc()
        return "failed", f"{type(error).__name__}: {error}", traceback.format_exc()
    return "ok", None, None


def _is_out_of_memory(error: Exception) -> bool:
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return True
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


def _run(store: Store, run: Run) -> None:
    cell, phase = run.cell, run.phases
    method = entry("methods", cell.method).load()
    with phase("warm_up"):
        if cell.may_use_torch:
            warm_up(phase.device)
    with phase("load"):
        table = read_table(store.folder / "tables" / cell.table.id)
        train, test = split_rows(table, cell.seed, cell.test_fraction, cell.split)
        X_train, y_train = table.X[train], table.y[train]
        X_test, y_test = table.X[test], table.y[test]
    run.relevant = table.relevant
    run.record["dataset"] |= {"n_train": len(train), "n_test": len(test)}
    run.record["split"]["kind"] = split_kind(table, cell.split)
    refusal = method.supports(table) if hasattr(method, "supports") else None
    if refusal:
        raise Unsupported(refusal)
    seed = stream_seed(cell.seed, "method") % 2**32
    pipeline = method.build(method.Params(**_tuples(cell.params)), device=cell.device, seed=seed)
    convert, model = pipeline.named_steps["convert"], pipeline.named_steps["model"]
    run.record["method"]["looks_at_labels"] = bool(getattr(convert, "looks_at_labels", False))
    with phase("convert_fit"):
        convert.fit(X_train, y_train)
    _keep_threads(run)
    with phase("convert_train"):
        Z_train = convert.transform(X_train)
    with phase("train"):
        model.fit(Z_train, y_train)
    _keep_threads(run)
    with phase("convert_test"):
        Z_test = convert.transform(X_test)
    with phase("predict"):
        probabilities = predict(model, Z_test, table.n_classes)
    run.record["n_parameters"] = _count_parameters(model)
    run.record["image_shape"] = list(Z_train.shape[-2:]) if Z_train.ndim == 4 else None
    with phase("predict_train"):  # for the training accuracy; in no table of times
        fitted = predict(model, Z_train, table.n_classes).argmax(1)
    run.arrays |= {
        "y_test": y_test,
        "test_rows": test,
        "probabilities": probabilities.astype(np.float32),
        "y_train": y_train,
        "train_predictions": fitted,
        **_examples(Z_test, test, y_test),
    }
    with phase("test_curve"):  # looked at when all is learned; in no table of times
        run.arrays |= _history(model, _test_curve(model, Z_test, y_test, table.n_classes))
    over = (Z_train, y_train)
    if getattr(model, "attributes_over", "training") == "test":  # without the test labels
        over = (Z_test, probabilities.argmax(1))
    with phase("attribute"):
        values = attribute(convert, model, *over, table.n_classes)
    if values is not None:
        run.arrays["attributions"] = checked_attributions(values, table)


def _keep_threads(run: Run) -> None:
    """Give torch back the threads of the cell where a method's library took or left others.

    More threads than cores wait for each other: forty times slower was seen, after UMAP.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return
    given, found = int(run.record["threads"]), torch.get_num_threads()
    if found != given:
        message = f"the method left torch {found} threads where the cell has {given}: set back"
        warnings.warn(message, RuntimeWarning, stacklevel=2)
        torch.set_num_threads(given)


def warm_up(device: str) -> None:
    """First use of the device: context, libraries, thread pools; a training step on noise.

    A GPU also steps an optimiser, which loads its kernels; on the CPU that would only import
    torch._dynamo, which the server has loaded where a method trains a network.
    """
    import torch

    layers = [torch.nn.Conv2d(1, 8, 3), torch.nn.Flatten(), torch.nn.Linear(8 * 30 * 30, 2)]
    network = torch.nn.Sequential(*layers).to(device)
    network(torch.rand(8, 1, 32, 32, device=device)).square().mean().backward()
    if device != "cpu":
        torch.optim.AdamW(network.parameters(), fused=True).step()


def _tuples(params: dict[str, Any]) -> dict[str, Any]:
    """JSON's arrays as tuples: a frozen Params can be hashed."""

    def freeze(value: Any) -> Any:
        return tuple(freeze(v) for v in value) if isinstance(value, list) else value

    return {name: freeze(value) for name, value in params.items()}


def _count_parameters(model: Any) -> int | None:
    if hasattr(model, "n_parameters_"):
        return int(model.n_parameters_)
    if hasattr(model, "coef_"):
        return int(np.size(model.coef_) + np.size(model.intercept_))
    return None


def _test_curve(
    model: Any, Z_test: Any, y_test: np.ndarray, n_classes: int
) -> list[dict[str, float]]:
    """Loss and accuracy on test rows after each epoch, from a model that kept its epochs."""
    if not getattr(model, "keep_epochs", False):
        return []
    curve = []
    for values in model.staged_predict_proba(Z_test):
        probabilities = np.zeros((len(y_test), n_classes))
        probabilities[:, model.classes_] = values
        right = np.maximum(probabilities[np.arange(len(y_test)), y_test], 1e-12)
        accuracy = float((probabilities.argmax(1) == y_test).mean())
        curve.append({"test_loss": float(-np.log(right).mean()), "test_accuracy": accuracy})
    return curve


def _history(model: Any, test_curve: list[dict[str, float]]) -> Arrays:
    """The history as JSON; the first epochs, those of the first pass, with their test curve."""
    history = [dict(row) for row in getattr(model, "history_", None) or []]
    if not history:
        return {}
    for row, measured in zip(history, test_curve, strict=False):
        row.update(measured)
    finite = [
        {k: (None if isinstance(v, float) and not math.isfinite(v) else v) for k, v in row.items()}
        for row in history
    ]
    return {"history": np.array(json.dumps(finite))}


def _examples(Z: Any, rows: np.ndarray, y: np.ndarray) -> Arrays:
    """The first test image of some classes, two or more, where the method makes images."""
    if Z.ndim != 4:
        return {}
    most = max(2, EXAMPLE_PIXELS // int(np.prod(Z.shape[-2:])))
    chosen = [int(np.flatnonzero(y == c)[0]) for c in np.unique(y)[:most]]
    images = [Z[i].mean(0) for i in chosen]
    arrays = [im.cpu().numpy() if hasattr(im, "cpu") else im for im in images]
    return {
        "example_images": np.stack(arrays).astype(np.float16),
        "example_rows": rows[chosen],
        "example_labels": y[chosen],
    }
