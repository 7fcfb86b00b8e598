"""Predictions and attributions of a fitted model, checked before they are scored."""

from typing import Any

import numpy as np

from datasets.table import Table


class WrongAnswer(ValueError):
    """A method returned something that cannot be scored."""


def predict(model: Any, Z: Any, n_classes: int) -> np.ndarray:
    """Probabilities (n, n_classes) in the order of class codes, checked.

    A model without `predict_proba` gets probability 1 for the label that it predicts.

    Raises:
        WrongAnswer: NaN, a wrong shape, rows that do not sum to one, labels that do not exist.
    """
    n = Z.shape[0]
    if not hasattr(model, "predict_proba"):
        labels = np.asarray(model.predict(Z))
        _check_labels(labels, n_classes)
        return np.eye(n_classes)[labels]
    values = np.asarray(model.predict_proba(Z), dtype=np.float64)
    classes = np.asarray(model.classes_)
    _check_labels(classes, n_classes)
    if values.shape != (n, len(classes)):
        message = f"predict_proba returned shape {values.shape}, expected {(n, len(classes))}"
        raise WrongAnswer(message)
    bad = ~np.isfinite(values).all(1)
    if bad.any():
        message = f"predict_proba returned NaN or infinity for {int(bad.sum())} of {n} rows"
        raise WrongAnswer(message)
    sums = values.sum(1)
    if values.min() < -1e-6 or np.abs(sums - 1).max() > 1e-3:
        message = (
            f"predict_proba returned values from {values.min():.3g} and row sums from "
            f"{sums.min():.3g} to {sums.max():.3g}; probabilities are >= 0 and sum to 1"
        )
        raise WrongAnswer(message)
    probabilities = np.zeros((n, n_classes))
    probabilities[:, classes] = values
    return probabilities


def _check_labels(labels: np.ndarray, n_classes: int) -> None:
    known = set(range(n_classes))
    strange = sorted({str(label) for label in labels.tolist() if label not in known})
    if strange:
        message = f"the method predicts labels that do not exist: {', '.join(strange[:5])}"
        raise WrongAnswer(message)


def attribute(convert: Any, model: Any, Z: Any, y: np.ndarray, n_classes: int) -> np.ndarray | None:
    """Attributions (n_classes, n_features) over the rows Z, or None for a model without any.

    A model's own `attribute(Z, y)` comes first, then the size of linear weights (`coef_`), then
    `feature_importances_`, the same for every class. The converter maps pixels back to features.

    Args:
        Z, y: training rows and labels; for a model whose `attributes_over` is "test", as in
            published code that is reproduced, test rows and its own predictions.
    """
    model = getattr(model, "best_estimator_", model)  # of a search over settings
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


def checked_attributions(values: np.ndarray, table: Table) -> np.ndarray:
    """Attributions (n_classes, n_features) as float32.

    Raises:
        WrongAnswer: another shape, NaN or infinity.
    """
    expected = (table.n_classes, table.n_features)
    if values.shape != expected:
        message = f"attributions have shape {values.shape}, expected {expected}"
        raise WrongAnswer(message)
    if not np.isfinite(values).all():
        message = "attributions hold NaN or infinity"
        raise WrongAnswer(message)
    return values.astype(np.float32)
