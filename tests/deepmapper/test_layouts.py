"""Layouts give each feature a pixel. Learned ones keep related features together."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage, sparse

from deepmapper import DeepMapperClassifier, DeepMapperError, Layout
from deepmapper.images import _neighbours as neighbours
from deepmapper.images import placement
from deepmapper.images._neighbours import (
    FeatureGraph,
    feature_graph,
    graph_has_neighbourhoods,
    strongest_products,
)
from deepmapper.images.converter import ImageConverter
from deepmapper.images.layouts import learned, make_layout, natural, random, square_side
from deepmapper.images.placement import neighbour_preservation


def smooth_images(n: int, side: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(n, side + 8, side + 8))
    images = ndimage.gaussian_filter(noise, (0, 1.2, 1.2))[:, 4:-4, 4:-4]
    return images.reshape(n, -1).astype(np.float32)


def graph_of(n_features: int, *ties: tuple[int, int]) -> FeatureGraph:
    weights = np.zeros((n_features, n_features), dtype=np.float32)
    for a, b in ties:
        weights[a, b] = weights[b, a] = 1.0
    return FeatureGraph(sparse.csr_matrix(weights))


def adjacency_recovered(layout: Layout, order: np.ndarray) -> float:
    """The share of adjacent pixels that are adjacent again after shuffle and layout."""
    side = layout.shape[1]
    feature = np.argsort(order).reshape(side, side)
    rows, columns = np.divmod(layout.pixel_of_feature, side)
    pairs = [(feature[1:], feature[:-1]), (feature[:, 1:], feature[:, :-1])]
    steps = [
        np.maximum(abs(rows[a] - rows[b]), abs(columns[a] - columns[b])).ravel() for a, b in pairs
    ]
    return float((np.concatenate(steps) <= 1).mean())


def table(n: int, p: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, p)).astype(np.float32)


def test_a_learned_layout_restores_shuffled_images() -> None:
    side, X = 12, smooth_images(3000, 12, 0)
    order = np.random.default_rng(1).permutation(side * side)
    layout = learned(X[:, order], seed=0)
    assert adjacency_recovered(layout, order) > 0.9
    assert adjacency_recovered(random(side * side, 0), order) < 0.2
    assert layout.quality is not None
    assert layout.quality > 0.8


def test_a_graph_of_many_features_gives_a_layout_of_the_same_quality(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Small limits make 256 features use the approximations for 60,000."""
    monkeypatch.setattr(neighbours, "LARGEST_INVERSE", 10)
    monkeypatch.setattr(placement, "LARGEST_ASSIGNMENT", 10)
    monkeypatch.setattr(placement, "PATH_BUDGET", 256 * 60)
    monkeypatch.setattr(placement, "REPULSION_BUDGET", 256 * 64)
    X = smooth_images(1000, 16, 0)
    order = np.random.default_rng(1).permutation(256)
    layout = learned(X[:, order], seed=0)
    assert adjacency_recovered(layout, order) > 0.8


def test_constant_features_get_the_pixels_that_are_left() -> None:
    X = smooth_images(1000, 8, 0)
    X[:, [3, 40]] = 7.0
    graph = feature_graph(X, 0)
    assert set(graph.tied) == set(range(64)) - {3, 40}
    assert sorted(learned(X, 0).pixel_of_feature) == list(range(64))


@pytest.mark.parametrize("p", [1, 2, 3, 4, 5, 10])
@pytest.mark.parametrize("n", [1, 2, 3, 50])
def test_the_smallest_tables_have_a_layout(n: int, p: int) -> None:
    assert learned(table(n, p, 0), 0).n_features == p
    assert learned(np.repeat(table(n, 1, 0), p, axis=1), 0).n_features == p  # all columns equal
    assert learned(np.ones((n, p), dtype=np.float32), 0).quality is None


