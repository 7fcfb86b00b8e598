"""What the command line prints at the end of a run: one line a method."""

from typing import TYPE_CHECKING

import pandas as pd

from reports import units
from reports.results import Group, tell_apart
from reports.statistics import level_with_best, mean_ranks

if TYPE_CHECKING:
    from rich.table import Table

SHORT = {"out_of_memory": "no memory"}


def comparison(frame: pd.DataFrame) -> "Table":
    """Rows are methods, columns datasets: test accuracy ± half its 95% interval, best in bold.

    A failure is a word; (2/3) says that 2 of 3 seeds gave a value. `seconds` is all that the
    cells of a method took. Fits 120 columns for 12 methods and 5 datasets.
    """
    from rich import box
    from rich.table import Table

    frame = tell_apart(frame)
    datasets = sorted(set(frame["dataset_label"]), key=units.natural_order)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), title=_title(frame), title_justify="left")
    table.add_column("method", overflow="fold")
    for name in datasets:
        table.add_column(_escaped(name), justify="right", overflow="fold")
    table.add_column("seconds", justify="right", overflow="fold")
    columns = {name: _column(frame, name) for name in datasets}
    for method in mean_ranks(frame).index if len(frame) else []:
        texts = [columns[name].get(method, "[dim]not run[/]") for name in datasets]
        wall = frame.loc[frame["method_label"] == method, "wall_seconds"].sum()
        table.add_row(_escaped(str(method)), *texts, f"{wall:,.0f}")
    return table


def _title(frame: pd.DataFrame) -> str:
    if not len(frame):
        return "No cells yet: nothing to compare."
    n_seeds = frame["seed"].nunique()
    return f"Test accuracy ± half its 95% interval over {n_seeds} seed{'s' * (n_seeds != 1)}"


def _column(frame: pd.DataFrame, dataset: str) -> dict[str, str]:
    """Method -> what its cell says."""
    cells = frame[frame["dataset_label"] == dataset]
    groups = [Group(dataset, str(name), part) for name, part in cells.groupby("method_label")]
    found = {group.method: group.accuracy for group in groups if group.accuracy}
    best, _ = level_with_best(found)
    return {group.method: _text(group, group.method in best) for group in groups}


def _text(group: Group, best: bool) -> str:
    found = group.accuracy
    if found is None:
        words = {SHORT.get(status, status) for status, _ in group.failures}
        return f"[red]{', '.join(sorted(words)) or 'no value'}[/]"
    half = "" if found.half is None else f"±{found.half:.3f}".replace("0.", ".")
    n, of = found.n, len(group.cells)
    text = f"{units.share(found.mean)}{half}" + (f" ({n}/{of})" if n < of else "")
    return f"[bold]{text}[/]" if best else text


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
