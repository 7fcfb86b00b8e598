"""Ways to lay features out: natural order, a random order, or a given index."""

import numpy as np

from deepmapper.errors import DeepMapperError
from deepmapper.layout import Layout, square_side
from deepmapper.streams import stream


def natural(n_features: int) -> Layout:
    """Features row by row, in the order of the table, in the smallest square that holds them."""
    side = square_side(n_features)
    return Layout(np.arange(n_features), (side, side), "natural")


def random(n_features: int, seed: int) -> Layout:
    """Features on pixels drawn at random from the whole square, padding included."""
    side = square_side(n_features)
    pixels = stream(seed, "layout").permutation(side * side)[:n_features]
    return Layout(pixels, (side, side), "random")


def make_layout(layout: "str | Layout | np.ndarray", n_features: int, seed: int) -> Layout:
    """The layout that a name, a Layout or an index of pixels asks for.

    Raises:
        DeepMapperError: an unknown name, or a layout for another number of features.
    """
    if isinstance(layout, str):
        if layout == "natural":
            return natural(n_features)
        if layout == "random":
            return random(n_features, seed)
        message = f"unknown layout {layout!r}; known: natural, random, a Layout or an index"
        raise DeepMapperError(message)
    if not isinstance(layout, Layout):
        index = np.asarray(layout)
        side = square_side(n_features)
        layout = Layout(index, (side, side), "given")
    if layout.n_features != n_features:
        message = f"the layout holds {layout.n_features} features, the table has {n_features}"
        raise DeepMapperError(message)
    return layout
