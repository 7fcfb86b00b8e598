"""Relathe: counts of 4,322 words in 1,427 posts on religion or on atheism.

Posts of 20 Newsgroups as a MATLAB file, from the feature selection repository of Arizona State
University. It publishes no checksum, so the file is trusted on first use (see `datasets.fetch`),
and its sizes, values and labels are checked.
"""

from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.io import loadmat

from datasets.fetch import FIRST_SEEN, DataFile, fetch
from datasets.table import Source, Table, wrong_file

FILES = ("relathe/RELATHE.mat",)
# The first address is fixed by a commit; the second may change.
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
LABELS = (1, 2)  # the file does not state which is religion


def load() -> Table:
    """The values of the file, dense; 4,322 features, 2 classes, no official split.

    The file has no words; features are named by their column, counted from 0.

    Raises:
        TableError: a file with other content than expected.
        DataUnavailable: see `datasets.fetch`.
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
    """One file."""
    return [DataFile(FILES[0], ADDRESSES, FIRST_SEEN)]


def parse_mat(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """X, float32 (1427, 4322), dense or sparse in the file, and the labels of Y, int64 from 0.

    Raises:
        TableError: not a MATLAB 5 file, or X or Y missing, of another size or with other values.
    """
    try:
        content = loadmat(path, variable_names=["X", "Y"])
    except Exception as error:  # scipy's reader raises many kinds
        raise wrong_file(path, "a MATLAB 5 file", f"{type(error).__name__}: {error}") from error
    if missing := [name for name in ("X", "Y") if name not in content]:
        raise wrong_file(path, "the matrices X and Y", f"no {' and no '.join(missing)}")
    X, Y = content["X"], content["Y"]
    if X.shape != (N_SAMPLES, N_FEATURES) or Y.shape != (N_SAMPLES, 1):
        expected = f"X of {(N_SAMPLES, N_FEATURES)} and Y of {(N_SAMPLES, 1)}"
        raise wrong_file(path, expected, f"{X.shape} and {Y.shape}")
    dense = np.asarray(X.toarray() if sparse.issparse(X) else X)
    if not dense.min() >= 0:  # so that NaN is refused too
        raise wrong_file(path, "counts", f"a minimum of {dense.min()}")
    if not np.array_equal(np.unique(Y), LABELS):
        raise wrong_file(path, f"labels {LABELS} in Y", np.unique(Y)[:5])
    return dense.astype(np.float32), (Y[:, 0] == LABELS[1]).astype(np.int64)
