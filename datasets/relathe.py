"""Relathe: counts of 4,322 words in 1,427 posts on religion or on atheism.

1,427 samples, 4,322 features, two classes, no official split. Posts of 20 Newsgroups (Lang 1995)
from the feature selection repository of Arizona State University, which states no licence.
Trap: most values are 0, and the file has no words, so features cannot be interpreted. The source
publishes no checksum: the file is trusted on first use (see `datasets.fetch`), and its size,
values and labels are checked.
"""

from pathlib import Path

import numpy as np
from scipy import sparse

from datasets._mat import read_matrices
from datasets.fetch import FIRST_SEEN, DataFile, fetch
from datasets.table import Source, Table, wrong_file

FILES = ("relathe/RELATHE.mat",)
# The first address names a commit. The content of the second may change.
ADDRESSES = (
    "https://raw.githubusercontent.com/jundongl/scikit-feature/"
    "25ed50df6a9e724568121c607adfb6c9f6810bef/PyFeaST/data/RELATHE.mat",
    "https://jundongl.github.io/scikit-feature/files/datasets/RELATHE.mat",
)
SOURCE = Source(
    citation="Lang, NewsWeeder: learning to filter netnews, ICML (1995) 331-339; as in Li et al., "
    "Feature selection: a data perspective, ACM Computing Surveys 50 (2017) 94",
    address="https://jundongl.github.io/scikit-feature/datasets.html",
    licence="not stated by the repository",
)
N_SAMPLES, N_FEATURES = 1_427, 4_322
LABELS = (1, 2)  # the source does not say which is religion


def load() -> Table:
    """Load the word counts. Features are named by their column, counted from 0.

    Returns
    -------
    Table
        X (1427, 4322), float32, dense, 2 classes, no official split.
    """
    X, y = parse_mat(fetch(data_files()[0]))
    return Table(
        name="relathe",
        X=X,
        y=y,
        classes=[f"group {label}" for label in LABELS],
        features=[f"word_{i}" for i in range(N_FEATURES)],
        source=SOURCE,
    )


def data_files() -> list[DataFile]:
    """Return the one file."""
    return [DataFile(FILES[0], ADDRESSES, FIRST_SEEN)]


def parse_mat(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Parse X, float32 (1427, 4322), dense or sparse in the file, and Y from 0.

    Raises a TableError if this is no MATLAB 5 file, or X or Y is missing or wrong.
    """
    X, Y = read_matrices(path)
    if X.shape != (N_SAMPLES, N_FEATURES) or Y.shape != (N_SAMPLES, 1):
        expected = f"X of {(N_SAMPLES, N_FEATURES)} and Y of {(N_SAMPLES, 1)}"
        raise wrong_file(path, expected, f"{X.shape} and {Y.shape}")
    dense = np.asarray(X.toarray() if sparse.issparse(X) else X)
    if not dense.min() >= 0:  # so that NaN is refused too
        raise wrong_file(path, "counts", f"a minimum of {dense.min()}")
    if not np.array_equal(np.unique(Y), LABELS):
        raise wrong_file(path, f"labels {LABELS} in Y", np.unique(Y)[:5])
    return dense.astype(np.float32), (Y[:, 0] == LABELS[1]).astype(np.int64)
