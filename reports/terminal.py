"""The comparison that the command line prints after a run: one line a method."""

from typing import TYPE_CHECKING

import pandas as pd

from reports import units
from reports.results import Group, distinguish_labels, groups_of
from reports.statistics.estimates import best_of, families, mean_ranks
from reports.used_rows import CAPTION, used_tables

if TYPE_CHECKING:
    from rich.table import Table

MOST_COLUMNS = 12  # datasets. With more, a terminal is too narrow: mean ranks only
SHORT = {"out_of_memory": "no memory"}


def comparison(frame: pd.DataFrame) -> "Table":
    """Return methods by datasets: balanced accuracy ± half its 95% interval, best in bold.

    One entry of each method comes first, in the order of mean ranks, then the variants. A failure
    is a word. (2/3) means that 2 of 3 seeds gave a value. `seconds` is the sum over the cells of a
    method that had their cores to themselves, for each kind of machine.
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    frame = distinguish_labels(frame)
    datasets = sorted(set(frame["dataset_label"]), key=units.natural_order)
    is_summary = len(datasets) > MOST_COLUMNS
    note, used = _note(frame), used_tables(frame)
    if is_summary:
        note = f"{len(datasets)} datasets: the report has a column for each. {note}".strip()
    elif used:
        note = f"{note}\n{CAPTION}".strip()
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        title=None if is_summary else _title(frame),
        title_justify="left",
        caption=escape(note) if note else None,
        caption_justify="left",
    )
    table.add_column("method", overflow="fold")
    for name in [*(["mean rank", "ok cells"] if is_summary else datasets), "seconds"]:
        table.add_column(escape(name + " †" * (name in used)), justify="right", overflow="fold")
    columns = [] if is_summary else [_column(frame, name) for name in datasets]
    n_machines = frame["machine"].nunique()
    ranks = mean_ranks(frame)["mean_rank"]
    for method in [*ranks.index, *sorted(set(families(frame)) - set(ranks.index))]:
        cells = frame[frame["method_label"] == method]
        texts = [column.get(str(method), "[dim]not run[/]") for column in columns]
        if is_summary:
            rank = ranks.get(method, "variant")
            texts = [
                rank if rank == "variant" else "none" if pd.isna(rank) else f"{rank:.1f}",
                f"{(cells['status'] == 'ok').sum()} of {len(cells)}",
            ]
        table.add_row(escape(str(method)), *texts, _seconds(cells, n_machines))
    return table


def _seconds(cells: pd.DataFrame, n_machines: int) -> str:
    alone = cells[cells["shared"].isna()]
    if not len(alone):
        return "shared"
    if n_machines < 2:
        return f"{alone['wall_seconds'].sum():,.0f}"
    sums = alone.groupby("machine")["wall_seconds"].sum()
    return ", ".join(f"{total:,.0f} {letter}" for letter, total in sums.items())


def _note(frame: pd.DataFrame) -> str:
    """Return a note on the seconds, or "" if all of them compare."""
    words = []
    if n_shared := int(frame["shared"].notna().sum()):
        words.append(f"without those of {n_shared} cells that shared their hardware")
    letters = sorted(set(frame["machine"].dropna()))
    if len(letters) > 1:
        words.append(f"of the machines {', '.join(letters)}, which the report describes")
    return f"Seconds {'; '.join(words)}." if words else ""


def _title(frame: pd.DataFrame) -> str:
    if not len(frame):
        return "No cells yet: nothing to compare."
    n_seeds = units.counted(frame["seed"].nunique(), "seed")
    return f"Balanced accuracy ± half its 95% interval over {n_seeds}"


def _column(frame: pd.DataFrame, dataset: str) -> dict[str, str]:
    groups = groups_of(frame[frame["dataset_label"] == dataset]).values()
    best = best_of({g.method: g.main.mean for g in groups if g.main})
    return {group.method: _text(group, group.method in best) for group in groups}


def _text(group: Group, is_best: bool) -> str:
    main = group.main
    if main is None:
        words = {SHORT.get(status, status) for status, _ in group.failures}
        return f"[red]{', '.join(sorted(words)) or 'no value'}[/]"
    half = "" if main.half is None else f"±{main.half:.3f}".replace("0.", ".")
    n, n_cells = main.n, len(group.cells)
    text = f"{units.share(main.mean)}{half}" + (f" ({n}/{n_cells})" if n < n_cells else "")
    return f"[bold]{text}[/]" if is_best else text
