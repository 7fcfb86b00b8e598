"""Needle in a haystack: two of 18,225 noise features determine the class.

10,000 samples, two classes of equal size, uniform noise in [0, 1). Table 1 of Ersavas, Smith and
Mattick (2024). No official split. MIT.
Trap: the ranges of the classes do not overlap, so one cut on one needle is always right. `ranges`
that overlap are harder. Both published needles lie near the border of a folded image, where zero
padding reveals the position: compare with needles="random".
"""

import numpy as np

from datasets.table import Source, Table
from generators._parameters import refuse, require_whole
from generators._streams import stream

# (low and high in class 0, low and high in class 1), low included, high excluded.
TABLE_1 = ((0.00, 0.20, 0.20, 0.40), (0.10, 0.20, 0.25, 0.35))
# Counted from 0, as in the results of the published Python code. The paper does not say. The
# notebooks' table has another second needle: 17,998 is in none of their results.
PLACES = {"paper": (20, 17_998), "notebook": (20, 17_689)}
SOURCE = Source(
    citation="Ersavas, Smith, Mattick, Novel applications of Convolutional Neural Networks in the "
    "age of Transformers, Sci Rep 14 (2024), Table 1",
    address="generated",
    licence="MIT",
)


def load(
    *,
    n_samples: int = 10_000,
    n_features: int = 18_225,
    needles: str = "paper",
    n_needles: int = 2,
    ranges: tuple[tuple[float, float, float, float], ...] = TABLE_1,
    seed: int = 0,
) -> Table:
    """Draw uniform noise in [0, 1), then needles in the range of their class.

    Classes are balanced (class 0 has one sample more if n_samples is odd) and rows shuffled. The
    paper has 10,000 rows. Its published code made 15,000.

    Parameters
    ----------
    n_samples, n_features, seed : int
        Size of the table, seed of all draws.
    needles : {"paper", "notebook", "random"}
        Indices of the needles: 20 and 17,998, or 20 and 17,689, or random ones.
    n_needles : int
        Number of needles. Must be 2 unless needles="random".
    ranges : tuple of (low 0, high 0, low 1, high 1)
        For each needle its range in class 0 and in class 1, without the high end. Needles beyond
        the last range start again at the first.

    Returns
    -------
    Table
        X (n_samples, n_features), float32. `relevant` has the needles.
    """
    require_whole("nihs", 4, n_samples=n_samples)
    require_whole("nihs", 1, n_features=n_features, n_needles=n_needles)
    require_whole("nihs", 0, seed=seed)
    _check_ranges(ranges)
    places = _positions(needles, n_needles, n_features, seed)
    y = stream(seed, "nihs/labels").permutation(np.arange(n_samples, dtype=np.int64) % 2)
    X = np.empty((n_samples, n_features), dtype=np.float32)  # 729 MB at the default size
    stream(seed, "nihs/values").random(out=X, dtype=np.float32)
    for i, feature in enumerate(places):
        X[:, feature] = into_ranges(X[:, feature], y, ranges[i % len(ranges)])
    return Table(
        name="nihs",
        X=X,
        y=y,
        classes=("class 0", "class 1"),
        features=[f"variable_{i}" for i in range(n_features)],
        source=SOURCE,
        relevant=places,
    )


def into_ranges(
    u: np.ndarray, y: np.ndarray, ranges: tuple[float, float, float, float]
) -> np.ndarray:
    """Move uniform values of [0, 1) into [low, high) of their class."""
    low = np.array([ranges[0], ranges[2]], dtype=np.float32)[y]
    high = np.array([ranges[1], ranges[3]], dtype=np.float32)[y]
    # Rounding can give `high`, where the other class may begin: stay one step below.
    return np.minimum(low + u * (high - low), np.nextafter(high, low))


def _positions(needles: str, n_needles: int, n_features: int, seed: int) -> np.ndarray:
    if needles == "random":
        if n_needles > n_features:
            refuse("nihs", "n_needles", f"at most n_features={n_features}", n_needles, "Lower it.")
        draw = stream(seed, "nihs/needles").choice(n_features, n_needles, replace=False)
        return np.sort(draw).astype(np.int64)
    if needles not in PLACES:
        expected = '"paper", "notebook" or "random"'
        refuse("nihs", "needles", expected, needles, "Choose one.")
    places = PLACES[needles]
    if n_needles != len(places):
        advice = 'These have two needles. Use needles="random" for another number.'
        refuse("nihs", "n_needles", f'2 with needles="{needles}"', n_needles, advice)
    if n_features <= max(places):
        expected = f'at least {max(places) + 1} with needles="{needles}"'
        advice = f'The second needle has index {max(places)}. Use needles="random".'
        refuse("nihs", "n_features", expected, n_features, advice)
    return np.array(places, dtype=np.int64)


def _check_ranges(ranges: tuple[tuple[float, float, float, float], ...]) -> None:
    expected = "one or more (low 0, high 0, low 1, high 1), each low < high in float32"
    fine = len(ranges) > 0 and all(len(four) == 4 for four in ranges)
    if fine:
        bounds = np.array(ranges, dtype=np.float32)
        lows, highs = bounds[:, ::2], bounds[:, 1::2]
        fine = bool(np.isfinite(highs - lows).all() and (lows < highs).all())
    if not fine:
        refuse("nihs", "ranges", expected, ranges, "Correct the bounds.")
