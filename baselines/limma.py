"""Moderated F-test of each feature (limma), then logistic regression.

Smyth, Stat Appl Genet Mol Biol 3 (2004). The variance of a feature is its own and that of a prior
that all features share. The prior is fitted to the logarithms of all variances (section 6.2 of the
paper). F compares the means of all classes at once. For two classes it is the square of the
moderated t. Its p-values become q-values (Benjamini & Hochberg 1995). limma is made for logarithms,
so logarithms are taken of counts. Log loss on held-out training rows chooses the number of
features.

Differences: no trend of the variance with the mean, no weights (voom) and no library sizes. The
port of limma in inmoose is the oracle of the tests. It is not used here: version 0.9.1 takes p of F
for infinite degrees of freedom (too small), and its import takes 7 s.
Limits: it sees differences of means of single features, no pairs and no variances. One core took
0.2 s for 150 x 2,000 values and 0.3 s for 100 x 20,000.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, polygamma
from scipy.stats import f, false_discovery_control
from sklearn.pipeline import Pipeline, make_pipeline

from baselines._ranking import DiscoveryParams, RankedClassifier, Ranking
from datasets.table import Table
from deepmapper.images.scaling import FeatureScaler

ROWS_A_CLASS = 4  # on average, so that a part of the training rows has residuals
SMALLEST = 1e-5  # of the median variance: the variance of a constant feature, as in limma


@dataclass(frozen=True)
class Params(DiscoveryParams):
    """Candidates for the number of features, and the rate of false discoveries."""


def supports(table: Table) -> str | None:
    """Refuse tables without enough rows for variances within classes."""
    n, k = table.n_samples, table.n_classes
    if n < ROWS_A_CLASS * k:
        return f"variances within {k} classes need {ROWS_A_CLASS * k} rows, got {n}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: take logarithms of counts, rank, keep the best."""
    model = Limma(params, seed)
    return Pipeline([("convert", FeatureScaler(scale="none")), ("model", model)])


class Limma(RankedClassifier):
    """Logistic regression on the `n_best_` features of largest moderated F."""

    def rank(self, X: np.ndarray, codes: np.ndarray) -> Ranking:
        statistic, p_values = moderated_f(X, codes)
        q_values = false_discovery_control(p_values)
        return Ranking(statistic, q_values <= self.params.fdr, q_values)

    def classifier(self) -> Any:
        return make_pipeline(FeatureScaler(log=False), super().classifier())


def moderated_f(X: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return moderated F and p of the features of X (n_samples, n_features), (n_features,) each."""
    X = X.astype(np.float64)
    sizes = np.bincount(codes)
    means = np.stack([X[codes == c].mean(0) for c in range(len(sizes))])
    df_between, df = len(sizes) - 1, len(X) - len(sizes)
    between = sizes @ np.square(means - X.mean(0)) / df_between
    within = np.square(X - means[codes]).sum(0) / df
    variance, df_prior = moderate(within, df)
    df_total = min(df + df_prior, df * X.shape[1])
    statistic = between / variance
    return statistic, f.sf(statistic, df_between, df_total)


def moderate(variance: np.ndarray, df: int) -> tuple[np.ndarray, float]:
    """Return posterior variances (n_features,) and the degrees of freedom of the prior.

    `variance` (n_features,) has `df` degrees of freedom.
    """
    if len(variance) == 1:
        return variance, 0.0
    variance = np.maximum(variance, SMALLEST * (np.median(variance) or 1.0))
    # log(variance) = log(prior) + log F(df, df_prior). Mean and variance of a log F are digammas.
    logs = np.log(variance) - digamma(df / 2) + np.log(df / 2)
    excess = logs.var(ddof=1) - polygamma(1, df / 2)
    if excess < 1e-8:  # more than 1e8 degrees of freedom
        return np.full_like(variance, variance.mean()), np.inf
    half = np.exp(brentq(lambda log_half: polygamma(1, np.exp(log_half)) - excess, -20, 20))
    prior = np.exp(logs.mean() + digamma(half) - np.log(half))
    return (2 * half * prior + df * variance) / (2 * half + df), float(2 * half)
