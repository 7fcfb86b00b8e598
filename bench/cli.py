"""The command line of the benchmark. Heavy libraries are imported inside the commands."""

import csv
import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from bench.run.runner import Selection
    from bench.spec import Spec
    from bench.store.store import Store

app = typer.Typer(
    help="Benchmark of methods that turn high-dimensional tables into images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich would cost 0.2 s at every start
)
data_app = typer.Typer(
    help="The data files: which are at hand, fetch them, verify them.", rich_markup_mode=None
)
app.add_typer(data_app, name="data")

KINDS = ("methods", "datasets", "generators", "profiles", "metrics")
ONLY = """Only these, comma-separated; '"a, b",c' where a label has a comma."""
Folder = Annotated[Path, typer.Argument(help="An output folder of `run`.")]


@app.command("list")
def list_(
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(KINDS)}; all if left out.")] = "",
) -> None:
    """What there is, with availability and the reason where something is not available."""
    from bench.commands.listing import listing
    from bench.errors import unknown

    if kind and kind not in KINDS:
        raise unknown(kind, "kind", KINDS)
    for name in [kind] if kind else KINDS:
        _console().print(listing(name))


@app.command()
def run(
    profile: Annotated[str, typer.Argument(help="A profile's name or a TOML file.")],
    out: Annotated[Path | None, typer.Option(help="Default: results/<name>.")] = None,
    methods: Annotated[str, typer.Option(help=ONLY)] = "",
    datasets: Annotated[str, typer.Option(help=ONLY)] = "",
    seeds: Annotated[str, typer.Option(help="Instead of the spec's, e.g. 0-4 or 0,3.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "",
    jobs: Annotated[int | None, typer.Option(min=1, help="Cells side by side.")] = None,
    executor: Annotated[str, typer.Option(help="local, dask or slurm; else the spec's.")] = "",
    detach: Annotated[bool, typer.Option("--detach", help="Submit everything, and end.")] = False,
    fresh: Annotated[bool, typer.Option(help="Run finished cells again, too.")] = False,
    with_report: Annotated[bool, typer.Option("--report/--no-report")] = True,
    dry_run: Annotated[bool, typer.Option(help="Say what would run, and stop.")] = False,
) -> None:
    """Run a benchmark: what is missing in the output folder, and nothing else; then report."""
    from bench.spec import load_spec

    with _stoppable():
        spec, text = load_spec(profile)
        folder = out or Path("results") / spec.name
        from bench.cluster import check_executor
        from bench.run.runner import Means, Selection, run

        where = executor or spec.executor.name
        check_executor(where)
        selection = Selection(_names(datasets), _names(methods), _numbers(seeds))
        kind = _device(device or spec.device)
        if dry_run:
            _show_plan(spec, kind, selection, folder)
            return
        if detach and where == "local":
            from bench.cluster.detached import go_on_alone

            _console().print(go_on_alone(folder), highlight=False, soft_wrap=True)
            return
        from bench.run.progress import TerminalProgress

        means = Means(where, jobs, fresh, detach)
        progress = TerminalProgress(_console())
        run(spec, text, folder, kind, selection=selection, means=means, progress=progress)
    if with_report and not detach:
        report(folder)


@app.command()
def status(folder: Folder) -> None:
    """How far a run has come: cells by status, what schedulers have, why the others failed."""
    from collections import Counter

    from rich.table import Table as Listing

    records = list(_store(folder).records())
    console = _console()
    counts = Counter(record["status"] for record in records)
    console.print(", ".join(f"{n} {state}" for state, n in counts.most_common()) or "no cells yet")
    overheads = sorted(r["overhead_seconds"] for r in records if r["overhead_seconds"] is not None)
    if overheads:
        console.print(
            f"harness overhead a cell: median {overheads[len(overheads) // 2]:.3f} s, "
            f"most {overheads[-1]:.3f} s",
            highlight=False,
        )
    from bench.cluster.detached import schedulers

    for line in schedulers(folder):
        console.print(line, highlight=False, soft_wrap=True)
    rows = Listing("dataset", "method", "seed", "status", "reason")
    for record in records:
        if record["status"] != "ok":
            place = (record["dataset"]["label"], record["method"]["label"], str(record["seed"]))
            rows.add_row(*place, record["status"], (record["reason"] or "").split("\n")[0])
    if rows.row_count:
        console.print(rows)


@app.command()
def report(folder: Folder) -> None:
    """Build results.parquet, the tables, figures and the page; print the comparison."""
    import pandas as pd

    from reports.build import build
    from reports.terminal import comparison

    _store(folder)
    page = build(folder)
    console = _console()
    console.print(comparison(pd.read_parquet(folder / "results.parquet")))
    console.print(f"report: {page}", highlight=False, soft_wrap=True)


@app.command()
def compare(before: Folder, after: Folder) -> None:
    """Two output folders side by side: accuracy and time of the cells that both have."""
    from bench.commands.comparing import comparison, identical

    console = _console()
    console.print(comparison(_store(before), _store(after)))
    n_same, n_all = identical(_store(before), _store(after))
    console.print(f"{n_same} of {n_all} cells have identical predictions", highlight=False)


@app.command()
def collect(
    sources: Annotated[list[Path], typer.Argument(help="Output folders of `run`, of one spec.")],
    out: Annotated[Path, typer.Option(help="A new folder, or one to merge into.")],
    keep: Annotated[
        str, typer.Option(help="first or last: the folder that decides about contradictions.")
    ] = "",
) -> None:
    """Merge output folders of several machines into one; the sources stay as they are."""
    from bench.cluster.collect import KEEPS, collect
    from bench.errors import unknown

    if keep and keep not in KEEPS:
        raise unknown(keep, "value", KEEPS, "--keep")
    lines = f"{collect(sources, out, keep)}\nnext: python -m bench report {out}"
    _console().print(lines, highlight=False, markup=False, soft_wrap=True)


@app.command()
def regress(
    base: Annotated[str, typer.Option(help="The revision to compare with.")] = "",
    head: Annotated[
        str, typer.Option(help="Default: this checkout, with changes to tracked files.")
    ] = "",
    only: Annotated[str, typer.Option(help="Only these rows, comma-separated.")] = "",
    accept: Annotated[str, typer.Option(help="Intended changes: row.figure, row.output, ...")] = "",
    aa: Annotated[bool, typer.Option("--aa", help="Base against itself: the noise floor.")] = False,
    seconds: Annotated[float, typer.Option(help="The time after which no pair begins.")] = 200.0,
    out: Annotated[Path, typer.Option(help="For summary.md and verdict.json.")] = Path(
        "results/regress"
    ),
) -> None:
    """Is head slower than base? Exit code: 0 no, 1 yes, 2 the check failed, 3 inconclusive."""
    from bench.errors import BenchError
    from bench.regress.command import regress
    from bench.regress.rows import Settings

    if not base and not aa:
        message = "regress needs --base REV (or --aa: a revision against itself, HEAD by default)"
        raise BenchError(message)
    if aa and head:
        message = "--aa measures --base against itself; it has no --head"
        raise BenchError(message)
    settings = Settings(_names(only), seconds, _names(accept))
    raise typer.Exit(regress(base or "HEAD", (base or "HEAD") if aa else head, settings, out))


@data_app.command("list")
def data_list() -> None:
    """Every data file: at hand, missing or corrupt in size; nothing is downloaded."""
    from bench.commands.data import files_table

    _console().print(files_table(None, verify=False))


@data_app.command("verify")
def data_verify(
    name: Annotated[str, typer.Argument(help="A dataset; all if left out.")] = "",
) -> None:
    """Check the files at hand against their checksums."""
    from bench.commands.data import files_table

    _console().print(files_table(name or None, verify=True))


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="A dataset; all if left out.")] = "",
) -> None:
    """Download what is missing, verified."""
    from bench.commands.data import fetch_files

    for line in fetch_files(name or None):
        _console().print(line, highlight=False, soft_wrap=True)


