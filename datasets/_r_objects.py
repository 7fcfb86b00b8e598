"""Tables of Bioconductor's S4 objects: ExpressionSet, MSnSet and phyloseq.

R keeps a matrix of features x samples and data frames of both. Here a row is a sample.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from datasets._r_file import read_object
from datasets.table import TableError, wrong_file


def read_expression_set(path: Path, name: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Read an ExpressionSet or an MSnSet.

    Parameters
    ----------
    path : Path
    name : str
        Name of the object in R.

    Returns
    -------
    values : DataFrame of shape (n_samples, n_features)
    samples : DataFrame with one row per sample
    features : DataFrame with one row per feature

    Raises
    ------
    TableError
        As `read_object`, if a part is missing, and if names of the parts do not match.
    """
    content = read_object(path, name)
    try:
        values = content.assayData["exprs"].to_pandas().T
        samples, features = content.phenoData.data, content.featureData.data
    except (AttributeError, KeyError, TypeError) as error:
        raise _wrong_object(path, f"an ExpressionSet {name!r}", error) from error
    _check_names(path, "samples", values.index, samples.index)
    _check_names(path, "features", values.columns, features.index)
    return values, samples, features


def read_phyloseq(path: Path, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the counts and the samples of a phyloseq object whose taxa are rows.

    Parameters
    ----------
    path : Path
    name : str
        Name of the object in R.

    Returns
    -------
    counts : DataFrame of shape (n_samples, n_taxa)
    samples : DataFrame with one row per sample

    Raises
    ------
    TableError
        As `read_object`, if a part is missing, and if names of the samples do not match.
    """
    from rdata.conversion import dataframe_constructor

    # Without this, rdata reads the samples as a dictionary of columns that lacks their names.
    content = read_object(path, name, constructors={"sample_data": dataframe_constructor})
    try:
        counts, samples = content.otu_table.to_pandas().T, content.sam_data
    except (AttributeError, TypeError) as error:
        raise _wrong_object(path, f"a phyloseq object {name!r}", error) from error
    _check_names(path, "samples", counts.index, samples.index)
    return counts, samples


def text(column: pd.Series | pd.Index) -> np.ndarray:
    """Return the values of a column as strings, "" for a missing value.

    Parameters
    ----------
    column : Series or Index of length n

    Returns
    -------
    ndarray of shape (n,), str
    """
    return column.astype("string").fillna("").to_numpy(dtype=str)


def _check_names(path: Path, kind: str, names: pd.Index, other: pd.Index) -> None:
    if not np.array_equal(text(names), text(other)):
        expected = f"the {len(names):,} {kind} of the matrix also in their data frame"
        raise wrong_file(path, expected, f"{len(other):,}, the first is {other[0]!r}")


def _wrong_object(path: Path, expected: str, error: Exception) -> TableError:
    return wrong_file(path, expected, f"{type(error).__name__}: {error}")
