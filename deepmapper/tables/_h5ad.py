"""AnnData files (`.h5ad`): X as features, a column of obs as label.

They are read from HDF5 by the documented layout (anndata "On-disk format", versions 0.7 and up).
The package anndata requires pandas below 3 and reads X at the precision of the file.
"""

from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from deepmapper.errors import DeepMapperError
from deepmapper.images._rows import RowsOnDisk
from deepmapper.tables import _raw
from deepmapper.tables._raw import Matrix, Planner, RawTable, check_names, install_hint, take

CACHE_BYTES = 64 << 20  # of uncompressed chunks: blocks of rows are smaller than most chunks


def read(path: Path, planner: Planner, missing: tuple[str, ...] = ()) -> RawTable:
    """Read an AnnData file: features are var_names, rows obs_names, CSR stays CSR.

    X of more than `_raw.IN_MEMORY_BYTES` stays in the file and is read in blocks of rows. Refused:
    h5py is missing, the file is not AnnData, X is missing, or a name occurs twice.
    """
    try:
        import h5py
    except ImportError as error:
        message = install_hint("h5py", f"reading {path}")
        raise DeepMapperError(message) from error
    try:
        # Not closed here: X may be read later. HDF5 closes the file with its last object.
        return _read(h5py.File(path, "r", rdcc_nbytes=CACHE_BYTES), path, planner)
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        if isinstance(error, DeepMapperError):
            raise
        message = f"cannot read {path} as AnnData: {error}. Write it again with anndata >= 0.7"
        raise DeepMapperError(message) from error


class CsrOnDisk:
    """A CSR matrix (n_samples, n_features) in an AnnData file.

    `group` holds data, indices and indptr. Only indptr is in memory.
    """

    def __init__(self, group: Any, shape: tuple[int, int]) -> None:
        self.data, self.indices = group["data"], group["indices"]
        self.indptr = group["indptr"][...].astype(np.int64)
        self.shape = shape
        self.dtype = self.data.dtype

    def __getitem__(self, rows: slice | np.ndarray) -> sparse.csr_matrix:
        """The rows of a slice or of increasing positions."""
        positions = np.arange(self.shape[0])[rows]
        runs = np.split(positions, np.flatnonzero(np.diff(positions) != 1) + 1)
        spans = [slice(*self.indptr[[run[0], run[-1] + 1]]) for run in runs if len(run)]
        lengths = self.indptr[positions + 1] - self.indptr[positions]
        data = [np.empty(0, np.float32), *(self.data[span] for span in spans)]
        indices = [np.empty(0, np.int32), *(self.indices[span] for span in spans)]
        parts = (
            np.concatenate(data, dtype=np.float32, casting="same_kind"),
            np.concatenate(indices),
            np.concatenate([[0], np.cumsum(lengths)]),
        )
        matrix = sparse.csr_matrix(parts, shape=(len(positions), self.shape[1]))
        matrix.check_format(full_check=True)  # an index outside would read foreign memory
        return matrix


def _read(file: Any, path: Path, planner: Planner) -> RawTable:
    obs, var = file["obs"], file["var"]
    names = [str(name) for name in _index(var)]
    check_names(names, str(path))
    annotations = [str(name) for name in obs.attrs["column-order"]]
    plan = planner(names, annotations, str(path))
    matrix = _matrix(file["X"])
    if matrix.shape[1] != len(names):
        message = f"{path}: X has {matrix.shape[1]} columns, var has {len(names)} names"
        raise DeepMapperError(message)
    if plan.features != names:
        place = {name: i for i, name in enumerate(names)}
        columns = np.array([place[name] for name in plan.features], dtype=np.int64)
        matrix = take(matrix, np.arange(matrix.shape[0]), columns)
    used = set(plan.features)
    in_obs = plan.label is not None and plan.label in annotations
    return RawTable(
        str(path),
        matrix,
        plan.features,
        {},
        np.array([str(name) for name in _index(obs)], dtype=object),
        _column(obs, str(plan.label)) if in_obs else None,
        tuple(name for name in names if name not in used),
    )


def _matrix(node: Any) -> Matrix:
    """float32, dense or CSR, from a dataset or a group of data, indices, indptr."""
    if not hasattr(node, "keys"):
        on_disk = RowsOnDisk(node)
        is_large = 4 * node.size > _raw.IN_MEMORY_BYTES
        return on_disk if is_large else on_disk[:]
    encoding = _text(node.attrs.get("encoding-type", node.attrs.get("h5sparse_format", "")))
    height, width = node.attrs.get("shape", node.attrs.get("h5sparse_shape"))
    shape = int(height), int(width)
    if encoding.startswith("csr"):
        on_disk = RowsOnDisk(CsrOnDisk(node, shape))
        is_large = 8 * node["data"].size > _raw.IN_MEMORY_BYTES
        return on_disk if is_large else on_disk[:]
    if not encoding.startswith("csc"):
        message = f"X is stored as {encoding!r}; known are dense, csr_matrix and csc_matrix"
        raise DeepMapperError(message)
    # Columns cannot be read by rows: the transpose is CSR, and is transposed in memory.
    return CsrOnDisk(node, shape[::-1])[:].T.tocsr()


def _index(group: Any) -> np.ndarray:
    return _column(group, _text(group.attrs["_index"]))


def _column(group: Any, name: str) -> np.ndarray:
    """A column of obs or var, (n,), None if missing."""
    node = group[name]
    if hasattr(node, "keys"):
        encoding = _text(node.attrs["encoding-type"])
        if encoding == "categorical":
            return _categories(node["codes"][...], _values(node["categories"]))
        values = _values(node["values"]).astype(object)  # nullable-integer, -boolean, -string-array
        values[node["mask"][...].astype(bool)] = None
        return values
    if "categories" in node.attrs:  # anndata 0.7: a reference to obs/__categories
        return _categories(node[...], _values(group.file[node.attrs["categories"]]))
    return _values(node)


def _categories(codes: np.ndarray, categories: np.ndarray) -> np.ndarray:
    values = np.append(categories.astype(object), [None])
    return values[np.where(codes < 0, len(categories), codes)]


def _values(node: Any) -> np.ndarray:
    import h5py

    if hasattr(node, "keys"):  # categories that are themselves nullable
        return _values(node["values"])
    if h5py.check_string_dtype(node.dtype) is not None:
        return np.asarray(node.asstr()[...], dtype=object)
    return np.asarray(node[...])


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
