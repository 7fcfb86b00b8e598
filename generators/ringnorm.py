"""Ringnorm: one normal distribution inside another, wider one.

7,400 samples, 20 features, two classes of equal size. Noise features can be added. Breiman's
example for ensembles (1996), with the distance between the centres of DELVE's copy. No official
split. MIT.
Trap: each feature is weak, and with noise features the classes differ mainly in their variances,
which an F-test does not see. The Bayes error of 20 features is 1.2%.
"""

import numpy as np

from datasets.table import Source, Table
from generators._parameters import require_whole
from generators._streams import stream

DISTANCE = 2.0  # between the centres: a = 2 / sqrt(20) in each of 20 features
WIDE = 2.0  # the standard deviation of class 0; that of class 1 is 1
SOURCE = Source(
    citation="Breiman, Bias, variance, and arcing classifiers, Technical Report 460, Statistics "
    "Department, University of California, Berkeley (1996)",
    address="generated",
    licence="MIT",
)


def load(*, n_samples: int = 7_400, n_features: int = 20, n_noise: int = 0, seed: int = 0) -> Table:
    """Draw class 0 from N(0, 4 I) and class 1 from N((a, ..., a), I).

    A noise feature has the distribution of a relevant one over both classes together, but is
    independent of the label and of the other features. Columns are in random order.

    Parameters
    ----------
    n_samples : int
        Number of samples. DELVE's copy has 7,400.
    n_features : int
        Number of features that carry the class. a = 2 / sqrt(n_features): the distance between the
        centres is the same for any number.
    n_noise : int
        Number of noise features.
    seed : int

    Returns
    -------
    Table
        X (n_samples, n_features + n_noise), float32. `relevant` has the features with the class.
    """
    require_whole("ringnorm", 4, n_samples=n_samples)
    require_whole("ringnorm", 1, n_features=n_features)
    require_whole("ringnorm", 0, n_noise=n_noise, seed=seed)
    n_columns = n_features + n_noise
    y = stream(seed, "ringnorm/labels").permutation(np.arange(n_samples, dtype=np.int64) % 2)
    where = stream(seed, "ringnorm/places").choice(n_columns, n_features, replace=False)
    X = np.empty((n_samples, n_columns), dtype=np.float32)
    stream(seed, "ringnorm/values").standard_normal(out=X, dtype=np.float32)
    narrow = np.broadcast_to(y[:, None] == 1, X.shape)
    if n_noise:
        narrow = stream(seed, "ringnorm/noise").random(X.shape, dtype=np.float32) < 0.5
        narrow[:, where] = y[:, None] == 1
    X *= np.where(narrow, np.float32(1), np.float32(WIDE))
    X += np.where(narrow, np.float32(DISTANCE / np.sqrt(n_features)), np.float32(0))
    return Table(
        name="ringnorm",
        X=X,
        y=y,
        classes=("wide", "narrow"),
        features=[f"feature_{j}" for j in range(n_columns)],
        source=SOURCE,
        relevant=np.sort(where).astype(np.int64),
    )
