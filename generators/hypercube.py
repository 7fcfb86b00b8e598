"""Hypercube: clusters on the corners of a hypercube, hidden among probes.

2,600 samples, 500 features: 5 informative, 15 linear combinations of them, 480 probes. Two classes
of equal size, no official split. Follows Madelon, the artificial table of the NIPS 2003 feature
selection challenge (Guyon 2003), which is the dataset `madelon`. MIT.
Trap: one feature alone says almost nothing about the class, because the label of a corner is
random and depends on all five coordinates. Rankings by single features miss most relevant ones.
"""

from dataclasses import dataclass

import numpy as np

from datasets.table import Source, Table
from generators._parameters import refuse, require_whole, require_within
from generators._streams import stream

MOST_INFORMATIVE = 12  # 4,096 clusters
SOURCE = Source(
    citation="Guyon, Design of experiments for the NIPS 2003 variable selection benchmark (2003), "
    "with its program hypercube_data",
    address="generated",
    licence="MIT",
)


@dataclass(frozen=True)
class Design:
    """Random parameters of a table.

    Attributes
    ----------
    corners : ndarray of shape (n_clusters, n_informative)
        Centre of each cluster in units of class_sep, -1 or 1. Its label is its row modulo 2.
    mixing : ndarray of shape (n_clusters, n_informative, n_informative)
        A sample is a standard normal row vector times the matrix of its cluster, plus the centre.
    combinations : ndarray of shape (n_informative, n_redundant)
        Weights of the redundant features.
    order : ndarray of shape (n_features,)
        Column j of the table is feature order[j] of: informative, redundant, probes.
    """

    corners: np.ndarray
    mixing: np.ndarray
    combinations: np.ndarray
    order: np.ndarray


def load(
    *,
    n_samples: int = 2_600,
    n_features: int = 500,
    n_informative: int = 5,
    n_redundant: int = 15,
    class_sep: float = 2.0,
    flip: float = 0.01,
    noise: float = 0.1,
    rescale: bool = True,
    seed: int = 0,
) -> Table:
    """Draw two balanced classes of 2^n_informative clusters.

    Rows and columns are in random order. The challenge also rounded its values to 0..999.

    Parameters
    ----------
    n_samples, n_features, seed : int
        Size of the table, seed of all draws. Samples are spread evenly over the clusters.
    n_informative : int
        Dimensions of the hypercube, at most 12.
    n_redundant : int
        Number of linear combinations of informative features, with weights uniform in -1..1.
    class_sep : float
        Corners are at +class_sep and -class_sep, and clusters are about 1.3 wide. At 2 the Bayes
        error of clean labels is 2%.
    flip : float
        Share of labels that are drawn anew. Half of these are wrong.
    noise : float
        Each value is multiplied by 1 + noise x N(0, 1), after the shift. With 0, the relevant
        features span n_informative dimensions.
    rescale : bool
        Shift each feature by 0..1 and multiply it by 1..101, both uniform.

    Returns
    -------
    Table
        X (n_samples, n_features), float32. `relevant` has the informative and the redundant
        features, which `notes` lists apart. Except for the noise, n_informative of them determine
        the others.
    """
    require_whole("hypercube", 4, n_samples=n_samples)
    require_whole("hypercube", 1, n_features=n_features, n_informative=n_informative)
    require_whole("hypercube", 0, n_redundant=n_redundant, seed=seed)
    require_within("hypercube", 0, 1, flip=flip, noise=noise)
    require_within("hypercube", 0, 100, class_sep=class_sep)
    n_relevant = n_informative + n_redundant
    if n_informative > MOST_INFORMATIVE:
        expected = f"at most {MOST_INFORMATIVE}, as clusters double with each"
        refuse("hypercube", "n_informative", expected, n_informative, "Lower it.")
    if n_features < n_relevant:
        expected = f"at least n_informative + n_redundant = {n_relevant}"
        refuse("hypercube", "n_features", expected, n_features, "Raise it.")
    design = draw_design(n_features, n_informative, n_redundant, seed)
    X, y = draw_samples(design, n_samples, class_sep, seed)
    # The streams are named after Madelon, the generator's first name, so that tables stay the same.
    if rescale:
        draw = stream(seed, "madelon/rescale")
        X += draw.random(n_features, dtype=np.float32)
        X *= 1 + 100 * draw.random(n_features, dtype=np.float32)
    if noise:
        factors = stream(seed, "madelon/noise").standard_normal(X.shape, dtype=np.float32)
        X *= 1 + np.float32(noise) * factors
    flips = stream(seed, "madelon/flips")
    flipped = flips.permutation(n_samples)[: round(flip * n_samples)]
    y[flipped] = flips.integers(2, size=len(flipped))
    place = np.argsort(design.order)[:n_relevant]  # the column of each relevant feature
    informative, redundant = place[:n_informative].tolist(), place[n_informative:].tolist()
    return Table(
        name="hypercube",
        X=np.take(X, design.order, axis=1),
        y=y,
        classes=("-1", "+1"),
        features=[f"feature_{j}" for j in range(n_features)],
        source=SOURCE,
        relevant=np.sort(place),
        notes={"informative": informative, "redundant": redundant},
    )


def draw_design(n_features: int, n_informative: int, n_redundant: int, seed: int) -> Design:
    """Draw corners, mixing, combinations and the order of the columns."""
    n_clusters = 2**n_informative
    bits = np.arange(n_clusters)[:, None] >> np.arange(n_informative) & 1
    shape = (n_clusters, n_informative, n_informative)
    return Design(
        corners=stream(seed, "madelon/corners").permutation(2.0 * bits - 1),
        mixing=stream(seed, "madelon/mixing").uniform(-1, 1, shape),
        combinations=stream(seed, "madelon/combinations").uniform(
            -1, 1, (n_informative, n_redundant)
        ),
        order=stream(seed, "madelon/order").permutation(n_features),
    )


def draw_samples(
    design: Design, n_samples: int, class_sep: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw X, float32, with columns not yet in the order of the table, and y, int64."""
    n_clusters, n_informative = design.corners.shape
    n_relevant = n_informative + design.combinations.shape[1]
    cluster = stream(seed, "madelon/labels").permutation(np.arange(n_samples) % n_clusters)
    normal = stream(seed, "madelon/values").standard_normal((n_samples, n_informative))
    informative = class_sep * design.corners[cluster]
    for i in range(n_informative):  # not matmul, whose rounding depends on the machine
        informative += normal[:, [i]] * design.mixing[cluster, i]
    X = np.empty((n_samples, len(design.order)), dtype=np.float32)
    X[:, :n_informative] = informative
    redundant = np.zeros((n_samples, n_relevant - n_informative))
    for i in range(n_informative):
        redundant += informative[:, [i]] * design.combinations[i]
    X[:, n_informative:n_relevant] = redundant
    probes = (n_samples, len(design.order) - n_relevant)
    X[:, n_relevant:] = stream(seed, "madelon/probes").standard_normal(probes, dtype=np.float32)
    return X, (cluster % 2).astype(np.int64)
