"""From a table's file to a run's folder: fit, predict, embed.

model.json model.safetensors history.jsonl attributions.csv    see `deepmapper.estimators._saving`
ranked_features/<class>.csv     or ranked_features.csv without classes
embedding.csv                   of `embed`
report.html
"""

import re
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest, rankdata
from sklearn.metrics import confusion_matrix

from deepmapper.estimators._base import OnEpoch
from deepmapper.estimators._saving import load_model, read_preparation, replace_folder, write_model
from deepmapper.images._rows import is_on_disk
from deepmapper.tables import PreparedTable, TrainingTables, read_new

PREDICT_BYTES = 256 << 20  # of a table's rows that are predicted at a time
LONGEST_FILE_NAME = 80
FDR = 0.1  # false discovery rate of features that differ between classes
PARTS = {
    "network": "networks",
    "discriminant": "discriminant analysis",
    "ranks": "ridge regression on ranks within rows",
    "products": "products of interacting features",
    "forest": "random forest",
    "mixture": "mixture of these",
    "majority": "most frequent class",
}
PERMUTED_VALUES = 1 << 28  # values that permuted labels are compared on, in all


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
class Difference:
    """How many features differ between the classes, alone or in a pair, in the training rows.

    n_features: at a false discovery rate of at most `FDR`.
    n_by_chance: the same with permuted labels, the mean of `n_permutations`. Pairs are not searched
    then.
    """

    n_features: int
    n_by_chance: float
    n_permutations: int

    @property
    def is_chance(self) -> bool:
        return self.n_features <= self.n_by_chance


@dataclass(frozen=True)
class Run:
    """A fitted estimator with its table and results.

    source: name of the table's file.
    label: column of the label, None without labels.
    evaluation: on the test rows, None without test rows.
    seconds: of fitting.
    notes: warnings of reading and of the estimator.
    difference: None without classes, or if the table is sparse or on disk.
    """

    estimator: Any
    tables: TrainingTables
    source: str
    label: str | None
    evaluation: Evaluation | None
    seconds: float
    notes: tuple[str, ...]
    difference: Difference | None = None

    @property
    def is_chance(self) -> bool:
        """Whether neither a feature nor the accuracy differs from chance."""
        has_chance_accuracy = (
            self.evaluation is None or self.evaluation.interval()[0] <= self.evaluation.majority
        )
        return self.difference is not None and self.difference.is_chance and has_chance_accuracy

    @property
    def conclusion(self) -> str:
        """A sentence about the features that differ between the classes."""
        assert self.difference is not None
        difference = self.difference
        counts = (
            f"features that differ between the classes, alone or in a pair, at a false discovery "
            f"rate of {FDR:.0%}: {difference.n_features}; with permuted labels: "
            f"{difference.n_by_chance:.1f}, the mean of {difference.n_permutations} permutations"
        )
        if self.is_chance:
            return f"No feature stands out: {counts}. The order of the features is chance."
        if difference.is_chance:
            return f"No single feature stands out: {counts}. The model uses several together."
        return f"{counts[0].upper()}{counts[1:]}."

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
            f"{excess:.3f}, standard error {error:.3f}"
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
        probabilities = _apply_in_blocks(estimator.predict_proba, tables.test)
        predicted = estimator.classes_[probabilities.argmax(1)]
        confusion = confusion_matrix(tables.test.y, predicted, labels=estimator.classes_)
        evaluation = Evaluation(estimator.classes_, confusion)
    notes = tuple(dict.fromkeys(str(w.message) for w in records if w.category is UserWarning))
    difference = _compare_classes(estimator, train) if label is not None else None
    notes = (*tables.notes, *notes)
    return Run(estimator, tables, source, label, evaluation, seconds, notes, difference)


def _compare_classes(estimator: Any, train: PreparedTable) -> Difference | None:
    """Count the features that differ between the classes, and those that do by chance."""
    import torch

    from deepmapper.networks.screen import screen

    if not isinstance(train.X, np.ndarray) or is_on_disk(train.X):
        return None
    X = torch.from_numpy(estimator.converter_.scaler_.transform(train.X))
    assert train.y is not None
    codes = torch.from_numpy(np.searchsorted(estimator.classes_, train.y))
    n_classes = len(estimator.classes_)
    result = screen(X, codes, n_classes)
    n_permutations = int(np.clip(PERMUTED_VALUES // X.numel(), 3, 20))
    generator = torch.Generator().manual_seed(0)
    permuted = [
        screen(
            X, codes[torch.randperm(len(codes), generator=generator)], n_classes, interactions=False
        )
        for _ in range(n_permutations)
    ]
    counts = [int((each.opening() >= 1 - FDR).sum()) for each in (result, *permuted)]
    return Difference(counts[0], float(np.mean(counts[1:])), n_permutations)


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
    values = _apply_in_blocks(estimator.predict_proba, new)
    frame = pd.DataFrame(values, columns=[f"probability_{c}" for c in estimator.classes_])
    frame.insert(0, "predicted", estimator.classes_[values.argmax(1)])
    frame.insert(0, "row", new.row_names)
    return frame, new


def embedding(estimator: Any, table: PreparedTable) -> pd.DataFrame:
    """Columns row, latent_0, latent_1, ..., one row per sample."""
    values = _apply_in_blocks(estimator.transform, table)
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


def _apply_in_blocks(method: Callable[[Any], Any], table: PreparedTable) -> np.ndarray:
    """The result of `method` for all rows, computed in blocks of rows."""
    n, p = table.X.shape
    step = max(1, PREDICT_BYTES // (4 * p))
    parts = [method(named_rows(table, slice(i, min(i + step, n)))) for i in range(0, n, step)]
    return np.concatenate([np.asarray(part) for part in parts])
