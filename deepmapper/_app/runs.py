"""From a table's file to a run's folder: fit, predict, embed.

model.json model.safetensors history.jsonl attributions.csv    see `deepmapper.estimators._saving`
ranked_features/<class>.csv     or ranked_features.csv without classes
embedding.csv                   of `embed`
report.html
"""

import re
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.stats import binomtest, rankdata
from sklearn.metrics import confusion_matrix

from deepmapper.estimators._base import OnEpoch
from deepmapper.estimators._saving import load_model, read_preparation, replace_folder, write_model
from deepmapper.images._rows import dense, is_on_disk, split_rows
from deepmapper.tables import PreparedTable, TrainingTables, read_new
from deepmapper.tables._raw import list_names

PREDICT_BYTES = 256 << 20  # of a table's rows that are predicted at a time
LONGEST_FILE_NAME = 80
FDR = 0.1  # q-value of features that stand out
PARTS = {
    "network": "networks",
    "discriminant": "discriminant analysis",
    "ranks": "ridge regression on ranks within rows",
    "products": "products of interacting features",
    "forest": "random forest",
    "mixture": "mixture of these",
    "majority": "most frequent class",
}
FEWEST_STEPS = 100  # of float32 between the smallest and the largest value of a column
EVEN = 1.5  # largest ratio of the sizes of two classes that are about equally frequent


@dataclass(frozen=True)
class Evaluation:
    """Predictions of the test rows compared with their labels.

    `classes` (n_classes,) are sorted. `confusion` (n_classes, n_classes) counts the rows of class i
    (true) predicted as class j.
    """

    classes: np.ndarray
    confusion: np.ndarray

    @property
    def n(self) -> int:
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        return float(np.trace(self.confusion) / self.n)

    @property
    def recall(self) -> np.ndarray:
        """The share of correct predictions per class, (n_classes,), NaN without rows."""
        totals = self.confusion.sum(1)
        share = np.diag(self.confusion) / np.maximum(totals, 1)
        return np.where(totals > 0, share, np.nan)

    @property
    def balanced_accuracy(self) -> float:
        """The mean of the recalls: each class has the same weight."""
        return float(np.nanmean(self.recall))

    @property
    def majority(self) -> float:
        """The accuracy of always predicting the most frequent class of these rows."""
        return float(self.confusion.sum(1).max() / self.n)

    def interval(self) -> tuple[float, float]:
        """The 95% interval of the accuracy (Wilson 1927)."""
        n_right = int(np.trace(self.confusion))
        interval = binomtest(n_right, self.n).proportion_ci(method="wilson")
        return float(interval.low), float(interval.high)


@dataclass(frozen=True)
class Run:
    """A fitted estimator with its table and results.

    source: name of the table's file.
    label: column of the label, None without labels.
    evaluation: on the test rows, None without test rows.
    seconds: of fitting.
    notes: warnings of reading and of the estimator.
    """

    estimator: Any
    tables: TrainingTables
    source: str
    label: str | None
    evaluation: Evaluation | None
    seconds: float
    notes: tuple[str, ...]

    @property
    def n_outstanding(self) -> int:
        """The number of features with a q-value of at most `FDR` in any class."""
        return int((self.estimator.evidence_.q_value <= FDR).any(axis=0).sum())

    @property
    def is_chance(self) -> bool:
        """Whether neither a feature nor the accuracy differs from chance."""
        has_chance_accuracy = (
            self.evaluation is None or self.evaluation.interval()[0] <= self.evaluation.majority
        )
        return self.label is not None and not self.n_outstanding and has_chance_accuracy

    @property
    def conclusion(self) -> str:
        """A sentence about the features that differ between the classes."""
        n, n_features = self.n_outstanding, len(self.tables.train.features)
        count = f"features with a q-value of at most {FDR}: {n:,} of {n_features:,}"
        if self.is_chance:
            return f"No feature stands out: {count}. The order of the features is chance."
        if not n:
            return f"No single feature stands out: {count}. The model uses several together."
        return f"{count.capitalize()}."

    @property
    def held_out(self) -> pd.DataFrame | None:
        """`Mixture.held_out` by part, None without held-out rows or plain models."""
        mixture = getattr(self.estimator, "mixture_", None)
        if mixture is None or len(mixture.names) == 1 or not mixture.n_held_out:
            return None
        return mixture.held_out.set_index("part")

    @property
    def addition(self) -> str:
        """A sentence on whether the networks add anything to the plain models."""
        table = self.held_out
        assert table is not None
        if "network" not in table.index:
            return "The networks were left out, as asked."
        loss, excess, error = table.loc[
            "without network", ["loss", "excess", "standard_error"]
        ].to_numpy(float)
        losses = (
            f"log loss {table['loss']['mixture']:.3f} with them, {loss:.3f} without; difference "
            f"{excess:z.3f}, standard error {error:.3f}"
        )
        if table["weight"]["network"] == 0:
            verdict = "The networks are not used: plain models predict the held-out rows better"
        elif excess > 2 * error:
            verdict = "The networks improve the mixture of plain models"
        else:
            verdict = "These rows do not show that the networks add anything to plain models"
        return f"{verdict} ({losses})."

    @property
    def transformation(self) -> str:
        """What is done to every value before training."""
        return transformation(self.estimator.converter_.scaler_)


