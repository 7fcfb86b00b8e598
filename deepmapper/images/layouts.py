"""Ways to lay features out: natural, random, learned from the rows, by interactions, or given."""

from dataclasses import replace

import numpy as np

from deepmapper.errors import DeepMapperError
from deepmapper.images.layout import Layout, square_side
from deepmapper.training.streams import stream

LAYOUTS = ("natural", "random", "learned", "label_aware")
SURE_PAIR = 0.95  # pairs that chance would bring up are not worth moving features for
LARGEST_PATCHED_SIDE = 64  # from here on the patch network reads 7x7 pixels at once, below 4x4


def looks_at_labels(layout: "str | Layout | np.ndarray") -> bool:
    """Whether `make_layout` needs the classes of the training rows for it."""
    return isinstance(layout, str) and layout == "label_aware"


def needs_rows(layout: "str | Layout | np.ndarray") -> bool:
    """Whether `make_layout` needs the scaled training rows for it."""
    return isinstance(layout, str) and layout in ("learned", "label_aware")


def make_layout(
    layout: "str | Layout | np.ndarray",
    n_features: int,
    seed: int,
    *,
    X: np.ndarray | None = None,
    y: np.ndarray | None = None,
    n_classes: int | None = None,
) -> Layout:
    """The layout that a name, a Layout or an index of pixels asks for.

    Args:
        X: scaled training rows, float32 (n_samples, n_features); for "learned", "label_aware".
        y: class codes 0..n_classes - 1 of these rows; for "label_aware".
        n_classes: how many classes there are; from y where it is None.

    Raises:
        DeepMapperError: an unknown name, a layout for another number of features, or rows or
            classes missing that the layout is made from.
    """
    if isinstance(layout, str):
        return _named(layout, n_features, seed, X, y, n_classes)
    if not isinstance(layout, Layout):
        index = np.asarray(layout)
        side = square_side(n_features)
        layout = Layout(index, (side, side), "given")
    if layout.n_features != n_features:
        message = f"the layout holds {layout.n_features} features, the table has {n_features}"
        raise DeepMapperError(message)
    return layout


def natural(n_features: int) -> Layout:
    """Features row by row, in the order of the table, in the smallest square that holds them."""
    side = square_side(n_features)
    return Layout(np.arange(n_features), (side, side), "natural")


def random(n_features: int, seed: int) -> Layout:
    """Features on pixels drawn at random from the whole square, padding included."""
    side = square_side(n_features)
    pixels = stream(seed, "layout").permutation(side * side)[:n_features]
    return Layout(pixels, (side, side), "random")


def learned(X: np.ndarray, seed: int) -> Layout:
    """Features that go together in the rows X, (n_samples, n_features), side by side.

    Labels are not looked at. Its quality is the share of neighbourhood that was kept.
    """
    from deepmapper.images._layout_scores import neighbour_preservation
    from deepmapper.images._neighbours import feature_graph
    from deepmapper.images.placement import place

    side = square_side(X.shape[1])
    graph = feature_graph(X, seed)
    layout = Layout(place(graph, (side, side), seed), (side, side), "learned")
    return replace(layout, quality=neighbour_preservation(layout, graph))


def label_aware(
    pairs: np.ndarray,
    pair_strength: np.ndarray,
    strength: np.ndarray,
    n_features: int,
    seed: int,
    base: Layout | None = None,
) -> Layout:
    """The base layout with features that interact moved into one patch of the patch network.

    Pairs join, strongest first, into groups no larger than a patch; a pair whose groups together
    are too large stays apart. Each group, strongest first, goes to the patch nearest to where its
    members lie; what was there takes their places, so all else stays as it was.

    Args:
        pairs: int (m, 2), features that interact (see `deepmapper.networks.screen`).
        pair_strength: (m,), only positive ones count.
        strength: (n_features,), marginal strength: where a group has a choice, it goes to the
            place of its marginally strongest member.
        base: where the other features are; natural order where it is None.

    Raises:
        DeepMapperError: pairs of features that do not exist, or sizes that do not match.
    """
    from deepmapper.images._layout_scores import neighbour_preservation
    from deepmapper.images._neighbours import graph_of_pairs
    from deepmapper.interaction_groups import gather, joined

    base = base or natural(n_features)
    pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    _check_pairs(pairs, pair_strength, strength, n_features, base)
    patch = 7 if max(base.shape) >= LARGEST_PATCHED_SIDE else 4
    groups = joined(pairs, pair_strength, patch * patch)
    layout = Layout(gather(base, groups, strength, patch), base.shape, "label_aware")
    graph = graph_of_pairs(pairs, pair_strength, n_features)
    return replace(layout, quality=neighbour_preservation(layout, graph))


def _named(
    name: str,
    n_features: int,
    seed: int,
    X: np.ndarray | None,
    y: np.ndarray | None,
    n_classes: int | None,
) -> Layout:
    if name not in LAYOUTS:
        message = f"unknown layout {name!r}; known: {', '.join(LAYOUTS)}, a Layout or an index"
        raise DeepMapperError(message)
    if name == "natural":
        return natural(n_features)
    if name == "random":
        return random(n_features, seed)
    if X is None or X.ndim != 2 or X.shape[1] != n_features:
        got = "none" if X is None else f"shape {X.shape}"
        message = f"the layout {name!r} is made from rows of {n_features} features, got {got}"
        raise DeepMapperError(message)
    if name == "learned":
        return learned(X, seed)
    if y is None or len(y) != len(X):
        n_codes = "none" if y is None else str(len(y))
        message = (
            f"the layout {name!r} is made from a class for each of {len(X)} rows, got {n_codes}"
        )
        raise DeepMapperError(message)
    import torch

    from deepmapper.networks.screen import screen

    codes = torch.from_numpy(np.asarray(y, dtype=np.int64))
    rows = torch.from_numpy(np.ascontiguousarray(X, dtype=np.float32))
    seen = screen(rows, codes, n_classes or int(codes.max()) + 1, seed=seed)
    sure = seen.pair_sureness() > SURE_PAIR
    return label_aware(seen.pairs[sure], seen.pair_strength[sure], seen.strength, n_features, seed)


def _check_pairs(
    pairs: np.ndarray, pair_strength: np.ndarray, strength: np.ndarray, p: int, base: Layout
) -> None:
    if pairs.size and (pairs.min() < 0 or pairs.max() >= p):
        message = f"pairs name features 0..{p - 1}, got {pairs.min()}..{pairs.max()}"
        raise DeepMapperError(message)
    if len(pair_strength) != len(pairs) or len(strength) != p or base.n_features != p:
        message = (
            f"a strength for each of {len(pairs)} pairs and {p} features, and a base layout of as "
            f"many, got {len(pair_strength)}, {len(strength)} and {base.n_features}"
        )
        raise DeepMapperError(message)
