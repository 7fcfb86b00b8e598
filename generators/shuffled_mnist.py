"""Images whose pixels are shuffled by one fixed permutation: the same values, no neighbourhood.

The difference to the images shows the value of a layout: a method that ignores the order of
features is equally accurate on both. The paper's Fig. 3 and 4.
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
    """The base table with its columns in a random order.

    Columns keep the names of the base table ("pixel_2_5"), so the true place of each is known.

    Args:
        n_train: the first n training images of the base; None means all 60,000.
        n_test: the first n test images of the base; None means all 10,000.
        base: "mnist" or "fashion_mnist" (28 x 28 pixels, official split kept), or "digits" (8 x 8,
            no split).
        permutation_seed: seed of the permutation; None means `seed`. Fix it for one permutation
            in all seeds of a run, as in the paper.

    Raises:
        TableError: an unknown base; n_train or n_test for "digits", which has no such split.
        DataUnavailable: missing images that cannot be downloaded.
    """
    drawn_by = seed if permutation_seed is None else permutation_seed
    require_whole("shuffled_mnist", 0, seed=seed)
    require_whole("shuffled_mnist", 0, permutation_seed=drawn_by)
    table = _base_table(base, {"n_train": n_train, "n_test": n_test})
    return shuffle_features(table, drawn_by)


def shuffle_features(table: Table, seed: int) -> Table:
    """The table with its columns, their names and `relevant` in the order that `seed` draws.

    New X[:, j] is old X[:, permutation[j]], where permutation is `notes["permutation"]`.
    """
    order = stream(seed, "shuffled_mnist/permutation").permutation(table.n_features)
    relevant = table.relevant
    if relevant is not None:
        relevant = np.flatnonzero(np.isin(order, relevant))
    # take() goes row by row through both arrays; X[:, order] is several times slower.
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
        advice = "The digits have no official split; split the table instead."
        refuse("shuffled_mnist", name, 'None with base="digits"', n, advice)
    return digits.load()
