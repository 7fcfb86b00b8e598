"""The figures of the report, as .png and .svg, or a note if data are missing."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from reports.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_MACHINES = 4  # kinds of machine with figures of time. The tables have all
MOST_DATASETS = 24  # of figures with a panel for each
NOT_DRAWN = (
    f"Not drawn for more than {MOST_DATASETS} datasets: the tables and the chart of accuracy "
    "against time have all of them."
)
SPECIAL = ("phases", "learning", "variance")  # for some grids only, missing without a note
DRAWN_FOR_MANY = ("ranks", "heat", *SPECIAL)
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
    from reports.figures import (
        accuracy,
        curves,
        front,
        heat,
        images,
        learning,
        naming,
        needles,
        phases,
        ranks,
        time,
        variance,
    )

    return {
        "phases": phases,
        "learning": learning,
        "ranks": ranks,
        "heat": heat,
        "accuracy": accuracy,
        "time": time,
        "accuracy_vs_time": front,
        "images": images,
        "naming": naming,
        "needle_ranks": needles,
        "curves": curves,
        "variance": variance,
    }


def plan_figures(results: Results) -> list[Plan]:
    """Return the figures of these results. Times have one for each kind of machine."""
    is_many = len(results.datasets) > MOST_DATASETS
    listed = []
    for name, module in modules().items():
        plan = Plan(name, module.TITLE, module.CAPTION, module.WITHOUT, module.draw)
        if is_many and name not in DRAWN_FOR_MANY:
            plan = replace(plan, without=NOT_DRAWN, draw=lambda _: None)
        listed += _of_machines(plan, results) if name in TIMED else [plan]
    return listed


def draw_all(results: Results, folder: Path, only: Collection[str] = ()) -> list[Plan]:
    """Draw every figure, or those named, and remove outdated files.

    Figures of `SPECIAL` that cannot be drawn are left out.
    """
    for name in TIMED:
        for path in folder.glob(f"{name}_[A-Z].*"):  # of machines of an earlier report
            path.unlink()
    named = [plan for plan in plan_figures(results) if not only or plan.name in only]
    drawn = [_draw(plan, results, folder) for plan in named]
    return [plan for plan in drawn if plan.png or plan.name not in SPECIAL]


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
    from reports.figures.style import save, style

    with style():
        figure = plan.draw(results)
        if figure is not None:
            paths = save(figure, folder, plan.name)
            return replace(plan, png=paths["png"], svg=paths["svg"])
    for kind in ("png", "svg"):
        (folder / f"{plan.name}.{kind}").unlink(missing_ok=True)
    return plan
