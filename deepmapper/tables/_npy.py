"""A numpy matrix in a `.npy` file, mapped and not read: it may be larger than memory."""

from pathlib import Path

import numpy as np

from deepmapper.errors import DeepMapperError
from deepmapper.tables._raw import Planner, RawTable, row_numbers, take


def read_npy(path: Path, planner: Planner, missing: tuple[str, ...] = ()) -> RawTable:
    """The table of a `.npy` file, (n_samples, n_features); features are called x0, x1, ...

    float32 stays on disk; other numbers are converted in blocks of rows.

    Raises:
        DeepMapperError: not a matrix of numbers; arrays of Python objects (they hold pickles,
            which run code).
    """
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        message = (
            f"cannot read {path} as a numpy array of numbers: {error}. Save one with "
            f"np.save(path, matrix.astype('float32'))"
        )
        raise DeepMapperError(message) from error
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or matrix.dtype.kind not in "fiub":
        shape = getattr(matrix, "shape", "several arrays")
        message = f"{path} has to hold a matrix (n_samples, n_features) of numbers, got {shape}"
        raise DeepMapperError(message)
    if 0 in matrix.shape:
        message = f"{path} holds no rows or no features: its shape is {matrix.shape}"
        raise DeepMapperError(message)
    names = [f"x{i}" for i in range(matrix.shape[1])]
    features = planner(names, names, str(path)).features
    if matrix.dtype != np.float32 or features != names:
        columns = np.array([int(name[1:]) for name in features], dtype=np.int64)
        matrix = take(matrix, np.arange(len(matrix)), columns)
    used = set(features)
    ignored = tuple(name for name in names if name not in used)
    return RawTable(str(path), matrix, features, {}, row_numbers(len(matrix)), None, ignored)
