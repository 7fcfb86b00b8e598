"""An F-test of each feature, then logistic regression on the best of them.

Fisher (1925), with scikit-learn. Log loss on held-out training rows chooses the number of features.
The final ranking uses all training rows.
Limits: it sees differences of means of single features,
no pairs and no variances. 56,537 genes of 364 samples took 1.6 s on two cores.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.feature_selection import f_classif
from sklearn.pipeline import Pipeline

from baselines._ranking import RankedClassifier, Ranking, RankingParams
from deepmapper.images.scaling import FeatureScaler


@dataclass(frozen=True)
class Params(RankingParams):
    """Candidates for the number of features, see `RankingParams`."""


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: standardise, rank, keep the best."""
    return Pipeline([("convert", FeatureScaler()), ("model", UnivariateClassifier(params, seed))])


class UnivariateClassifier(RankedClassifier):
    """Logistic regression on the `n_best_` features of largest F statistic."""

    def rank(self, X: np.ndarray, codes: np.ndarray) -> Ranking:
        """Score features by F, 0 for constant features, whose F is 0/0."""
        with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Features .* are constant")
            return Ranking(np.nan_to_num(f_classif(X, codes)[0], posinf=1e30))
