"""Boosted trees: many small trees, each fitted to what the ones before it left over.

Friedman, Annals of Statistics 29 (2001); Ke et al., "LightGBM", NeurIPS 2017. LightGBM rather than
XGBoost by measurement: `python -m bench.engine run boosting`.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

REQUIRES = {"lightgbm": "lightgbm"}


@dataclass(frozen=True)
class Params:
    """Early stopping chooses the number of trees: it ends after `patience` rounds in vain.

    n_columns: numbers of features that a tree may look at, drawn anew for each, None for all; each
        is tried, and the best is kept by held-out log loss. Few columns are fast and make trees
        that differ; but where one feature in thousands matters, few trees would meet it, and the
        rounds before would end the fit by early stopping.
    validation_fraction: of the training rows, held out to stop by log loss.
    """

    learning_rate: float = 0.1
    max_rounds: int = 500
    patience: int = 20
    max_depth: int = 4
    n_columns: tuple[int | None, ...] = (512, None)
    row_fraction: float = 0.8
    n_bins: int = 63
    min_leaf_rows: int = 5
    validation_fraction: float = 0.15


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Trees need no scaling."""
    return Pipeline([("convert", FunctionTransformer()), ("model", BoostedTrees(params, seed))])


class BoostedTrees(ClassifierMixin, BaseEstimator):
    """LightGBM with early stopping; `feature_importances_` are summed gains, (n_features,).

    Attributes:
        n_columns_: features that a tree may look at, as chosen.
    """

    def __init__(self, params: Params = Params(), random_state: int = 0) -> None:
        self.params = params
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """X (n_samples, n_features), y (n_samples,)."""
        import lightgbm

        self.classes_, codes = np.unique(y, return_inverse=True)
        fitted, held_out = train_test_split(
            np.arange(len(X)),
            test_size=max(len(self.classes_), round(self.params.validation_fraction * len(X))),
            stratify=codes,
            random_state=self.random_state,
        )
        settings = self._settings()
        rows = lightgbm.Dataset(X[fitted], codes[fitted], params=settings)
        rows_held_out = rows.create_valid(X[held_out], codes[held_out])
        best_loss, n_features = np.inf, X.shape[1]
        for number in sorted({min(k or n_features, n_features) for k in self.params.n_columns}):
            booster = lightgbm.train(
                settings | {"feature_fraction": number / n_features},
                rows,
                self.params.max_rounds,
                valid_sets=[rows_held_out],
                callbacks=[lightgbm.early_stopping(self.params.patience, verbose=False)],
            )
            [loss] = booster.best_score["valid_0"].values()
            if loss < best_loss:
                best_loss, self.booster_, self.n_columns_ = loss, booster, number
        self.feature_importances_ = self.booster_.feature_importance("gain")
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n_samples, n_classes)."""
        values = np.asarray(self.booster_.predict(X))
        return np.column_stack([1 - values, values]) if values.ndim == 1 else values

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Labels (n_samples,)."""
        return self.classes_[self.predict_proba(X).argmax(1)]

    def _settings(self) -> dict[str, object]:
        params, n_classes = self.params, len(self.classes_)
        return {
            "objective": "binary" if n_classes == 2 else "multiclass",
            "num_class": 1 if n_classes == 2 else n_classes,
            "learning_rate": params.learning_rate,
            "max_depth": params.max_depth,
            "num_leaves": 2**params.max_depth - 1,
            "bagging_fraction": params.row_fraction,
            "bagging_freq": 1,
            "max_bin": params.n_bins,
            "min_data_in_leaf": params.min_leaf_rows,
            "min_data_in_bin": 1,
            "feature_pre_filter": False,
            "seed": self.random_state % 2**31,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }
