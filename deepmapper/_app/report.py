"""The report of a run: one HTML file that works offline, with its charts inside."""

import datetime
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
import pandas as pd

import deepmapper
from deepmapper._app.charts import Line, colour_bar, line_chart, png_of
from deepmapper._app.described import CORRELATED, Description, describe, scaled_values
from deepmapper._app.runs import PARTS, Run, named_rows
from deepmapper.images.layouts import Layout
from deepmapper.tables._raw import list_names

N_TOP = 12  # features per class
# Columns of the features. The files in ranked_features/ have all.
REPORTED = ("score", "q_value", "evidence", "mean")
HEADINGS = {"mean": "attribution", "q_value": "q-value"}
SMALLEST_Q = 1e-300  # for a bar
N_RINGS = 3
ROWS_IN_MEAN = 200  # maximum rows of a class in its mean image
MOST_CLASSES = 40  # with images and rankings
LONGEST_VALUE = 120  # characters of a parameter
UNITS = {"standard": "standard deviations", "minmax": "shares of the range"}


def report(run: Run) -> str:
    """The page, HTML in UTF-8. Every text from the table is escaped."""
    template = files("deepmapper._app").joinpath("templates", "report.html")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    estimator, attributions = run.estimator, getattr(run.estimator, "attributions_", None)
    y = run.tables.train.y
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        run=run,
        title=f"{run.label} from {run.source}" if run.label else run.source,
        n_train=len(run.tables.train.row_names),
        n_per_class=[] if y is None else list(zip(*np.unique(y, return_counts=True), strict=True)),
        unseen=run.tables.test.unseen if run.tables.test else {},
        names=lambda names: f"{len(names):,}" + (f": {list_names(names)}" if names else ""),
        parameters=[(k, _shorten(v)) for k, v in estimator.get_params().items()],
        parts=_parts(run),
        curves=_curves(estimator.history_),
        classes=_classes(run, attributions) if run.label else [],
        n_more_classes=len(estimator.classes_) - MOST_CLASSES if run.label else 0,
        units=UNITS.get(estimator.scale, "units"),
        rows_in_mean=ROWS_IN_MEAN,
        rankings=_rankings(run, attributions),
        correlated=CORRELATED,
        version=deepmapper.__version__,
        written=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _parts(run: Run) -> list[list[str]]:
    """A row for each part of the mixture: name, weight, log loss, balanced accuracy."""
    table = run.held_out
    if table is None:
        return []
    return [
        [
            PARTS[str(name)],
            f"{row['weight']:.2f}" if name not in ("mixture", "majority") else "",
            f"{row['loss']:.3f}",
            f"{row['accuracy']:.3f}",
        ]
        for name, row in table.iterrows()
        if name in PARTS
    ]


