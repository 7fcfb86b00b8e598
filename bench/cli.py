"""The command line of the benchmark. Only commands import heavy libraries."""

import csv
import errno
import io
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
data_app = typer.Typer(help="List, fetch and verify data files.", rich_markup_mode=None)
app.add_typer(data_app, name="data")

KINDS = ("methods", "datasets", "generators", "profiles", "metrics")
ONLY = """Only these labels, comma-separated. Quote a label with a comma: '"a, b",c'."""
Folder = Annotated[Path, typer.Argument(help="Output folder of `run`.")]
Result = Annotated[Path, typer.Argument(help="Output folder of `run`, or a published topic.")]


@contextmanager
def _handle_interrupt() -> Iterator[None]:
    """On Ctrl-C, end a command with one line and exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("stopped; finished cells are kept: run the same command to go on\n")
        raise typer.Exit(130) from None


@app.command("list")
def list_(
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(KINDS)}. Default: all.")] = "",
) -> None:
    """List methods, tables, profiles and metrics, and why an entry is unavailable."""
    from bench.commands.listing import list_entries
    from bench.errors import unknown

    if kind and kind not in KINDS:
        raise unknown(kind, "kind", KINDS)
    for name in [kind] if kind else KINDS:
        _console().print(list_entries(name))


@app.command()
@_handle_interrupt()
def run(
    profile: Annotated[str, typer.Argument(help="Name of a profile, or path of a TOML file.")],
    out: Annotated[Path | None, typer.Option(help="Default: results/<name>.")] = None,
    methods: Annotated[str, typer.Option(help=ONLY)] = "",
    added: Annotated[
        str, typer.Option("--with", help="Add these listed methods, with their defaults.")
    ] = "",
    datasets: Annotated[str, typer.Option(help=ONLY)] = "",
    seeds: Annotated[str, typer.Option(help="Seeds, e.g. 0-4 or 0,3. Default: the spec's.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps. Default: the spec's.")] = "",
    jobs: Annotated[int | None, typer.Option(min=1, help="Cells (SLURM: jobs) at a time.")] = None,
    executor: Annotated[str, typer.Option(help="local, dask or slurm. Default: the spec's.")] = "",
    detach: Annotated[bool, typer.Option("--detach", help="Submit to SLURM and return.")] = False,
    sample: Annotated[float, typer.Option(min=0, max=1, help="Share of the cells to draw.")] = 1.0,
    sample_seed: Annotated[int, typer.Option(help="Seed of --sample.")] = 0,
    fresh: Annotated[bool, typer.Option(help="Run finished cells again.")] = False,
    with_report: Annotated[bool, typer.Option("--report/--no-report")] = True,
    dry_run: Annotated[bool, typer.Option(help="Only list the cells and their cost.")] = False,
) -> None:
    """Run the cells that have no record in the output folder, then build the report."""
    from bench.cluster.submissions import check_executor
    from bench.errors import BenchError
    from bench.run.progress import Progress
    from bench.run.runner import RunOptions, Selection
    from bench.run.runner import run as run_spec
    from bench.spec import load_spec

    spec, text = load_spec(profile)
    folder = out or Path("results") / spec.name
    executor = executor or spec.executor.name
    check_executor(executor)
    if detach and executor != "slurm":
        message = (
            f"--detach needs the executor 'slurm', got {executor!r}. To keep a run when the "
            "terminal closes, start the command under nohup or tmux"
        )
        raise BenchError(message)
    names = _parse_names(datasets), _parse_names(methods)
    selection = Selection(*names, _parse_numbers(seeds), _parse_names(added), sample, sample_seed)
    kind = _resolve_device(device or spec.device)
    if dry_run:
        _show_plan(spec, kind, selection, folder)
    else:
        options = RunOptions(executor, jobs, fresh, detach)
        progress = Progress(_console())
        run_spec(spec, text, folder, kind, selection=selection, options=options, progress=progress)
        if with_report and not detach:
            report(folder)


@app.command()
def status(folder: Folder) -> None:
    """Show the number of cells by status, the jobs of SLURM, and why cells failed."""
    from collections import Counter

    from rich.markup import escape
    from rich.table import Table as Listing

    from bench.cluster.submissions import describe_submissions

    records = list(_open_store(folder).records())
    counts = Counter(record["status"] for record in records)
    _show(", ".join(f"{n} {state}" for state, n in counts.most_common()) or "no cells yet")
    overheads = sorted(r["overhead_seconds"] for r in records if r["overhead_seconds"] is not None)
    if overheads:
        median, maximum = overheads[len(overheads) // 2], overheads[-1]
        _show(f"harness overhead a cell: median {median:.3f} s, maximum {maximum:.3f} s")
    for line in describe_submissions(folder):
        _show(line)
    rows = Listing("dataset", "method", "seed", "status", "reason")
    for record in records:
        if record["status"] != "ok":
            point = (record["dataset"]["label"], record["method"]["label"], str(record["seed"]))
            reason = (record["reason"] or "").split("\n")[0]
            rows.add_row(*map(escape, (*point, record["status"], reason)))
    if rows.row_count:
        _console().print(rows)


@app.command()
def report(folder: Folder) -> None:
    """Build results.parquet, tables, figures and the page. Print the comparison."""
    import pandas as pd

    from reports.build import build
    from reports.terminal import comparison

    _open_store(folder)
    page = build(folder)
    _console().print(comparison(pd.read_parquet(folder / "results.parquet")))
    _show(f"report: {page}")


@app.command()
def compare(before: Result, after: Result) -> None:
    """Compare quality and times of the cells that two results have in common."""
    from bench.commands.comparison import compare_results, judge_differences
    from reports.topics import open_source

    first, second = open_source(before), open_source(after)
    _console().print(compare_results(first, second))
    for line in judge_differences(first, second):
        _show(line)


@app.command()
def collect(
    sources: Annotated[list[Path], typer.Argument(help="Output folders of `run` of one spec.")],
    out: Annotated[Path, typer.Option(help="A new folder, or an output folder of that spec.")],
    keep: Annotated[str, typer.Option(help="first or last: whose records win conflicts.")] = "",
) -> None:
    """Merge output folders of one spec into one, without changes to them."""
    from bench.cluster.collect import KEEPS, collect
    from bench.errors import unknown

    if keep and keep not in KEEPS:
        raise unknown(keep, "value", KEEPS, "--keep")
    _show(f"{collect(sources, out, keep)}\nnext: python -m bench report {out}")


@app.command()
def regress(
    base: Annotated[str, typer.Option(help="Git revision to compare with.")] = "",
    head: Annotated[
        str,
        typer.Option(help="Git revision. Default: this checkout, with changes to tracked files."),
    ] = "",
    only: Annotated[str, typer.Option(help="Only these rows, comma-separated.")] = "",
    accept: Annotated[str, typer.Option(help="Intended changes: row.figure, row.output, ...")] = "",
    aa: Annotated[bool, typer.Option("--aa", help="Base against itself: the noise.")] = False,
    seconds: Annotated[float, typer.Option(help="Time after which no pair starts.")] = 200.0,
    out: Annotated[Path, typer.Option(help="Folder for summary.md and verdict.json.")] = Path(
        "results/regress"
    ),
) -> None:
    """Check whether head is slower than base.

    Exit code: 0 no, 1 yes, 2 the check failed, 3 inconclusive.
    """
    from bench.errors import BenchError
    from bench.regress.command import regress
    from bench.regress.settings import Settings

    if not base and not aa:
        message = "regress needs --base REV (or --aa: a revision against itself, HEAD by default)"
        raise BenchError(message)
    if aa and head:
        message = "--aa measures --base against itself; it has no --head"
        raise BenchError(message)
    settings = Settings(_parse_names(only), seconds, _parse_names(accept))
    raise typer.Exit(regress(base or "HEAD", (base or "HEAD") if aa else head, settings, out))


@app.command()
def environment(
    name: Annotated[str, typer.Argument(help="A method that `list methods` says needs one.")],
) -> None:
    """Install the packages of a method into a Python environment of its own."""
    from bench.commands.environment import make_environment

    _show(f"ready: {make_environment(name)}")


Dataset = Annotated[str, typer.Argument(help="A dataset. Default: all.")]


@data_app.command("list")
def data_list() -> None:
    """List all data files with their sizes. Downloads nothing."""
    from bench.commands.data import files_table

    _console().print(files_table(None, verify=False))


@data_app.command("verify")
def data_verify(name: Dataset = "") -> None:
    """Compare data files with their checksums."""
    from bench.commands.data import files_table

    _console().print(files_table(name or None, verify=True))


@data_app.command("fetch")
def data_fetch(name: Dataset = "") -> None:
    """Download missing data files and verify them."""
    from bench.commands.data import fetch_files

    for line in fetch_files(name or None):
        _show(line)


def main() -> None:
    """Run the command line. An error of this project ends it with exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal of ASCII
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