def main() -> None:
    """Run the command line; errors that are ours end it with one message and exit code 2."""
    try:
        app(standalone_mode=True)
    except ValueError as error:
        from bench.errors import BenchError
        from datasets.table import TableError
        from deepmapper.errors import DeepMapperError

        if not isinstance(error, (BenchError, TableError, DeepMapperError)):
            raise
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        sys.stderr.write(
            f"error: {error.strerror}: {error.filename or 'the output'} could not be written. Free "
            "some space and run the same command again: every finished cell is kept.\n"
        )
        sys.exit(2)


def _console() -> "Console":
    import os
    import shutil

    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120
    return Console(width=width or shutil.get_terminal_size((120, 40)).columns)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Ctrl-C inside, at whatever moment, ends the command with one line."""
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("stopped; finished cells are kept: run the same command to go on\n")
        raise typer.Exit(130) from None


def _device(name: str) -> str:
    """cpu, cuda or mps; torch, which takes seconds to load, is asked only where it may find one."""
    from bench.machine.environment import may_have_accelerator

    if name == "cpu" or (name == "auto" and not may_have_accelerator()):
        return "cpu"
    from deepmapper.training.devices import resolve_device

    return resolve_device(name).type


def _store(folder: Path) -> "Store":
    from bench.errors import BenchError
    from bench.store.store import Store

    if not (folder / "cells").is_dir():
        message = f"{folder} is no output folder of `bench run`: it has no cells/"
        raise BenchError(message)
    return Store(folder)


def _show_plan(spec: "Spec", device: str, selection: "Selection", folder: Path) -> None:
    from dataclasses import asdict

    from bench.cell import expand

    cells = expand(spec, device, **asdict(selection))
    console = _console()
    for cell in cells:
        reason = f" ({cell.unavailable})" if cell.unavailable else ""
        dataset, method, seed = cell.place
        console.print(f"{dataset} / {method} / seed {seed}{reason}", highlight=False)
    console.print(f"{len(cells)} cells on {device}, into {folder}", highlight=False)


def _names(text: str) -> tuple[str, ...]:
    """Comma-separated; a name with a comma in it stands in double quotes, as in CSV."""
    parts = next(csv.reader([text], skipinitialspace=True), [])
    return tuple(part.strip() for part in parts if part.strip())


def _numbers(text: str) -> tuple[int, ...]:
    """ "0-4" or "0,2,5-7" as numbers."""
    from bench.errors import BenchError

    found: list[int] = []
    try:
        for part in _names(text):
            first, _, last = part.partition("-")
            numbers = range(int(first), int(last or first) + 1)
            if not numbers:
                raise ValueError(part)
            found += numbers
    except ValueError as error:
        message = f"--seeds takes numbers and rising ranges such as 0-4 or 0,3, got {text!r}"
        raise BenchError(message) from error
    return tuple(found)