def transformation(scaler: Any) -> str:
    """What a fitted scaler does to every value."""
    return f"{'log(1 + x)' if scaler.log_ else 'no logarithms'}, then {scaler.scale}"


def fit(
    estimator: Any,
    tables: TrainingTables,
    *,
    source: str,
    label: str | None = None,
    on_epoch: OnEpoch | None = None,
) -> Run:
    """Fit an estimator on the training rows and evaluate it on the test rows.

    Raises the DeepMapperErrors of the estimator.
    """
    train = tables.train
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always", UserWarning)
        estimator.fit(named_rows(train), train.y, on_epoch=on_epoch)
    seconds = time.perf_counter() - start
    if hasattr(estimator, "attributions_") and not hasattr(estimator, "feature_names_in_"):
        # The estimator was given no names and calls the features x0, x1, ...
        names = {f"x{i}": name for i, name in enumerate(train.features)}
        table = estimator.attributions_
        estimator.attributions_ = table.assign(feature=table["feature"].map(names))
    evaluation = None
    if tables.test is not None and tables.test.y is not None:
        probabilities = _apply_in_blocks(estimator, "predict_proba", tables.test)
        predicted = estimator.classes_[probabilities.argmax(1)]
        confusion = confusion_matrix(tables.test.y, predicted, labels=estimator.classes_)
        evaluation = Evaluation(estimator.classes_, confusion)
    notes = tuple(dict.fromkeys(str(w.message) for w in records if w.category is UserWarning))
    own = [
        *_notes_on_precision(tables.train),
        *_notes_on_copies(tables),
        *_notes_on_probabilities(estimator),
    ]
    return Run(estimator, tables, source, label, evaluation, seconds, (*tables.notes, *notes, *own))


def _notes_on_precision(table: PreparedTable) -> list[str]:
    """A note on columns whose values are large compared with their differences.

    Files are read as float32, so differences below 1e-7 of a value are rounded. Tables on disk are
    not examined.
    """
    if is_on_disk(table.X):
        return []
    low, high = (getattr(table.X, name)(axis=0) for name in ("min", "max"))
    low, high = (x.toarray()[0] if sparse.issparse(x) else x for x in (low, high))
    size = np.maximum(np.abs(low), np.abs(high)).astype(np.float64)
    spread = high.astype(np.float64) - low
    step = size * np.finfo(np.float32).eps
    coarse = (spread < FEWEST_STEPS * step) & ((spread > 0) | (step > 1))
    names = [table.features[i] for i in np.flatnonzero(coarse)]
    if not names:
        return []
    return [
        f"values are read with about 7 digits (float32), too few for the differences within the "
        f"columns {list_names(names)}: subtract a constant from each, such as its smallest value"
    ]


def _notes_on_copies(tables: TrainingTables) -> list[str]:
    """A note if test rows are also training rows. Tables on disk are not compared."""
    train, test = tables.train, tables.test
    if test is None or is_on_disk(train.X):
        return []
    training_rows = set(_hash_rows(train.X))
    n = sum(row in training_rows for row in _hash_rows(test.X))
    if not n:
        return []
    return [
        f"{n} of {len(test.row_names)} test rows have exactly the values of a training row: expect "
        "a lower accuracy on new rows"
    ]


def _hash_rows(X: Any) -> Iterator[int]:
    for rows in split_rows(X):
        yield from (hash(row.tobytes()) for row in dense(X, rows).numpy())


def _notes_on_probabilities(estimator: Any) -> list[str]:
    """A note if the probabilities are for other shares of the classes than the training rows'."""
    counts = getattr(estimator, "class_count_", None)  # older saved models have none
    if getattr(estimator, "class_weight", None) != "balanced" or counts is None:
        return []
    if counts.max() <= EVEN * counts.min():
        return []
    return [
        "the probabilities are for equally frequent classes, but the classes have from "
        f"{counts.min():,} to {counts.max():,} training rows. For probabilities that follow these "
        "numbers, train with --set class_weight=null"
    ]


