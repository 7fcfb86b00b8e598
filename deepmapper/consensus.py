"""Passes accumulated: what every train-attribute round says of a feature, in one table.

Paper: Methods 8-9 ("accumulate attribution results by collecting the attribution results for each
class ... tabulate attribution results by averaging accumulated attributions").
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike


class Consensus:
    """Accumulates maps of shape (n_classes, n_features), one a pass.

    Args:
        top: a feature counts as selected in a pass where it is among so many strongest of a class.
    """

    def __init__(self, top: int = 20) -> None:
        self.top = top
        self.maps: list[np.ndarray] = []

    def add(self, attributions: np.ndarray) -> None:
        """Take in one pass; each class's map is divided by its sum, so that passes weigh alike."""
        total = np.abs(attributions).sum(axis=1, keepdims=True)
        self.maps.append(attributions / np.where(total > 0, total, 1.0))

    def table(self, features: ArrayLike, classes: ArrayLike) -> pd.DataFrame:
        """Columns feature, class, mean, sd, selection_frequency, mean_rank; best first a class.

        mean and sd are over passes, of the share of a class's attribution (1 is all of it);
        selection_frequency is the share of passes with the feature among the top; rank 1 is best.
        """
        maps = np.stack(self.maps)  # (passes, classes, features)
        ranks = np.stack([_ranks(m) for m in maps])
        n_classes, n_features = maps.shape[1:]
        table = pd.DataFrame(
            {
                "feature": np.tile(np.asarray(features, dtype=object), n_classes),
                "class": np.repeat(np.asarray(classes, dtype=object), n_features),
                "mean": maps.mean(0).ravel(),
                "sd": (maps.std(0, ddof=1) if len(maps) > 1 else np.zeros(maps.shape[1:])).ravel(),
                "selection_frequency": (ranks <= self.top).mean(0).ravel(),
                "mean_rank": ranks.mean(0).ravel(),
            }
        )
        position = np.repeat(np.arange(n_classes), n_features)
        order = np.lexsort((-np.abs(table["mean"].to_numpy()), position))
        return table.iloc[order].reset_index(drop=True)


def _ranks(maps: np.ndarray) -> np.ndarray:
    """Rank 1 for the strongest feature of each class; shape as given, (n_classes, n_features)."""
    order = np.argsort(-np.abs(maps), axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(1, maps.shape[1] + 1)[None, :], axis=1)
    return ranks
