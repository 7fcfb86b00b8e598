"""Rows of a table in memory (an array, CSR) or in a file larger than memory.

No function makes a second copy of a whole table: rows are read in blocks, as float32.
"""

import mmap
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from deepmapper.training.devices import in_threads

BLOCK_BYTES = 2 << 20  # a block and its result stay in the cache of a core
FEWEST_ROWS = 16  # of a block; with fewer, most of the time goes into the sums per feature


class RowsOnDisk:
    """A table in a file. Rows are read when they are indexed.

    Parameters
    ----------
    source : object
        Has `shape` and returns rows, dense or CSR, for a slice or increasing positions: an
        `h5py.Dataset`, the `X` of an AnnData opened with `backed="r"`, or `CsrOnDisk`.
    rows, columns : int array, default=None
        Positions in the source, in the order of this table. Default: all.
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(
        self, source: Any, rows: np.ndarray | None = None, columns: np.ndarray | None = None
    ) -> None:
        self.source = source
        self.rows = np.arange(source.shape[0]) if rows is None else rows
        self.columns = columns
        self.shape = (len(self.rows), source.shape[1] if columns is None else len(columns))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray) -> Any:
        """Read these rows in their order, float32, dense or CSR as in the source."""
        positions, place = np.unique(self.rows[rows], return_inverse=True)
        first, stop = (positions[0], positions[-1] + 1) if len(positions) else (0, 0)
        is_contiguous = stop - first == len(positions)
        block = self.source[slice(first, stop) if is_contiguous else positions]
        if not np.array_equal(place, np.arange(len(positions))):
            block = block[place]
        if self.columns is not None:
            block = block[:, self.columns]
        return block.astype(np.float32, copy=False)

    def take(self, rows: np.ndarray, columns: np.ndarray) -> "RowsOnDisk":
        """Select rows and columns of this table without reading them.

        Parameters
        ----------
        rows, columns : int array
            Positions in this table, in the order of the new one.

        Returns
        -------
        RowsOnDisk
        """
        if self.columns is not None:
            columns = self.columns[columns]
        return RowsOnDisk(self.source, self.rows[rows], columns)


def split_rows(X: Any, n_rows: int | None = None) -> Iterator[slice]:
    """Slices of rows, each a few megabytes: of X, or of `n_rows` rows of its width."""
    n_samples, n_features = X.shape
    step = max(FEWEST_ROWS, BLOCK_BYTES // (4 * max(1, n_features)))
    stop = n_samples if n_rows is None else n_rows
    for start in range(0, stop, step):
        yield slice(start, min(start + step, stop))


def map_blocks(X: Any, work: Callable[[int, slice], None], n_threads: int | None = None) -> None:
    """Call work(thread, rows) for every block of rows, divided among threads.

    The order within a thread is fixed, so the same number of threads gives the same results.
    """
    parts = list(split_rows(X))
    n_threads = 1 if len(parts) == 1 else n_threads or torch.get_num_threads()

    def run(thread: int) -> None:
        for rows in parts[thread::n_threads]:
            work(thread, rows)

    in_threads(run, n_threads)


class Scratch:
    """Memory for one block per thread, reused: new memory would cost page faults."""

    def __init__(self) -> None:
        self._memory: dict[int, torch.Tensor] = {}

    def like(self, thread: int, block: torch.Tensor) -> torch.Tensor:
        """A tensor of the block's shape with arbitrary values."""
        memory = self._memory.get(thread)
        if memory is None or memory.numel() < block.numel():
            memory = self._memory[thread] = torch.empty(block.numel())
        return memory[: block.numel()].view(block.shape)


def dense(X: Any, rows: slice | np.ndarray) -> torch.Tensor:
    """Read rows of X as float32 (n_rows, n_features), without a copy if possible.

    Pages of a memory-mapped file are released after reading. Otherwise the whole file would count
    as memory in use.
    """
    block = X[rows]
    if sparse.issparse(block):
        block = block.toarray()
    if isinstance(X, np.memmap):
        if isinstance(block, np.memmap):  # a view of the file
            block = np.array(block, dtype=np.float32)
        _release_pages(X)
    array = np.ascontiguousarray(block, dtype=np.float32)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def is_on_disk(X: Any) -> bool:
    """Whether X is a table in a file."""
    return isinstance(X, RowsOnDisk) or (isinstance(X, np.memmap) and X.ndim == 2)


def check_rows(estimator: BaseEstimator, X: Any, *, reset: bool, **options: Any) -> Any:
    """Check X as scikit-learn does: float32 (n_samples, n_features), dense or CSR.

    For a table in a file, only the shape is checked here. Its values are checked when they are
    scaled.
    """
    if not is_on_disk(X):
        return validate_data(
            estimator, X, accept_sparse="csr", dtype=np.float32, reset=reset, **options
        )
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    return X


def _release_pages(X: np.memmap) -> None:
    """Tell the kernel that the pages read so far are not needed (read-only files)."""
    mapped = getattr(X, "_mmap", None)
    if X.mode == "r" and mapped is not None and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)


def feature_names(estimator: Any) -> np.ndarray:
    """Names of the columns of the DataFrame seen in `fit`, otherwise x0, x1, ..."""
    if hasattr(estimator, "feature_names_in_"):
        return estimator.feature_names_in_
    return np.array([f"x{i}" for i in range(estimator.n_features_in_)], dtype=object)
