"""Colorectal tumours of TCGA: RNA-seq counts, with MSI or a subtype as class.

17,045 features, no official split. `MSI`: 74 tumours whose microsatellites are unstable (MSIH, 13)
or stable (MSS, 61). The 18 other tumours of the file have low (MSIL) or indeterminate instability.
`CMS`: 63 tumours of the consensus molecular subtypes CMS1 to CMS4 (8, 26, 10, 19). Counts as RSEM
estimates them, rounded, up to 1.9 million. Cancer Genome Atlas Network 2012, as in the R package
CMScaller (Eide et al. 2017). It left out genes with at most 25 counts in each of 92 tumours.
Trap: CMS labels were computed from these expressions (Guinney et al. 2015), so a classifier only
repeats another one. MSI was measured on DNA. The answer MSS is right for 82% of the tumours.
"""

import sys
from pathlib import Path

import numpy as np

from datasets._converted import Arrays, convert_once, repository_file
from datasets._counts import prepare_counts
from datasets._r_objects import read_expression_set, text
from datasets.fetch import DataFile
from datasets.table import Source, Table, TableError

REQUIRES = {"rdata": "rdata"}
FILES = ("wide/tcga_colorectal/crcTCGAsubset.rda",)
REPOSITORY, COMMIT = "Lothelab/CMScaller", "f1541730b56c2f37c123037476eed0e6de0ee6f0"
SHA256 = "55622c217888f62fb27a819bd17630bb8f6d11e4294beb8718b2230e82d0b8a6"
SOURCE = Source(
    citation="Cancer Genome Atlas Network, Comprehensive molecular characterization of human colon "
    "and rectal cancer, Nature 487 (2012) 330-337; as in Eide et al., CMScaller, Scientific "
    "Reports 7 (2017) 16618",
    address=f"https://github.com/{REPOSITORY}",
    licence="TCGA open-access data; the package under GPL-3",
)
COLUMNS = {"MSI": "MSI", "CMS": "CMS.Syn"}
CLASSES = {"MSI": ("MSIH", "MSS"), "CMS": ("CMS1", "CMS2", "CMS3", "CMS4")}


def load(*, label: str = "MSI", preparation: str = "log_cpm") -> Table:
    """Load the tumours that have the label, one feature a gene symbol.

    Parameters
    ----------
    label : {"MSI", "CMS"}
    preparation : {"log_cpm", "counts"}
        See `datasets._counts`.

    Returns
    -------
    Table
        X (74, 17045) for MSI, (63, 17045) for CMS, float32, no official split. `notes` has the
        barcodes of the samples.
    """
    files = data_files(label=label, preparation=preparation)
    arrays = convert_once(sys.modules[__name__], files, read_file)
    classes, labels = CLASSES[label], arrays[label]
    rows = np.isin(labels, classes)
    return Table(
        name="tcga_colorectal",
        X=prepare_counts("tcga_colorectal", arrays["counts"][rows], preparation),
        y=np.searchsorted(classes, labels[rows]),
        classes=classes,
        features=arrays["genes"].tolist(),
        source=SOURCE,
        notes={"samples": arrays["samples"][rows].tolist()},
    )


def data_files(*, label: str = "MSI", preparation: str = "log_cpm") -> list[DataFile]:
    """Return the one file, which has both labels."""
    if label not in CLASSES:
        expected = ", ".join(CLASSES)
        message = f"table 'tcga_colorectal': expected label of {expected}, got {label!r}"
        raise TableError(message)
    return [repository_file(FILES[0], REPOSITORY, COMMIT, "data/crcTCGAsubset.rda", SHA256)]


def read_file(path: Path) -> Arrays:
    """Read `counts` (92, 17045), float32, `genes`, `samples` and both labels, "" if missing.

    Raises a TableError for another file.
    """
    counts, samples, genes = read_expression_set(path, "crcTCGAsubset")
    labels = {label: text(samples[column]) for label, column in COLUMNS.items()}
    return {
        "counts": np.ascontiguousarray(counts, dtype=np.float32),
        "genes": text(genes["symbol"]),
        "samples": text(counts.index),
        **labels,
    }
