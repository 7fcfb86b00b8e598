"""Scores of a run, from its stored arrays alone: a new metric needs no rerun.

Each metric is a function of `Outcome`; None if it has no meaning.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

# scipy and scikit-learn are imported where they are used: listing the metrics needs neither.

TOP = 20  # the length of the lists in the paper's notebooks


@dataclass(frozen=True)
class Outcome:
    """The arrays of a run: test labels (n,), probabilities (n, n_classes), training labels and
    predictions or None, attributions (n_classes, n_features) or None, relevant features or None."""

    y_test: np.ndarray
    probabilities: np.ndarray
    y_train: np.ndarray
    train_predictions: np.ndarray | None = None
    attributions: np.ndarray | None = None
    relevant: np.ndarray | None = None

    @property
    def predictions(self) -> np.ndarray:
        return self.probabilities.argmax(1)

    @property
    def ranks(self) -> np.ndarray | None:
        """Ranks (from 1) of the relevant features; a tie counts against them."""
        if self.attributions is None or self.relevant is None:
            return None
        strength = feature_strength(self.attributions)
        return np.array([int((strength >= strength[f]).sum()) for f in self.relevant])


def feature_strength(attributions: np.ndarray) -> np.ndarray:
    """One value a feature, (n_features,): each class's shares, averaged over the classes."""
    magnitude = np.abs(np.asarray(attributions, dtype=np.float64))
    total = magnitude.sum(axis=1, keepdims=True)
    return (magnitude / np.where(total > 0, total, 1.0)).mean(0)


def train_accuracy(o: Outcome) -> float | None:
    """The share of the training rows that is recognised."""
    if o.train_predictions is None:
        return None
    return float((o.y_train == o.train_predictions).mean())


def accuracy(o: Outcome) -> float:
    """The share of the test rows that is recognised."""
    return float((o.y_test == o.predictions).mean())


def balanced_accuracy(o: Outcome) -> float:
    """The mean over classes of the share of their rows that is recognised."""
    hits = o.y_test == o.predictions
    return float(np.mean([hits[o.y_test == c].mean() for c in np.unique(o.y_test)]))


def macro_f1(o: Outcome) -> float:
    """The mean over classes of F1, the harmonic mean of precision and recall."""
    from sklearn import metrics as scores

    return float(scores.f1_score(o.y_test, o.predictions, average="macro", zero_division=0))


def log_loss(o: Outcome) -> float:
    """Mean negative log-probability of the true class, probabilities cut at 1e-7 (float32)."""
    of_truth = o.probabilities[np.arange(len(o.y_test)), o.y_test].astype(np.float64)
    return abs(float(np.log(np.clip(of_truth, 1e-7, 1.0)).mean()))


def auroc(o: Outcome) -> float | None:
    """Area under the ROC curve; one class against the rest, averaged over the classes."""
    from scipy.stats import rankdata

    # Of Mann and Whitney's U: how often a row of the class is ranked above one of the others.
    positive = o.y_test[:, None] == np.arange(o.probabilities.shape[1])
    n_rows, n_positive = len(o.y_test), positive.sum(0)
    n_pairs = n_positive * (n_rows - n_positive)
    above = (rankdata(o.probabilities, axis=0) * positive).sum(0)
    above -= n_positive * (n_positive + 1) / 2
    tested = n_pairs > 0
    return float((above[tested] / n_pairs[tested]).mean()) if tested.any() else None


def precision_at_k(o: Outcome) -> float | None:
    """The share of relevant features among the k strongest, k being their number."""
    ranks = o.ranks
    return None if ranks is None else float((ranks <= len(ranks)).mean())


def recall_at_k(o: Outcome) -> float | None:
    """The share of the relevant features that the 20 strongest hold (all of them, if more)."""
    ranks = o.ranks
    return None if ranks is None else float((ranks <= max(TOP, len(ranks))).mean())


def worst_needle_rank(o: Outcome) -> float | None:
    """The rank (from 1) of the relevant feature that is ranked last; ties count against it."""
    ranks = o.ranks
    return None if ranks is None else float(ranks.max())


def needle_auprc(o: Outcome) -> float | None:
    """Area under the precision-recall curve of strength against relevance (average precision)."""
    if o.attributions is None or o.relevant is None:
        return None
    from sklearn import metrics as scores

    strength = feature_strength(o.attributions)
    truth = np.zeros(len(strength), dtype=bool)
    truth[o.relevant] = True
    return float(scores.average_precision_score(truth, strength))


METRICS: dict[str, Callable[[Outcome], float | None]] = {
    metric.__name__: metric
    for metric in (
        train_accuracy,
        accuracy,
        balanced_accuracy,
        macro_f1,
        log_loss,
        auroc,
        precision_at_k,
        recall_at_k,
        worst_needle_rank,
        needle_auprc,
    )
}


def compute(outcome: Outcome) -> dict[str, float | None]:
    """Every metric of a run."""
    return {name: metric(outcome) for name, metric in METRICS.items()}


def of_arrays(
    arrays: Mapping[str, np.ndarray], relevant: Sequence[int] | np.ndarray | None
) -> dict[str, float | None]:
    """Every metric of a run, from its stored arrays (named in `bench.run.worker`)."""
    return compute(
        Outcome(
            arrays["y_test"],
            arrays["probabilities"],
            arrays["y_train"],
            arrays.get("train_predictions"),
            arrays.get("attributions"),
            None if relevant is None else np.asarray(relevant),
        )
    )


@cache
def version() -> str:
    """SHA-256 of this file: metrics of another version are to be computed again."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
