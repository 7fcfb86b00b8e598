"""A folder of 10x Cell Ranger: matrix.mtx, barcodes.tsv, features.tsv (or genes.tsv)."""

import gzip
from pathlib import Path

import numpy as np
from scipy import io

from deepmapper.errors import DeepMapperError
from deepmapper.tables._h5ad import select_features, unique_names
from deepmapper.tables._raw import Planner, RawTable, ReadOptions


def read(path: Path, planner: Planner, options: ReadOptions) -> RawTable:
    """Read the folder: cells in rows, CSR. A file that is missing raises DeepMapperError."""
    try:
        features = _read_lines(path, "features.tsv", "genes.tsv")
        barcodes = [line[0] for line in _read_lines(path, "barcodes.tsv")]
        matrix = io.mmread(_find(path, "matrix.mtx")).T.tocsr().astype(np.float32)
    except (OSError, EOFError, ValueError) as error:
        message = f"cannot read the 10x folder {path}: {error}"
        raise DeepMapperError(message) from error
    if matrix.shape != (len(barcodes), len(features)):
        message = (
            f"{path}: the matrix has {matrix.shape[0]} cells and {matrix.shape[1]} features, "
            f"barcodes.tsv has {len(barcodes)} lines, the list of features {len(features)}"
        )
        raise DeepMapperError(message)
    names = unique_names(
        [line[min(1, len(line) - 1)] for line in features], [f[0] for f in features]
    )
    return select_features(matrix, names, np.array(barcodes, dtype=object), path, planner)


def _find(folder: Path, *names: str) -> Path:
    """The first of these files, perhaps compressed."""
    for name in names:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    message = f"the folder {folder} has no {' or '.join(names)} (or .gz)"
    raise DeepMapperError(message)


def _read_lines(folder: Path, *names: str) -> list[list[str]]:
    path = _find(folder, *names)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        return [line.rstrip("\r\n").split("\t") for line in file if line.strip()]
