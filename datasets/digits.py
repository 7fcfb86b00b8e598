"""Digits: 1,797 handwritten digits of 8 x 8 pixels from scikit-learn."""

import numpy as np

from datasets.fetch import DataFile
from datasets.mnist import pixel_names
from datasets.table import Source, Table

FILES = ()
SOURCE = Source(
    citation="Alpaydin, Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning "
    "Repository (1998); the test part, as in sklearn.datasets.load_digits",
    address="https://archive.ics.uci.edu/dataset/80",
    licence="CC BY 4.0",
)


def load() -> Table:
    """Grey values 0..16 as measured; 64 features, 10 classes, no official split."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return Table(
        name="digits",
        X=digits.data.astype(np.float32),
        y=digits.target.astype(np.int64),
        classes=[str(name) for name in digits.target_names],
        features=pixel_names(8, 8),
        source=SOURCE,
    )


def data_files() -> list[DataFile]:
    """None: the table comes with scikit-learn."""
    return []
