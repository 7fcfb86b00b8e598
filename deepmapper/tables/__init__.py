"""One's own table from a file: read, checked, cleaned, and made numbers of.

raw       what a file holds: numbers, text columns, labels, names of rows
delimited, parquet, h5ad, npy      a format each: file -> raw
text      text columns: numbers after all, or categories
labels    labels checked
blanks    empty and all-zero rows dropped
preparation    what is learnt from the training rows and applied to every later table
reading   all of it in order
"""

from deepmapper.tables._preparation import Preparation, PreparedTable
from deepmapper.tables._reading import TrainingTables, read_new, read_training

__all__ = [
    "Preparation",
    "PreparedTable",
    "TrainingTables",
    "read_new",
    "read_training",
]
