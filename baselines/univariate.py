"""An F-test of each feature, then logistic regression on the best of them.

Fisher (1925), with scikit-learn. Log loss on held-out training rows chooses the number of features.
The final ranking uses all training rows. Features are selected by their p-values (Benjamini &
Hochberg 1995).
Limits: it sees differences of means of single features,
no pairs and no variances. 56,537 genes of 364 samples took 1.6 s on two cores.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control
from sklearn.feature_selection import f_classif
from sklearn.pipeline import Pipeline

from baselines._ranking import DiscoveryParams, RankedClassifier, Ranking
from deepmapper.images.scaling import FeatureScaler


@dataclass(frozen=True)
class Params(DiscoveryParams):
    """Candidates for the number of features, and the rate of false discoveries."""


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: standardise, rank, keep the best."""
    return Pipeline([("convert", FeatureScaler()), ("model", UnivariateClassifier(params, seed))])


class UnivariateClassifier(RankedClassifier):
    """Logistic regression on the `n_best_` features of largest F statistic."""

    def rank(self, X: np.ndarray, codes: np.ndarray) -> Ranking:
        """Score features by F, 0 for constant features, whose F is 0/0."""
        with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Features .* are constant")
            statistic, p_values = f_classif(X, codes)
        q_values = false_discovery_control(np.nan_to_num(p_values, nan=1.0))
        return Ranking(np.nan_to_num(statistic, posinf=1e30), q_values <= self.params.fdr, q_values)
