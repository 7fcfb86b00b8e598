"""The attributions of all passes in one table.

Paper: Methods 8-9 ("accumulate attribution results by collecting the attribution results for each
class ... tabulate attribution results by averaging accumulated attributions"), Fig. 2 ("repeated
until convergence or a maximum"). Selection frequency: stability selection, Meinshausen & Bühlmann,
J R Stat Soc B 72 (2010).
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from deepmapper.errors import DeepMapperError
from deepmapper.estimators.evidence import KINDS, Evidence

__all__ = ["Consensus"]


class Consensus:
    """Accumulate attribution maps of shape (n_classes, n_features), one per pass.

    Parameters
    ----------
    top : int, default=20
        A feature is selected in a pass if it ranks in the top `top` features of a class and its
        attribution is not zero (as behind a closed gate).

    Attributes
    ----------
    maps : list of array of shape (n_classes, n_features)
        One per pass. The absolute values of each class add up to 1.

    Raises
    ------
    DeepMapperError
        `top` is less than 1.
    """

    def __init__(self, top: int = 20) -> None:
        if top < 1:
            message = f"top, the number of features selected per class, is 1 or more; got {top}"
            raise DeepMapperError(message)
        self.top = top
        self.maps: list[np.ndarray] = []

    def add(self, attributions: np.ndarray) -> None:
        """Add one pass.

        Parameters
        ----------
        attributions : array of shape (n_classes, n_features)
            Each class's map is divided by its sum, so that all passes have the same weight.
        """
        total = np.abs(attributions).sum(axis=1, keepdims=True)
        self.maps.append(attributions / np.where(total > 0, total, 1.0))

    def agreement(self) -> float:
        """Measure the agreement of two halves of the passes on the top features.

        Passes of even and of odd number are averaged separately. In each half, the top features of
        a class are kept, as shares of their sum. Agreement is the part common to both halves,
        averaged over classes. So a feature counts by its weight: two halves whose needles hold
        nearly all weight agree, whichever noise features follow.

        Returns
        -------
        float
            0 to 1. 0 for fewer than two passes.
        """
        if len(self.maps) < 2:
            return 0.0
        first, second = (self._shares(np.mean(self.maps[start::2], axis=0)) for start in (0, 1))
        common = np.minimum(first, second).sum(axis=1)
        has_none = (first.sum(axis=1) == 0) & (second.sum(axis=1) == 0)
        return float(np.where(has_none, 1.0, common).mean())

    def selection_frequency(self) -> np.ndarray:
        """The share of passes that selected each feature.

        Returns
        -------
        array of shape (n_classes, n_features)
        """
        return np.mean([self._select_top(m) for m in self.maps], axis=0)

    def table(
        self, features: ArrayLike, classes: ArrayLike, evidence: Evidence | None = None
    ) -> pd.DataFrame:
        """Collect all passes in one table.

        Parameters
        ----------
        features : array of shape (n_features,)
            Names.
        classes : array of shape (n_classes,)
            Names.
        evidence : Evidence, default=None
            Of the features, in their order.

        Returns
        -------
        DataFrame
            Columns feature, class, mean, sd, selection_frequency, mean_rank. With evidence also
            q_value, evidence (its kind), direction ("higher" or "lower" in the class, for marginal
            evidence) and partner (the other features of a pair or triple). The best of each
            class come first: those of the strongest evidence, if given, else of the largest mean.
            mean and sd, over passes, are of the share of a class's attribution (1 is all of it).
            Rank 1 is best. Features of the same attribution (closed gates) share their mean rank.
        """
        maps = np.stack(self.maps)  # (passes, classes, features)
        n_classes, n_features = maps.shape[1:]
        mean_rank = rankdata(-np.abs(maps), axis=2).mean(0)
        frequency = self.selection_frequency()
        table = pd.DataFrame(
            {
                "feature": np.tile(np.asarray(features, dtype=object), n_classes),
                "class": np.repeat(np.asarray(classes, dtype=object), n_features),
                "mean": maps.mean(0).ravel(),
                "sd": (maps.std(0, ddof=1) if len(maps) > 1 else np.zeros(maps.shape[1:])).ravel(),
                "selection_frequency": frequency.ravel(),
                "mean_rank": mean_rank.ravel(),
            }
        )
        position = np.repeat(np.arange(n_classes), n_features)
        strength = np.zeros(len(table))
        if evidence is not None:
            strength = _each_class(evidence.strength, n_classes).ravel()
            table["q_value"] = _each_class(evidence.q_value, n_classes).ravel()
            kind = _each_class(evidence.kind, n_classes).ravel()
            table["evidence"] = np.array(KINDS, dtype=object)[kind]
            table["direction"] = _directions(evidence.sign, n_classes).ravel()
            table.loc[kind != KINDS.index("marginal"), "direction"] = ""
            names = np.append(np.asarray(features, dtype=object), "")  # the last: no partner
            partners = _each_class(names[evidence.partner], n_classes).reshape(-1, 3)
            of_pair, *of_triple = partners.T
            table["partner"] = ""
            for name, partners in (("pair", of_pair), ("triple", _joined(*of_triple))):
                is_kind = kind == KINDS.index(name)
                table.loc[is_kind, "partner"] = partners[is_kind]
        order = np.lexsort((-np.abs(table["mean"].to_numpy()), -strength, position))
        return table.iloc[order].reset_index(drop=True)

    def _shares(self, maps: np.ndarray) -> np.ndarray:
        """Each top feature's share of their sum, per class, and 0 for others."""
        top_maps = np.abs(maps) * self._select_top(maps)
        total = top_maps.sum(axis=1, keepdims=True)
        return top_maps / np.where(total > 0, total, 1.0)

    def _select_top(self, maps: np.ndarray) -> np.ndarray:
        """Whether a feature is in the top of each class, bool (n_classes, n_features)."""
        order = np.argsort(-np.abs(maps), axis=1, kind="stable")[:, : self.top]
        is_selected = np.zeros(maps.shape, dtype=bool)
        np.put_along_axis(is_selected, order, True, axis=1)
        return is_selected & (maps != 0)


def _joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """ "a, b" for each two names."""
    pairs = zip(first, second, strict=True)
    return np.array([f"{a}, {b}" for a, b in pairs], dtype=object)


def _each_class(values: np.ndarray, n_classes: int) -> np.ndarray:
    """A row for each class of values of shape (n_contrasts, n_features, ...)."""
    return np.broadcast_to(values, (n_classes, *values.shape[1:]))


def _directions(sign: np.ndarray, n_classes: int) -> np.ndarray:
    """ "higher", "lower" or "" for each class and feature, from the signs of the contrasts."""
    if len(sign) < n_classes:  # of two classes, the contrast is that of the second
        sign = np.vstack([-sign, sign])
    return np.select([sign > 0, sign < 0], ["higher", "lower"], "").astype(object)
