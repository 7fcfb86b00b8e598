"""The command line: read a table, train, write a folder of results."""

import sys


def main() -> None:
    """Run the command line. If its libraries are missing, print how to install them."""
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
