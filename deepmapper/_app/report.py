"""The page of a run: one HTML file that works offline, without scripts."""

import datetime
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import torch

import deepmapper
from deepmapper._app.charts import Line, line_chart
from deepmapper._app.pictures import colour_bar, picture
from deepmapper._app.run import Run, named
from deepmapper._app.scores import Evaluation
from deepmapper.images.layouts import Layout
from deepmapper.tables._raw import listed

N_TOP = 12  # features a class
N_RINGS = 3
ROWS_IN_MEAN = 200  # of a class, in its mean image
MOST_CLASSES = 40  # with images and rankings
LONGEST_VALUE = 120  # characters of a parameter


def report(run: Run) -> str:
    """The page, HTML in UTF-8; every text that comes from the table is escaped."""
    loader = jinja2.FunctionLoader(
        lambda name: (
            files("deepmapper._app").joinpath("templates", name).read_text(encoding="utf-8")
        )
    )
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    estimator = run.estimator
    attributions = getattr(estimator, "attributions_", None)
    return environment.get_template("report.html").render(
        title=f"{run.label} from {run.source}" if run.label else run.source,
        kind="classification" if run.label else "embedding without labels",
        lead=_lead(run),
        figures=_figures(run),
        notes=[*run.notes, *_notes(run)],
        facts=_facts(run),
        parameters=[(k, _short(v)) for k, v in estimator.get_params().items()],
        confusion=run.evaluation and _confusion(run.evaluation),
        curves=_curves(estimator.history_),
        curves_caption="One colour a pass. Solid: rows that the pass held out of training; dashed: "
        "the rows it trained on.",
        classes=_classes(run, attributions) if run.label else [],
        images_caption=_images_caption(estimator),
        rankings=_rankings(attributions),
        ranking_caption=_ranking_caption(run, attributions),
        limits=_limits(run),
        version=deepmapper.__version__,
        written=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _lead(run: Run) -> str:
    n_train = len(run.tables.train.row_names)
    if run.label is None:
        return f"The model was trained on all {n_train} rows, without labels."
    if run.evaluation is None:
        return (
            f"The model was trained on all {n_train} rows; none were kept aside, so nothing here "
            f"says how well it does on new ones."
        )
    return (
        f"The saved model was trained on {n_train} rows. {run.evaluation.n} rows, the same share "
        f"of every class, were kept aside before anything was learnt; accuracies are on these."
    )


def _figures(run: Run) -> list[dict[str, str]]:
    tables = run.tables
    figures = [
        {"name": "rows in the file", "value": f"{tables.n_rows:,}"},
        {"name": "features in use", "value": f"{len(tables.train.features):,}"},
    ]
    if run.evaluation is not None:
        low, high = run.evaluation.interval()
        chance = f"95% interval {low:.3f} to {high:.3f}, n = {run.evaluation.n}"
        balanced = f"balanced accuracy over {len(run.evaluation.classes)} classes"
        majority = "accuracy of the most frequent class alone"
        figures += [
            {
                "name": f"accuracy on rows kept aside; {chance}",
                "value": _f3(run.evaluation.accuracy),
            },
            {"name": balanced, "value": _f3(run.evaluation.balanced_accuracy)},
            {"name": majority, "value": _f3(run.evaluation.majority)},
        ]
    figures.append({"name": "of training", "value": _duration(run.seconds)})
    return figures


def _notes(run: Run) -> list[str]:
    notes = []
    test = run.tables.test
    if test is not None and test.unseen:
        columns = ", ".join(f"{name} ({count} rows)" for name, count in test.unseen.items())
        notes.append(f"Categories that occur only in rows kept aside: {columns}.")
    if run.evaluation is not None and run.evaluation.n < 50:
        notes.append(
            f"{run.evaluation.n} rows kept aside say little: the interval of the accuracy is wide."
        )
    return notes


def _facts(run: Run) -> list[tuple[str, str]]:
    tables, estimator = run.tables, run.estimator
    preparation, dropped, layout = tables.preparation, tables.dropped, estimator.converter_.layout_
    size = f"{tables.n_rows:,} rows, {tables.n_columns:,} columns of features"
    facts = [("table", f"{run.source}: {size}")]
    if run.label is not None:
        counts = pd.Series(tables.train.y).value_counts().sort_index()
        shown = ", ".join(f"{label} ({count})" for label, count in counts.items())
        facts.append((f"label {run.label!r}", f"{len(counts)} classes, training rows: {shown}"))
    facts += [
        ("columns left out, all zero", _count(preparation.zero_columns)),
        ("columns left out, empty", _count(preparation.empty_columns)),
        ("rows left out, empty or all zero", _count(dropped.blank)),
    ]
    if preparation.missing == "drop-rows":
        facts.append(("rows left out, a value missing", _count(dropped.incomplete)))
        facts.append(("rows left out, no label", _count(dropped.unlabelled)))
    facts.append(("missing values", preparation.missing))
    if preparation.ignored:
        facts.append(("columns that are no features", listed(preparation.ignored)))
    if preparation.levels:
        columns = ", ".join(f"{name} ({len(v)} levels)" for name, v in preparation.levels.items())
        facts.append(("categories, a feature each level", columns))
    height, width = layout.shape
    facts.append(("image", f"{height} x {width} pixels, {layout.name} layout, one pixel a feature"))
    return facts


def _confusion(evaluation: Evaluation) -> dict[str, Any]:
    shares = evaluation.confusion / np.maximum(evaluation.confusion.sum(1, keepdims=True), 1)
    rows = [
        {
            "label": str(label),
            "recall": f"{recall:.1%}",
            "cells": [
                {"count": count, "shade": f"{0.6 * share:.2f}"}
                for count, share in zip(counts.tolist(), row, strict=True)
            ],
        }
        for label, counts, row, recall in zip(
            evaluation.classes, evaluation.confusion, shares, evaluation.recall, strict=True
        )
    ]
    labels = [str(label) for label in evaluation.classes]
    return {"n": evaluation.n, "labels": labels, "rows": rows}


def _curves(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A chart of every figure of the history that has points."""
    measures = dict.fromkeys(
        key.removeprefix("train_") for row in history for key in row if key.startswith("train_")
    )
    charts = [
        {
            "title": measure.replace("_", " "),
            "svg": line_chart(
                measure,
                [
                    *_lines(history, f"train_{measure}", dashed=True),
                    *_lines(history, f"validation_{measure}"),
                ],
            ),
        }
        for measure in measures
    ]
    charts.append(
        {"title": "open pixels", "svg": line_chart("open pixels", _lines(history, "open_pixels"))}
    )
    return [chart for chart in charts if chart["svg"]]


def _lines(history: list[dict[str, Any]], key: str, *, dashed: bool = False) -> list[Line]:
    passes = dict.fromkeys(row.get("pass", 0) for row in history)
    lines = []
    for colour, number in enumerate(passes):
        points = [
            (row["epoch"], float(row[key]))
            for row in history
            if row.get("pass", 0) == number and row.get(key) is not None
        ]
        if points:
            name = f"pass {number}, {key.replace('_', ' ')}"
            lines.append(Line(name, points, colour, dashed))
    return lines


def _classes(run: Run, attributions: pd.DataFrame | None) -> list[dict[str, Any]]:
    estimator, train = run.estimator, run.tables.train
    assert train.y is not None
    labels = list(estimator.classes_[:MOST_CLASSES])
    members = [np.flatnonzero(train.y == label) for label in labels]
    means = [_mean_image(run, rows[:ROWS_IN_MEAN]) for rows in members]
    largest = max(float(np.abs(mean).max()) for mean in means)
    two_sided = any(mean.min() < 0 for mean in means)
    maps = _maps(attributions, labels, train.features, estimator.converter_.layout_)
    return [
        {
            "label": str(label),
            "n": len(rows),
            "mean": _picture(mean, largest, two_sided, "{:+.2g}" if two_sided else "{:.2g}"),
            **_map(maps.get(label), train.features, estimator.converter_.layout_),
        }
        for label, rows, mean in zip(labels, members, means, strict=True)
    ]


def _mean_image(run: Run, rows: np.ndarray) -> np.ndarray:
    """(h, w), the mean of these training rows as images."""
    images = run.estimator.transform(named(run.tables.train, rows))[:]
    if isinstance(images, torch.Tensor):
        images = images.cpu().numpy()
    return images.mean(axis=(0, 1))


def _maps(
    attributions: pd.DataFrame | None, labels: list[Any], features: list[str], layout: Layout
) -> dict[Any, np.ndarray]:
    """By label the mean attribution of every feature, (n_features,)."""
    if attributions is None:
        return {}
    groups = attributions.groupby("class", sort=False)
    by_label = {label: group.set_index("feature")["mean"] for label, group in groups}
    return {
        label: by_label[label].reindex(features).to_numpy(dtype=np.float64)
        for label in labels
        if label in by_label
    }


def _map(values: np.ndarray | None, features: list[str], layout: Layout) -> dict[str, Any]:
    if values is None:
        return {"map": None, "rings": []}
    image = layout.fold(values[None])[0, 0]
    height, width = layout.shape
    best = [i for i in np.argsort(-np.abs(values), kind="stable")[:N_RINGS] if values[i]]
    rings = []
    for feature in best:
        row, column = divmod(int(layout.pixel_of_feature[feature]), width)
        x, y = 100 * (column + 0.5) / width, 100 * (row + 0.5) / height
        rings.append({"x": f"{x:.2f}", "y": f"{y:.2f}", "name": features[feature]})
    two_sided = bool(values.min() < 0)
    largest = float(np.abs(values).max())
    shown = "{:+.2%}" if two_sided else "{:.2%}"
    return {"map": _picture(image, largest, two_sided, shown), "rings": rings}


def _picture(image: np.ndarray, largest: float, two_sided: bool, shown: str) -> dict[str, str]:
    return {
        "address": picture(image, largest, two_sided=two_sided),
        "bar": colour_bar(two_sided=two_sided),
        "low": shown.format(-largest) if two_sided else "0",
        "high": shown.format(largest),
    }


def _images_caption(estimator: Any) -> str:
    if not hasattr(estimator, "classes_"):
        return ""
    scale = getattr(estimator.converter_, "scale", "standard")
    units = {"standard": "standard deviations", "minmax": "shares of the range"}.get(scale, "units")
    more = len(estimator.classes_) - MOST_CLASSES
    return (
        f"Left: the mean of at most {ROWS_IN_MEAN} training rows of a class, in {units} of each "
        f"feature; the same colours in all classes. Right: the share of the class's attribution "
        f"that each pixel has; each map has its own scale."
        + (f" The first {MOST_CLASSES} classes; {more} more are in the files." if more > 0 else "")
    )


def _rankings(attributions: pd.DataFrame | None) -> list[dict[str, Any]]:
    if attributions is None:
        return []
    if "class" not in attributions:
        return [_ranking("all rows", attributions)]
    groups = attributions.groupby("class", sort=False)
    return [_ranking(str(label), group) for label, group in groups][:MOST_CLASSES]


def _ranking(label: str, table: pd.DataFrame) -> dict[str, Any]:
    columns = [name for name in table.columns if name not in ("feature", "class")]
    top = table.head(N_TOP)
    strength = "mean" if "mean" in columns else "score"
    largest = max(float(top[strength].abs().max()), 1e-30)
    rows = [
        {
            "feature": str(row["feature"]),
            "cells": [_cell(name, row[name], strength == "mean") for name in columns],
            "width": f"{max(0.0, 70 * abs(float(row[strength])) / largest):.1f}",
        }
        for _, row in top.iterrows()
    ]
    return {"label": label, "columns": [name.replace("_", " ") for name in columns], "rows": rows}


def _cell(name: str, value: Any, are_shares: bool) -> str:
    """A number as the table shows it; means and sd are shares of an attribution, scores are not."""
    if are_shares and name in ("mean", "sd"):
        return f"{value:.2%}"
    if name == "selection_frequency":
        return f"{value:.0%}"
    if isinstance(value, float | np.floating):
        return f"{value:.1f}" if "rank" in name else f"{value:.3g}"
    return str(value)


def _ranking_caption(run: Run, attributions: pd.DataFrame | None) -> str:
    if attributions is None:
        return ""
    if "class" not in attributions:
        return "Features by how much they separate the rows. All are in ranked_features.csv."
    top = getattr(run.estimator, "top", None)
    return (
        f"Mean and sd over the accepted passes of the share of a class's attribution; selection "
        f"frequency: the share of passes with the feature among the first {top}. All features are "
        f"in ranked_features/."
    )


def _limits(run: Run) -> list[str]:
    limits = [
        "Features that are correlated share credit: of a group that says the same, the model may "
        "use one, some or all, and each then looks weaker than the group is.",
        "Attribution says what the model uses, not what causes the label."
        if run.label is not None
        else "The score says how well the others predict a feature, not what causes what.",
        "That two pixels are neighbours means something only where the layout was learned; in "
        "natural or random order it does not.",
    ]
    if run.label is not None:
        limits += [
            "Attribution is taken from rows that each pass held out of its training. A feature of "
            "low selection frequency or large sd depends on the pass: do not rely on its rank.",
            "Rows kept aside were drawn at random. Where rows belong together (one patient, one "
            "batch), new patients or batches will do worse than these figures say.",
        ]
    return limits


def _f3(value: float) -> str:
    return f"{value:.3f}"


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _count(names: tuple[str, ...]) -> str:
    return f"{len(names):,}" + (f": {listed(names)}" if names else "")


def _short(value: Any) -> str:
    text = repr(value) if not isinstance(value, Layout) else f"Layout {value.name!r}"
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + " ..."
