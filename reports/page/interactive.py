"""The interactive chart of balanced accuracy against time: its points, plotly's script."""

from typing import Any

from reports import units
from reports.figures.style import method_styles
from reports.results import Group, Results
from reports.statistics.estimates import Estimate
from reports.tables.entries import interval, timed_groups

# Matplotlib's marker -> plotly's name.
SYMBOLS = {
    "o": "circle",
    "s": "square",
    "D": "diamond",
    "^": "triangle-up",
    "v": "triangle-down",
    "<": "triangle-left",
    ">": "triangle-right",
}
PARTS = {
    "conversion": "conversion_seconds",
    "training": "train_seconds",
    "prediction": "predict_seconds",
}


def script() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def points(results: Results) -> list[dict[str, Any]]:
    """Return a point for each dataset and method with balanced accuracy and time."""
    from matplotlib.colors import to_hex

    styles = method_styles(results.methods)
    several = len(results.machines) > 1
    marks = []
    for dataset in results.datasets:
        for group in timed_groups(results, dataset):
            accuracy, seconds = group.main, group.total_seconds
            if accuracy is None or seconds is None:
                continue
            style = styles[group.method]
            low, high = accuracy.ends
            marks.append(
                {
                    "dataset": f"{dataset}, machine {group.machine}" if several else dataset,
                    "method": group.method,
                    "seconds": seconds,
                    "accuracy": accuracy.mean,
                    "above": high - accuracy.mean,
                    "below": accuracy.mean - low,
                    "text": _hover(group, accuracy),
                    "colour": to_hex(style["color"]),
                    "symbol": SYMBOLS[style["marker"]],
                }
            )
    return sorted(marks, key=lambda point: str(point["dataset"])) if several else marks


def _hover(group: Group, accuracy: Estimate) -> str:
    ends = f" {interval(accuracy, 3)}".rstrip()
    lines = [
        f"{group.method} on {group.dataset}",
        f"balanced accuracy {units.share(accuracy.mean, 4)}{ends}, n = {accuracy.n}",
    ]
    lines += [f"{name} {units.duration(group.median(column))}" for name, column in PARTS.items()]
    return "\n".join(lines)
