"""Gisette: the digits 4 and 9 in 5,000 features, half of them probes; NIPS 2003 challenge.

Pixels of MNIST, products of pairs of them, and as many probes, in an unpublished random order. The
labels of the challenge's test part are not public, so its validation part is the test here.
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
# As published by Intel's scikit-learn_bench and by a Julia loader of UCI tables.
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
LARGEST = 999  # the challenge brought all features to 0..999
LABELS = {"-1": 0, "1": 1}  # which of the two is the 4 was not published


def load(*, n_train: int = N_TRAIN, n_test: int = N_TEST) -> Table:
    """Whole numbers 0..999 as published; 5,000 features, 2 classes, official split.

    Args:
        n_train: the first n of the 6,000 training samples (their order is random).
        n_test: the first n of the 1,000 validation samples.

    Raises:
        TableError: more samples than available, or a file with other content than expected.
        DataUnavailable: see `datasets.fetch`.
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
    """The four files, for any number of samples."""
    return [
        DataFile(path, (address,), f"sha256:{sha}")
        for path, address, sha in zip(FILES, ADDRESSES, SHA256, strict=True)
    ]


def parse_data(path: Path, n: int) -> np.ndarray:
    """The first n samples, float32 (n, 5000); one line a sample, values separated by blanks.

    Raises:
        TableError: too few lines, lines of another length, or values outside 0..999.
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
    """The n labels, int64, 0 for -1 and 1 for +1: one a line.

    Raises:
        TableError: another number of lines, or anything but -1 and 1.
    """
    lines = path.read_text(encoding="utf-8").split()
    if wrong := [line for line in lines if line not in LABELS]:
        raise wrong_file(path, "lines of -1 or 1", repr(wrong[0]))
    if len(lines) != n:
        raise wrong_file(path, f"{n} labels", len(lines))
    return np.array([LABELS[line] for line in lines], dtype=np.int64)
