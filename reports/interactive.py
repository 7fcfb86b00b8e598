"""Accuracy against time to explore with the pointer: the points, and plotly's own script."""

from typing import Any

from reports import units
from reports.entries import timed_groups
from reports.figure_style import method_styles
from reports.results import Group, Results

# Matplotlib's marker -> plotly's name of it.
SYMBOLS = {
    "o": "circle",
    "s": "square",
    "D": "diamond",
    "^": "triangle-up",
    "v": "triangle-down",
    "<": "triangle-left",
    ">": "triangle-right",
}


def script() -> str:
    """Plotly's JavaScript (about 4.5 MB), to be put into the page once."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def points(results: Results) -> list[dict[str, Any]]:
    """One point a (dataset, method) that has an accuracy and a time; a chart a kind of machine."""
    from matplotlib.colors import to_hex

    styles = method_styles(results.methods)
    several = len(results.machines) > 1
    found = []
    for dataset in results.datasets:
        for group in timed_groups(results, dataset):
            point = _point(group)
            if point is not None:
                if several:
                    point["dataset"] = f"{dataset}, machine {group.machine}"
                style = styles[group.method]
                look = {"colour": to_hex(style["color"]), "symbol": SYMBOLS[style["marker"]]}
                found.append(point | look)
    return sorted(found, key=lambda point: str(point["dataset"])) if several else found


def _point(group: Group) -> dict[str, Any] | None:
    accuracy, seconds = group.accuracy, group.total_seconds
    if accuracy is None or seconds is None:
        return None
    low = accuracy.mean if accuracy.low is None else accuracy.low
    high = accuracy.mean if accuracy.high is None else accuracy.high
    return {
        "dataset": group.dataset,
        "method": group.method,
        "seconds": seconds,
        "accuracy": accuracy.mean,
        "above": high - accuracy.mean,
        "below": accuracy.mean - low,
        "text": _hover(group),
    }


def _hover(group: Group) -> str:
    accuracy = group.accuracy
    lines = [f"{group.method} on {group.dataset}"]
    if accuracy is not None:
        ends = ""
        if accuracy.low is not None:
            ends = f" [{units.share(accuracy.low)}, {units.share(accuracy.high)}]"
        lines.append(f"accuracy {units.share(accuracy.mean, 4)}{ends}, n = {accuracy.n}")
    parts = {"conversion": "conversion_seconds", "training": "train_seconds"}
    for label, column in (parts | {"prediction": "predict_seconds"}).items():
        found = group.spread(column)
        lines.append(f"{label} {units.duration(found.median if found else None)}")
    return "\n".join(lines)
