"""Baron mouse: counts of 14,878 genes in cells of a mouse's pancreas, with rare cell types.

805 cells, 14,878 features, eight classes of 9 to 343 cells, no official split. Single-cell RNA-seq
of the first mouse of Baron et al. 2016, as in the package chai (MIT). 90% of the counts are 0. The
source has 822 cells of 13 types. The default leaves out the five types of fewer than 5 cells:
immune_other 4, activated_stellate 4, T_cell 4, schwann 3, B_cell 2.
Trap: the largest class has 343 cells and the smallest 9, so plain accuracy hides rare types. The
types come from a clustering of these counts, which makes them easier to predict.
"""

import sys
from pathlib import Path

import numpy as np

from datasets._converted import Arrays, convert_once, repository_file
from datasets._counts import prepare_counts
from datasets._r_file import read_object
from datasets.fetch import DataFile
from datasets.table import Source, Table, require_size, wrong_file

REQUIRES = {"rdata": "rdata"}
FILES = (
    "wide/baron_mouse/baron_mouse_1.rda",
    "wide/baron_mouse/baron_mouse_1_ground_truth.rda",
)
REPOSITORY, COMMIT = "lodimk2/chai", "4e6adb8f8be0534c831e3ed4aa343cf964cec222"
SHA256 = (
    "479a80e704446d9a765a4b1832dee173cf1543b21c005f3dc7b65e4f8a790965",
    "5665f1a96e88f63ad997db67cec8e3f9d97659c0fa077de81184b53b4930b4e4",
)
SOURCE = Source(
    citation="Baron et al., A single-cell transcriptomic map of the human and mouse pancreas "
    "reveals inter- and intra-cell population structure, Cell Systems 3 (2016) 346-360",
    address=f"https://github.com/{REPOSITORY}",
    licence="MIT",
)
SECOND_LARGEST = 236  # ductal cells; two classes are left at this `min_cells`


def load(*, preparation: str = "log_cpm", min_cells: int = 5) -> Table:
    """Load the counts, one feature a gene, genes without a count included.

    R put an X before gene names that start with a digit.

    Parameters
    ----------
    preparation : {"log_cpm", "counts"}
        See `datasets._counts`.
    min_cells : int
        Number of cells that a type needs, at most 236. 5: each of five folds can have one. 2: all
        13 types.

    Returns
    -------
    Table
        X (n_cells, 14878), float32, classes in alphabetical order, no official split. `notes` has
        the types that are left out, with their numbers of cells.
    """
    require_size("baron_mouse", SECOND_LARGEST, min_cells=min_cells)
    arrays = convert_once(sys.modules[__name__], data_files(), read_files)
    types, codes, sizes = np.unique(arrays["types"], return_inverse=True, return_counts=True)
    kept = sizes >= min_cells
    rows = kept[codes]
    X = prepare_counts("baron_mouse", arrays["counts"][rows].astype(np.float32), preparation)
    left_out = {str(types[c]): int(sizes[c]) for c in np.flatnonzero(~kept)}
    return Table(
        name="baron_mouse",
        X=X,
        y=(np.cumsum(kept) - 1)[codes[rows]].astype(np.int64),
        classes=types[kept].tolist(),
        features=arrays["genes"].tolist(),
        source=SOURCE,
        notes={"left out": left_out} if left_out else {},
    )


def data_files(*, preparation: str = "log_cpm", min_cells: int = 5) -> list[DataFile]:
    """Return the counts and the cell types."""
    return [
        repository_file(path, REPOSITORY, COMMIT, f"data/{Path(path).name}", sha256)
        for path, sha256 in zip(FILES, SHA256, strict=True)
    ]


def read_files(counts: Path, truth: Path) -> Arrays:
    """Read `counts` (822, 14878), `genes` and `types`. Raises a TableError for other files."""
    frame, labels = read_object(counts, counts.stem), read_object(truth, truth.stem)
    try:
        cells = labels["cells"].astype(str).tolist()
        types = labels["clust_assign"].astype(str).to_numpy(dtype=str)
        values = frame.to_numpy(dtype=np.int32).T  # the file has genes x cells
    except Exception as error:
        expected = "a data frame of cells and clust_assign, and one of counts"
        raise wrong_file(truth, expected, f"{type(error).__name__}: {error}") from error
    if frame.columns.astype(str).tolist() != cells:
        raise wrong_file(truth, f"the {len(values)} cells of {counts.name}", f"{len(cells)} others")
    if values.min() < 0:
        raise wrong_file(counts, "counts", f"a minimum of {values.min()}")
    return {
        "counts": np.ascontiguousarray(values),
        "genes": frame.index.to_numpy(dtype=str),
        "types": types,
    }
