"""The command line of the measurements of scale: the file's name is the measurement's."""

import importlib
import sys
from pathlib import Path

import typer

from bench.errors import BenchError, unknown


def main() -> None:
    files = Path(__file__).parent.glob("[!_]*.py")
    names = sorted(path.stem for path in files if "def measure(" in path.read_text())
    words = [word for word in sys.argv[1:] if word != "--help"]
    if not words:
        sys.stdout.write(f"python -m bench.experiments.scale {{{','.join(names)}}} [--help]\n")
        return
    try:
        if words[0] not in names:
            raise unknown(words[0], "measurement", names, "bench.experiments.scale")
        sys.argv.remove(words[0])
        typer.run(importlib.import_module(f"bench.experiments.scale.{words[0]}").measure)
    except BenchError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
