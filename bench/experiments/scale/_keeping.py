"""What a measurement found, kept as a file beside what it was found on."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.machine.environment import environment

Out = Annotated[Path | None, typer.Option(help="A JSON file for what was measured.")]


def keep(out: Path | None, found: dict[str, Any]) -> None:
    """Write what was measured and the environment; nothing without a file."""
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({**found, "environment": environment()}, indent=1) + "\n")
