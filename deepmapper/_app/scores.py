"""How good predictions on rows kept aside are, with what chance leaves open."""

from dataclasses import dataclass

import numpy as np

Z_95 = 1.959964


@dataclass(frozen=True)
class Evaluation:
    """Predictions beside the truth.

    Args:
        classes: (n_classes,).
        confusion: (n_classes, n_classes), rows of class i (true) predicted as class j.
    """

    classes: np.ndarray
    confusion: np.ndarray

    @classmethod
    def of(cls, truth: np.ndarray, predicted: np.ndarray, classes: np.ndarray) -> "Evaluation":
        """From labels, both (n,); all of `classes`, which are sorted."""
        confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
        places = np.searchsorted(classes, truth), np.searchsorted(classes, predicted)
        np.add.at(confusion, places, 1)
        return cls(classes, confusion)

    @property
    def n(self) -> int:
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        return float(np.trace(self.confusion) / self.n)

    @property
    def recall(self) -> np.ndarray:
        """The share of each class's rows that was found, (n_classes,); NaN for one without rows."""
        totals = self.confusion.sum(1)
        found = np.diag(self.confusion) / np.maximum(totals, 1)
        return np.where(totals > 0, found, np.nan)

    @property
    def balanced_accuracy(self) -> float:
        """The mean of the recalls, each class counting the same."""
        return float(np.nanmean(self.recall))

    @property
    def majority(self) -> float:
        """The accuracy of always answering with the most frequent class of these rows."""
        return float(self.confusion.sum(1).max() / self.n)

    def interval(self) -> tuple[float, float]:
        """The 95% interval of the accuracy (Wilson 1927)."""
        n, p = self.n, self.accuracy
        middle = (p + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
        half = Z_95 / (1 + Z_95**2 / n) * np.sqrt(p * (1 - p) / n + Z_95**2 / (4 * n**2))
        return max(0.0, float(middle - half)), min(1.0, float(middle + half))
