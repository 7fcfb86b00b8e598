"""TabMap: optimal transport from the distances of features to those of pixels.

Yan, Islam & Xing, Nat Biomed Eng (2024). The layout is that of the authors' package `tabmap` 0.1.3,
fitted on the scaled training rows with the settings of its manual: correlation distance, KL loss,
no entropy term, one feature a pixel. The image goes to the CNN of `deepmapper`, with its settings.

Without an entropy term the package makes one linear step. The result is an order: a feature's mean
distance to all features has the same rank as the mean log distance of its pixel to all pixels (a
test checks this). Correlated features need not be neighbours.
Differences: the authors' CNN has two convolutions with batch normalisation. Their tutorials scale
features to [0, 1], which is `scaling="minmax"`. Of our scaling, only the logarithm of counts and
the clipping at 5 standard deviations change correlations.
Limits: 4 to 5,000 features. The layout of 500, 1,000, 2,000 and 5,000 features of 200 samples took
0.2, 0.8, 4 and 36 CPU seconds, and 0.15, 0.2, 0.5 and 2 GiB. The package's license is CC BY-NC-ND
2.0: no commercial use.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from sklearn.pipeline import Pipeline

from baselines import _tintolib
from baselines._environments import tabmap as script
from baselines._tintolib import Placement, build_with, refusal
from baselines._transport import place_by
from datasets.table import Table

ENVIRONMENT = (
    "tabmap==0.1.3",
    "pot==0.9.7.post1",
    "scikit-learn==1.9.1",
    "scipy==1.17.1",
    "numpy==2.4.6",
    "joblib==1.6.0",
    "cloudpickle==3.1.2",
    "threadpoolctl==3.8.0",
    "narwhals==2.29.0",
)
MAX_FEATURES = 5_000


@dataclass(frozen=True)
class Params(_tintolib.Params):
    """Settings of the layout, by default those of the package's manual.

    Attributes
    ----------
    metric : {"correlation", "euclidean"}
        Distance of features. The authors' tutorials use "correlation", their `main.py` "euclidean".
    loss : {"kl_loss", "square_loss", "sqeuclidean"}
        Name of the transport's loss in the package.
    """

    metric: Literal["correlation", "euclidean"] = "correlation"
    loss: Literal["kl_loss", "square_loss", "sqeuclidean"] = "kl_loss"


def supports(table: Table) -> str | None:
    """Refuse tables with too few or too many features."""
    return refusal(table, MAX_FEATURES)


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: place in the other environment, fold, train."""
    return build_with(partial(place, params), params, device=device, seed=seed)


def place(params: Params, X: np.ndarray) -> Placement:
    """Return the pixels of the features of X, scaled rows (n_samples, n_features)."""
    return place_by(script.place, ENVIRONMENT, X, metric=params.metric, loss=params.loss)
