"""Integrated path stability selection (IPSS) of boosted trees.

Melikechi & Miller, J Am Stat Assoc (2025). Melikechi, Dunson & Miller, Bioinformatics 41 (2025). It
controls false discoveries. The authors' package runs with its settings: the 200 features of largest
distance correlation, 100 pairs of halves of the rows, XGBoost stumps. The score of a feature is
log(n_features / efp), where efp is the expected number of false features among those that are as
stable. Log loss on held-out training rows chooses how many features logistic regression uses.

The package handles two classes. More are compared one against the rest. The largest score counts,
and the smallest q-value times the number of classes. Features are preselected outside `ipss()`,
with the package's function: results are the same, and `ipss()` compares all pairs of q-values,
which takes minutes for 20,000 features.
Limits: a class of a few rows has no splits (XGBoost wants a weight of 1 on both sides) and is left
out. Stumps do not see pairs. One core took 41 s for 150 x 2,000 values of three classes. Distance
correlation takes 1e-8 s for each pair of rows, feature and class.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from sklearn.pipeline import Pipeline

from baselines._ranking import DiscoveryParams, RankedClassifier, Ranking, positive
from datasets.table import Table
from deepmapper.images.scaling import FeatureScaler

REQUIRES = {"ipss": "ipss"}
MIN_ROWS = 32  # the halves of a part of the training rows have a split then
MAX_DISTANCES = 2e10  # n_samples^2 * n_features * n_classes
MIN_WEIGHT = 2.0  # of a half: both sides of a split have 1
SMALLEST = 1e-8  # the package rounds efp to this
# The package's settings, and one thread: results do not depend on the number of cores.
STUMPS = {
    "max_depth": 1,
    "colsample_bynode": 1 / 3,
    "n_estimators": 100,
    "importance_type": "gain",
    "n_jobs": 1,
}


@dataclass(frozen=True)
class Params(DiscoveryParams):
    """Settings of the stability selection, and the rate of false discoveries.

    Attributes
    ----------
    n_halvings : int
        Number of random halvings of the rows.
    """

    n_halvings: int = 100


def supports(table: Table) -> str | None:
    """Refuse tables with too few rows to split, one feature, or too many pairs of rows."""
    n, p, k = table.n_samples, table.n_features, table.n_classes
    if p < 2:
        return f"the stability of features needs at least 2 features, got {p}"
    if n < MIN_ROWS:
        return f"stability over halves of the rows needs at least {MIN_ROWS} rows, got {n}"
    if n * n * p * k > MAX_DISTANCES:
        most = int(MAX_DISTANCES / (n * n * k))
        return f"distance correlation: at most {most:,} features with {n:,} rows, got {p:,}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: standardise, rank, keep the best."""
    return Pipeline([("convert", FeatureScaler()), ("model", Ipss(params, seed))])


class Ipss(RankedClassifier):
    """Logistic regression on the `n_best_` features of fewest expected false ones."""

    def rank(self, X: np.ndarray, codes: np.ndarray) -> Ranking:
        n_tests = len(np.unique(codes)) if codes.max() > 1 else 1
        scores = np.full((n_tests, X.shape[1]), np.nan)
        q_values = np.ones_like(scores)
        for c in range(n_tests):
            y = (codes == c).astype(np.float64)
            if y.var() * (len(y) // 2) >= MIN_WEIGHT:
                columns, efp, q_values[c] = self._stability(X, y)
                scores[c, columns] = np.log(X.shape[1] / np.maximum(efp, SMALLEST))
        smallest = np.minimum(n_tests * q_values.min(0), 1)
        return Ranking(positive(scores), smallest <= self.params.fdr, smallest)

    def _stability(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the preselected features, their efp, and the q-values of all features.

        Features that are as unstable as noise have efp n_features, as in the package.
        """
        from ipss.main import ipss
        from ipss.preselection import preselection

        _, columns = preselection(X.astype(np.float64), y, "dcor")
        with _numpy_seed(self.random_state):
            stability = ipss(
                X[:, columns], y, preselect=False, B=self.params.n_halvings, selector_args=STUMPS
            )
        n_kept, n_features = len(columns), X.shape[1]
        efp = np.array([stability["efp_scores"][i] for i in range(n_kept)])
        q_values = np.ones(n_features)
        q_values[columns] = [stability["q_values"][i] for i in range(n_kept)]
        return columns, np.where(efp >= n_kept - 1, n_features, efp), q_values


@contextmanager
def _numpy_seed(seed: int) -> Iterator[None]:
    """Seed numpy's global generator, which the package draws from, and restore it at the end."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
