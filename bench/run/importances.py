"""What a fitted model says of its features: its own attributions, or what scikit-learn calls so."""

from typing import Any

import numpy as np


def attribute(convert: Any, model: Any, Z: Any, y: np.ndarray, n_classes: int) -> np.ndarray | None:
    """Attributions (n_classes, n_features) over the rows Z, or None where a model has none.

    Z and y are training rows and their labels; for a model whose `attributes_over` is "test", as in
    published code that is reproduced, test rows and its own predictions.

    A model's own `attribute(Z, y)` comes first; then the size of linear weights (`coef_`), then
    `feature_importances_`, the same for every class. The converter maps pixels back to features.
    """
    model = getattr(model, "best_estimator_", model)  # a search over settings speaks for its best
    if hasattr(model, "attribute"):
        values = np.asarray(model.attribute(Z, y), dtype=np.float32)
        if values.ndim == 4:  # (n_classes, channels, h, w)
            values = values.mean(1)
    elif hasattr(model, "coef_"):
        values = np.abs(np.asarray(model.coef_, dtype=np.float32))
    elif hasattr(model, "feature_importances_"):
        values = np.asarray(model.feature_importances_, dtype=np.float32)[None, :]
    else:
        return None
    if len(values) == 1:
        values = np.repeat(values, n_classes, axis=0)
    return convert.to_features(values) if hasattr(convert, "to_features") else values
