"""RISK: 16S counts of 9,511 taxa in the ileum, Crohn's disease against none.

524 biopsies of 458 people, 9,511 features, two classes (332 with Crohn's disease, `CD`, 192
without, `no`), no official split. Sequences of 16S rRNA (region V4), counted by operational
taxonomic unit (OTU) of Greengenes at 97% identity. 3.7% of the counts are not 0. Gevers et al.
2014, as in the R package MicrobeDS (CC0). Left out of its 1,359 samples: sites other than the
terminal ileum, other diagnoses, and samples with fewer than 1,000 reads.
Trap: a person has up to three samples, so `groups` has the person. The class depends on the
sequencing run: two of the 11 runs have only CD and one has only `no`. The best guess from the run
alone is right for 68% of the samples, the larger class for 63%. The 25 samples of another cohort
(PRISM) and the 29 of people who took antibiotics are all CD. `notes` has run, cohort and
antibiotics.
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
FILES = ("wide/risk_ileum/RISK_CCFA.rda",)
REPOSITORY, COMMIT = "twbattaglia/MicrobeDS", "e6a624d7957695a5f02415bc91533eb29a77a65a"
SHA256 = "7a70a6145c3532448189cf45e961ada0a84a76846b8fb3c50611f811d761ea76"
SOURCE = Source(
    citation="Gevers et al., The treatment-naive microbiome in new-onset Crohn's disease, "
    "Cell Host & Microbe 15 (2014) 382-392",
    address=f"https://github.com/{REPOSITORY}",
    licence="CC0",
)
SITE, CLASSES = "Terminal ileum", ("CD", "no")
FACTS = ("samples", "runs", "cohorts", "antibiotics")
MIN_READS = 1_000  # of a sample; with fewer, most taxa of a biopsy are not seen


def load(*, preparation: str = "log_cpm") -> Table:
    """Load the counts, one feature an OTU by its number in Greengenes.

    Parameters
    ----------
    preparation : {"log_cpm", "counts"}
        See `datasets._counts`.

    Returns
    -------
    Table
        X (524, 9511), float32, sparse, 2 classes, 458 groups, no official split. `notes` has the
        names, runs, cohorts and antibiotics of the samples.
    """
    arrays = convert_once(sys.modules[__name__], data_files(preparation=preparation), read_file)
    return Table(
        name="risk_ileum",
        X=prepare_counts("risk_ileum", unpack_rows(arrays), preparation),
        y=np.searchsorted(CLASSES, arrays["diagnoses"]),
        classes=CLASSES,
        features=arrays["taxa"].tolist(),
        source=SOURCE,
        groups=np.unique(arrays["people"], return_inverse=True)[1].astype(np.int64),
        notes={key: arrays[key].tolist() for key in FACTS},
    )


def data_files(*, preparation: str = "log_cpm") -> list[DataFile]:
    """Return the one file."""
    return [repository_file(FILES[0], REPOSITORY, COMMIT, "data/RISK_CCFA.rda", SHA256)]


def read_file(path: Path) -> Arrays:
    """Read the sparse counts (524, 9511), `taxa`, `diagnoses`, `people` and facts of samples.

    Raises a TableError for another file.
    """
    counts, samples = read_phyloseq(path, "RISK_CCFA")
    site, diagnosis = text(samples["biopsy_location"]), text(samples["diagnosis"])
    rows = (site == SITE) & np.isin(diagnosis, CLASSES) & (counts.sum(axis=1) >= MIN_READS)
    return {
        **pack_rows(sparse.csr_matrix(counts[rows], dtype=np.float32)),
        "taxa": text(counts.columns),
        "diagnoses": diagnosis[rows],
        "people": text(samples["host_subject_id"][rows]),
        "samples": text(counts.index[rows]),
        "runs": np.array([name.partition(".")[0] for name in text(samples["run_prefix"][rows])]),
        "cohorts": text(samples["collection"][rows]),
        "antibiotics": text(samples["antibiotics"][rows]),
    }
