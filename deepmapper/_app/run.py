"""A finished run of the command line: what the report and the run's folder are made from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from deepmapper._app.scores import Evaluation
from deepmapper.images._rows import is_on_disk
from deepmapper.tables import PreparedTable, TrainingTables


@dataclass(frozen=True)
class Run:
    """A model, the table that it was made from, and what came of it.

    Args:
        estimator: fitted.
        tables: what was read.
        source: the table's file.
        label: the column of the label; None without labels.
        evaluation: on the rows kept aside; None where there are none.
        seconds: of fitting.
        notes: warnings met on the way.
    """

    estimator: Any
    tables: TrainingTables
    source: str
    label: str | None
    evaluation: Evaluation | None
    seconds: float
    notes: tuple[str, ...]


def named(table: PreparedTable, rows: slice | np.ndarray = slice(None)) -> Any:
    """Rows of X with the names of the features, without a copy.

    CSR matrices and tables on disk have no names. Only of the latter, all rows are not read.
    """
    if is_on_disk(table.X) and isinstance(rows, slice) and rows == slice(None):
        return table.X
    X = table.X[rows]
    if not isinstance(X, np.ndarray) or is_on_disk(table.X):
        return X
    return pd.DataFrame(X, columns=table.features, copy=False)
