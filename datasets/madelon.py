"""Madelon: the artificial table of the NIPS 2003 challenge, 20 relevant of 500 features.

2,600 samples, 500 features, two classes of equal size, official split: 2,000 training samples and
the 600 of the challenge's validation part, whose test part has secret labels. Guyon et al. 2004,
from the feature selection repository of Arizona State University, which states no licence. Whole
numbers from 0 to 999. Generated with 5 informative features, 15 combinations of them and 480 probes
at places that were not published. `hypercube` draws such tables with known places.
Trap: one feature alone says almost nothing about the class. The source publishes no checksum: the
file is trusted on first use (see `datasets.fetch`), and its size, values, labels and the sizes of
the classes in both parts are checked.
"""

from pathlib import Path

import numpy as np

from datasets._mat import read_matrices
from datasets.fetch import FIRST_SEEN, DataFile, fetch
from datasets.table import Source, Table, TableError, wrong_file

FILES = ("madelon/madelon.mat",)
# The first two addresses name a commit. The content of the third may change.
REPOSITORY = "https://raw.githubusercontent.com/jundongl/scikit-feature/"
ADDRESSES = (
    REPOSITORY + "fc542b7df16b39a674ceba6b82a98ee58df04d72/files/datasets/madelon.mat",
    REPOSITORY + "25ed50df6a9e724568121c607adfb6c9f6810bef/PyFeaST/data/madelon.mat",
    "https://jundongl.github.io/scikit-feature/files/datasets/madelon.mat",
)
SOURCE = Source(
    citation="Guyon, Gunn, Ben-Hur, Dror, Result analysis of the NIPS 2003 feature selection "
    "challenge, NIPS 17 (2004) 545-552; as in Li et al., Feature selection: a data perspective, "
    "ACM Computing Surveys 50 (2017) 94",
    address="https://jundongl.github.io/scikit-feature/datasets.html",
    licence="not stated by the repository",
)
N_TRAIN, N_TEST, N_FEATURES = 2_000, 600, 500
LARGEST = 999  # the challenge scaled all features to 0..999
LABELS = (-1, 1)
SPLITS = ("official", "none")


def load(*, split: str = "official") -> Table:
    """Load the published values. Features are named by their column, counted from 0.

    Parameters
    ----------
    split : {"official", "none"}
        "official": the last 600 rows are the test. "none": a split is drawn.

    Returns
    -------
    Table
        X (2600, 500), float32, 2 classes.
    """
    if split not in SPLITS:
        message = f"table 'madelon': expected split of {', '.join(SPLITS)}, got {split!r}"
        raise TableError(message)
    path = fetch(data_files()[0])
    X, y = parse_mat(path)
    parts = (np.arange(N_TRAIN), np.arange(N_TRAIN, N_TRAIN + N_TEST))
    if split == "official":
        _require_equal_classes(path, y, parts)
    return Table(
        name="madelon",
        X=X,
        y=y,
        classes=("-1", "+1"),
        features=[f"feature_{i}" for i in range(N_FEATURES)],
        source=SOURCE,
        official_split=parts if split == "official" else None,
    )


def data_files(*, split: str = "official") -> list[DataFile]:
    """Return the one file, the same for any split."""
    return [DataFile(FILES[0], ADDRESSES, FIRST_SEEN)]


def parse_mat(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Parse X, float32 (2600, 500), and Y, 0 for -1 and 1 for 1.

    Raises a TableError if this is no MATLAB 5 file, or X or Y is missing or wrong.
    """
    X, Y = read_matrices(path)
    shapes = ((N_TRAIN + N_TEST, N_FEATURES), (N_TRAIN + N_TEST, 1))
    if (X.shape, Y.shape) != shapes:
        expected = f"X of {shapes[0]} and Y of {shapes[1]}"
        raise wrong_file(path, expected, f"{X.shape} and {Y.shape}")
    X = X.astype(np.float32)
    if not (X.min() >= 0 and X.max() <= LARGEST and (np.round(X) == X).all()):  # refuses NaN
        got = f"values in {X.min():g}..{X.max():g}"
        raise wrong_file(path, f"whole numbers in 0..{LARGEST}", got)
    signs = Y[:, 0].astype(np.int64)
    if not np.array_equal(np.unique(Y), LABELS):
        raise wrong_file(path, f"labels {LABELS} in Y", np.unique(Y)[:5])
    return X, (signs == LABELS[1]).astype(np.int64)


def _require_equal_classes(path: Path, y: np.ndarray, parts: tuple[np.ndarray, ...]) -> None:
    """Raise a TableError if a part has classes of unequal size, so that its rows are others."""
    for rows in parts:
        sizes = np.bincount(y[rows], minlength=2)
        if sizes[0] != sizes[1]:
            expected = f"{len(rows) // 2} samples of each class in rows {rows[0]} to {rows[-1]}"
            error = wrong_file(path, expected, f"{sizes[0]} and {sizes[1]}")
            message = f"{error} With split='none' the order of its rows does not matter."
            raise TableError(message)
