"""Fig. 4: loss and accuracy by epoch on MNIST, original against shuffled."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from reports.figures.style import COLUMN, INK, colours, plain_logarithms
from reports.paper.evidence import Evidence, keys_of
from reports.paper.exhibit import Exhibit
from reports.paper.labels import BEST, CORRECTED, FAITHFUL, MNIST, SHUFFLED
from reports.units import share

TITLE = "Fig. 4: training on MNIST, original and shuffled"
MODES = (FAITHFUL, CORRECTED, BEST)
SIDES: dict[str, dict[str, Any]] = {
    "train": {"linestyle": (0, (3, 2)), "linewidth": 0.9},
    "test": {"linewidth": 1.3},
}
LOSS_FLOOR = 1e-4


def fig4(evidence: Evidence) -> Exhibit:
    """Draw modes as rows, loss and error as columns, original and shuffled in colour."""
    groups = {(d, m): evidence.group(d, m) for m in MODES for d in (MNIST, SHUFFLED)}
    histories = {at: evidence.history(group) for at, group in groups.items()}
    modes = [mode for mode in MODES if any(histories[d, mode] for d in (MNIST, SHUFFLED))]
    if not modes:
        return Exhibit("fig4", TITLE, "", missing="needs a history of MNIST, plain or shuffled")
    figure = Figure(figsize=(COLUMN, 1.35 * len(modes) + 0.5), layout="constrained")
    grid = figure.subplots(len(modes), 2, squeeze=False, sharey="col")
    palette = dict(zip((MNIST, SHUFFLED), colours(), strict=False))
    for line, mode in zip(grid, modes, strict=True):
        for axes, measure in zip(line, ("loss", "error"), strict=True):
            _panel(axes, {d: histories[d, mode] for d in palette}, palette, measure)
        line[0].set_ylabel(mode, fontweight="bold")
    for axes, title in zip(grid[0], ("loss", "error (1 − accuracy)"), strict=True):
        axes.set_title(title, loc="center")
        axes.set_yscale("log")  # shared by its column
        plain_logarithms(axes.yaxis)
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
    handles = [Line2D([], [], color=palette[d], label=d) for d in palette]
    handles += [Line2D([], [], color=INK, label=side, **look) for side, look in SIDES.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return Exhibit("fig4", TITLE, _caption(evidence, modes), keys_of(*groups.values()), figure)


def _caption(evidence: Evidence, modes: list[str]) -> str:
    parts = []
    for mode in modes:
        groups = {d: evidence.group(d, mode) for d in (MNIST, SHUFFLED)}
        numbers = [
            f"{d} {share(group.accuracy.mean, 4)}"
            for d, group in groups.items()
            if group is not None and group.accuracy is not None
        ]
        parts.append(f"{mode}: {', '.join(numbers)}")
    return (
        "Loss and error by epoch, both on logarithmic axes: training rows dashed (during each "
        "epoch), test rows solid (after each epoch, computed after training). The "
        f"first seed. Test accuracies at the end, mean over seeds: {'; '.join(parts)}. `best` "
        "learns the layout of the pixels from the training images. The paper: about 98% on the "
        "shuffled images and a difference of about 3 points; its notebook: 0.9706."
    )


def _panel(
    axes: Axes, histories: dict[str, list[dict[str, Any]]], palette: dict[str, Any], measure: str
) -> None:
    for dataset, history in histories.items():
        for side, look in SIDES.items():
            values = series(history, side, measure)
            if np.isfinite(values).any():
                marker = "o" if len(values) == 1 else ""
                epochs = np.arange(1, len(values) + 1)
                axes.plot(epochs, values, color=palette[dataset], marker=marker, **look)
    last = max(2, *(len(history) for history in histories.values()))
    axes.set_xlim(1 - 0.04 * last, 1.04 * last)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def series(history: list[dict[str, Any]], side: str, measure: str) -> np.ndarray:
    """Return the values of the first pass by epoch, NaN for missing ones."""
    name = f"{side}_{'accuracy' if measure == 'error' else measure}"
    first = [row for row in history if row.get("pass", 0) == 0]
    values = np.array([np.nan if row.get(name) is None else row[name] for row in first], float)
    return np.maximum(1 - values if measure == "error" else values, LOSS_FLOOR)
