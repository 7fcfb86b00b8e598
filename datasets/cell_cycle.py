"""Cell cycle: expression of 8,989 genes in mouse stem cells of three phases.

182 cells, 8,989 features, three classes (G1 59, S 58, G2M 65), no official split. Single-cell
RNA-seq of Buettner et al. 2015 as in the package SIMLR (GPL-3), log10 of normalised counts, 38% of
the values 0. The file has neither gene names nor phase names. Phases follow from their sizes in the
paper.
Trap: cells were sorted by phase before sequencing, so phase and batch may not be separable. The
last feature is damaged: in 36 cells it is a whole number up to 9, larger than a log count can be.
"""

import sys
from pathlib import Path

import numpy as np

from datasets._converted import Arrays, convert_once, repository_file
from datasets._r_file import read_object
from datasets.fetch import DataFile
from datasets.table import Source, Table, wrong_file

REQUIRES = {"rdata": "rdata"}
FILES = ("wide/cell_cycle/Test_1_mECS.RData",)
REPOSITORY, COMMIT = "BatzoglouLabSU/SIMLR", "c94b2b1e088caadbca683cc07c4fc700e216a495"
SHA256 = "a0bba59144abddca524b6b675eaf1868012da8b19c874121bddc4d33f36effb4"
SOURCE = Source(
    citation="Buettner et al., Computational analysis of cell-to-cell heterogeneity in single-cell "
    "RNA-sequencing data reveals hidden subpopulations of cells, Nature Biotechnology 33 (2015) "
    "155-160; as in Wang et al., Nature Methods 14 (2017) 414-416",
    address=f"https://github.com/{REPOSITORY}",
    licence="GPL-3 (the package)",
)
OBJECT = "Test_1_mECS"
PHASES = ("G1", "S", "G2M")  # of the labels 1, 2, 3
SIZES = (59, 58, 65)


def load() -> Table:
    """Load the published values. Features are named by their row in the file, counted from 0.

    Returns
    -------
    Table
        X (182, 8989), float32, 3 classes, no official split.
    """
    arrays = convert_once(sys.modules[__name__], data_files(), read_file)
    X = arrays["X"]
    features = [f"gene_{i}" for i in range(X.shape[1])]
    return Table("cell_cycle", X, arrays["y"], PHASES, features, SOURCE)


def data_files() -> list[DataFile]:
    """Return the one file."""
    source = f"data/{Path(FILES[0]).name}"
    return [repository_file(FILES[0], REPOSITORY, COMMIT, source, SHA256)]


def read_file(path: Path) -> Arrays:
    """Read X, float32 (182, 8989), and y from 0. Raises a TableError for another file."""
    content = read_object(path, OBJECT)
    try:
        X = np.asarray(content["in_X"], dtype=np.float32).T  # the file has genes x cells
        labels = content["true_labs"]["V1"].to_numpy(dtype=np.int64)
    except Exception as error:
        expected = f"a list {OBJECT!r} with in_X and true_labs"
        raise wrong_file(path, expected, f"{type(error).__name__}: {error}") from error
    sizes = tuple(int((labels == label).sum()) for label in (1, 2, 3))
    if sizes != SIZES or len(labels) != len(X):
        expected = f"{sum(SIZES)} cells, {SIZES} of the labels 1, 2 and 3"
        raise wrong_file(path, expected, f"{len(X)} cells, {sizes}")
    return {"X": np.ascontiguousarray(X), "y": labels - 1}
