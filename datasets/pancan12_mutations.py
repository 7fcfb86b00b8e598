"""Mutations of 19,566 genes in tumours of TCGA, the tumour type as class.

3,266 tumours of 69 to 767 a class, 12 classes, 19,566 features, no official split. A value is 1 if
the tumour has a somatic mutation of the gene, else 0. 0.65% of the values are 1, at the median 52
in a tumour. Kandoth et al. 2013, as in the R package RTCGA.PANCAN12.
The file has 39,674 genes and 3,276 tumours. Left out: 7 genes that are missing in all tumours and
whose names were cut (such as `FOX`), 20,101 without a mutation in these tumours, and 10 tumours of
a pilot of fixed tissue (FFPE), whose label is the pilot.
Trap: tumours of colon and rectum are so alike that later studies make one class of them. The number
of mutations differs between types and goes up to 6,898 in a tumour. The largest class is 23.5%. The
choice of genes with a mutation used all tumours, but no label.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from datasets._converted import Arrays, convert_once, pack_rows, repository_file, unpack_rows
from datasets._r_file import read_object
from datasets.fetch import DataFile
from datasets.table import Source, Table, wrong_file

REQUIRES = {"rdata": "rdata"}
FILES = (
    "wide/pancan12_mutations/mutation.cb.rda",
    "wide/pancan12_mutations/clinical.cb.rda",
)
REPOSITORY, COMMIT = "bioc/RTCGA.PANCAN12", "2e0db04851e3711998dbbf46387d04f76ad89189"
SHA256 = (
    "51d12826b469f46165dd1e7a80def09459dad123112620d0a960d1a1b64976ae",
    "8cb9d7dc93eeb2476bf02b57ef3941d40feecfa7749aa7fedb0ea05080b69012",
)
SOURCE = Source(
    citation="Kandoth et al., Mutational landscape and significance across 12 major cancer types, "
    "Nature 502 (2013) 333-339",
    address=f"https://github.com/{REPOSITORY}",
    licence="TCGA open-access data; the package under GPL-2",
)
NO_TYPE = "FFPE pilot phase II"


def load() -> Table:
    """Load the mutations, one feature a gene symbol.

    Returns
    -------
    Table
        X (3266, 19566), float32, sparse, 12 classes in alphabetical order, no official split.
        `notes` has the barcodes of the samples.
    """
    arrays = convert_once(sys.modules[__name__], data_files(), read_files)
    classes, y = np.unique(arrays["types"], return_inverse=True)
    return Table(
        name="pancan12_mutations",
        X=unpack_rows(arrays),
        y=y.astype(np.int64),
        classes=classes.tolist(),
        features=arrays["genes"].tolist(),
        source=SOURCE,
        notes={"samples": arrays["samples"].tolist()},
    )


def data_files() -> list[DataFile]:
    """Return the mutations and the types."""
    return [
        repository_file(path, REPOSITORY, COMMIT, f"data/{Path(path).name}", sha256)
        for path, sha256 in zip(FILES, SHA256, strict=True)
    ]


def read_files(mutations: Path, clinical: Path) -> Arrays:
    """Read the sparse mutations (3266, 19566), `genes`, `samples` and `types`.

    The table in memory needs 2.1 GiB. Raises a TableError for other files.
    """
    frame = _read_frame(mutations, "mutation.cb").set_index("Sample")  # genes x tumours
    samples = frame.columns.str.replace(".", "-")
    types = _read_frame(clinical, "clinical.cb").set_index("sampleID")["X_primary_disease"]
    if not samples.isin(types.index).all():
        missing = samples[~samples.isin(types.index)]
        expected = f"a type of each of the {len(samples):,} tumours"
        raise wrong_file(clinical, expected, f"none of {len(missing):,}, such as {missing[0]}")
    labels = types.astype(str)[samples].to_numpy(dtype=str)
    tumours = labels != NO_TYPE
    X = sparse.csr_matrix(frame.to_numpy().T)[tumours]
    genes = np.asarray(X.sum(axis=0)).ravel() > 0  # not so for a missing gene, whose sum is NaN
    return {
        **pack_rows(X[:, genes].astype(np.float32)),
        "genes": frame.index[genes].to_numpy(dtype=str),
        "samples": samples[tumours].to_numpy(dtype=str),
        "types": labels[tumours],
    }


def _read_frame(path: Path, name: str) -> pd.DataFrame:
    frame = read_object(path, name)
    if not isinstance(frame, pd.DataFrame):
        raise wrong_file(path, f"the data frame {name!r}", type(frame).__name__)
    return frame
