"""The matrices X and Y of the MATLAB files of scikit-feature."""

from pathlib import Path
from typing import Any

from scipy.io import loadmat

from datasets.table import wrong_file


def read_matrices(path: Path) -> tuple[Any, Any]:
    """Read X and Y, each dense or sparse as in the file.

    Raises a TableError if this is no MATLAB 5 file, or X or Y is missing.
    """
    try:
        content = loadmat(path, variable_names=["X", "Y"])
    except Exception as error:  # scipy's reader raises many kinds
        raise wrong_file(path, "a MATLAB 5 file", f"{type(error).__name__}: {error}") from error
    if missing := [name for name in ("X", "Y") if name not in content]:
        raise wrong_file(path, "the matrices X and Y", f"no {' and no '.join(missing)}")
    return content["X"], content["Y"]
