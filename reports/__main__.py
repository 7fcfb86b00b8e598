"""Reports of results: `python -m reports build`, `paper` or `publish` FOLDER, and `readme`.

FOLDER is an output folder of `bench run` or a topic of reports/published.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.errors import BenchError

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
Folder = Annotated[Path, typer.Argument(help="A results folder or a published topic.")]
Out = Annotated[
    Path | None,
    typer.Option(help="Output folder. Default: the results folder, or build/TOPIC."),
]


@app.command()
def build(folder: Folder, out: Out = None) -> None:
    """Build results.parquet, tables (Markdown, CSV, LaTeX), figures and the page."""
    from reports.build import build

    sys.stdout.write(f"{build(folder, out or _place(folder))}\n")


@app.command()
def paper(folder: Folder, out: Out = None) -> None:
    """Build the paper's figures, tables and claims in OUT/paper."""
    from reports.paper.build import build

    sys.stdout.write(f"{build(folder, out or _place(folder))}\n")


def _place(folder: Path) -> Path:
    is_topic = (folder / "cells.parquet").is_file()
    return Path("build") / folder.resolve().name if is_topic else folder


@app.command()
def publish(
    results: Annotated[Path, typer.Argument(help="Output folder of `bench run`.")],
    topic: Annotated[str, typer.Argument(help="Default: the name of the folder.")] = "",
    command: Annotated[str | None, typer.Option(help="Command that renews the result.")] = None,
    stale: Annotated[str | None, typer.Option(help="Why the code differs from the tree.")] = None,
    arrays: Annotated[bool, typer.Option(help="Keep attributions, images, histories.")] = True,
    pictures: Annotated[str, typer.Option(help="Names of figures, by comma. Default: four.")] = "",
) -> None:
    """Write a result into reports/published/TOPIC."""
    from reports.publish import PICTURES, publish
    from reports.topics import PUBLISHED

    target = PUBLISHED / (topic or results.resolve().name)
    names = pictures.split(",") if pictures else PICTURES
    publish(results, target, command, stale=stale, arrays=arrays, pictures=names)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    sys.stdout.write(f"{target}: {size / 2**20:.1f} MiB\n")


@app.command()
def readme() -> None:
    """Write the numbers of the published records into the READMEs, and docs/claims.md."""
    from reports.readme import CLAIMS, list_claims, readmes, renew

    for path in readmes():
        path.write_text(renew(path.read_text()))
    CLAIMS.write_text(list_claims())


def main() -> None:
    """Run the command line. A `BenchError` ends it with one message and exit code 2."""
    try:
        app(standalone_mode=True)
    except BenchError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
