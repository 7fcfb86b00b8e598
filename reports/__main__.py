"""`python -m reports DIR`: the report of an output folder, again."""

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(help="An output folder of `bench run`.", exists=True)]
Interactive = Annotated[bool, typer.Option(help="Put the interactive chart (4.5 MB) in the page.")]


def main(folder: Folder, interactive: Interactive = True) -> None:
    """Build results.parquet, the tables, the figures and the page of DIR."""
    from reports.build import build

    typer.echo(build(folder, interactive=interactive))


if __name__ == "__main__":
    typer.run(main)
