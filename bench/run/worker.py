"""The process of a cell: split, fit, predict, measure, and write the record.

Arrays of a run (`artifacts/<key>.npz`): y_test, test_rows, test_groups (of a table with groups),
probabilities (n_test, n_classes), y_train, train_predictions, attributions (n_classes, n_features),
selected (bool, n_features: the features that the method names), history (JSON), and example_images
(k, h, w), k >= 2 of different classes, with example_rows and example_labels.

The predictions are stored as a draft before any other use of the model, so that a failure in later
steps (`bench.run.explanation`) cannot lose them. The server loads torch if a method may use it.
"""

import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from sklearn.impute import SimpleImputer

from bench import metrics
from bench.catalog import entries, entry
from bench.cell import Cell
from bench.machine.slots import LoadMonitor, own_seconds
from bench.run.explanation import Arrays, Fitted, explain
from bench.run.outputs import predict
from bench.run.phases import Phases, ProgressFile
from bench.run.split import split_kind, split_rows
from bench.store.records import Record, is_near
from bench.store.store import DISK_FULL, Store
from bench.store.tables import read_table
from datasets.table import DataUnavailable, Table
from deepmapper.errors import DivergedError
from deepmapper.training.streams import stream_seed


class Unsupported(ValueError):
    """A method does not support a table."""


class Ending(NamedTuple):
    """The end of an action: a status of `bench.store.records`, and the reason."""

    status: str
    reason: str | None = None
    traceback: str | None = None


@dataclass
class Run:
    """A running cell, its record and arrays so far, and its time of submission."""

    cell: Cell
    record: Record
    phases: Phases
    dispatched: float
    arrays: Arrays = field(default_factory=dict)
    monitor: LoadMonitor = field(default_factory=LoadMonitor)

    def build_record(self, caught: list[warnings.WarningMessage]) -> Record:
        """Make the record so far, with times, warnings and the load of other processes."""
        wall = time.monotonic() - self.dispatched
        return replace(
            self.record,
            phases=dict(self.phases.records),
            wall_seconds=wall,
            overhead_seconds=wall - self.phases.total_seconds,
            shared=[*self.record.shared, *self.monitor.describe_load(self.cell.device)],
            warnings=sorted({f"{w.category.__name__}: {w.message}" for w in caught})[:20],
            finished=_now(),
        )

    def measure_usage(self) -> dict[str, float]:
        """Measure the cell's use of its limits."""
        peaks = [float(phase["peak_host_mib"] or 0.0) for phase in self.phases.records.values()]
        return {
            "cpu_seconds": own_seconds(),
            "wall_seconds": time.monotonic() - self.dispatched,
            "memory_mib": max(peaks, default=0.0),
        }


def before_forks() -> None:
    """Fill caches in the server, so that no cell pays for them. Starts no thread.

    The caches are the list of methods, and scikit-learn's search for table libraries (25 ms).
    """
    entries("methods")
    labels, certain = np.array([0, 1]), np.eye(2)
    metrics.compute(metrics.Outcome(labels, certain, labels, labels, certain, labels[:1]))


def run_job(job: dict[str, Any]) -> int:
    """Run the cell of a job of the server and write its record. Return the exit code."""
    cell = Cell.from_dict(job["cell"])
    record = replace(Record.from_dict(job["record"]), started=_now())
    run = Run(cell, record, Phases(cell.device), job["dispatched"])
    try:
        run_cell(Store(job["folder"]), run)
    except OSError as error:
        sys.stderr.write(f"cannot write: {error.strerror}\n")
        return DISK_FULL
    return 0


def run_cell(store: Store, run: Run) -> None:
    """Run a cell and write its record, also if its method fails."""
    progress_file = ProgressFile(store.folder, run.record.key)
    run.phases.on_change = lambda: progress_file.write(run.phases)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        fitted: list[Fitted] = []
        ending = _attempt(run, lambda: fitted.append(_fit_and_predict(store, run)))
        used = run.measure_usage()
        run.record = replace(
            run.record,
            status=ending.status,
            reason=ending.reason,
            traceback=ending.traceback,
            cpu_seconds=used["cpu_seconds"],
            near_limit=is_near(run.record.limits, used),
            metrics_version=metrics.version(),
        )
        if fitted:
            _explain(store, run, fitted[0], caught)
    store.put(run.build_record(caught), run.arrays)
    progress_file.remove()
    store.draft_path(run.record.key).unlink(missing_ok=True)


def _explain(store: Store, run: Run, fitted: Fitted, caught: list[warnings.WarningMessage]) -> None:
    """Store the predictions, explain the model, and score the arrays."""

    def keep() -> None:
        store.put_draft(run.build_record(caught), run.arrays)

    def describe_and_explain() -> None:
        _describe(run, fitted)
        explain(fitted, run.phases, run.arrays, keep)

    keep()
    ending = _attempt(run, describe_and_explain)
    status = "ok" if "attributions" in run.arrays else "none"
    if ending.status != "ok":
        status = "out_of_memory" if ending.status == "out_of_memory" else "failed"
    run.record = replace(
        run.record,
        attribution_status=status,
        attribution_reason=ending.reason,
        traceback=ending.traceback,
        metrics=metrics.score_arrays(run.arrays, fitted.table.relevant),
    )


def _describe(run: Run, fitted: Fitted) -> None:
    """Record the sizes of the model and of its images."""
    shape = fitted.Z_train.shape
    run.record = replace(
        run.record,
        n_parameters=_count_parameters(fitted.model),
        image_shape=list(shape[-2:]) if len(shape) == 4 else None,
    )


