"""Features that a lasso prefers to their knockoffs.

Candès, Fan, Janson & Lv, J R Stat Soc B 80 (2018). Second-order Gaussian knockoffs (covariance of
Ledoit & Wolf, equal correlations) and the threshold knockoff+ of the package hidimstat. The
statistic W of a feature is the size of its lasso coefficients minus that of its knockoff. The lasso
takes all classes at once (one-hot codes, one group a feature), and five folds choose its strength.
For two classes it is the lasso on the codes. Log loss on held-out training rows chooses how many
features of positive W logistic regression uses.

Differences: a lasso on the codes and not logistic, as in hidimstat. Version 0.4.0 of `sample()`
multiplies the noise by the wrong side of the Cholesky factor (the covariance of knockoffs was off
by 0.6 with correlations of 0.6). Here it is the covariance of the paper.
Limits: knockoff+ selects at least 1 / fdr features or none. With fewer relevant features than that
it selects none. The covariance is estimated, so the rate is approximate: with 150 x 2,000 values 4
of 20 selected features were false. That took 17 s of one core. 100 x 20,000 is refused.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import MultiTaskLassoCV
from sklearn.pipeline import Pipeline

from baselines._folds import folds
from baselines._ranking import DiscoveryParams, RankedClassifier, Ranking, positive
from datasets.table import Table
from deepmapper.images.scaling import FeatureScaler
from deepmapper.training.streams import stream

REQUIRES = {"hidimstat": "hidimstat"}
MAX_FEATURES = 5_000  # eigenvalues and inverses of a covariance of all features
MAX_VALUES = 20_000_000  # n_samples * n_features


@dataclass(frozen=True)
class Params(DiscoveryParams):
    """Settings of the lasso, and the rate of false discoveries.

    Attributes
    ----------
    n_folds : int
        Number of folds of the training rows that choose the strength of the lasso.
    n_strengths : int
        Number of strengths to choose from.
    """

    n_folds: int = 5
    n_strengths: int = 30


def supports(table: Table) -> str | None:
    """Refuse tables with too many features for a covariance, or too many values."""
    n, p = table.n_samples, table.n_features
    if p > MAX_FEATURES:
        return f"needs a covariance of all features: at most {MAX_FEATURES:,}, got {p:,}"
    if n * p > MAX_VALUES:
        return f"at most {MAX_VALUES // p:,} rows with {p:,} features, got {n:,}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: standardise, rank, keep the best."""
    return Pipeline([("convert", FeatureScaler()), ("model", Knockoffs(params, seed))])


class Knockoffs(RankedClassifier):
    """Logistic regression on the `n_best_` features of largest W above 0."""

    def rank(self, X: np.ndarray, codes: np.ndarray) -> Ranking:
        from hidimstat import ModelXKnockoff

        varying = np.flatnonzero(np.ptp(X, axis=0) > 0)
        statistics = np.zeros(X.shape[1])
        statistics[varying] = self._statistics(X[:, varying].astype(np.float64), codes)
        threshold = ModelXKnockoff.knockoff_threshold(statistics, fdr=self.params.fdr)
        selected = (statistics >= threshold) & (statistics > 0)
        return Ranking(positive(statistics), selected)

    def _statistics(self, X: np.ndarray, codes: np.ndarray) -> np.ndarray:
        params = self.params
        X = (X - X.mean(0)) / X.std(0)
        both = np.hstack([X, self._knockoffs(X)])
        lasso = MultiTaskLassoCV(
            alphas=params.n_strengths,
            cv=folds(codes, params.n_folds, self.random_state),
            max_iter=5000,
            tol=1e-3,
        )
        lasso.fit(both, np.eye(codes.max() + 1)[codes])
        size = np.linalg.norm(lasso.coef_, axis=0)
        return size[: X.shape[1]] - size[X.shape[1] :]

    def _knockoffs(self, X: np.ndarray) -> np.ndarray:
        """Draw knockoffs of standardised X, (n_samples, n_features)."""
        from hidimstat.samplers import GaussianKnockoffs

        generator = GaussianKnockoffs().fit(X)
        noise = stream(self.random_state, "knockoffs").standard_normal(X.shape)
        return generator.mu_tilde_ + noise @ generator.sigma_tilde_decompose_.T
