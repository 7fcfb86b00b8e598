"""Files of public repositories, read once into a cache of numpy arrays.

Readers of R's formats need seconds to minutes. The cache is the folder `converted` in the user's
cache folder, because the data folder may be read-only. A change of a file, of the reader's source
or of a shared file of this folder makes a new entry. An entry that cannot be read is made again.
A process that is older than one of these sources does not use the cache.
"""

import hashlib
import inspect
import os
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

import numpy as np
from scipy import sparse

from datasets.fetch import DataFile, fetch

FOLDER = Path(__file__).parent
LOADED_NS = time.time_ns()
Arrays = dict[str, np.ndarray]


def repository_file(path: str, repository: str, commit: str, source: str, sha256: str) -> DataFile:
    """Describe a file of a GitHub repository at a pinned commit.

    Parameters
    ----------
    path : str
        Path below the data folder.
    repository : str
        Owner and name.
    commit : str
        40 hexadecimal digits.
    source : str
        Path in the repository.
    sha256 : str
        SHA-256 of the file.

    Returns
    -------
    DataFile
    """
    address = f"https://raw.githubusercontent.com/{repository}/{commit}/{quote(source)}"
    return DataFile(path, (address,), f"sha256:{sha256}")


def convert_once(
    module: ModuleType, files: Sequence[DataFile], read: Callable[..., Arrays]
) -> Arrays:
    """Return read(path of each file), from the cache if possible.

    Parameters
    ----------
    module : module
        The dataset that reads. Its source and those of `datasets/_*.py` are part of the cache's
        key.
    files : sequence of DataFile
        Fetched and verified first.
    read : callable
        Function of `module` that takes the path of each file and returns arrays by name, without
        Python objects.

    Returns
    -------
    dict of ndarray
    """
    paths = [fetch(file) for file in files]
    sources = [Path(inspect.getfile(module)), *sorted(FOLDER.glob("_*.py"))]
    if any(source.stat().st_mtime_ns > LOADED_NS for source in sources):
        # The code in memory may be older than its source, which would be the key of its arrays.
        return read(*paths)
    texts = [source.read_text(encoding="utf-8") for source in sources]
    key = [*texts, read.__name__, *(file.checksum for file in files)]
    name = module.__name__.rpartition(".")[2]
    digest = hashlib.sha256("\0".join(key).encode()).hexdigest()[:16]
    target = _cache_folder() / f"{name}-{digest}.npz"
    arrays = _read_entry(target)
    if arrays is None:
        arrays = read(*paths)
        _store(target, arrays)
    return arrays


def pack_rows(X: sparse.csr_matrix) -> Arrays:
    """Return the arrays of a sparse matrix by name, for `unpack_rows`.

    Parameters
    ----------
    X : csr_matrix of shape (n_samples, n_features)

    Returns
    -------
    dict of ndarray
        data, indices, indptr and shape.
    """
    return {
        "data": X.data,
        "indices": X.indices,
        "indptr": X.indptr,
        "shape": np.array(X.shape),
    }


def unpack_rows(arrays: Arrays) -> sparse.csr_matrix:
    """Return the sparse matrix of `pack_rows`.

    Parameters
    ----------
    arrays : dict of ndarray

    Returns
    -------
    csr_matrix of shape (n_samples, n_features)
    """
    parts = (arrays["data"], arrays["indices"], arrays["indptr"])
    return sparse.csr_matrix(parts, shape=tuple(arrays["shape"].tolist()))


def _cache_folder() -> Path:
    import pooch

    return Path(pooch.os_cache("deepmapper")) / "converted"


def _read_entry(path: Path) -> Arrays | None:
    """Return the arrays of an entry, or None if it is missing or corrupt."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error):
        return None


def _store(target: Path, arrays: Arrays) -> None:
    """Write the arrays and rename the file. A cache that cannot be written is no error."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # The folder removes an incomplete file, for instance of a full disk.
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            new = Path(folder) / target.name
            np.savez_compressed(new, **arrays)  # type: ignore[arg-type]
            os.replace(new, target)
    except OSError:
        return
