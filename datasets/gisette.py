"""Gisette: the digits 4 and 9 in 5,000 features, half of them probes.

7,000 samples, values 0 to 999, two classes of equal size, official split of 6,000 training and
1,000 test samples. From the NIPS 2003 feature selection challenge (Guyon et al. 2004, UCI,
CC BY 4.0). The labels of the challenge's test part are secret: its validation part is the test.
Trap: 2,500 features are pixels of MNIST and products of two pixels, 2,500 are probes, which have
similar values but no information. Which features are probes was not published.
"""

from pathlib import Path

import numpy as np

from datasets.fetch import DataFile, fetch
from datasets.table import Source, Table, require_size, wrong_file

FILES = (
    "gisette/gisette_train.data",
    "gisette/gisette_train.labels",
    "gisette/gisette_valid.data",
    "gisette/gisette_valid.labels",
)
# Checksums from Intel's scikit-learn_bench and from a Julia loader of UCI tables.
SHA256 = (
    "6d4c5e998afe67937b9e77a3334e03c85e545ebc65a6eb1333ffc14125cfc389",
    "42bd681fe51b161f033df773df14a0116e492676555ab14616c1b72edc054075",
    "5cea897956dd172a006132738254a27a8f61ecc1ceb6f5b20639c281d2942254",
    "a6b857a0448023f033c4dda2ef848714b4be2ae45ce598d088fb3efb406e08c5",
)
FOLDER = "https://archive.ics.uci.edu/ml/machine-learning-databases/gisette/"
ADDRESSES = (
    FOLDER + "GISETTE/gisette_train.data",
    FOLDER + "GISETTE/gisette_train.labels",
    FOLDER + "GISETTE/gisette_valid.data",
    FOLDER + "gisette_valid.labels",  # added after the challenge, one folder up
)
SOURCE = Source(
    citation="Guyon, Gunn, Ben-Hur, Dror, Result analysis of the NIPS 2003 feature selection "
    "challenge, NIPS 17 (2004) 545-552; data from the UCI Machine Learning Repository",
    address="https://archive.ics.uci.edu/dataset/170/gisette",
    licence="CC BY 4.0",
)
N_TRAIN, N_TEST, N_FEATURES = 6_000, 1_000, 5_000
LARGEST = 999  # the challenge scaled all features to 0..999
LABELS = {"-1": 0, "1": 1}  # the source does not say which of the two is the 4


def load(*, n_train: int = N_TRAIN, n_test: int = N_TEST) -> Table:
    """Load the published values, whole numbers from 0 to 999.

    Parameters
    ----------
    n_train, n_test : int
        Numbers of samples: the first of 6,000 and of 1,000, whose order is random.

    Returns
    -------
    Table
        X (n_train + n_test, 5000), float32, 2 classes, official split.
    """
    require_size("gisette", N_TRAIN, n_train=n_train)
    require_size("gisette", N_TEST, n_test=n_test)
    train_data, train_labels, test_data, test_labels = (fetch(file) for file in data_files())
    X = np.concatenate([parse_data(train_data, n_train), parse_data(test_data, n_test)])
    y = [parse_labels(train_labels, N_TRAIN)[:n_train], parse_labels(test_labels, N_TEST)[:n_test]]
    return Table(
        name="gisette",
        X=X,
        y=np.concatenate(y),
        classes=("-1", "+1"),
        features=[f"feature_{i}" for i in range(N_FEATURES)],
        source=SOURCE,
        official_split=(np.arange(n_train), np.arange(n_train, n_train + n_test)),
    )


def data_files(*, n_train: int = N_TRAIN, n_test: int = N_TEST) -> list[DataFile]:
    """Return the four files, the same for any number of samples."""
    return [
        DataFile(path, (address,), f"sha256:{sha}")
        for path, address, sha in zip(FILES, ADDRESSES, SHA256, strict=True)
    ]


def parse_data(path: Path, n: int) -> np.ndarray:
    """Parse the first n samples, float32 (n, 5000), one line a sample.

    Raises a TableError for missing lines, unequal lengths and values outside 0..999.
    """
    try:
        X = np.loadtxt(path, dtype=np.float32, max_rows=n, ndmin=2)
    except ValueError as error:
        raise wrong_file(path, "numbers, as many on each line", error) from error
    if X.shape != (n, N_FEATURES):
        raise wrong_file(path, f"at least {n} lines of {N_FEATURES} values", X.shape)
    if not (X.min() >= 0 and X.max() <= LARGEST):  # so that NaN is refused too
        raise wrong_file(path, f"values in 0..{LARGEST}", f"{X.min():g}..{X.max():g}")
    return X


def parse_labels(path: Path, n: int) -> np.ndarray:
    """Parse n labels, int64, one a line: 0 for -1 and 1 for +1."""
    lines = path.read_text(encoding="utf-8").split()
    if wrong := [line for line in lines if line not in LABELS]:
        raise wrong_file(path, "lines of -1 or 1", repr(wrong[0]))
    if len(lines) != n:
        raise wrong_file(path, f"{n} labels", len(lines))
    return np.array([LABELS[line] for line in lines], dtype=np.int64)
