"""Steps after the predictions: training accuracy, test curve, attributions.

Tables of times do not count the first two.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.run.outputs import attribute, check_attributions, predict, selected_features
from bench.run.phases import Phases
from datasets.table import Table

EXAMPLE_PIXELS = 10_000  # maximum for the example images of a cell: about ten digits of MNIST

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Fitted:
    """A fitted pipeline with its converted training and test rows (Z)."""

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
    """Add training predictions, curves, attributions and examples to `arrays`.

    `keep` is called before attribution, to store the arrays made so far.
    """
    model, n_classes = fitted.model, fitted.table.n_classes
    arrays |= _examples(fitted.Z_test, fitted.test_rows, fitted.y_test)
    with phase("predict_train"):
        predicted = predict(model, fitted.Z_train, n_classes).argmax(1)
    arrays["train_predictions"] = predicted
    with phase("test_curve"):
        arrays |= _history(model, _test_curve(model, fitted.Z_test, fitted.y_test, n_classes))
    keep()
    rows = (fitted.Z_train, fitted.y_train)
    if getattr(model, "attributes_over", "training") == "test":  # not the test labels
        rows = (fitted.Z_test, fitted.probabilities.argmax(1))
    with phase("attribute"):
        values = attribute(fitted.convert, model, *rows, n_classes)
    if values is not None:
        arrays["attributions"] = check_attributions(values, fitted.table)
    selected = selected_features(model, fitted.table.n_features)
    if selected is not None:
        arrays["selected"] = selected


def _test_curve(
    model: Any, Z_test: Any, y_test: np.ndarray, n_classes: int
) -> list[dict[str, float]]:
    """Loss and accuracy on test rows after each epoch, if the model kept its epochs."""
    if not getattr(model, "keep_epochs", False):
        return []
    curve = []
    for values in model.staged_predict_proba(Z_test):
        probabilities = np.zeros((len(y_test), n_classes))
        probabilities[:, model.classes_] = values
        true = np.maximum(probabilities[np.arange(len(y_test)), y_test], 1e-12)
        accuracy = float((probabilities.argmax(1) == y_test).mean())
        curve.append({"test_loss": float(-np.log(true).mean()), "test_accuracy": accuracy})
    return curve


def _history(model: Any, test_curve: list[dict[str, float]]) -> Arrays:
    """Training history as JSON, with the test curve for the first pass."""
    history = [dict(row) for row in getattr(model, "history_", None) or []]
    if not history:
        return {}
    for row, scores in zip(history, test_curve, strict=False):
        row.update(scores)
    finite = [
        {k: (None if isinstance(v, float) and not math.isfinite(v) else v) for k, v in row.items()}
        for row in history
    ]
    return {"history": np.array(json.dumps(finite))}


def _examples(Z: Any, rows: np.ndarray, y: np.ndarray) -> Arrays:
    """The first test image of two or more classes, if the method makes images."""
    if Z.ndim != 4:
        return {}
    n_images = max(2, EXAMPLE_PIXELS // int(np.prod(Z.shape[-2:])))
    first = [int(np.flatnonzero(y == c)[0]) for c in np.unique(y)[:n_images]]
    images = [Z[i].mean(0) for i in first]
    arrays = [im.cpu().numpy() if hasattr(im, "cpu") else im for im in images]
    return {
        "example_images": np.stack(arrays).astype(np.float16),
        "example_rows": rows[first],
        "example_labels": y[first],
    }
