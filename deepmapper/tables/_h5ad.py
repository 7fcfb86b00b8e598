"""AnnData files (`.h5ad`): X as features, a column of obs as label.

Read straight from HDF5 after the documented layout (anndata "On-disk format", versions 0.7 and up),
because anndata itself binds pandas to versions below 3 and reads X at its own precision.
"""

from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from deepmapper.errors import DeepMapperError
from deepmapper.images._rows import blocks
from deepmapper.tables._raw import (
    Matrix,
    Planner,
    RawTable,
    check_names,
    install_hint,
    scratch,
    take,
)


def read_h5ad(path: Path, planner: Planner, missing: tuple[str, ...] = ()) -> RawTable:
    """The table of an AnnData file: features are var_names, rows obs_names; CSR stays CSR.

    Raises:
        DeepMapperError: h5py is missing, the file is no AnnData, X is missing, names that occur
            twice.
    """
    try:
        import h5py
    except ImportError as error:
        message = install_hint("h5py", f"reading {path}")
        raise DeepMapperError(message) from error
    try:
        with h5py.File(path, "r") as file:
            return _read(file, path, planner)
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        if isinstance(error, DeepMapperError):
            raise
        message = f"cannot read {path} as AnnData: {error}. Write it again with anndata >= 0.7"
        raise DeepMapperError(message) from error


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
        columns = np.array([place[name] for name in plan.features])
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
        out = scratch(node.shape)
        for rows in blocks(out):
            out[rows] = node[rows]
        return out
    encoding = _text(node.attrs.get("encoding-type", node.attrs.get("h5sparse_format", "")))
    shape = tuple(int(side) for side in node.attrs.get("shape", node.attrs.get("h5sparse_shape")))
    kinds = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix}
    kind = encoding.removesuffix("_matrix")
    if kind not in kinds:
        message = f"X is stored as {encoding!r}; known are dense, csr_matrix and csc_matrix"
        raise DeepMapperError(message)
    data = node["data"][...].astype(np.float32, copy=False)
    matrix = kinds[kind]((data, node["indices"][...], node["indptr"][...]), shape=shape)
    matrix.check_format(full_check=True)  # an index outside the matrix would read foreign memory
    return matrix.tocsr()


def _index(group: Any) -> np.ndarray:
    return _column(group, _text(group.attrs["_index"]))


def _column(group: Any, name: str) -> np.ndarray:
    """A column of obs or var, (n,), None where missing."""
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
