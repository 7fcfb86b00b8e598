"""TCGA: RNA-seq read counts of primary tumours, with the tumour type as class.

Default: 364 samples of six small types (36 to 80 each), 56,537 genes. types="all": 33 types. Raw
counts up to 3 million, with a depth that differs between samples. No official split. The Cancer
Genome Atlas, open access, as collected in umccr/RNAsum.data (MIT).
Trap: the six types come from different organs and differ in most genes, so an F-test and three
nearest neighbours are right for nearly all test rows. The table does not rank methods.
"""

import difflib
from pathlib import Path

import numpy as np

from datasets._counts import prepare_counts
from datasets._tcga_blobs import COMMIT, COUNTS_BLOBS
from datasets.fetch import DataFile, fetch
from datasets.table import Source, Table, TableError, wrong_file

FILES = (  # for types="small"
    "tcga/TCGA_ACC_Counts.exp.gz",
    "tcga/TCGA_CHOL_Counts.exp.gz",
    "tcga/TCGA_DLBC_Counts.exp.gz",
    "tcga/TCGA_KICH_Counts.exp.gz",
    "tcga/TCGA_UCS_Counts.exp.gz",
    "tcga/TCGA_UVM_Counts.exp.gz",
)
SMALL = ("ACC", "CHOL", "DLBC", "KICH", "UCS", "UVM")
FOLDER = f"https://raw.githubusercontent.com/umccr/RNAsum.data/{COMMIT}/inst/extdata/ref_data/"
SOURCE = Source(
    citation="Weinstein et al. (TCGA Research Network), The Cancer Genome Atlas Pan-Cancer "
    "analysis project, Nature Genetics 45 (2013) 1113-1120; counts as in umccr/RNAsum.data",
    address=FOLDER,
    licence="TCGA open-access data; the collection under MIT",
)


def load(*, types: str = "small", n_genes: int | None = None, preparation: str = "counts") -> Table:
    """Load read counts, one feature an Ensembl gene, all-zero genes included.

    Parameters
    ----------
    types : str
        "small" (ACC, CHOL, DLBC, KICH, UCS, UVM: 364 samples), "all" (33 types), or a
        comma-separated list such as "ACC,UVM".
    n_genes : int, optional
        Number of genes to keep, by mean count over all samples, test rows included. Ersavas et al.
        2024, Table 2, have 19,319 genes, but do not list them. Default: all genes.
    preparation : {"counts", "log_cpm"}
        Of the genes that are kept, see `datasets._counts`.

    Returns
    -------
    Table
        X (n_samples, n_genes), float32, classes in alphabetical order, no official split. `notes`
        has the barcodes of the samples and, if the files differ in their genes, the number of
        genes left out.
    """
    chosen = tumour_types(types)
    blocks = [parse_counts(fetch(_file(name))) for name in chosen]
    genes, notes = _common_genes([block[0] for block in blocks])
    sizes = [len(samples) for _, samples, _ in blocks]
    notes["samples"] = [sample for _, samples, _ in blocks for sample in samples]
    X = np.empty((sum(sizes), len(genes)), dtype=np.float32)
    end = len(X)
    while blocks:  # free each block once copied: all types need 1.6 GB once, not twice
        block_genes, samples, counts = blocks.pop()
        if block_genes != genes:
            column_of = {gene: column for column, gene in enumerate(block_genes)}
            counts = counts[:, [column_of[gene] for gene in genes]]
        X[end - len(samples) : end] = counts
        end -= len(samples)
    if n_genes is not None:
        kept = _most_expressed(X, n_genes)
        X, genes = np.ascontiguousarray(X[:, kept]), [genes[column] for column in kept]
        notes["chosen genes"] = f"the {n_genes:,} of largest mean count"
    return Table(
        name="tcga",
        X=prepare_counts("tcga", X, preparation),
        y=np.repeat(np.arange(len(chosen)), sizes),
        classes=chosen,
        features=genes,
        source=SOURCE,
        notes=notes,
    )


def data_files(
    *, types: str = "small", n_genes: int | None = None, preparation: str = "counts"
) -> list[DataFile]:
    """Return one file a type. Each has all genes."""
    return [_file(name) for name in tumour_types(types)]


def parse_counts(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """Parse a file of genes x samples into genes, samples and float32 counts.

    Counts (n_samples, n_genes) up to 2**24 are exact in float32. The largest in the six small types
    is 3,017,438. Raises a TableError for text, missing counts and genes that occur twice.
    """
    import pandas as pd

    frame = pd.read_csv(path, sep="\t", index_col=0, engine="pyarrow")  # the fastest engine
    try:
        counts = frame.to_numpy(dtype=np.float32)  # (n_genes, n_samples)
    except ValueError as error:
        message = f"{path} is not a table of counts: expected numbers, got {error}"
        raise TableError(message) from error
    if np.isnan(counts).any():
        gene, sample = np.argwhere(np.isnan(counts))[0]
        got = f"none of gene {frame.index[gene]!r} in sample {frame.columns[sample]!r}"
        raise wrong_file(path, "a count of every gene in every sample", got)
    if not frame.index.is_unique:
        twice = frame.index[frame.index.duplicated()][0]
        message = f"{path}: expected each gene once, got {twice!r} again. Merge its rows."
        raise TableError(message)
    return frame.index.astype(str).tolist(), frame.columns.astype(str).tolist(), counts.T


def _common_genes(lists: list[list[str]]) -> tuple[list[str], dict[str, object]]:
    """Return the genes that all lists share, in the order of the first, and a note."""
    first = lists[0]
    if all(genes == first for genes in lists):
        return first, {}
    common = set(first).intersection(*lists)
    genes = [gene for gene in first if gene in common]
    n_left_out = len(set().union(*lists)) - len(genes)
    note = f"the types differ in their genes: {len(genes)} in all, {n_left_out} left out"
    return genes, {"genes": note}


def _most_expressed(X: np.ndarray, n_genes: int) -> np.ndarray:
    if not 0 < n_genes <= X.shape[1]:
        message = f"table 'tcga': expected n_genes from 1 to {X.shape[1]:,}, got {n_genes:,}"
        raise TableError(message)
    means = X.mean(axis=0, dtype=np.float64)
    return np.sort(np.argsort(-means, kind="stable")[:n_genes])


def _file(tumour: str) -> DataFile:
    name = f"TCGA_{tumour}_Counts.exp.gz"
    return DataFile(f"tcga/{name}", (FOLDER + name,), f"blob:{COUNTS_BLOBS[tumour]}")


def tumour_types(types: str) -> tuple[str, ...]:
    """Return the tumour types that `types` names, in alphabetical order."""
    known = tuple(sorted(COUNTS_BLOBS))
    if types in ("small", "all"):
        return SMALL if types == "small" else known
    names = {name.strip() for name in types.split(",")}
    for name in sorted(names.difference(known)):
        near = difflib.get_close_matches(name.upper(), known, n=3, cutoff=0.4)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        message = (
            f"table 'tcga': unknown type {name!r} in types={types!r}.{hint} "
            f'Known: "small", "all", or a list of {",".join(known)}.'
        )
        raise TableError(message)
    return tuple(sorted(names))