def _show(text: str) -> None:
    _console().print(text, highlight=False, markup=False, soft_wrap=True)


def _console() -> "Console":
    import os
    import shutil

    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120
    return Console(width=width or shutil.get_terminal_size((120, 40)).columns)


def _resolve_device(name: str) -> str:
    """Resolve "auto" to cpu, cuda or mps. Import torch (slow) only if needed."""
    from bench.machine.environment import may_have_accelerator

    if name == "cpu" or (name == "auto" and not may_have_accelerator()):
        return "cpu"
    from deepmapper.training.devices import resolve_device

    return resolve_device(name).type


def _open_store(folder: Path) -> "Store":
    from bench.errors import BenchError
    from bench.store.store import Store

    if not (folder / "cells").is_dir():
        message = f"{folder} is not an output folder of `bench run`: it has no cells/"
        raise BenchError(message)
    return Store(folder)


def _show_plan(spec: "Spec", device: str, selection: "Selection", folder: Path) -> None:
    from dataclasses import asdict

    from bench.cell import expand
    from bench.commands.plan import list_costs, published_costs
    from reports.topics import PUBLISHED, Topic

    cells = expand(spec, device, **asdict(selection))
    for cell in cells:
        reason = f" ({cell.unavailable})" if cell.unavailable else ""
        dataset, method, seed = cell.grid_point
        _show(f"{dataset} / {method} / seed {seed}{reason}")
    topics = [list(Topic(path.parent).records()) for path in PUBLISHED.glob("*/cells.parquet")]
    _console().print(list_costs(cells, published_costs(topics), spec.limits.cpu_seconds))
    _show(f"{len(cells)} cells on {device}, into {folder}")


def _parse_names(text: str) -> tuple[str, ...]:
    """Parse comma-separated names. Double quotes enclose a name with a comma."""
    parts = next(csv.reader([text], skipinitialspace=True), [])
    return tuple(part.strip() for part in parts if part.strip())


def _parse_numbers(text: str) -> tuple[int, ...]:
    """Parse numbers such as "0-4" or "0,2,5-7"."""
    from bench.errors import BenchError

    numbers: list[int] = []
    try:
        for part in _parse_names(text):
            first, _, last = part.partition("-")
            numbers += (span := range(int(first), int(last or first) + 1))
            if not span:
                raise ValueError(part)
    except ValueError as error:
        message = f"--seeds takes numbers and rising ranges such as 0-4 or 0,3, got {text!r}"
        raise BenchError(message) from error
    return tuple(numbers)
