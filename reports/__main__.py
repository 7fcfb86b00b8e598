"""Reports that are not part of every run: `python -m reports paper DIR`, `... publish DIR DIR`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.command()
def paper(
    folder: Annotated[Path, typer.Argument(help="An output folder of `bench run paper`.")],
) -> None:
    """The paper's figures, tables and claims from stored cells, into DIR/paper."""
    from bench.errors import BenchError

    if not (folder / "cells").is_dir():
        message = f"{folder} is no output folder of `bench run`: it has no cells/"
        raise BenchError(message)
    from reports.paper.build import build

    sys.stdout.write(f"{build(folder)}\n")


@app.command()
def publish(
    source: Path,
    target: Path,
    command: Annotated[str, typer.Option(help="The command that made the result.")],
    arrays: Annotated[bool, typer.Option(help="Keep predictions, attributions, images.")] = True,
    paper: Annotated[bool, typer.Option(help="The paper's page in place of the report.")] = False,
) -> None:
    """Copy a result into the repository."""
    from reports import publish as publishing

    publishing.main(source, target, command, arrays, paper)


@app.command()
def benchmarks(
    path: Annotated[Path, typer.Argument(help="A file of `pytest --benchmark-json`.")],
) -> None:
    """What pytest-benchmark measured: times, GB/s beside a copy, GFLOP/s; Markdown."""
    from reports.benchmarks import table

    sys.stdout.write(table(path))


def main() -> None:
    """Run the command line; errors that are ours end it with one message and exit code 2."""
    try:
        app(standalone_mode=True)
    except ValueError as error:
        from bench.errors import BenchError

        if not isinstance(error, BenchError):
            raise
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
