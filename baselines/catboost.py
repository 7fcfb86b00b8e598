"""CatBoost: boosted trees whose nodes of one level share a split.

Prokhorenkova, Gusev, Vorobev, Dorogush, Gulin, NeurIPS 2018, with the authors' package `catboost`.
Log loss on held-out training rows chooses the number of features a level. Early stopping chooses
the number of trees. The final fit uses all rows. Learning rate and share of rows are those of
`boosted_trees`, other settings the package's defaults, such as plain boosting on the CPU.

Differences: features are drawn anew for each level of a tree, because the package has no draw for a
whole tree. Trees have depth 4 and features 32 bins, where the package has 6 and 254, because time
grows with the number of leaves and of bins.
Limits: it runs on the CPU. On one core 150 samples of 2,000 features took 51 s, and 100 of
20,000 took 82 s, with an accuracy of only 0.48 on three classes with ten planted features.
"""

from dataclasses import dataclass
from typing import Any, Self

import joblib
import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from baselines._boosting import BoostingParams, choose
from baselines._classifier import SeededClassifier
from baselines._folds import held_out

REQUIRES = {"catboost": "catboost"}
READS_MISSING = True  # NaN goes to the side of a cut that lowers the loss most


@dataclass(frozen=True)
class Params(BoostingParams):
    """Settings of CatBoost.

    Attributes
    ----------
    depths : tuple of int
        Candidate depths. `n_columns` is chosen with the first.
    n_columns : tuple of int or None
        Candidate numbers of features a level, drawn anew for each level. None: all.
    n_bins : int
        Maximum number of bins of a feature.
    """

    depths: tuple[int, ...] = (4,)
    n_columns: tuple[int | None, ...] = (512, 4096)
    n_bins: int = 32


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline. Trees need no scaling."""
    return Pipeline([("convert", FunctionTransformer()), ("model", CatBoost(params, seed))])


class CatBoost(SeededClassifier):
    """CatBoost with early stopping. Importances are changes of predictions, (n_features,).

    `n_columns_`, `depth_`, `n_rounds_`: chosen features a level, depth, and trees.
    """

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        from catboost import Pool

        self.classes_, codes = np.unique(y, return_inverse=True)
        params, n_features = self.params, X.shape[1]
        training, held = held_out(codes, params.validation_fraction, self.random_state)
        rows, validation = Pool(X[training], codes[training]), Pool(X[held], codes[held])

        def train(n_columns: int, depth: int) -> tuple[float, int]:
            model = self._model(depth, n_columns / n_features, params.max_rounds)
            model.fit(rows, eval_set=validation, early_stopping_rounds=params.patience)
            [loss] = model.get_best_score()["validation"].values()
            return loss, model.get_best_iteration() + 1

        _, self.n_rounds_, self.n_columns_, self.depth_ = choose(params, n_features, train)
        self.model_ = self._model(self.depth_, self.n_columns_ / n_features, self.n_rounds_)
        self.model_.fit(X, codes)
        self.feature_importances_ = self.model_.get_feature_importance()
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return self.model_.predict_proba(X, thread_count=joblib.cpu_count())

    def _model(self, depth: int, share_of_columns: float, n_rounds: int) -> Any:
        from catboost import CatBoostClassifier

        return CatBoostClassifier(
            loss_function="Logloss" if len(self.classes_) == 2 else "MultiClass",
            iterations=n_rounds,
            learning_rate=self.params.learning_rate,
            depth=depth,
            rsm=share_of_columns,
            bootstrap_type="Bernoulli",
            subsample=self.params.row_fraction,
            border_count=self.params.n_bins - 1,  # borders lie between bins
            random_seed=self.random_state % 2**31,
            thread_count=joblib.cpu_count(),
            allow_writing_files=False,
            logging_level="Silent",
        )
