"""Compute and check the outputs of a fitted model: predictions and attributions."""

from typing import Any

import numpy as np

from datasets.table import Table


class InvalidOutput(ValueError):
    """A method returned an output that cannot be scored."""


def predict(model: Any, Z: Any, n_classes: int) -> np.ndarray:
    """Predict probabilities, shape (n, n_classes), in the order of class codes.

    For a model without `predict_proba`, the predicted label has probability 1. Raises InvalidOutput
    for NaN, a wrong shape, rows that do not sum to one, and unknown labels.
    """
    n = Z.shape[0]
    if not hasattr(model, "predict_proba"):
        labels = np.asarray(model.predict(Z))
        if labels.shape != (n,):
            message = f"predict returned shape {labels.shape}, expected {(n,)}"
            raise InvalidOutput(message)
        return np.eye(n_classes)[_to_codes(labels, n_classes)]
    values = np.asarray(model.predict_proba(Z), dtype=np.float64)
    classes = _to_codes(np.asarray(model.classes_).ravel(), n_classes)
    if len(set(classes.tolist())) < len(classes):
        message = f"classes_ has labels twice: {classes.tolist()}"
        raise InvalidOutput(message)
    if values.shape != (n, len(classes)):
        message = f"predict_proba returned shape {values.shape}, expected {(n, len(classes))}"
        raise InvalidOutput(message)
    invalid = ~np.isfinite(values).all(1)
    if invalid.any():
        message = f"predict_proba returned NaN or infinity for {int(invalid.sum())} of {n} rows"
        raise InvalidOutput(message)
    sums = values.sum(1)
    if values.min() < -1e-6 or np.abs(sums - 1).max() > 1e-3:
        message = (
            f"predict_proba returned values from {values.min():.3g} and row sums from "
            f"{sums.min():.3g} to {sums.max():.3g}; expected values >= 0 that sum to 1"
        )
        raise InvalidOutput(message)
    probabilities = np.zeros((n, n_classes))
    probabilities[:, classes] = values
    return probabilities


def _to_codes(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Class codes from labels of any type of number, such as 1.0."""
    codes = set(range(n_classes))
    invalid = sorted({str(label) for label in labels.tolist() if label not in codes})
    if invalid:
        message = f"the method predicts labels that do not exist: {', '.join(invalid[:5])}"
        raise InvalidOutput(message)
    return labels.astype(np.int64)


def attribute(convert: Any, model: Any, Z: Any, y: np.ndarray, n_classes: int) -> np.ndarray | None:
    """Attributions (n_classes, n_features) over the rows Z, or None.

    They come from the model's `attribute(Z, y)`, else from |`coef_`|, else from
    `feature_importances_`, the same for every class. The converter maps pixels back to features.
    Z and y are training rows and labels. If `model.attributes_over` is "test", as in published
    code, they are test rows and predictions.
    """
    model = getattr(model, "best_estimator_", model)  # if the model is a grid search
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
    classes = np.asarray(getattr(model, "classes_", ()))
    if len(values) == 1:
        values = np.repeat(values, n_classes, axis=0)
    elif len(values) == len(classes) < n_classes:  # a class without a training row has none
        seen, values = values, np.zeros((n_classes, *values.shape[1:]), dtype=np.float32)
        values[classes] = seen
    return convert.to_features(values) if hasattr(convert, "to_features") else values


def selected_features(model: Any, n_features: int) -> np.ndarray | None:
    """The features that a method names, bool (n_features,), or None if it only ranks them.

    They are the model's `selected_`, at its tolerated rate of false discoveries. Raises
    InvalidOutput for another type or shape.
    """
    model = getattr(model, "best_estimator_", model)  # if the model is a grid search
    selected = getattr(model, "selected_", None)
    if selected is None:
        return None
    selected = np.asarray(selected)
    if selected.dtype != bool or selected.shape != (n_features,):
        message = (
            f"selected_ has type {selected.dtype} and shape {selected.shape}, expected bool and "
            f"{(n_features,)}"
        )
        raise InvalidOutput(message)
    return selected


def check_attributions(values: np.ndarray, table: Table) -> np.ndarray:
    """Check attributions and return them as float32.

    Raises InvalidOutput for NaN, infinity, and shapes other than (n_classes, n_features).
    """
    expected = (table.n_classes, table.n_features)
    if values.shape != expected:
        message = f"attributions have shape {values.shape}, expected {expected}"
        raise InvalidOutput(message)
    if not np.isfinite(values).all():
        message = "attributions hold NaN or infinity"
        raise InvalidOutput(message)
    return values.astype(np.float32)
