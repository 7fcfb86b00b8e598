"""Layouts are invertible, one pixel a feature, zero elsewhere."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepmapper import DeepMapperError, Layout
from deepmapper.images.layouts import make_layout, natural, random, square_side


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


def test_the_papers_sizes() -> None:
    assert [square_side(p) for p in (784, 18_225, 19_319, 56_537)] == [28, 135, 139, 238]


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
    with pytest.raises(DeepMapperError, match="known: natural, random"):
        make_layout("spiral", 5, 0)
    with pytest.raises(DeepMapperError, match=r"unfolds images of \(2, 2\)"):
        natural(4).unfold(np.zeros((2, 3, 3)))
