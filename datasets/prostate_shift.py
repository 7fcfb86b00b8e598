"""Prostate with a shift: tumour or normal tissue, trained on one laboratory, tested on another.

136 samples, 12,600 features, two classes (tumour, normal), official split: 102 training samples
(52, 50) of Singh et al. 2002, 34 test samples (25, 9) of Welsh et al. 2001. Microarrays of one type
(Affymetrix HG-U95Av2), as in the R package SIS (GPL-2). The file has no probe names.
Trap: the intensities of the test samples are nearly ten times as large, so a method that scales
features by the training samples alone fails. The share of tumours differs too (51% and 74%), and
34 test samples give wide intervals. Many public tables have the samples of Singh et al.
"""

import sys
from pathlib import Path

import numpy as np

from datasets._converted import Arrays, convert_once, repository_file
from datasets._r_file import read_object
from datasets.fetch import DataFile
from datasets.table import Source, Table, wrong_file

REQUIRES = {"rdata": "rdata"}
FILES = ("wide/prostate_shift/prostate.train.rda", "wide/prostate_shift/prostate.test.rda")
REPOSITORY, COMMIT = "cran/SIS", "97c211f37ec3a8493bc2f55104dc4d2494bb825b"
SHA256 = (
    "8a4631313f6cd59ced2b2015edcdc11e6c94d05233702cdedc2272dc8df05dea",
    "75fedb23351a72018264ebb0d81668efc19149e1e6f04b91274c8edd3955e5ca",
)
SOURCE = Source(
    citation="Singh et al., Gene expression correlates of clinical prostate cancer behavior, "
    "Cancer Cell 1 (2002) 203-209; Welsh et al., Analysis of gene expression identifies candidate "
    "markers and pharmacological targets in prostate cancer, Cancer Research 61 (2001) 5974-5978",
    address=f"https://github.com/{REPOSITORY}",
    licence="GPL-2 (the package)",
)
CLASSES = ("tumour", "normal")  # of the labels 0 and 1
N_PROBES = 12_600


def load() -> Table:
    """Load the published intensities, unscaled. Features are named by their column, from 1.

    Returns
    -------
    Table
        X (136, 12600), float32, 2 classes, official split.
    """
    arrays = convert_once(sys.modules[__name__], data_files(), read_files)
    n_train, n = int(arrays["n_train"]), len(arrays["y"])
    return Table(
        name="prostate_shift",
        X=arrays["X"],
        y=arrays["y"],
        classes=CLASSES,
        features=[f"V{i + 1}" for i in range(N_PROBES)],
        source=SOURCE,
        official_split=(np.arange(n_train), np.arange(n_train, n)),
    )


def data_files() -> list[DataFile]:
    """Return the training and the test file."""
    return [
        repository_file(path, REPOSITORY, COMMIT, f"data/{Path(path).name}", sha256)
        for path, sha256 in zip(FILES, SHA256, strict=True)
    ]


def read_files(train: Path, test: Path) -> Arrays:
    """Read both files into X, y and the number of training rows."""
    (X_train, y_train), (X_test, y_test) = read_part(train), read_part(test)
    X, y = np.concatenate([X_train, X_test]), np.concatenate([y_train, y_test])
    return {"X": X, "y": y, "n_train": np.array(len(y_train))}


def read_part(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read X, float32 (n_samples, 12600), and y, 0 or 1. Raises a TableError for another file."""
    frame = read_object(path, path.stem)
    try:
        values = frame.to_numpy(dtype=np.float32)
    except Exception as error:
        raise wrong_file(
            path, "a data frame of numbers", f"{type(error).__name__}: {error}"
        ) from error
    if values.ndim != 2 or values.shape[1] != N_PROBES + 1:
        raise wrong_file(path, f"{N_PROBES:,} columns of values and one of labels", values.shape)
    y = values[:, -1].astype(np.int64)
    if not np.array_equal(np.unique(values[:, -1]), (0, 1)):
        raise wrong_file(path, "labels 0 and 1 in the last column", np.unique(values[:, -1])[:5])
    return values[:, :-1], y
