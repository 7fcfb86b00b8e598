"""What follows a cell's predictions: training accuracy, test curve, attributions, examples.

None of it is the method's work on the test rows. No table of times counts the first two.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.run.answers import attribute, checked_attributions, predict
from bench.run.phases import Phases
from datasets.table import Table

EXAMPLE_PIXELS = 10_000  # of a cell's example images: ten digits of MNIST

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Fitted:
    """A fitted pipeline with the converted rows (Z) that it learned from and was tested on."""

    table: Table
    convert: Any
    model: Any
    Z_train: Any
    y_train: np.ndarray
    Z_test: Any
    y_test: np.ndarray
    test_rows: np.ndarray
    probabilities: np.ndarray


def explain(fitted: Fitted, phase: Phases, arrays: Arrays, keep: Callable[[], None]) -> None:
    """Add training predictions, curves, attributions and examples to the arrays of a run.

    Args:
        keep: called once the training predictions and the test curve are stored.
    """
    model, n_classes = fitted.model, fitted.table.n_classes
    arrays |= _examples(fitted.Z_test, fitted.test_rows, fitted.y_test)
    with phase("predict_train"):
        predicted = predict(model, fitted.Z_train, n_classes).argmax(1)
    arrays["train_predictions"] = predicted
    with phase("test_curve"):
        arrays |= _history(model, _test_curve(model, fitted.Z_test, fitted.y_test, n_classes))
    keep()
    over = (fitted.Z_train, fitted.y_train)
    if getattr(model, "attributes_over", "training") == "test":  # without the test labels
        over = (fitted.Z_test, fitted.probabilities.argmax(1))
    with phase("attribute"):
        values = attribute(fitted.convert, model, *over, n_classes)
    if values is not None:
        arrays["attributions"] = checked_attributions(values, fitted.table)


def _test_curve(
    model: Any, Z_test: Any, y_test: np.ndarray, n_classes: int
) -> list[dict[str, float]]:
    """Loss and accuracy on test rows after each epoch, from a model that kept its epochs."""
    if not getattr(model, "keep_epochs", False):
        return []
    curve = []
    for values in model.staged_predict_proba(Z_test):
        probabilities = np.zeros((len(y_test), n_classes))
        probabilities[:, model.classes_] = values
        right = np.maximum(probabilities[np.arange(len(y_test)), y_test], 1e-12)
        accuracy = float((probabilities.argmax(1) == y_test).mean())
        curve.append({"test_loss": float(-np.log(right).mean()), "test_accuracy": accuracy})
    return curve


def _history(model: Any, test_curve: list[dict[str, float]]) -> Arrays:
    """The history as JSON; the first epochs, those of the first pass, with their test curve."""
    history = [dict(row) for row in getattr(model, "history_", None) or []]
    if not history:
        return {}
    for row, measured in zip(history, test_curve, strict=False):
        row.update(measured)
    finite = [
        {k: (None if isinstance(v, float) and not math.isfinite(v) else v) for k, v in row.items()}
        for row in history
    ]
    return {"history": np.array(json.dumps(finite))}


def _examples(Z: Any, rows: np.ndarray, y: np.ndarray) -> Arrays:
    """The first test image of at least two classes, if the method makes images."""
    if Z.ndim != 4:
        return {}
    most = max(2, EXAMPLE_PIXELS // int(np.prod(Z.shape[-2:])))
    chosen = [int(np.flatnonzero(y == c)[0]) for c in np.unique(y)[:most]]
    images = [Z[i].mean(0) for i in chosen]
    arrays = [im.cpu().numpy() if hasattr(im, "cpu") else im for im in images]
    return {
        "example_images": np.stack(arrays).astype(np.float16),
        "example_rows": rows[chosen],
        "example_labels": y[chosen],
    }
