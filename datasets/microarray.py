"""Cancer microarrays: few samples, thousands of genes.

`gravier`: 168 breast tumours, 2,905 genes, two classes (57 with a relapse in five years, 111 not).
`nakayama`: 105 soft-tissue tumours, 22,283 probes, ten classes. Both come from the R package
datamicroarray (MIT). CITATIONS has the papers. No official split.
Trap: `gravier` has a weak signal and few test rows. Its largest class is 66% of the samples, and
no method of the published quick profile is better than another beyond the intervals. `nakayama`
has classes of 3 to 21 samples.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from datasets._converted import Arrays, convert_once
from datasets.fetch import DataFile
from datasets.table import Source, Table, TableError, wrong_file

REQUIRES = {"rdata": "rdata"}
FILES = ("wide/gravier/gravier.RData",)
COMMIT = "a95f6f68ed3debf48ee54f198435fa12aa655b16"
FOLDER = f"https://raw.githubusercontent.com/ramhiser/datamicroarray/{COMMIT}/data/"
SHA256 = {
    "gravier": "6e84756200a8cc3032d18c7d60a60cf79b4236d5e19ac51413d15faf434d68ee",
    "nakayama": "f2fc92aeb9c1d31d73096299f95f5ceba4a99598eb04cc5b46d0fad2d4a7477b",
}
CITATIONS = {
    "gravier": "Gravier et al., A prognostic DNA signature for T1T2 node-negative breast cancer "
    "patients, Genes, Chromosomes and Cancer 49 (2010) 1125-1134",
    "nakayama": "Nakayama et al., Gene expression analysis of soft tissue sarcomas, "
    "Modern Pathology 20 (2007) 749-759",
}


def load(*, study: str = "gravier") -> Table:
    """Load the published values of a study, one feature a gene or probe.

    Parameters
    ----------
    study : {"gravier", "nakayama"}

    Returns
    -------
    Table
        X (168, 2905) or (105, 22283), float32, classes in alphabetical order, no official split.
    """
    file = _file(study)
    arrays = convert_once(sys.modules[__name__], [file], read_study)
    classes, y = np.unique(arrays["labels"], return_inverse=True)
    return Table(
        name=study,
        X=arrays["X"],
        y=y.astype(np.int64),
        classes=classes.tolist(),
        features=arrays["features"].tolist(),
        source=Source(CITATIONS[study], file.addresses[0], "MIT"),
    )


def data_files(*, study: str = "gravier") -> list[DataFile]:
    """Return the file of the study."""
    return [_file(study)]


def read_study(path: Path) -> Arrays:
    """Read `X`, float32 (n_samples, n_features), `labels` and `features` of the study path.stem.

    Raises a TableError if this is no R file, or it has no list of that name with x and y.
    """
    import rdata

    study = path.stem
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about encodings that the file does not state
            content = rdata.read_rda(path)
        X, y = content[study]["x"], content[study]["y"]
    except Exception as error:  # rdata's reader raises many kinds
        expected = f"an R list {study!r} with the table x and the labels y"
        raise wrong_file(path, expected, f"{type(error).__name__}: {error}") from error
    # R's data frames arrive as pandas', its matrices as xarray's.
    frame = X if isinstance(X, pd.DataFrame) else X.to_pandas()
    return {
        "X": frame.to_numpy(np.float32),
        "labels": np.array([str(label) for label in y]),
        "features": np.array([str(name) for name in frame.columns]),
    }


def _file(study: str) -> DataFile:
    if study not in SHA256:
        message = f"microarray has no study {study!r}; expected one of: {', '.join(SHA256)}"
        raise TableError(message)
    name = f"{study}.RData"
    return DataFile(f"wide/{study}/{name}", (FOLDER + name,), f"sha256:{SHA256[study]}")
