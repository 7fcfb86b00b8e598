"""Rows of a table, wherever they lie: an array, CSR, or a file too large for memory.

Nothing here makes a second copy of a whole table: rows are read a block at a time, as float32.
"""

import mmap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

BLOCK_BYTES = 2 << 20  # a block and its result stay in the cache of a core
FEWEST_ROWS = 16  # a block: fewer would spend their time on the sums a feature


def blocks(X: Any) -> Iterator[slice]:
    """Slices of rows, each a few megabytes."""
    n_samples, n_features = X.shape
    step = max(FEWEST_ROWS, BLOCK_BYTES // (4 * n_features))
    for start in range(0, n_samples, step):
        yield slice(start, min(start + step, n_samples))


def each_block(X: Any, work: Callable[[int, slice], None], n_threads: int | None = None) -> None:
    """Call work(thread, rows) for every block of rows, shared out over threads.

    Each thread works its way through blocks of its own (in a fixed order: the same results for the
    same number of threads) and torch keeps to one core in it: threads that meet after every small
    operation would wait for each other more than they work.
    """
    n_threads = n_threads or torch.get_num_threads()
    parts = list(blocks(X))
    if n_threads == 1 or len(parts) == 1:
        for rows in parts:
            work(0, rows)
        return

    def run(thread: int) -> None:
        torch.set_num_threads(1)
        for rows in parts[thread::n_threads]:
            work(thread, rows)

    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(run, range(n_threads)))
    finally:
        torch.set_num_threads(threads)  # what threads made from now on begin with


class Scratch:
    """Memory for one block a thread, used again and again: fresh memory would cost page faults."""

    def __init__(self) -> None:
        self._memory: dict[int, torch.Tensor] = {}

    def like(self, thread: int, block: torch.Tensor) -> torch.Tensor:
        """A tensor of the block's shape whose values are left over from before."""
        memory = self._memory.get(thread)
        if memory is None or memory.numel() < block.numel():
            memory = self._memory[thread] = torch.empty(block.numel())
        return memory[: block.numel()].view(block.shape)


def dense(X: Any, rows: slice | np.ndarray) -> torch.Tensor:
    """Rows of X as a dense float32 tensor, (n_rows, n_features); shares memory where it can.

    Pages of a memory-mapped file are given back after reading: else the whole file would count as
    memory in use.
    """
    block = X[rows]
    if sparse.issparse(block):
        block = block.toarray()
    if is_on_disk(X):
        block = np.array(block, dtype=np.float32)
        _give_back(X)
    array = np.ascontiguousarray(block, dtype=np.float32)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def is_on_disk(X: Any) -> bool:
    """Whether X is a table in a memory-mapped file."""
    return isinstance(X, np.memmap) and X.ndim == 2


def checked(estimator: BaseEstimator, X: Any, *, reset: bool, **options: Any) -> Any:
    """X as float32 (n_samples, n_features), dense or CSR, as scikit-learn checks it.

    A table in a memory-mapped file is not read here: its shape is checked, its values as the
    blocks are scaled.
    """
    if not is_on_disk(X):
        return validate_data(
            estimator, X, accept_sparse="csr", dtype=np.float32, reset=reset, **options
        )
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    return X


def _give_back(X: np.memmap) -> None:
    """Tell the kernel that the pages read so far are not needed (a file opened for reading)."""
    mapped = getattr(X, "_mmap", None)
    if X.mode == "r" and mapped is not None and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)


def feature_names(estimator: Any) -> np.ndarray:
    """The names of a DataFrame's columns that it was fitted on, else x0, x1, ..."""
    if hasattr(estimator, "feature_names_in_"):
        return estimator.feature_names_in_
    return np.array([f"x{i}" for i in range(estimator.n_features_in_)], dtype=object)
