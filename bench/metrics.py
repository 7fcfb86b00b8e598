"""Metrics of a run, computed from its stored arrays: a new metric needs no rerun.

A metric is a function of an `Outcome`. It returns a float, or None if it does not apply.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

__all__ = [
    "MAIN",
    "METRICS",
    "Outcome",
    "compute",
    "feature_strength",
    "score_arrays",
    "version",
]

# scipy and scikit-learn are imported where they are used: listing the metrics needs neither.

MAIN = "balanced_accuracy"  # the measure of ranks, marks and comparisons
TOP = 20  # the number of top features in the paper's notebooks
N_BINS = 15


@dataclass(frozen=True)
class Outcome:
    """The arrays of a run, from which every metric is computed.

    Parameters
    ----------
    y_test : int array, shape (n_test,)
        Class codes of the test rows.
    probabilities : float array, shape (n_test, n_classes)
        Predicted probabilities, in the order of class codes.
    y_train : int array, shape (n_train,)
        Class codes of the training rows.
    train_predictions : int array, shape (n_train,), or None
        Predicted class codes of the training rows.
    attributions : float array, shape (n_classes, n_features), or None
        Attributions, for a method that has them.
    relevant : int array, shape (n_relevant,), or None
        Indices of the features that carry the labels, if they are known.
    selected : bool array, shape (n_features,), or None
        The features that the method names, at its tolerated rate of false discoveries.
    """

    y_test: np.ndarray
    probabilities: np.ndarray
    y_train: np.ndarray
    train_predictions: np.ndarray | None = None
    attributions: np.ndarray | None = None
    relevant: np.ndarray | None = None
    selected: np.ndarray | None = None

    @property
    def predictions(self) -> np.ndarray:
        """Predicted class codes of the test rows, (n_test,)."""
        return self.probabilities.argmax(1)

    @property
    def ranks(self) -> np.ndarray | None:
        """Ranks (from 1) of the relevant features. Ties get the worst rank."""
        if self.attributions is None or self.relevant is None:
            return None
        strength = feature_strength(self.attributions)
        return np.array([int((strength >= strength[f]).sum()) for f in self.relevant])


def feature_strength(attributions: np.ndarray) -> np.ndarray:
    """Average the classes' normalised absolute attributions.

    Parameters
    ----------
    attributions : array, shape (n_classes, n_features)

    Returns
    -------
    float64 array, shape (n_features,)
    """
    magnitude = np.abs(np.asarray(attributions, dtype=np.float64))
    total = magnitude.sum(axis=1, keepdims=True)
    return (magnitude / np.where(total > 0, total, 1.0)).mean(0)


def train_accuracy(o: Outcome) -> float | None:
    """Fraction of training rows that are classified correctly.

    None without training predictions.
    """
    if o.train_predictions is None:
        return None
    return float((o.y_train == o.train_predictions).mean())


def accuracy(o: Outcome) -> float:
    """Fraction of test rows that are classified correctly."""
    return float((o.y_test == o.predictions).mean())


def balanced_accuracy(o: Outcome) -> float:
    """Accuracy of each class, averaged over the classes."""
    hits = o.y_test == o.predictions
    return float(np.mean([hits[o.y_test == c].mean() for c in np.unique(o.y_test)]))


def macro_f1(o: Outcome) -> float:
    """Mean over the classes of F1, the harmonic mean of precision and recall."""
    from sklearn import metrics as scores

    return float(scores.f1_score(o.y_test, o.predictions, average="macro", zero_division=0))


def log_loss(o: Outcome) -> float:
    """Mean negative log-probability of the true class, clipped at 1e-7.

    In nats.
    """
    true = o.probabilities[np.arange(len(o.y_test)), o.y_test].astype(np.float64)
    return abs(float(np.log(np.clip(true, 1e-7, 1.0)).mean()))


def calibration_error(o: Outcome) -> float:
    """Expected calibration error: mean distance of confidence and accuracy, over the rows.

    Rows are put into 15 bins by the probability of their predicted class (Guo et al., ICML 2017).
    """
    confidence = o.probabilities.max(1)
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    excess = confidence - (o.y_test == o.predictions)
    return float(np.abs(np.bincount(bins, excess, N_BINS)).sum() / len(excess))


def auroc(o: Outcome) -> float | None:
    """Area under the ROC curve of each class against the rest, averaged.

    None if the test rows have a single class.
    """
    from scipy.stats import rankdata

    # Mann-Whitney U: how often a row of the class is ranked above a row of another class.
    positive = o.y_test[:, None] == np.arange(o.probabilities.shape[1])
    n_rows, n_positive = len(o.y_test), positive.sum(0)
    n_pairs = n_positive * (n_rows - n_positive)
    above = (rankdata(o.probabilities, axis=0) * positive).sum(0)
    above -= n_positive * (n_positive + 1) / 2
    defined = n_pairs > 0
    return float((above[defined] / n_pairs[defined]).mean()) if defined.any() else None


def precision_at_k(o: Outcome) -> float | None:
    """Fraction of relevant features among the k strongest, for k relevant features.

    None without attributions or relevant features.
    """
    ranks = o.ranks
    return None if ranks is None else float((ranks <= len(ranks)).mean())


def precision_at_20(o: Outcome) -> float | None:
    """Fraction of relevant features among the 20 strongest.

    None without attributions, or if fewer than 20 features are relevant.
    """
    return _precision(o, 20)


def precision_at_100(o: Outcome) -> float | None:
    """Fraction of relevant features among the 100 strongest.

    None without attributions, or if fewer than 100 features are relevant.
    """
    return _precision(o, 100)


def _precision(o: Outcome, k: int) -> float | None:
    ranks = o.ranks
    return None if ranks is None or len(ranks) < k else float((ranks <= k).sum() / k)


def recall_at_k(o: Outcome) -> float | None:
    """Fraction of the k relevant features among the max(20, k) strongest.

    None without attributions or relevant features.
    """
    ranks = o.ranks
    return None if ranks is None else float((ranks <= max(TOP, len(ranks))).mean())


def worst_needle_rank(o: Outcome) -> float | None:
    """Rank (from 1) of the lowest-ranked relevant feature. Ties get the worst rank.

    None without attributions or relevant features.
    """
    ranks = o.ranks
    return None if ranks is None else float(ranks.max())


def needle_auprc(o: Outcome) -> float | None:
    """Average precision of strength against relevance.

    None without attributions or relevant features.
    """
    if o.attributions is None or o.relevant is None:
        return None
    from sklearn import metrics as scores

    strength = feature_strength(o.attributions)
    truth = np.zeros(len(strength), dtype=bool)
    truth[o.relevant] = True
    return float(scores.average_precision_score(truth, strength))


def n_selected(o: Outcome) -> float | None:
    """Number of features that the method names. None if it only ranks features."""
    return None if o.selected is None else float(o.selected.sum())


def false_discovery_share(o: Outcome) -> float | None:
    """Fraction of the named features that are not relevant. 0 without named features.

    None if the method only ranks features, or if the relevant features are not known.
    """
    if o.selected is None or o.relevant is None:
        return None
    n_false = o.selected.sum() - o.selected[o.relevant].sum()
    return float(n_false / max(1, o.selected.sum()))


def selected_recall(o: Outcome) -> float | None:
    """Fraction of the relevant features that the method names.

    None if the method only ranks features, or if the relevant features are not known.
    """
    if o.selected is None or o.relevant is None:
        return None
    return float(o.selected[o.relevant].mean())


METRICS: dict[str, Callable[[Outcome], float | None]] = {
    metric.__name__: metric
    for metric in (
        train_accuracy,
        accuracy,
        balanced_accuracy,
        macro_f1,
        log_loss,
        calibration_error,
        auroc,
        precision_at_k,
        precision_at_20,
        precision_at_100,
        recall_at_k,
        worst_needle_rank,
        needle_auprc,
        n_selected,
        false_discovery_share,
        selected_recall,
    )
}


def compute(outcome: Outcome) -> dict[str, float | None]:
    """Compute every metric of a run.

    Parameters
    ----------
    outcome : Outcome

    Returns
    -------
    dict of str to float or None
        None for a metric that does not apply.
    """
    return {name: metric(outcome) for name, metric in METRICS.items()}


def score_arrays(
    arrays: Mapping[str, np.ndarray], relevant: Sequence[int] | np.ndarray | None
) -> dict[str, float | None]:
    """Compute every metric from stored arrays, which `bench.run.worker` names.

    Parameters
    ----------
    arrays : mapping of str to array
        The fields of `Outcome` but `relevant`. Those that may be None may be missing.
    relevant : sequence of int or None
        Indices of the relevant features, if they are known.

    Returns
    -------
    dict of str to float or None
        See `compute`.
    """
    return compute(
        Outcome(
            arrays["y_test"],
            arrays["probabilities"],
            arrays["y_train"],
            arrays.get("train_predictions"),
            arrays.get("attributions"),
            None if relevant is None else np.asarray(relevant),
            arrays.get("selected"),
        )
    )


@cache
def version() -> str:
    """SHA-256 of this file. Stored metrics of another version are computed again.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
