"""What a method answers, checked before it is scored."""

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
        message = f"the method answers with labels that do not exist: {', '.join(strange[:5])}"
        raise WrongAnswer(message)


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
