"""AnnData files (`.h5ad`): X as features, a column of obs as label.

They are read from HDF5 by the documented layout (anndata "On-disk format", versions 0.7 and up).
The package anndata requires pandas below 3 and reads X at the precision of the file.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from deepmapper.errors import DeepMapperError
from deepmapper.images._rows import RowsOnDisk
from deepmapper.tables import _raw
from deepmapper.tables._raw import (
    Matrix,
    Planner,
    RawTable,
    ReadOptions,
    check_names,
    install_hint,
    list_names,
    take,
)

CACHE_BYTES = 64 << 20  # of uncompressed chunks: blocks of rows are smaller than most chunks


def read(path: Path, planner: Planner, options: ReadOptions) -> RawTable:
    """Read an AnnData file: features are var_names, rows obs_names, CSR stays CSR.

    A matrix of more than `_raw.IN_MEMORY_BYTES` stays in the file and is read in blocks of rows.
    Refused: h5py is missing, the file is not AnnData, X is missing, or a name occurs twice.
    """
    try:
        import h5py
    except ImportError as error:
        message = install_hint("h5py", f"reading {path}")
        raise DeepMapperError(message) from error
    try:
        # Not closed here: X may be read later. HDF5 closes the file with its last object.
        file = h5py.File(path, "r", rdcc_nbytes=CACHE_BYTES)
        if "obs" in file and "var" in file:
            return _read(file, path, planner, options)
        if "matrix" in file and "barcodes" in file["matrix"]:
            return _read_tenx(file["matrix"], path, planner)
    except (OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        if isinstance(error, DeepMapperError):
            raise
        message = (
            f"cannot read {path} as AnnData: {error}. If an old version of anndata wrote it: "
            f"python -c \"import anndata; anndata.read_h5ad('{path}').write_h5ad('new.h5ad')\""
        )
        raise DeepMapperError(message) from error
    loom = " It is a loom file: anndata.read_loom(...).write_h5ad(...)." * ("row_attrs" in file)
    message = (
        f"{path} is HDF5, but neither AnnData (groups obs and var) nor of 10x (group matrix): it "
        f"has {list_names(list(file))}.{loom} Write it as .h5ad with anndata"
    )
    raise DeepMapperError(message)


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


def _read(file: Any, path: Path, planner: Planner, options: ReadOptions) -> RawTable:
    obs = file["obs"]
    node, var = _choose_matrix(file, path, options.layer)
    names = [str(name) for name in _index(var)]
    check_names(names, str(path))
    annotations = [str(name) for name in obs.attrs["column-order"]]
    plan = planner(names, annotations, str(path))
    matrix = _matrix(node)
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
        "obs_names",
    )


def _choose_matrix(file: Any, path: Path, layer: str | None) -> tuple[Any, Any]:
    """The matrix to read, X or a layer or raw, and its description of the features."""
    layers = {name: (file["layers"][name], file["var"]) for name in file.get("layers", ())}
    if "raw" in file and "X" in file["raw"]:
        layers["raw"] = (file["raw"]["X"], file["raw"]["var"])
    names = f"layers: {', '.join(layers) or 'none'}"
    if layer is not None:
        if layer not in layers:
            message = f"{path} has no layer {layer!r}; it has {names}"
            raise DeepMapperError(message)
        return layers[layer]
    node = file.get("X")
    is_null = node is not None and (
        _text(node.attrs.get("encoding-type", "")) == "null" or getattr(node, "shape", 0) is None
    )
    if node is None or is_null:
        remedy = f"Choose one: --layer {next(iter(layers))}" if layers else "It holds no values"
        message = f"{path} has no X; {names}. {remedy}"
        raise DeepMapperError(message)
    return node, file["var"]


def _read_tenx(group: Any, path: Path, planner: Planner) -> RawTable:
    """A file of 10x Cell Ranger, version 3 and up: columns of its matrix are cells."""
    features = group["features"]
    names = unique_names(_values(features["name"]), _values(features["id"]))
    n_features, n_cells = (int(size) for size in group["shape"][...])
    matrix = CsrOnDisk(group, (n_cells, n_features))[:]
    return select_features(matrix, names, _values(group["barcodes"]), path, planner)


def select_features(
    matrix: Matrix, names: list[str], barcodes: np.ndarray, path: Path, planner: Planner
) -> RawTable:
    """A table of cells from a CSR matrix (n_cells, n_features) of 10x."""
    plan = planner(names, [], str(path))
    place = {name: i for i, name in enumerate(names)}
    columns = np.array([place[name] for name in plan.features], dtype=np.int64)
    used = set(plan.features)
    return RawTable(
        str(path),
        take(matrix, np.arange(matrix.shape[0]), columns),
        plan.features,
        {},
        np.array([str(name) for name in barcodes], dtype=object),
        None,
        tuple(name for name in names if name not in used),
        "barcodes",
    )


def unique_names(names: Iterable[Any], ids: Iterable[Any]) -> list[str]:
    """Names of genes. A name that occurs twice gets its id: "TBCE (ENSG00000284770)"."""
    names = list(names)
    counts = Counter(map(str, names))
    return [
        str(name) if counts[str(name)] == 1 else f"{name} ({identifier})"
        for name, identifier in zip(names, ids, strict=True)
    ]


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
        raise ValueError(message)
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
