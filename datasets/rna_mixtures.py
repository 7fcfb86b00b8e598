"""RNA mixtures: UMI counts of known mixtures of the RNA of three cancer cell lines.

Default: 340 wells of CEL-seq2, 14,804 genes, seven classes of 39 to 82, no official split. A class
is a mixture, named by its percent of H2228, H1975 and HCC827, such as "68/16/16". SORT-seq: 296
wells, 15,571 genes. "transfer": 13,906 shared genes, trained on CEL-seq2, tested on SORT-seq.
Tian et al. 2019 (MIT).
Trap: wells have 3.75 to 30 pg of RNA, and the counts of those with little RNA are few and noisy.
Classes are shares of three profiles, so no gene alone suffices, and thousands of genes carry a
little of the label. The equal mixture (33/33/33) has twice the wells of another.
"""

import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets._converted import Arrays, convert_once, repository_file
from datasets._counts import prepare_counts
from datasets.fetch import DataFile
from datasets.table import Source, Table, TableError, wrong_file

if TYPE_CHECKING:
    import pandas as pd

FILES = (
    "wide/rna_mixtures/RNAmix_celseq2.count.csv.gz",
    "wide/rna_mixtures/RNAmix_celseq2.metadata.csv.gz",
)
REPOSITORY, COMMIT = "LuyiTian/sc_mixology", "7d00ffb0bd043467f365a9358d7312f294f13c9f"
SHA256 = {
    "celseq2.count": "3bc1323f10f74779e69f068cbfd052633049745f69107bba4133368a01ec24b9",
    "celseq2.metadata": "b4dfd97335bb24691d22b16748410d42ea08c7dee634d2d9d2584ef2d9e60956",
    "sortseq.count": "81a2c15fc0fc1216328fa348ad3375b0b2faa604fce9811330b78a190cdfd3d0",
    "sortseq.metadata": "1ea8edd24736c3efdf7dec102e42b01b75df18a811084cfcfd2ea5c87b89fead",
}
PROTOCOLS = {"celseq2": ("celseq2",), "sortseq": ("sortseq",), "transfer": ("celseq2", "sortseq")}
SOURCE = Source(
    citation="Tian et al., Benchmarking single cell RNA-sequencing analysis pipelines using "
    "mixture control experiments, Nature Methods 16 (2019) 479-487",
    address=f"https://github.com/{REPOSITORY}",
    licence="MIT",
)
LINES = ("H2228", "H1975", "HCC827")
MIXTURES = (  # percent of each line
    *("100/0/0", "0/100/0", "0/0/100"),
    *("68/16/16", "16/68/16", "16/16/68", "33/33/33"),
)


def load(*, protocol: str = "celseq2", preparation: str = "log_cpm") -> Table:
    """Load the counts, one feature an Ensembl gene.

    Parameters
    ----------
    protocol : {"celseq2", "sortseq", "transfer"}
        "transfer": the genes of both protocols, in the order of CEL-seq2. The official split trains
        on CEL-seq2 and tests on SORT-seq.
    preparation : {"log_cpm", "counts"}
        See `datasets._counts`. Of "transfer", the shared genes are the counts of a row.

    Returns
    -------
    Table
        X (n_wells, n_genes), float32, 7 classes.
    """
    files, module = data_files(protocol=protocol), sys.modules[__name__]
    parts = [
        convert_once(module, pair, read_protocol)
        for pair in zip(files[::2], files[1::2], strict=True)
    ]
    genes = parts[0]["genes"]
    for part in parts[1:]:
        genes = genes[np.isin(genes, part["genes"])]
    blocks = [part["counts"][:, _places(part["genes"], genes)] for part in parts]
    rows = np.split(np.arange(sum(map(len, blocks))), [len(blocks[0])])
    return Table(
        name="rna_mixtures",
        X=prepare_counts("rna_mixtures", np.concatenate(blocks, dtype=np.float32), preparation),
        y=np.concatenate([part["y"] for part in parts]),
        classes=MIXTURES,
        features=genes.tolist(),
        source=SOURCE,
        official_split=(rows[0], rows[1]) if protocol == "transfer" else None,
    )


def data_files(*, protocol: str = "celseq2", preparation: str = "log_cpm") -> list[DataFile]:
    """Return the counts and the facts of the wells of each protocol."""
    if protocol not in PROTOCOLS:
        expected = ", ".join(PROTOCOLS)
        message = f"table 'rna_mixtures': expected protocol of {expected}, got {protocol!r}"
        raise TableError(message)
    return [
        _file(f"{name}.{kind}") for name in PROTOCOLS[protocol] for kind in ("count", "metadata")
    ]


def read_protocol(counts: Path, metadata: Path) -> Arrays:
    """Read `genes`, `counts`, int32 (n_wells, n_genes), and `y`, the codes of the mixtures.

    Raises a TableError for other files, wells or mixtures.
    """
    frame, wells = _read_csv(counts), _read_csv(metadata)
    columns = [f"{line}_prop" for line in LINES]
    if missing := [column for column in columns if column not in wells]:
        raise wrong_file(metadata, f"columns {', '.join(columns)}", f"no {missing[0]}")
    try:
        values = frame.to_numpy(dtype=np.int32).T  # the file has genes x wells
    except ValueError as error:
        raise wrong_file(counts, "whole numbers", error) from error
    percent = (100 * wells[columns].to_numpy(dtype=np.float64)).round().astype(int)
    if frame.columns.tolist() != wells.index.tolist():
        expected = f"the {len(values)} wells of {counts.name}"
        raise wrong_file(metadata, expected, f"{len(wells)} wells, others or in another order")
    names = ["/".join(map(str, row)) for row in percent]
    if unknown := sorted(set(names).difference(MIXTURES)):
        raise wrong_file(metadata, f"mixtures of {', '.join(MIXTURES)}", unknown[0])
    y = np.array([MIXTURES.index(name) for name in names], dtype=np.int64)
    return {
        "genes": frame.index.to_numpy(dtype=str),
        "counts": np.ascontiguousarray(values),
        "y": y,
    }


def _read_csv(path: Path) -> "pd.DataFrame":
    """Read a table. Its header lacks the name of the first column, which becomes the index."""
    import pandas as pd

    try:
        return pd.read_csv(path)
    except (EOFError, OSError, UnicodeDecodeError, ValueError, zlib.error) as error:
        raise wrong_file(path, "a packed CSV", f"{type(error).__name__}: {error}") from error


def _places(names: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the place of each wanted name."""
    order = np.argsort(names)
    return order[np.searchsorted(names[order], wanted)]


def _file(name: str) -> DataFile:
    file = f"RNAmix_{name}.csv.gz"
    path, source = f"wide/rna_mixtures/{file}", f"data/csv/{file}"
    return repository_file(path, REPOSITORY, COMMIT, source, SHA256[name])
