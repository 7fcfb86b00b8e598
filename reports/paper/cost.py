"""Cost of training as images grow: MLP, CNNs, ViT and RetNet."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from reports.figures.style import COLUMN, method_styles, plain_logarithms
from reports.paper.evidence import Evidence, keys_of
from reports.paper.exhibit import Exhibit
from reports.paper.labels import BEST, CNN1D, CORRECTED, GROWTH, MLP, RETNET, VIT
from reports.results import Group
from reports.statistics.estimates import LEVEL, Estimate
from reports.tables.entries import interval

TITLE = "Cost of training as images grow"
GROWING = (MLP, CNN1D, CORRECTED, BEST, VIT, RETNET)
MEASURES = {
    "seconds of training": "train_seconds",
    "parameters": "n_parameters",
    "error (1 − accuracy)": "accuracy",
}
FLOOR = 1e-3


def cost(evidence: Evidence) -> Exhibit:
    tables = {label: n for label, n in GROWTH.items() if evidence.results.groups(label)}
    groups = {(d, m): evidence.group(d, m) for d in tables for m in GROWING}
    if not any(groups.values()):
        return Exhibit("cost", TITLE, "", missing="needs cells of growing size")
    styles = method_styles(GROWING)
    figure = Figure(figsize=(COLUMN, 5.4), layout="constrained")
    for axes, (name, column) in zip(figure.subplots(3, 1), MEASURES.items(), strict=True):
        for method in GROWING:
            medians = {n: _median(evidence, groups[d, method], column) for d, n in tables.items()}
            points = {n: median for n, median in medians.items() if median is not None}
            values = np.array(list(points.values()))
            if column == "accuracy":
                values = np.maximum(1 - values, FLOOR)
            if points:
                axes.plot(list(points), values, label=method, **styles[method])
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        plain_logarithms(axes.yaxis)
        axes.set_xticks(list(tables.values()), [f"{n:,}" for n in tables.values()])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_title(name)
    axes.set_xlabel("pixels")  # of the last panel, for all
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    slopes = [(m, slope(evidence, m)) for m in GROWING]
    powers = ", ".join(f"{m} {s.mean:.2f} {interval(s, 2)}" for m, s in slopes if s is not None)
    caption = (
        "The same kind of table at growing size, the same rows; medians over seeds, all axes "
        f"logarithmic. Seconds of training grow as pixels to the power of: {powers or 'unknown'}. "
        f"Errors below {FLOOR} are drawn there. Missing points failed or were not run."
    )
    return Exhibit("cost", TITLE, caption, keys_of(*groups.values()), figure)


def slope(evidence: Evidence, method: str) -> Estimate | None:
    """Return the power of pixels by which training seconds grow, with a 95% interval.

    Least squares over the logarithms of all cells. None for a single size, and without an interval
    for two cells.
    """
    from scipy import stats  # takes a second to import

    points = []
    for label, n in GROWTH.items():
        group = evidence.group(label, method)
        if group is not None and not evidence.elsewhere(group):
            points += [(n, seconds) for seconds in group.values("train_seconds") if seconds > 0]
    if len({n for n, _ in points}) < 2:
        return None
    fit = stats.linregress(*np.log(points).T)
    if len(points) < 3:
        return Estimate(float(fit.slope), len(points))
    half = stats.t.ppf((1 + LEVEL) / 2, len(points) - 2) * fit.stderr
    ends = float(fit.slope - half), float(fit.slope + half)
    return Estimate(float(fit.slope), len(points), None, *ends)


def _median(evidence: Evidence, group: Group | None, column: str) -> float | None:
    if column == "train_seconds":
        seconds = evidence.seconds(group, column)
        return seconds.median if seconds else None
    return group.median(column) if group is not None else None
