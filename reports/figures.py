"""The figures of the report, as .png and .svg. What cannot be drawn is left out, with a note."""

import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.machine.slots import own_cores
from reports.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MOST_MACHINES = 4  # kinds of machine with figures of time; the tables have all
MOST_COPIES = 4  # of this process, that draw side by side


@dataclass(frozen=True)
class Plan:
    """A figure: how to read it, and what is said where there is nothing to draw."""

    name: str
    title: str
    caption: str
    without: str
    draw: "Callable[[Results], Figure | None]"
    many: "Many"
    is_timed: bool = False  # drawn for each kind of machine, without cells that shared theirs


@dataclass(frozen=True)
class Many:
    """The same for a store of so many datasets and methods that panels would fill a wall."""

    caption: str
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
        figure_many,
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
            Many(
                "Means over seeds, of all datasets and methods as colours; grey: no number. "
                "Intervals, and what happened instead, are in the table.",
                figure_many.accuracy,
            ),
        ),
        Plan(
            "time",
            "Conversion and training time",
            "Medians over seeds on a log scale, the range of the seeds as a thick line. What took "
            "less than 1 ms is drawn at 1 ms.",
            "No cell was timed.",
            figure_time.draw,
            Many(
                "Conversion, training and prediction together, medians over seeds, of all datasets "
                "and methods as colours on a log scale; grey: no number. The table has each phase.",
                figure_many.time,
            ),
            is_timed=True,
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
            Many(
                "Of each method the mean rank by test accuracy over all datasets and seeds (1 is "
                "best, what failed ranks last) against the median over datasets of its total "
                "seconds (conversion, training and prediction; datasets on which it finished). The "
                "line is the Pareto front, whose methods have names; the interactive chart "
                "has each dataset.",
                figure_many.accuracy_vs_time,
            ),
            is_timed=True,
        ),
        Plan(
            "images",
            "The same sample as each converter shows it",
            "After Fig. 6 of the paper: rows are datasets, columns are the methods that make "
            "images; one sample a row. Brightness is scaled for each image, its top 0.5% clipped "
            "where the image is large.",
            "No run kept example images.",
            figure_images.draw,
            Many(
                "Rows are the methods that make images, columns the datasets; one sample a column, "
                f"of each image {figure_many.TILE - 2} × {figure_many.TILE - 2} pixels. "
                "Brightness is scaled for each image, its top 0.5% clipped. Grey: no image.",
                figure_many.images,
            ),
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
            Many(
                "The rank of the needle (a feature known to matter) that is ranked last, median "
                "over seeds, as a colour on a log scale: the number of needles would be perfect. "
                "Grey: no attribution.",
                figure_many.needle_ranks,
            ),
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
            Many(
                "Accuracy by epoch, in each cell from 0 (below) to 1 (above), of the first seed. "
                "Grey: training rows; blue: validation rows.",
                figure_many.curves,
            ),
        ),
    ]


# What is to be drawn: copies of this process find it in their memory.
_PARTS: list[tuple[Plan, Results, Path]] = []


@contextmanager
def drawing(results: Results, folder: Path) -> Iterator[Callable[[], list[Drawn]]]:
    """Every figure is drawn into the folder beside what is done inside; it gives a wait for them.

    A figure that has nothing to show leaves no file behind. They are drawn in copies of this
    process, which have the results in common with it. Where copies cannot be made safely (other
    threads, other systems than Linux), or there is one core, they are drawn when they are waited
    for.
    """
    from reports.figure_many import is_many

    _forget_machines(folder)
    found = plans()
    if is_many(results):
        found = [replace(plan, caption=plan.many.caption, draw=plan.many.draw) for plan in found]
    parts = [
        (one, part, folder)
        for plan in found
        for one, part in (_of_machines(plan, results) if plan.is_timed else [(plan, results)])
    ]
    n_copies = min(MOST_COPIES, len(own_cores()), len(parts))
    if n_copies < 2 or sys.platform != "linux" or threading.active_count() > 1:
        yield lambda: [_draw(*part) for part in parts]
        return
    for dataset in results.datasets:
        results.groups(dataset)  # what all figures need is found once
    _PARTS[:] = parts
    try:
        with _copies(n_copies) as copies:
            waited_for = [copies.submit(_draw_part, i) for i in range(len(parts))]
            yield lambda: [each.result() for each in waited_for]
    finally:
        _PARTS.clear()


def _copies(n: int) -> ProcessPoolExecutor:
    """Copies of this process as it is when they are first given something."""
    return ProcessPoolExecutor(n, multiprocessing.get_context("fork"))


def _draw_part(i: int) -> Drawn:
    return _draw(*_PARTS[i])


def _of_machines(plan: Plan, results: Results) -> list[tuple[Plan, Results]]:
    """The plan with what is to be known of its times; one for each kind of machine."""
    plan = replace(plan, caption=plan.caption + results.times_note)
    found = results.machines
    if len(found) < 2:
        return [(plan, results)]
    more = [
        replace(plan, name=f"{plan.name}_{k.letter}", title=f"{plan.title}, machine {k.letter}")
        for k in found[:MOST_MACHINES]
    ]
    more[0] = replace(more[0], name=plan.name)
    return [(one, results.of_machine(k.letter)) for one, k in zip(more, found, strict=False)]


def _forget_machines(folder: Path) -> None:
    """Figures of machines that an earlier report had."""
    for plan in plans():
        if plan.is_timed:
            for path in folder.glob(f"{plan.name}_[A-Z].*"):
                path.unlink()


def _draw(plan: Plan, results: Results, folder: Path) -> Drawn:
    from reports.figure_style import save, style

    with style():
        figure = plan.draw(results)
        if figure is None:
            for kind in ("png", "svg"):
                (folder / f"{plan.name}.{kind}").unlink(missing_ok=True)
            return Drawn(plan.name, plan.title, plan.caption, note=plan.without)
        png, svg = save(figure, folder, plan.name)
    return Drawn(plan.name, plan.title, plan.caption, png, svg)
