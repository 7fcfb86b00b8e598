"""The command line: reads a table, trains, writes a folder for people."""

import sys


def main() -> None:
    """Run the command line; without its libraries, print how to install them."""
    try:
        from deepmapper._app.cli import main as run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("deepmapper"):
            raise
        sys.exit(
            f"The command `deepmapper` needs the package '{error.name}', which is not installed. "
            'Install the command line with: pip install "deepmapper-benchmark[cli]"'
        )
    run()