def _curves(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A chart of each measure of the history that has values."""
    measures = [key.removeprefix("train_") for key in history[0] if key.startswith("train_")]
    charts = []
    for measure in [*measures, "open_pixels"]:
        keys = (f"train_{measure}", f"validation_{measure}") if measure in measures else (measure,)
        lines = [line for key in keys for line in _lines(history, key)]
        title = measure.replace("_", " ")
        charts.append({"title": title, "svg": line_chart(title, lines)})
    return [chart for chart in charts if chart["svg"]]


def _lines(history: list[dict[str, Any]], key: str) -> list[Line]:
    """A line per pass. The lines of training are dashed."""
    points: dict[int, list[tuple[float, float]]] = {}
    for row in history:
        if row.get(key) is not None:
            points.setdefault(row["pass"], []).append((row["epoch"], float(row[key])))
    name = key.replace("_", " ")
    dashed = key.startswith("train_")
    return [Line(f"pass {i}, {name}", values, i, dashed) for i, values in points.items()]


def _classes(run: Run, attributions: pd.DataFrame | None) -> list[dict[str, Any]]:
    """The mean image and the attribution map of each class."""
    estimator, train = run.estimator, run.tables.train
    labels = list(estimator.classes_[:MOST_CLASSES])
    members = [np.flatnonzero(train.y == label) for label in labels]
    means = [_mean_image(run, rows[:ROWS_IN_MEAN]) for rows in members]
    largest = max(float(np.abs(mean).max()) for mean in means)
    two_sided = any(mean.min() < 0 for mean in means)
    maps: dict[Any, pd.Series] = {}
    if attributions is not None:
        groups = attributions.groupby("class", sort=False)
        maps = {label: group.set_index("feature")["mean"] for label, group in groups}
    return [
        {
            "label": str(label),
            "n": len(rows),
            "mean": _picture(mean, largest, two_sided, "{:+.2g}" if two_sided else "{:.2g}"),
            **_map(maps.get(label), train.features, estimator.layout_),
        }
        for label, rows, mean in zip(labels, members, means, strict=True)
    ]


def _mean_image(run: Run, rows: np.ndarray) -> np.ndarray:
    """(h, w), the mean of these training rows as images."""
    images = run.estimator.transform(named_rows(run.tables.train, rows))
    return images.mean(axis=(0, 1))


def _map(shares: pd.Series | None, features: list[str], layout: Layout) -> dict[str, Any]:
    """The attribution of a class as a picture, with rings around its best features."""
    if shares is None:
        return {"map": None, "rings": []}
    values = shares.reindex(features).to_numpy(dtype=np.float64)
    image = layout.fold(values[None])[0, 0]
    height, width = layout.shape
    rings = []
    for i in np.argsort(-np.abs(values), kind="stable")[:N_RINGS]:
        row, column = divmod(int(layout.pixel_of_feature[i]), width)
        x, y = 100 * (column + 0.5) / width, 100 * (row + 0.5) / height
        if values[i]:
            rings.append({"x": f"{x:.2f}", "y": f"{y:.2f}", "name": features[i]})
    two_sided = bool(values.min() < 0)
    number = "{:+.2%}" if two_sided else "{:.2%}"
    return {"map": _picture(image, float(np.abs(values).max()), two_sided, number), "rings": rings}


def _picture(image: np.ndarray, largest: float, two_sided: bool, number: str) -> dict[str, str]:
    return {
        "address": png_of(image, largest, two_sided=two_sided),
        "bar": colour_bar(two_sided=two_sided),
        "low": number.format(-largest) if two_sided else "0",
        "high": number.format(largest),
    }


def _rankings(run: Run, attributions: pd.DataFrame | None) -> list[dict[str, Any]]:
    """A table for each class. Of two classes, whose tables mirror each other, for the second."""
    if attributions is None:
        return []
    if "class" not in attributions:
        return [_ranking("all rows", attributions)]
    values, y = scaled_values(run), run.tables.train.y
    features = run.tables.train.features
    position = {name: i for i, name in enumerate(features)}
    rankings = []
    groups = list(attributions.groupby("class", sort=False))[:MOST_CLASSES]
    for label, group in groups if len(groups) != 2 else groups[1:]:
        top = group.head(N_TOP)
        described: list[Description] | None = None
        if values is not None and y is not None:
            columns = [position[name] for name in top["feature"]]
            described = describe(values, np.asarray(y == label), columns, features)
        title = f"{label!s} against {groups[0][0]!s}" if len(groups) == 2 else str(label)
        rankings.append(_ranking(title, top, described))
    return rankings


def _ranking(
    label: str, table: pd.DataFrame, described: list[Description] | None = None
) -> dict[str, Any]:
    top = table.head(N_TOP)
    columns = [name for name in REPORTED if name in table]
    strength = _strength(top)
    largest = max(float(strength.max()), 1e-30)
    rows = [
        {
            "feature": str(row["feature"]),
            "cells": [_cell(name, row, "mean" in columns) for name in columns],
            "width": f"{70 * value / largest:.1f}",
            "described": described[i] if described else None,
        }
        for i, ((_, row), value) in enumerate(zip(top.iterrows(), strength, strict=True))
    ]
    headings = [HEADINGS.get(name, name.replace("_", " ")) for name in columns]
    return {"label": label, "columns": headings, "rows": rows, "is_described": bool(described)}


def _strength(table: pd.DataFrame) -> np.ndarray:
    """What orders the features: -log of the q-value, or the absolute score."""
    if "q_value" in table:
        return -np.log10(np.maximum(table["q_value"].to_numpy(), SMALLEST_Q))
    return table["score"].abs().to_numpy()


def _cell(name: str, row: pd.Series, are_shares: bool) -> str:
    """A cell of the table. Means are shares of an attribution."""
    value = row[name]
    if name == "evidence":
        return f"{value} with {row['partner']}" if row["partner"] else f"{value} {row['direction']}"
    if are_shares and name == "mean":
        return f"{value:.2%}"
    if isinstance(value, float | np.floating):
        return f"{value:.3g}"
    return str(value)


def _shorten(value: Any) -> str:
    text = repr(value) if not isinstance(value, Layout) else f"Layout {value.name!r}"
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + " ..."