def _attempt(run: Run, action: Callable[[], None]) -> Ending:
    """Run an action and return its end. Only this function catches all errors."""
    try:
        action()
    except Unsupported as error:
        return Ending("unsupported", str(error))
    except (DataUnavailable, ModuleNotFoundError) as error:
        ending = Ending("unavailable", str(error), traceback.format_exc())
    except DivergedError as error:
        ending = Ending("diverged", str(error))
    except Exception as error:  # a method may raise any error, which the record reports
        if _is_out_of_memory(error):
            why = str(error) or "an allocation failed"
            ending = Ending("out_of_memory", why, traceback.format_exc())
        else:
            why = f"{type(error).__name__}: {error}"
            ending = Ending("failed", why, traceback.format_exc())
    else:
        return Ending("ok")
    phase = run.phases.current
    return ending._replace(reason=f"in {phase}: {ending.reason}") if phase else ending


def _is_out_of_memory(error: Exception) -> bool:
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return True
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


def _fit_and_predict(store: Store, run: Run) -> Fitted:
    """Split, fit and predict."""
    cell, phase = run.cell, run.phases
    method = entry("methods", cell.method).load()
    with phase("load"):
        table = read_table(store.folder / "tables" / cell.table.id)
        train, test = split_rows(table, cell.seed, cell.test_fraction, cell.split, cell.n_train)
        X_train, y_train = table.X[train], table.y[train]
        X_test, y_test = table.X[test], table.y[test]
    record = run.record
    run.record = replace(
        record,
        dataset=replace(record.dataset, n_train=len(train), n_test=len(test)),
        split=replace(record.split, kind=split_kind(table, cell.split)),
    )
    refusal = method.supports(_hide_answers(table)) if hasattr(method, "supports") else None
    if refusal:
        raise Unsupported(refusal)
    with phase("warm_up"):
        if cell.may_use_torch:
            warm_up(phase.device)
        if hasattr(method, "warm_up"):
            method.warm_up(_hide_answers(table))
    _restore_threads(record.threads)
    repetition = ("method", cell.replicate) if cell.replicate else ("method",)
    seed = stream_seed(cell.seed, *repetition) % 2**32
    params = method.Params(**{name: _to_tuple(value) for name, value in cell.params.items()})
    pipeline = method.build(params, device=cell.device, seed=seed)
    convert, model = pipeline.named_steps["convert"], pipeline.named_steps["model"]
    looks = bool(getattr(convert, "looks_at_labels", False))
    run.record = replace(run.record, method=replace(record.method, looks_at_labels=looks))
    with phase("convert_fit"):
        if table.n_missing and not getattr(method, "READS_MISSING", False):
            X_train, X_test = impute(X_train, X_test)
        convert.fit(X_train, y_train.copy())  # a method may change its labels
    _restore_threads(record.threads)
    with phase("convert_train"):
        Z_train = convert.transform(X_train)
    with phase("train"):
        model.fit(Z_train, y_train.copy())
    _restore_threads(record.threads)
    with phase("convert_test"):
        Z_test = convert.transform(X_test)
    with phase("predict"):
        probabilities = predict(model, Z_test, table.n_classes)
    run.arrays |= {
        "y_test": y_test,
        "test_rows": test,
        "probabilities": probabilities.astype(np.float32),
        "y_train": y_train,
    }
    if table.groups is not None:
        run.arrays["test_groups"] = table.groups[test]
    return Fitted(table, convert, model, Z_train, y_train, Z_test, y_test, test, probabilities)


def _hide_answers(table: Table) -> Table:
    """The table with labels in another order, without its split and its relevant features."""
    y = np.random.default_rng(0).permutation(table.y)
    return replace(table, y=y, official_split=None, relevant=None)


def impute(X_train: np.ndarray, X_test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Replace missing values by the median of the feature in the training rows.

    On the clock of the method. Methods with `READS_MISSING`, such as trees, get the missing values.
    A feature without a training value becomes 0.
    """
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    return imputer.fit_transform(X_train), imputer.transform(X_test)


def _restore_threads(n_cores: int) -> None:
    """Reset torch's number of threads if a method's library changed it.

    Threads in excess of cores wait for each other: after UMAP, a cell was forty times slower.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return
    n_threads = torch.get_num_threads()
    if n_threads != n_cores:
        message = f"the method set torch to {n_threads} threads, the cell has {n_cores}: reset"
        warnings.warn(message, RuntimeWarning, stacklevel=2)
        torch.set_num_threads(n_cores)


def warm_up(device: str) -> None:
    """Run a training step on noise, so that first uses are not measured.

    On a GPU an optimiser step loads kernels, too. On the CPU it would only import torch._dynamo,
    which the server loads if a method trains a network.
    """
    import torch

    layers = [torch.nn.Conv2d(1, 8, 3), torch.nn.Flatten(), torch.nn.Linear(8 * 30 * 30, 2)]
    network = torch.nn.Sequential(*layers).to(device)
    network(torch.rand(8, 1, 32, 32, device=device)).square().mean().backward()
    if device != "cpu":
        torch.optim.AdamW(network.parameters(), fused=True).step()


def _to_tuple(value: Any) -> Any:
    """Turn JSON arrays into tuples, so that a frozen Params can be hashed."""
    return tuple(map(_to_tuple, value)) if isinstance(value, list) else value


def _count_parameters(model: Any) -> int | None:
    if hasattr(model, "n_parameters_"):
        return int(model.n_parameters_)
    if hasattr(model, "coef_"):
        return int(np.size(model.coef_) + np.size(getattr(model, "intercept_", ())))
    return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
