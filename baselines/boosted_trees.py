"""Boosted trees: many small trees, each fitted to the errors of those before it.

Friedman, Annals of Statistics 29 (2001); Ke et al., "LightGBM", NeurIPS 2017.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from baselines._classifier import SeededClassifier
from baselines._folds import held_out

REQUIRES = {"lightgbm": "lightgbm"}


@dataclass(frozen=True)
class Params:
    """Features a tree, then depth, are chosen by log loss on held-out rows.

    Early stopping sets the number of trees: a fit ends after `patience` rounds without gain. The
    final fit uses all rows and the best number of trees.

    n_columns: candidate numbers of features a tree, drawn anew for each tree; None for all. Few
        are fast, but if one feature in thousands matters, few trees contain it.
    depths: candidate depths; `n_columns` is chosen with the first.
    validation_fraction: share of the training rows that is held out.
    """

    learning_rate: float = 0.1
    max_rounds: int = 500
    patience: int = 20
    depths: tuple[int, ...] = (4, 7)
    n_columns: tuple[int | None, ...] = (512, 4096)
    row_fraction: float = 0.8
    n_bins: int = 63
    min_leaf_rows: int = 5
    validation_fraction: float = 0.15


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Trees need no scaling."""
    return Pipeline([("convert", FunctionTransformer()), ("model", BoostedTrees(params, seed))])


class BoostedTrees(SeededClassifier):
    """LightGBM with early stopping; `feature_importances_` are summed gains, (n_features,).

    Attributes:
        n_columns_, depth_, n_rounds_: chosen features a tree, depth and trees a class.
    """

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Choose, then fit all rows: X (n_samples, n_features), y (n_samples,)."""
        import lightgbm

        self.classes_, codes = np.unique(y, return_inverse=True)
        params, n_features = self.params, X.shape[1]
        training, judged = held_out(codes, params.validation_fraction, self.random_state)
        binning = self._settings(params.depths[0], n_features, n_features)
        rows = lightgbm.Dataset(X[training], codes[training], params=binning)
        judging = rows.create_valid(X[judged], codes[judged])
        best_loss = np.inf

        def attempt(n_columns: int, depth: int) -> None:
            nonlocal best_loss
            booster = lightgbm.train(
                self._settings(depth, n_columns, n_features),
                rows,
                params.max_rounds,
                valid_sets=[judging],
                callbacks=[lightgbm.early_stopping(params.patience, verbose=False)],
            )
            [loss] = booster.best_score["valid_0"].values()
            if loss < best_loss:
                best_loss, self.n_rounds_ = loss, booster.best_iteration
                self.n_columns_, self.depth_ = n_columns, depth

        for n_columns in sorted({min(k or n_features, n_features) for k in params.n_columns}):
            attempt(n_columns, params.depths[0])
        for depth in params.depths[1:]:
            attempt(self.n_columns_, depth)
        chosen = self._settings(self.depth_, self.n_columns_, n_features)
        everything = lightgbm.Dataset(X, codes, params=chosen)
        self.booster_ = lightgbm.train(chosen, everything, self.n_rounds_)
        self.feature_importances_ = self.booster_.feature_importance("gain")
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n_samples, n_classes)."""
        values = np.asarray(self.booster_.predict(X))
        return np.column_stack([1 - values, values]) if values.ndim == 1 else values

    def _settings(self, depth: int, n_columns: int, n_features: int) -> dict[str, object]:
        params, n_classes = self.params, len(self.classes_)
        return {
            "objective": "binary" if n_classes == 2 else "multiclass",
            "num_class": 1 if n_classes == 2 else n_classes,
            "learning_rate": params.learning_rate,
            "max_depth": depth,
            "num_leaves": 2**depth,
            "feature_fraction": n_columns / n_features,
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
