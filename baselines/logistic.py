"""Logistic regression with an L2 penalty, its strength chosen on held-out training rows.

Cox, J R Stat Soc B 20 (1958); scikit-learn's lbfgs solver on standardised features.
"""

from dataclasses import dataclass

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit
from sklearn.pipeline import Pipeline

from deepmapper.scaling import FeatureScaler


@dataclass(frozen=True)
class Params:
    """strengths: values of C (the inverse penalty) to choose from, by held-out log loss."""

    strengths: tuple[float, ...] = (1e-4, 1e-2, 1.0)
    max_iter: int = 500


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Standardise, then search over C on one stratified fifth of the training rows."""
    model = LogisticRegression(max_iter=params.max_iter, tol=1e-4, random_state=seed)
    folds = StratifiedShuffleSplit(1, test_size=0.2, random_state=seed)
    search = GridSearchCV(
        model, {"C": list(params.strengths)}, cv=folds, scoring="neg_log_loss", error_score="raise"
    )
    return Pipeline([("convert", FeatureScaler()), ("model", search)])