def write_run(run: Run, folder: Path, report: str) -> None:
    """Write a run's folder, completely or not at all. Errors as in `save_model`."""
    with replace_folder(folder) as new:
        write_model(run.estimator, new, preparation=run.tables.preparation)
        _write_ranked_features(run.estimator, new)
        if run.label is None:
            embedding(run.estimator, run.tables.train).to_csv(new / "embedding.csv", index=False)
        (new / "report.html").write_text(report, encoding="utf-8")


def predictions(folder: Path, table: Path, **options: Any) -> tuple[pd.DataFrame, PreparedTable]:
    """Predictions of a saved model, and the table as read with the options of `read_new`.

    The columns are row, predicted, and probability_<class> of each class. For an embedder they are
    those of `embedding`. A folder without a model, or a table with other columns, raises a
    DeepMapperError.
    """
    new = read_new(table, read_preparation(folder), **options)
    estimator = load_model(folder)
    if not hasattr(estimator, "predict_proba"):
        return embedding(estimator, new), new
    for note in _notes_on_probabilities(estimator):
        warnings.warn(note, stacklevel=2)
    values = _apply_in_blocks(estimator, "predict_proba", new)
    frame = pd.DataFrame(values, columns=[f"probability_{c}" for c in estimator.classes_])
    frame.insert(0, "predicted", estimator.classes_[values.argmax(1)])
    frame.insert(0, "row", new.row_names)
    return frame, new


def embedding(estimator: Any, table: PreparedTable) -> pd.DataFrame:
    """Columns row, latent_0, latent_1, ..., one row per sample."""
    values = _apply_in_blocks(estimator, "transform", table)
    frame = pd.DataFrame(values, columns=[f"latent_{i}" for i in range(values.shape[1])])
    frame.insert(0, "row", table.row_names)
    return frame


def named_rows(table: PreparedTable, rows: slice | np.ndarray = slice(None)) -> Any:
    """Rows of X with the names of the features, without a copy.

    CSR matrices and tables on disk have no names. If all rows of a table on disk are asked for,
    none are read yet.
    """
    if is_on_disk(table.X) and isinstance(rows, slice) and rows == slice(None):
        return table.X
    X = table.X[rows]
    if not isinstance(X, np.ndarray) or is_on_disk(table.X):
        return X
    return pd.DataFrame(X, columns=table.features, copy=False)


def file_names(labels: list[str]) -> list[str]:
    """Make a file name for each label: safe on every system, all different.

    >>> file_names(["LUAD", "a/b", "a:b", "..", "luad"])
    ['LUAD', 'a_b', 'a_b-2', 'class', 'luad-2']
    """
    names: list[str] = []
    used_names: set[str] = set()
    for label in labels:
        name = re.sub(r"[^A-Za-z0-9._+-]+", "_", label).strip("._ ")[:LONGEST_FILE_NAME] or "class"
        number, candidate = 1, name
        while candidate.lower() in used_names:
            number += 1
            candidate = f"{name}-{number}"
        used_names.add(candidate.lower())  # some file systems ignore case
        names.append(candidate)
    return names


def _write_ranked_features(estimator: Any, folder: Path) -> None:
    """Write the features, best first: one CSV per class, or one without classes."""
    table = getattr(estimator, "attributions_", None)
    if table is None:
        return
    if "class" not in table:
        table.to_csv(folder / "ranked_features.csv", index=False)
        return
    (folder / "ranked_features").mkdir()
    names = file_names([str(label) for label in estimator.classes_])
    strength = estimator.evidence_.strength
    strength = np.broadcast_to(strength, (len(names), strength.shape[1]))
    for label, name, of_class in zip(estimator.classes_, names, strength, strict=True):
        ranked = table[table["class"] == label].drop(columns="class").reset_index(drop=True)
        ranks = rankdata(-of_class, method="min").astype(int)  # ties share a rank
        ranked.insert(0, "rank", np.sort(ranks))
        ranked.to_csv(folder / "ranked_features" / f"{name}.csv", index=False)


def _apply_in_blocks(estimator: Any, method: str, table: PreparedTable) -> np.ndarray:
    """The result of a method for all rows, computed in blocks of rows."""
    n, p = table.X.shape
    step = max(1, PREDICT_BYTES // (4 * p))
    apply = getattr(estimator, method)
    blocks = (_rows_like_training(estimator, table, slice(i, i + step)) for i in range(0, n, step))
    return np.concatenate([np.asarray(apply(block)) for block in blocks])


def _rows_like_training(estimator: Any, table: PreparedTable, rows: slice) -> Any:
    """Rows with names if the training rows had names. Otherwise scikit-learn would warn."""
    X = table.X[rows]
    if not hasattr(estimator, "feature_names_in_"):
        return X
    values = X.toarray() if sparse.issparse(X) else np.asarray(X)
    return pd.DataFrame(values, columns=table.features, copy=False)
