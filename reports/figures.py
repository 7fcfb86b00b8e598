"""The figures of the report, as .png and .svg. What cannot be drawn is left out, with a note."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reports.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Plan:
    """A figure: how to read it, and what is said where there is nothing to draw."""

    name: str
    title: str
    caption: str
    without: str
    draw: "Callable[[Results], Figure | None]"


@dataclass(frozen=True)
class Drawn:
    """A figure that was drawn, or (without paths) the note of one that was left out."""

    name: str
    title: str
    caption: str
    png: Path | None = None
    svg: Path | None = None
    note: str | None = None


def plans() -> list[Plan]:
    """Every figure of the report, in its order. Matplotlib is imported here and not before."""
    from reports import (
        figure_accuracy,
        figure_curves,
        figure_front,
        figure_images,
        figure_needles,
        figure_time,
    )

    return [
        Plan(
            "accuracy",
            "Test accuracy",
            "Points are means over seeds, lines 95% intervals (as in the table). Blue circles: "
            "methods that make images; orange diamonds: plain methods. Dashed: chance, the share "
            "of the largest class in the test rows. Words: what happened instead.",
            "No cell has a test accuracy.",
            figure_accuracy.draw,
        ),
        Plan(
            "time",
            "Conversion and training time",
            "Medians over seeds on a log scale, the range of the seeds as a thick line. What took "
            "less than 1 ms is drawn at 1 ms.",
            "No cell was timed.",
            figure_time.draw,
        ),
        Plan(
            "accuracy_vs_time",
            "Accuracy against total time",
            "Total is conversion, training and prediction (median over seeds), on a log scale. The "
            "line is the Pareto front: no method is both as fast and as accurate as those on it. "
            "Vertical lines are 95% intervals, cut where they leave the panel. The accuracy axis "
            "is stretched towards 1 (logarithmic in the error), where methods differ.",
            "No cell has both an accuracy and a time.",
            figure_front.draw,
        ),
        Plan(
            "images",
            "The same sample as each converter shows it",
            "After Fig. 6 of the paper: rows are datasets, columns are the methods that make "
            "images; one sample a row. Brightness is scaled for each image, its top 0.5% clipped "
            "where the image is large.",
            "No run kept example images.",
            figure_images.draw,
        ),
        Plan(
            "needle_ranks",
            "Where attributions rank the needles",
            "Each point is one needle (a feature known to matter) of one seed, by the strength of "
            "its attribution (each class's shares, averaged); rank 1 is on top, ties count as the "
            "lower rank. "
            "Shaded: the top k, where all k needles should be. Dotted: the number of features.",
            "No method attributed on a dataset whose true features are known.",
            figure_needles.draw,
        ),
        Plan(
            "curves",
            "Training curves",
            "The first seed that recorded a history. Dashed: training rows; solid: validation "
            "rows. Passes follow one another, with a gap between them. Losses are on a log scale; "
            "those below 0.0001 are drawn there. Of more than eight methods, each has a row of "
            "panels with its accuracy, and the number of its epochs.",
            "No run recorded a training history.",
            figure_curves.draw,
        ),
    ]


def draw_all(results: Results, folder: Path) -> list[Drawn]:
    """Draw every figure into the folder; one that has nothing to show leaves no file behind."""
    from reports.figure_style import style

    with style():
        return [_draw(plan, results, folder) for plan in plans()]


def _draw(plan: Plan, results: Results, folder: Path) -> Drawn:
    from reports.figure_style import save

    figure = plan.draw(results)
    if figure is None:
        for kind in ("png", "svg"):
            (folder / f"{plan.name}.{kind}").unlink(missing_ok=True)
        return Drawn(plan.name, plan.title, plan.caption, note=plan.without)
    png, svg = save(figure, folder, plan.name)
    return Drawn(plan.name, plan.title, plan.caption, png, svg)
