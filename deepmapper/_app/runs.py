"""From a table's file to a run's folder: fit, predict, embed.

model.json model.safetensors history.jsonl attributions.csv    see `deepmapper.estimators._saving`
ranked_features/<class>.csv     or ranked_features.csv where there are no classes
embedding.csv                   of `embed`
report.html
"""

import re
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepmapper._app.run import Run, named
from deepmapper._app.scores import Evaluation
from deepmapper.errors import DeepMapperError
from deepmapper.estimators._base import OnEpoch
from deepmapper.estimators._saving import load_model, read_preparation, replaced_folder, write_model
from deepmapper.tables import PreparedTable, TrainingTables, read_new

# Called with a row of the history after each epoch.

PREDICT_BYTES = 256 << 20  # rows of a table on disk are predicted so much at a time
LONGEST_FILE_NAME = 80


def fit(
    estimator: Any,
    tables: TrainingTables,
    *,
    source: str,
    label: str | None = None,
    on_epoch: OnEpoch | None = None,
) -> Run:
    """Fit an estimator on the training rows and try it on those kept aside.

    Raises:
        DeepMapperError: what the estimator refuses.
    """
    train = tables.train
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        estimator.fit(named(train), train.y, on_epoch=on_epoch)
    seconds = time.perf_counter() - start
    if hasattr(estimator, "attributions_") and not hasattr(estimator, "feature_names_in_"):
        estimator.attributions_ = _with_names(estimator.attributions_, train.features)
    evaluation = None
    if tables.test is not None and tables.test.y is not None:
        predicted = estimator.classes_[probabilities(estimator, tables.test).argmax(1)]
        evaluation = Evaluation.of(tables.test.y, predicted, estimator.classes_)
    notes = tuple(dict.fromkeys(str(w.message) for w in caught if w.category is UserWarning))
    return Run(estimator, tables, source, label, evaluation, seconds, notes)


def write_run(run: Run, folder: Path) -> None:
    """Write a run's folder, whole or not at all; raises what `save_model` raises."""
    from deepmapper._app.report import report

    with replaced_folder(folder) as new:
        write_model(run.estimator, new, preparation=run.tables.preparation)
        write_ranked_features(run.estimator, new)
        if run.label is None:
            embedding(run.estimator, run.tables.train).to_csv(new / "embedding.csv", index=False)
        (new / "report.html").write_text(report(run), encoding="utf-8")


def predictions(folder: Path, table: Path) -> tuple[pd.DataFrame, PreparedTable]:
    """Columns row, predicted, and probability_<class> of each class; and the table as read.

    Raises:
        DeepMapperError: a folder that is no classifier, a table with other columns.
    """
    from deepmapper.estimators._classifier import DeepMapperClassifier

    new = read_new(table, read_preparation(folder))
    estimator = load_model(folder, DeepMapperClassifier)
    values = probabilities(estimator, new)
    frame = pd.DataFrame(values, columns=[f"probability_{c}" for c in estimator.classes_])
    frame.insert(0, "predicted", estimator.classes_[values.argmax(1)])
    frame.insert(0, "row", new.row_names)
    return frame, new


def embedding_of(folder: Path, table: Path) -> tuple[pd.DataFrame, PreparedTable]:
    """Columns row and latent_0, latent_1, ... from a saved embedder; and the table as read.

    Raises:
        DeepMapperError: a folder that is no embedder, a table with other columns.
    """
    new = read_new(table, read_preparation(folder))
    estimator = load_model(folder)
    if type(estimator).__name__ != "DeepMapperEmbedder":
        message = f"{folder} holds a classifier, not an embedder: use `deepmapper predict`"
        raise DeepMapperError(message)
    return embedding(estimator, new), new


def embedding(estimator: Any, table: PreparedTable) -> pd.DataFrame:
    """Columns row, latent_0, latent_1, ..., one row a sample."""
    values = _by_blocks(estimator.transform, table)
    frame = pd.DataFrame(values, columns=[f"latent_{i}" for i in range(values.shape[1])])
    frame.insert(0, "row", table.row_names)
    return frame


def probabilities(estimator: Any, table: PreparedTable) -> np.ndarray:
    """(n_samples, n_classes), a block of rows at a time."""
    return _by_blocks(estimator.predict_proba, table)


def write_ranked_features(estimator: Any, folder: Path) -> None:
    """The features, best first: a CSV a class, or one where there are no classes."""
    table = getattr(estimator, "attributions_", None)
    if table is None:
        return
    if "class" not in table:
        table.to_csv(folder / "ranked_features.csv", index=False)
        return
    (folder / "ranked_features").mkdir()
    names = file_names([str(label) for label in estimator.classes_])
    for label, name in zip(estimator.classes_, names, strict=True):
        ranked = table[table["class"] == label].drop(columns="class").reset_index(drop=True)
        ranked.insert(0, "rank", np.arange(1, len(ranked) + 1))
        ranked.to_csv(folder / "ranked_features" / f"{name}.csv", index=False)


def file_names(labels: list[str]) -> list[str]:
    """A name for a file from each label: safe everywhere, all different.

    >>> file_names(["LUAD", "a/b", "a:b", "..", "luad"])
    ['LUAD', 'a_b', 'a_b-2', 'class', 'luad-2']
    """
    names: list[str] = []
    taken: set[str] = set()
    for label in labels:
        name = re.sub(r"[^A-Za-z0-9._+-]+", "_", label).strip("._ ")[:LONGEST_FILE_NAME] or "class"
        number, candidate = 1, name
        while candidate.lower() in taken:
            number += 1
            candidate = f"{name}-{number}"
        taken.add(candidate.lower())  # some file systems do not tell a from A
        names.append(candidate)
    return names


def _by_blocks(method: Callable[[Any], Any], table: PreparedTable) -> np.ndarray:
    """`method` of all rows; many rows of a table go through it a part at a time."""
    n, p = table.X.shape
    step = max(1, PREDICT_BYTES // (4 * p))
    parts = [method(named(table, slice(i, min(i + step, n)))) for i in range(0, n, step)]
    return np.concatenate([np.asarray(part) for part in parts])


def _with_names(attributions: pd.DataFrame, features: list[str]) -> pd.DataFrame:
    """The table of an estimator that was given no names and calls features x0, x1, ..."""
    names = {f"x{i}": name for i, name in enumerate(features)}
    return attributions.assign(feature=attributions["feature"].map(names))
