"""What the command line writes: lines, progress and CSV files. Imports are in the functions."""

import os
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepmapper.errors import DeepMapperError

if TYPE_CHECKING:
    from deepmapper._app.runs import Run
    from deepmapper.tables import TrainingTables

MOST_SHOWN = 20  # names in a line
N_ROWS_SHOWN, LARGE_COUNT = 100, 300  # grey values are below 256


def show(text: str) -> None:
    """Print a line. If the reader of the output has gone, the command goes on without it."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except (BrokenPipeError, ValueError):
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    except AttributeError:  # there is no standard output
        pass


@contextmanager
def status(text: str) -> Iterator[Any]:
    """Show a line of progress on the terminal, then the warnings of the block as notes."""
    from rich.console import Console

    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always", UserWarning)
        with Console(stderr=True).status(text) as status:
            yield status
    for message in dict.fromkeys(str(r.message) for r in records if r.category is UserWarning):
        show(f"note: {message}")


def show_tables(tables: "TrainingTables", estimator: Any) -> None:
    """Show what was understood of the table, before training."""
    from deepmapper._app.runs import transformation
    from deepmapper.images.scaling import FeatureScaler

    preparation, dropped = tables.preparation, tables.dropped
    show(
        f"{tables.n_rows} rows and {tables.n_columns} columns of features read, "
        f"{len(tables.train.features)} features in use"
    )
    show(f"names of the rows: {preparation.row_names or 'none'}")
    labels = [part.y for part in (tables.train, tables.test) if part and part.y is not None]
    if labels:
        counts = Counter(str(label) for part in labels for label in part)
        largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        show(f"classes: {_first([f'{name} ({n})' for name, n in largest])}")
        alike = Counter(name.casefold() for name in counts)
        for name in [name for name in counts if alike[name.casefold()] > 1]:
            show(f"note: the class {name!r} differs from another in capitals only")
        for name in [name for name in counts if name.lower() in ("none", "null", "unknown", "?")]:
            show(f"note: if the class {name!r} means a missing label: --na {name}")
    names = _first(list(preparation.levels))
    show(f"texts taken as categories ({len(preparation.levels)}): {names or 'none'}")
    left_out = {
        f"ids {_first(tables.ids)}": len(tables.ids),
        "columns all zero": len(preparation.zero_columns),
        "columns empty": len(preparation.empty_columns),
        "rows empty or all zero": len(dropped.blank),
        "rows with missing values": len(dropped.incomplete),
        "rows without a label": len(dropped.unlabelled),
    }
    shown = ", ".join(f"{name} ({count})" for name, count in left_out.items() if count)
    show(f"left out: {shown or 'nothing'}")
    X = tables.train.X
    scaler = FeatureScaler(log=estimator.log, scale=estimator.scale).fit(X)
    show(f"transformation: {transformation(scaler)}")
    if estimator.log == "auto" and not scaler.log_ and _are_counts(X[:N_ROWS_SHOWN]):
        show("note: the values are counts, and no logarithms are taken: --set log=true takes them")


def _first(names: Sequence[str]) -> str:
    """The first names, and the number of others."""
    n_more = len(names) - MOST_SHOWN
    return ", ".join(names[:MOST_SHOWN]) + (f" and {n_more} more" if n_more > 0 else "")


def _are_counts(rows: Any) -> bool:
    """Whether all values are whole numbers from 0 up, some of them large."""
    values = rows.data if hasattr(rows, "indptr") else rows
    return bool((values >= 0).all() and (values % 1 == 0).all() and values.max() > LARGE_COUNT)


def show_evaluation(run: "Run") -> None:
    """Show what the fit found: layout, accuracy on rows held out, and accuracy on test rows."""
    if run.estimator.layout_.name == "learned":
        show("related features are neighbours in the images (learned layout)")
    if run.held_out is not None:
        balanced = "balanced " if run.estimator.class_weight == "balanced" else ""
        show(
            f"on {run.estimator.mixture_.n_held_out} training rows held out in turn: "
            f"{balanced}accuracy {run.held_out['accuracy']['mixture']:.3f}. {run.addition}"
        )
    evaluation = run.evaluation
    if evaluation is None:
        show("no test rows: the accuracy on new rows is unknown")
        return
    low, high = evaluation.interval()
    show(
        f"on {evaluation.n} test rows: accuracy {evaluation.accuracy:.3f} "
        f"(95% interval {low:.3f} to {high:.3f}), balanced {evaluation.balanced_accuracy:.3f}; "
        f"the most frequent class alone: {evaluation.majority:.3f}"
    )


def epoch_text(row: dict[str, Any], passes: int) -> str:
    """Format a row of a history for the terminal.

    >>> epoch_text({"pass": 0, "epoch": 2, "train_loss": 0.5, "validation_accuracy": 0.9}, 3)
    'pass 1 of at most 3, epoch 2: train loss 0.500, validation accuracy 0.900'
    """
    figures = [
        f"{name.replace('_', ' ')} {value:.3f}"
        for name, value in row.items()
        if isinstance(value, float) and name.startswith(("train_loss", "validation_"))
    ]
    if row.get("open_pixels") is not None:
        figures.append(f"{row['open_pixels']:,} pixels open")
    return f"pass {row['pass'] + 1} of at most {passes}, epoch {row['epoch']}: {', '.join(figures)}"


def check_writable(path: Path) -> None:
    """Raise DeepMapperError if a file cannot be written, before the work."""
    folder = path.parent
    if path.is_dir():
        message = f"{path} is a folder; name a file"
        raise DeepMapperError(message)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        message = f"cannot write to {path}: {error.strerror}. Choose another file (--out FILE)"
        raise DeepMapperError(message) from error


def write_csv(frame: Any, path: Path) -> None:
    """Write a CSV file, completely or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    frame.to_csv(partial, index=False)
    partial.replace(path)
    show(f"written: {path}")
