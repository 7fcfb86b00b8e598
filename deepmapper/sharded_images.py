"""Images of a table in shards: what `ImageConverter` does, and nothing reads the table as a whole.

scikit-learn's checks, which the converter begins with, would.
"""

from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from deepmapper.errors import DeepMapperError
from deepmapper.images._folded import FoldedRows
from deepmapper.images._rows import checked
from deepmapper.images.converter import ImageConverter
from deepmapper.images.scaling import FeatureScaler
from deepmapper.shards import ShardedTable
from deepmapper.training.devices import resolve_device

BLOCK_VALUES = 1 << 24  # values converted at a time: 64 MiB


def checked_rows(estimator: BaseEstimator, X: Any, *, reset: bool) -> Any:
    """X as `images._rows.checked` has it; of a table in shards the width and the names count.

    Raises:
        DeepMapperError: another number of features than in training, or others.
    """
    if not isinstance(X, ShardedTable):
        return checked(estimator, X, reset=reset)
    if reset:
        validate_data(estimator, X, reset=True, skip_check_array=True)
        if X.is_named:
            estimator.feature_names_in_ = np.array(X.features, dtype=object)
        return X
    n_features = estimator.n_features_in_
    if X.shape[1] != n_features:
        message = (
            f"{X.folder}: expected {n_features} features, as in training, got {X.shape[1]}; choose "
            f"them with ShardedTable.take(columns=...)"
        )
        raise DeepMapperError(message)
    known = getattr(estimator, "feature_names_in_", None)
    if X.is_named and known is not None and X.features != known.tolist():
        place = next(i for i, name in enumerate(X.features) if name != known[i])
        message = (
            f"{X.folder}: the features are not those of training, in their order: expected "
            f"{known[place]!r} as feature {place} (counted from 0), got {X.features[place]!r}; "
            f"choose and order them with ShardedTable.take(columns=...)"
        )
        raise DeepMapperError(message)
    return X


def fit_images(converter: ImageConverter, X: Any, y: np.ndarray) -> Any:
    """As `converter.fit_transform(X, y)`."""
    if not isinstance(X, ShardedTable):
        return converter.fit_transform(X, y)
    validate_data(converter, X, reset=True, skip_check_array=True)
    scaler = FeatureScaler(converter.log, converter.scale, converter.clip)
    converter.scaler_ = scaler.learn(X)
    converter.layout_ = converter._make_layout(X, y)
    return images_of(converter, X)


def images_of(converter: ImageConverter, X: Any) -> Any:
    """As `converter.transform(X)`."""
    if not isinstance(X, ShardedTable):
        return converter.transform(X)
    checked_rows(converter, X, reset=False)
    device = resolve_device(converter.device)
    if converter._streams(X, device):
        return FoldedRows(X, converter.scaler_, converter.layout_, device)
    images: Any = torch.empty((len(X), 1, *converter.layout_.shape), device=device)
    if device.type == "cpu":
        images = images.numpy()
    step = max(1, BLOCK_VALUES // X.shape[1])
    for start in range(0, len(X), step):
        rows = slice(start, start + step)
        images[rows] = converter.transform(X[rows])
    return images
