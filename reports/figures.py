"""The figures of the report, as .png and .svg, or a note if data are missing."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from reports.results import Results
from reports.variance_shares import has_grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_MACHINES = 4  # kinds of machine with figures of time. The tables have all
MOST_ENTRIES = 600  # pairs of dataset and method. More panels would take minutes to draw
NOT_DRAWN = (
    f"Not drawn for more than {MOST_ENTRIES} pairs of dataset and method: the tables and the chart "
    "of accuracy against time have all of them."
)
DRAWN_FOR_MANY = ("ranks", "heat", "variance")
TIMED = ("time", "accuracy_vs_time")  # drawn for each kind of machine


@dataclass(frozen=True)
class Plan:
    """A figure of the report.

    `without` is the note if there is nothing to draw. `png` and `svg` are the drawn files.
    """

    name: str
    title: str
    caption: str
    without: str
    draw: "Callable[[Results], Figure | None]"
    png: Path | None = None
    svg: Path | None = None

    @property
    def note(self) -> str:
        return "" if self.png else self.without


def modules() -> dict[str, ModuleType]:
    """Return every figure of the report, in order. Imports matplotlib."""
    from reports import (
        figure_accuracy,
        figure_curves,
        figure_front,
        figure_heat,
        figure_images,
        figure_needles,
        figure_ranks,
        figure_time,
        figure_variance,
    )

    return {
        "ranks": figure_ranks,
        "heat": figure_heat,
        "accuracy": figure_accuracy,
        "time": figure_time,
        "accuracy_vs_time": figure_front,
        "images": figure_images,
        "needle_ranks": figure_needles,
        "curves": figure_curves,
        "variance": figure_variance,
    }


def plans(results: Results) -> list[Plan]:
    """Return the figures of these results. Times have one for each kind of machine.

    The one of variance is for the grids of `reports.variance_shares` only.
    """
    is_many = len(results.datasets) * len(results.methods) > MOST_ENTRIES
    listed = []
    for name, module in modules().items():
        if name == "variance" and not has_grid(results.frame):
            continue
        plan = Plan(name, module.TITLE, module.CAPTION, module.WITHOUT, module.draw)
        if is_many and name not in DRAWN_FOR_MANY:
            plan = replace(plan, without=NOT_DRAWN, draw=lambda _: None)
        listed += _of_machines(plan, results) if name in TIMED else [plan]
    return listed


def draw_all(results: Results, folder: Path, only: Collection[str] = ()) -> list[Plan]:
    """Draw every figure, or those named, and remove outdated files."""
    for name in TIMED:
        for path in folder.glob(f"{name}_[A-Z].*"):  # of machines of an earlier report
            path.unlink()
    named = [plan for plan in plans(results) if not only or plan.name in only]
    return [_draw(plan, results, folder) for plan in named]


def _of_machines(plan: Plan, results: Results) -> list[Plan]:
    plan = replace(plan, caption=plan.caption + results.times_note)
    letters = [kind.letter for kind in results.machines[:MOST_MACHINES]]
    if len(letters) < 2:
        return [plan]
    return [
        replace(
            plan,
            name=plan.name if letter == letters[0] else f"{plan.name}_{letter}",
            title=f"{plan.title}, machine {letter}",
            draw=partial(_draw_machine, plan, letter),
        )
        for letter in letters
    ]


def _draw_machine(plan: Plan, letter: str, results: Results) -> "Figure | None":
    return plan.draw(results.of_machine(letter))


def _draw(plan: Plan, results: Results, folder: Path) -> Plan:
    from reports.figure_style import save, style

    with style():
        figure = plan.draw(results)
        if figure is not None:
            paths = save(figure, folder, plan.name)
            return replace(plan, png=paths["png"], svg=paths["svg"])
    for kind in ("png", "svg"):
        (folder / f"{plan.name}.{kind}").unlink(missing_ok=True)
    return plan
