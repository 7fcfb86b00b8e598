"""Ovarian tumours of CPTAC: 8,103 proteins with missing values, four subtypes.

73 tumours of 17 to 19 a class, 8,103 features, no official split. Log ratios to a common reference
sample by mass spectrometry (iTRAQ). 10.8% of the values are missing: 4,738 proteins are complete,
and no protein lacks more than 53 values. Zhang et al. 2016, as in the R package MSnSet.utils.
Trap: the subtype was computed from RNA of the tumours, not from these proteins. Each of 28 runs of
the spectrometer measured one to three tumours. The tumours of a run lack the same proteins, so
`groups` has the run. The source centred each protein over all 73 tumours, test rows included.
"""

import sys
from pathlib import Path

import numpy as np

from datasets._converted import Arrays, convert_once, repository_file
from datasets._r_objects import read_expression_set, text
from datasets.fetch import DataFile
from datasets.table import Source, Table

REQUIRES = {"rdata": "rdata"}
FILES = ("wide/cptac_ovarian/cptac_oca.RData",)
REPOSITORY = "PNNL-Comp-Mass-Spec/MSnSet.utils"
COMMIT = "9c66e50f4d1f17a1db7dacba8ed777cd1c6e0941"
SHA256 = "fdbe8ca0bbd928a5eeee8dc364530b29d5092a7d2c7b9df89f0e62dad21d6fe3"
SOURCE = Source(
    citation="Zhang et al., Integrated proteogenomic characterization of human high-grade serous "
    "ovarian cancer, Cell 166 (2016) 755-765",
    address=f"https://github.com/{REPOSITORY}",
    licence="Artistic-2.0",
)


def load() -> Table:
    """Load the log ratios, one feature a protein of RefSeq. A missing value is NaN.

    Returns
    -------
    Table
        X (73, 8103), float32, 4 classes in alphabetical order, 28 groups, no official split.
        `notes` has the barcodes of the patients and, in the order of `groups`, the runs.
    """
    arrays = convert_once(sys.modules[__name__], data_files(), read_file)
    classes, y = np.unique(arrays["subtypes"], return_inverse=True)
    runs, groups = np.unique(arrays["runs"], return_inverse=True)
    return Table(
        name="cptac_ovarian",
        X=arrays["ratios"],
        y=y.astype(np.int64),
        classes=classes.tolist(),
        features=arrays["proteins"].tolist(),
        source=SOURCE,
        groups=groups.astype(np.int64),
        notes={"samples": arrays["samples"].tolist(), "runs": runs.tolist()},
    )


def data_files() -> list[DataFile]:
    """Return the one file."""
    return [repository_file(FILES[0], REPOSITORY, COMMIT, "data/cptac_oca.RData", SHA256)]


def read_file(path: Path) -> Arrays:
    """Read `ratios` (73, 8103), float32, `proteins`, `samples`, `subtypes` and `runs`.

    Raises a TableError for another file.
    """
    ratios, samples, _ = read_expression_set(path, "oca.set")
    return {
        "ratios": np.ascontiguousarray(ratios, dtype=np.float32),
        "proteins": text(ratios.columns),
        "samples": text(ratios.index),
        "subtypes": text(samples["SUBTYPE"]),
        "runs": text(samples["iTRAQ_ID"]),
    }