def test_partial_correlations_are_those_of_the_shrunk_inverse() -> None:
    X = smooth_images(500, 5, 0).astype(np.float64)
    shrunk = np.corrcoef(X.T) + neighbours.RIDGE * np.eye(25)
    inverse = np.linalg.inv(shrunk)
    for i in range(25):
        partial = -inverse[i] / np.sqrt(inverse[i, i] * np.diag(inverse))
        partial[i] = -np.inf
        strongest = np.argsort(-partial)[:3]
        row = feature_graph(X.astype(np.float32), 0, 3).weights[i].toarray()[0]
        np.testing.assert_allclose(row[strongest], partial[strongest], rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("block_elements", [1, 700, 10**6])
def test_strongest_products_are_exact_for_any_block_size(block_elements: int) -> None:
    vectors = torch.from_numpy(table(90, 20, 0))
    index, value = strongest_products(vectors, 4, block_elements)
    products = (vectors @ vectors.T).numpy()
    np.fill_diagonal(products, -np.inf)
    expected = -np.sort(-products, axis=1)[:, :4]
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(products, index, 1), expected, rtol=1e-5)


def test_no_block_of_products_is_p_by_p(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []
    topk = torch.Tensor.topk

    def record_topk(self: torch.Tensor, *args: object, **kwargs: object) -> object:
        shapes.append(tuple(self.shape))
        return topk(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.Tensor, "topk", record_topk)
    strongest_products(torch.from_numpy(table(400, 8, 0)), 3, block_elements=4000)
    assert max(rows * columns for rows, columns in shapes) <= 4000


def quality(layout: Layout, graph: FeatureGraph) -> float | None:
    return neighbour_preservation(graph, layout.pixel_of_feature, layout.shape)


def test_preservation_is_1_for_adjacent_pairs_and_none_without_pairs() -> None:
    touching, apart, nothing = (graph_of(36, *ties) for ties in (((0, 1), (5, 11)), ((0, 35),), ()))
    assert quality(natural(36), touching) == 1.0
    assert quality(natural(36), apart) == 0.0
    assert quality(natural(36), nothing) is None


def test_preservation_of_random_layouts_is_near_zero() -> None:
    graph = feature_graph(smooth_images(500, 14, 0), 0)
    assert max(quality(random(196, seed), graph) or 0.0 for seed in range(5)) < 0.05
    assert (quality(natural(196), graph) or 0.0) > 0.9


def test_a_learned_layout_needs_rows_of_the_right_width() -> None:
    X = table(20, 9, 0)
    with pytest.raises(DeepMapperError, match="made from rows of 9 features, got none"):
        make_layout("learned", 9, 0)
    with pytest.raises(DeepMapperError, match=r"rows of 8 features, got shape \(20, 9\)"):
        make_layout("learned", 8, 0, X=X)


def blocks(n: int, p: int, size: int, seed: int) -> np.ndarray:
    """Blocks of features that share half of their variance."""
    rng = np.random.default_rng(seed)
    shared = np.repeat(rng.normal(size=(n, p // size)), size, axis=1)
    return (shared + rng.normal(size=shared.shape)).astype(np.float32)


def signals(n: int, p: int, seed: int) -> np.ndarray:
    """Smooth signals, sampled p times."""
    noise = np.random.default_rng(seed).normal(size=(n, p))
    return ndimage.gaussian_filter1d(noise, 2.0, axis=1).astype(np.float32)


@pytest.mark.parametrize("X", [smooth_images(300, 24, 0), signals(250, 600, 0)])
def test_automatic_layouts_restore_images_and_signals(X: np.ndarray) -> None:
    order = np.random.default_rng(1).permutation(X.shape[1])
    layout = ImageConverter("auto").fit(X[:, order]).layout_
    assert layout.name == "learned"
    given = ImageConverter("learned").fit(X[:, order]).layout_
    assert make_layout("auto", X.shape[1], 0, X=X[:, order]).name == "learned"
    np.testing.assert_array_equal(layout.pixel_of_feature, given.pixel_of_feature)


@pytest.mark.parametrize(
    "X",
    [
        table(300, 600, 0),
        *(blocks(300, 600, size, 0) for size in (2, 5, 9, 20, 50, 300)),
        table(300, 3, 0) @ table(3, 600, 1) + table(300, 600, 2),  # three factors
        smooth_images(199, 24, 0),  # too few rows
        smooth_images(300, 12, 0),  # too few features
        np.ones((300, 600), dtype=np.float32),
    ],
)
def test_automatic_layouts_of_other_tables_are_natural(X: np.ndarray) -> None:
    assert ImageConverter("auto").fit(X).layout_.name == "natural"
    assert make_layout("auto", X.shape[1], 0, X=X).name == "natural"
    np.testing.assert_array_equal(
        ImageConverter("auto").fit_transform(X), ImageConverter("natural").fit_transform(X)
    )


def test_features_without_ties_have_no_neighbourhoods() -> None:
    assert not graph_has_neighbourhoods(graph_of(36))
    ring = [(i, (i + step) % 36) for i in range(36) for step in (1, 2, 3)]
    assert graph_has_neighbourhoods(graph_of(36, *ring))


def test_the_network_reads_neighbours_only_of_a_learned_layout() -> None:
    X, y = smooth_images(200, 17, 0), np.arange(200) % 2
    for layout, backbone, gate in (("auto", "cnn_small", False), ("natural", "patch", True)):
        model = DeepMapperClassifier(layout=layout, passes=1, random_state=0).fit(X, y)
        assert (model.classifier_.backbone, model.classifier_.gate) == (backbone, gate)


@given(st.integers(1, 400), st.integers(0, 2**31), st.sampled_from(["natural", "random"]))
def test_unfold_inverts_fold(n_features: int, seed: int, name: str) -> None:
    layout = make_layout(name, n_features, seed)
    X = np.random.default_rng(seed).normal(size=(3, n_features)).astype(np.float32)
    images = layout.fold(X)
    assert images.shape == (3, 1, *layout.shape)
    np.testing.assert_array_equal(layout.unfold(images)[:, 0], X)
    assert np.count_nonzero(images) == np.count_nonzero(X)  # padding is zero
    np.testing.assert_array_equal(layout.fold(torch.from_numpy(X)).numpy(), images)
    np.testing.assert_array_equal(layout.unfold(torch.from_numpy(images)).numpy()[:, 0], X)


@given(st.integers(1, 10**6))
def test_the_square_is_the_smallest_that_holds_all(n_features: int) -> None:
    side = square_side(n_features)
    assert (side - 1) ** 2 < n_features <= side**2


def test_natural_order_is_row_by_row() -> None:
    image = natural(5).fold(np.arange(1.0, 6.0)[None])[0, 0]
    np.testing.assert_array_equal(image, [[1, 2, 3], [4, 5, 0], [0, 0, 0]])


def test_random_layouts_differ_by_seed_and_repeat() -> None:
    first, again, other = random(100, 1), random(100, 1), random(100, 2)
    np.testing.assert_array_equal(first.pixel_of_feature, again.pixel_of_feature)
    assert (first.pixel_of_feature != other.pixel_of_feature).any()


@pytest.mark.parametrize(
    ("pixels", "match"),
    [([0, 0, 1], "more than one feature"), ([0, 9], "pixels 0..3"), ([-1, 0], "pixels 0..3")],
)
def test_an_index_that_is_no_layout_is_refused(pixels: list[int], match: str) -> None:
    with pytest.raises(DeepMapperError, match=match):
        Layout(np.array(pixels), (2, 2))


def test_wrong_sizes_are_named() -> None:
    with pytest.raises(DeepMapperError, match="4 features"):
        natural(4).fold(np.zeros((2, 5)))
    with pytest.raises(DeepMapperError, match="holds 4 features, the table has 5"):
        make_layout(natural(4), 5, 0)
    with pytest.raises(DeepMapperError, match="known: auto, natural, random"):
        make_layout("spiral", 5, 0)
    with pytest.raises(DeepMapperError, match=r"unfolds images of \(2, 2\)"):
        natural(4).unfold(np.zeros((2, 3, 3)))
