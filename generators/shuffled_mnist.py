"""MNIST with its pixels in one fixed random order: same values, no neighbours.

As `datasets.mnist` (70,000 images, 784 features, ten classes, official split kept), or
Fashion-MNIST or the 8 x 8 digits, with their licences. Fig. 3 and 4 of Ersavas, Smith and Mattick
(2024).
Trap: a plain CNN relies on neighbours and loses accuracy, while a method that ignores the order of
features is equally accurate on both. The difference shows the value of a layout.
"""

from dataclasses import replace

import numpy as np

from datasets.table import Table
from generators._parameters import refuse, require_whole
from generators._streams import stream


def load(
    *,
    n_train: int | None = None,
    n_test: int | None = None,
    base: str = "mnist",
    permutation_seed: int | None = None,
    seed: int = 0,
) -> Table:
    """Load the base table and put its columns into a random order.

    Parameters
    ----------
    n_train, n_test : int, optional
        Numbers of images, the first of the base. Default: all.
    base : {"mnist", "fashion_mnist", "digits"}
        Table to shuffle: 28 x 28 pixels with the official split, or 8 x 8 without a split.
    permutation_seed : int, optional
        Seed of the permutation, by default `seed`. Fix it for one permutation in all seeds of a
        run, as in the paper.
    seed : int

    Returns
    -------
    Table
        The shuffled table. Columns keep their names ("pixel_2_5"), and `notes` has the permutation.
    """
    order_seed = seed if permutation_seed is None else permutation_seed
    require_whole("shuffled_mnist", 0, seed=seed)
    require_whole("shuffled_mnist", 0, permutation_seed=order_seed)
    table = _base_table(base, {"n_train": n_train, "n_test": n_test})
    return shuffle_features(table, order_seed)


def shuffle_features(table: Table, seed: int) -> Table:
    """Put columns, names and `relevant` into the order that `seed` draws.

    New X[:, j] is old X[:, permutation[j]], where permutation is `notes["permutation"]`.
    """
    order = stream(seed, "shuffled_mnist/permutation").permutation(table.n_features)
    relevant = table.relevant
    if relevant is not None:
        relevant = np.flatnonzero(np.isin(order, relevant))
    # take() reads and writes row by row. X[:, order] is several times slower.
    X = np.take(table.X, order, axis=1) if isinstance(table.X, np.ndarray) else table.X[:, order]
    return replace(
        table,
        name=f"shuffled_{table.name}",
        X=X,
        features=[table.features[i] for i in order],
        source=replace(table.source, citation=f"{table.source.citation}; columns permuted"),
        relevant=relevant,
        notes={**table.notes, "permutation": order.tolist()},
    )


def _base_table(base: str, sizes: dict[str, int | None]) -> Table:
    from datasets import digits, fashion_mnist, mnist

    given = {name: n for name, n in sizes.items() if n is not None}
    if base in ("mnist", "fashion_mnist"):
        return (mnist if base == "mnist" else fashion_mnist).load(**given)
    if base != "digits":
        expected = '"mnist", "fashion_mnist" or "digits"'
        refuse("shuffled_mnist", "base", expected, base, "Choose one.")
    for name, n in given.items():
        advice = "The digits have no official split: split the table instead."
        refuse("shuffled_mnist", name, 'None with base="digits"', n, advice)
    return digits.load()
