"""The layout of TabMap, computed by the package of its authors."""

import numpy as np


def place(X: np.ndarray, *, side: int, metric: str, loss: str) -> dict[str, np.ndarray]:
    """Place the features of X, (n_samples, n_features), on a square of `side` pixels.

    Returns `pixels`, the flat index, row by row, of each feature's pixel.
    """
    from tabmap.tabmap_construction import TabMapGenerator

    generator = TabMapGenerator(metric=metric, loss_fun=loss)
    generator.fit(X.astype(np.float64), row_num=side, col_num=side)
    return {"pixels": generator.project_matrix.argmax(axis=1)}
