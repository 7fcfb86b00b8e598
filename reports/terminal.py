"""What the command line prints at the end of a run: one line a method."""

from typing import TYPE_CHECKING

import pandas as pd

from reports import units
from reports.results import Group, tell_apart
from reports.statistics import level_with_best, mean_ranks

if TYPE_CHECKING:
    from rich.table import Table

MOST_COLUMNS = 12  # datasets; of more, methods have their mean rank alone
SHORT = {"out_of_memory": "no memory"}


def comparison(frame: pd.DataFrame) -> "Table":
    """Rows are methods, columns datasets: test accuracy ± half its 95% interval, best in bold.

    A failure is a word; (2/3) says that 2 of 3 seeds gave a value. `seconds` is all that the
    cells of a method took, those left out that were not alone, and each kind of machine for
    itself. Fits 120 columns for 12 methods and 5 datasets.
    """
    from rich import box
    from rich.table import Table

    frame = tell_apart(frame)
    if frame["dataset_label"].nunique() > MOST_COLUMNS:
        return _summary(frame)
    datasets = sorted(set(frame["dataset_label"]), key=units.natural_order)
    note = _note(frame)
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        title=_title(frame),
        title_justify="left",
        caption=_escaped(note) if note else None,
        caption_justify="left",
    )
    table.add_column("method", overflow="fold")
    for name in datasets:
        table.add_column(_escaped(name), justify="right", overflow="fold")
    table.add_column("seconds", justify="right", overflow="fold")
    columns = {name: _column(frame, name) for name in datasets}
    several = frame["machine"].nunique() > 1
    for method in mean_ranks(frame).index if len(frame) else []:
        texts = [columns[name].get(method, "[dim]not run[/]") for name in datasets]
        cells = frame[frame["method_label"] == method]
        table.add_row(_escaped(str(method)), *texts, _seconds(cells, several))
    return table


def _summary(frame: pd.DataFrame) -> "Table":
    """Rows are methods: mean rank, ok cells. No terminal is wide enough for all datasets."""
    from rich import box
    from rich.table import Table

    n = frame["dataset_label"].nunique()
    note = f"{n} datasets: the report has a column for each. {_note(frame)}".strip()
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), caption=note, caption_justify="left")
    for name in ("method", "mean rank", "ok cells", "seconds"):
        table.add_column(name, justify="left" if name == "method" else "right", overflow="fold")
    several = frame["machine"].nunique() > 1
    by_method = {str(method): cells for method, cells in frame.groupby("method_label")}
    for method, row in mean_ranks(frame).iterrows():
        cells = by_method[str(method)]
        rank = "none" if pd.isna(row["mean_rank"]) else f"{row['mean_rank']:.1f}"
        n_ok = int((cells["status"] == "ok").sum())
        table.add_row(
            _escaped(str(method)), rank, f"{n_ok} of {len(cells)}", _seconds(cells, several)
        )
    return table


def _seconds(cells: pd.DataFrame, several: bool) -> str:
    alone = cells[cells["shared"].isna()]
    if len(cells) and not len(alone):
        return "shared"
    if not several:
        return f"{alone['wall_seconds'].sum():,.0f}"
    sums = alone.groupby("machine")["wall_seconds"].sum()
    return ", ".join(f"{total:,.0f} {letter}" for letter, total in sums.items())


def _note(frame: pd.DataFrame) -> str:
    """What to know of the seconds; "" where all are alike."""
    words = []
    if n_shared := int(frame["shared"].notna().sum()):
        words.append(f"without those of {n_shared} cells that were not alone")
    letters = sorted(set(frame["machine"].dropna()))
    if len(letters) > 1:
        words.append(f"of the machines {', '.join(letters)}, which the report describes")
    return f"Seconds {'; '.join(words)}." if words else ""


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
