"""A person's table from a file: read, checked, cleaned, and turned into numbers.

_raw          the content of a file: numbers, text columns, labels, names of rows
_delimited, _parquet, _h5ad, _npy      one format each: file -> _raw
_cleaning     checks before anything is learnt: text columns, labels, rows without content
_preparation  what is learnt from the training rows and applied to every later table
_reading      all of it in order

A table in a file that only Python knows (an `h5py.Dataset`, the X of an AnnData opened with
`backed="r"`) can be given to the estimators as `RowsOnDisk(X)`.
"""

from deepmapper.images._rows import RowsOnDisk
from deepmapper.tables._preparation import Preparation, PreparedTable
from deepmapper.tables._reading import TrainingTables, read_new, read_training

__all__ = [
    "Preparation",
    "PreparedTable",
    "RowsOnDisk",
    "TrainingTables",
    "read_new",
    "read_training",
]
