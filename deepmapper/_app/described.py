"""What the report shows of a feature: its values by class, and the features that go with it."""

import math
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from deepmapper._app.runs import Run
from deepmapper.images._rows import is_on_disk
from deepmapper.tables._raw import list_names

MOST_VALUES = 1 << 27  # of a table that is described: 512 MiB
CORRELATED = 0.9
WIDTH, HEIGHT = 120, 24  # of the boxes
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
ENDS = (0.01, 0.99)  # quantiles at the ends of the axis


@dataclass(frozen=True)
class Description:
    """A feature in a class.

    effect: the difference of the means of class and rest, in standard deviations within them
    (Cohen's d).
    boxes: an SVG of the quantiles `QUANTILES` of the class (above) and the rest (below).
    companions: the features whose absolute correlation with it, over all training rows, is at least
    `CORRELATED`, as a text.
    """

    effect: float
    boxes: Markup
    companions: str


def scaled_values(run: Run) -> np.ndarray | None:
    """The scaled training rows, each feature with mean 0, (n, p). None if they are too many."""
    X = run.tables.train.X
    if run.label is None or is_on_disk(X) or X.shape[0] * X.shape[1] > MOST_VALUES:
        return None
    values = run.estimator.converter_.scaler_.transform(X)
    values -= values.mean(0)
    return values


def describe(
    values: np.ndarray, in_class: np.ndarray, columns: list[int], features: list[str]
) -> list[Description]:
    """Describe some columns of centred `values` (n, p), for the rows `in_class` and the rest."""
    norms = np.linalg.norm(values, axis=0)
    products = values[:, columns].T @ values
    scale = np.maximum(norms[columns][:, None] * norms, 1e-30)
    goes_with = np.abs(products / scale) >= CORRELATED
    goes_with[np.arange(len(columns)), columns] = False
    return [
        Description(
            _effect(values[in_class, column], values[~in_class, column]),
            _boxes(values[in_class, column], values[~in_class, column]),
            list_names([features[i] for i in np.flatnonzero(others).tolist()])
            if others.any()
            else "",
        )
        for column, others in zip(columns, goes_with, strict=True)
    ]


def _effect(inside: np.ndarray, outside: np.ndarray) -> float:
    difference = float(inside.mean() - outside.mean())
    squares = np.square(inside - inside.mean()).sum() + np.square(outside - outside.mean()).sum()
    spread = float(np.sqrt(squares / max(len(inside) + len(outside) - 2, 1)))
    if spread > 0 or not difference:
        return difference / max(spread, 1e-30)
    return math.copysign(math.inf, difference)


def _boxes(inside: np.ndarray, outside: np.ndarray) -> Markup:
    low, high = np.quantile(np.concatenate([inside, outside]), ENDS)
    span = max(float(high - low), 1e-30)
    parts = [f'<svg class="boxes" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">']
    for style, values, y in (("c0", inside, 7), ("rest", outside, 17)):
        x = np.clip((np.quantile(values, QUANTILES) - low) / span, 0, 1) * (WIDTH - 4) + 2
        parts.append(
            f'<g class="{style}"><line x1="{x[0]:.1f}" x2="{x[4]:.1f}" y1="{y}" y2="{y}"/>'
            f'<rect x="{x[1]:.1f}" width="{max(x[3] - x[1], 1):.1f}" y="{y - 3}" height="6"/>'
            f'<line x1="{x[2]:.1f}" x2="{x[2]:.1f}" y1="{y - 4}" y2="{y + 4}"/></g>'
        )
    return Markup("".join([*parts, "</svg>"]))
