"""Human Microbiome Project: 16S counts of 10,730 taxa at 18 body sites.

5,145 samples of 137 to 356 a site, 10,730 features, no official split. Sequences of 16S rRNA
(regions V3 to V5) of healthy people, counted by operational taxonomic unit (OTU) of Greengenes at
97% identity. 1.5% of the counts are not 0. Human Microbiome Project Consortium 2012, as in the R
package MicrobeDS (CC0). The source has 6,000 samples. Those with fewer than 1,000 reads are left
out.
Trap: left and right are classes of their own for the crease behind the ear and the fossa of the
elbow, 20% of the samples, although they look alike. A method that guesses the side has an accuracy
of 0.90 at most. The column `host_subject_id` has the specimen, not the person (the study had 242
adults). The samples come from 4,361 specimens, some sequenced up to five times, and `groups` has
the specimen. The file does not name persons, so their other specimens can be on both sides.
"""

import sys
from pathlib import Path

import numpy as np
from scipy import sparse

from datasets._converted import Arrays, convert_once, pack_rows, repository_file, unpack_rows
from datasets._counts import prepare_counts
from datasets._r_objects import read_phyloseq, text
from datasets.fetch import DataFile
from datasets.table import Source, Table

REQUIRES = {"rdata": "rdata"}
FILES = ("wide/hmp_body_sites/HMPv35.rda",)
REPOSITORY, COMMIT = "twbattaglia/MicrobeDS", "e6a624d7957695a5f02415bc91533eb29a77a65a"
SHA256 = "5ecd520638ef101c1281e91d1680e6f25c2298f4ef2f2bcd51dd22f8cc37e4c1"
SOURCE = Source(
    citation="Human Microbiome Project Consortium, Structure, function and diversity of the "
    "healthy human microbiome, Nature 486 (2012) 207-214",
    address=f"https://github.com/{REPOSITORY}",
    licence="CC0",
)
MIN_READS = 1_000  # of a sample; with fewer, most taxa of a site are not seen


def load(*, preparation: str = "log_cpm") -> Table:
    """Load the counts, one feature an OTU by its number in Greengenes.

    Parameters
    ----------
    preparation : {"log_cpm", "counts"}
        See `datasets._counts`.

    Returns
    -------
    Table
        X (5145, 10730), float32, sparse, 18 classes in alphabetical order, 4,361 groups, no
        official split. `notes` has the names of the samples.
    """
    arrays = convert_once(sys.modules[__name__], data_files(preparation=preparation), read_file)
    classes, y = np.unique(arrays["sites"], return_inverse=True)
    return Table(
        name="hmp_body_sites",
        X=prepare_counts("hmp_body_sites", unpack_rows(arrays), preparation),
        y=y.astype(np.int64),
        classes=classes.tolist(),
        features=arrays["taxa"].tolist(),
        source=SOURCE,
        groups=np.unique(arrays["specimens"], return_inverse=True)[1].astype(np.int64),
        notes={"samples": arrays["samples"].tolist()},
    )


def data_files(*, preparation: str = "log_cpm") -> list[DataFile]:
    """Return the one file."""
    return [repository_file(FILES[0], REPOSITORY, COMMIT, "data/HMPv35.rda", SHA256)]


def read_file(path: Path) -> Arrays:
    """Read the sparse counts (5145, 10730), `taxa`, `samples`, `sites` and `specimens`.

    The table in memory needs 2.1 GiB. Raises a TableError for another file.
    """
    counts, samples = read_phyloseq(path, "HMPv35")
    rows = counts.sum(axis=1) >= MIN_READS
    return {
        **pack_rows(sparse.csr_matrix(counts[rows], dtype=np.float32)),
        "taxa": text(counts.columns),
        "samples": text(counts.index[rows]),
        "sites": text(samples["bodysite"][rows]),
        "specimens": text(samples["host_subject_id"][rows]),
    }
