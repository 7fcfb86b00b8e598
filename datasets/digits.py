"""Digits: 1,797 handwritten digits of 8 x 8 pixels, part of scikit-learn.

1,797 samples, 64 features (grey values 0 to 16), ten classes of about 180 samples each. The test
part of "Optical Recognition of Handwritten Digits" (UCI, CC BY 4.0). No official split.
Trap: the table is easy. Nearest neighbours are right for 98.7% of the test rows, so a new method
has to beat them, not chance. Neighbouring features are neighbouring pixels, unless shuffled.
"""

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
    """Load the grey values, 0 to 16.

    Returns
    -------
    Table
        X (1797, 64), float32, 10 classes, no official split.
    """
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
    """Return an empty list: scikit-learn contains the table."""
    return []
