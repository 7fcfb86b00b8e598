"""AggMap: one pixel a feature, and correlated features are neighbours."""

import numpy as np
import pytest

pytest.importorskip("umap", reason="optional: pip install umap-learn")

from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from baselines import aggmap
from baselines.aggmap import AggMapConverter, aggmap_layout
from deepmapper.images.placement import assign


@pytest.fixture(scope="module")
def shuffled_images() -> tuple[np.ndarray, np.ndarray]:
    """500 smooth images of 12x12 with shuffled pixels, and the true position of each."""
    rng = np.random.default_rng(0)
    places = np.stack(np.divmod(np.arange(144), 12), axis=1)
    centres = rng.uniform(-2, 14, size=(500, 1, 2))
    images = np.exp(-((places - centres) ** 2).sum(2) / 18)
    order = rng.permutation(144)
    return images[:, order].astype(np.float32), places[order]


@pytest.mark.slow
def test_neighbours_in_the_layout_were_close_in_the_image(
    shuffled_images: tuple[np.ndarray, np.ndarray],
) -> None:
    """Measure the mean distance between the true positions of adjacent pixels."""
    X, places = shuffled_images
    layout = aggmap_layout(X, seed=3)
    assert layout.shape == (12, 12)
    feature_at = np.argsort(layout.pixel_of_feature).reshape(12, 12)
    true = places[feature_at]
    distance = np.linalg.norm(true[:, 1:] - true[:, :-1], axis=2).mean()
    assert distance < 3  # two pixels drawn at random are 6.2 apart
    again = aggmap_layout(X, seed=3)
    np.testing.assert_array_equal(again.pixel_of_feature, layout.pixel_of_feature)


@pytest.mark.slow
def test_neighbours_are_those_of_largest_correlation(monkeypatch: pytest.MonkeyPatch) -> None:
    """UMAP gets the exact neighbours by 1 - correlation, each feature itself first."""
    import umap

    knn = {}

    class Spy(umap.UMAP):
        def fit_transform(self, X: np.ndarray, **others: object) -> np.ndarray:
            knn["index"], knn["distance"] = self.precomputed_knn
            return super().fit_transform(X, **others)

    monkeypatch.setattr(umap, "UMAP", Spy)
    X = np.random.default_rng(0).normal(size=(60, 40)).astype(np.float32)
    aggmap_layout(X, seed=0)
    expected = np.sort(cdist(X.T, X.T, "correlation"), axis=1)[:, :15]
    np.testing.assert_allclose(knn["distance"], expected, atol=1e-5)
    np.testing.assert_array_equal(knn["index"][:, 0], np.arange(40))


def test_the_assignment_is_optimal() -> None:
    """`assign` has the least total squared distance on a plane that fills the grid."""
    plane = np.random.default_rng(0).uniform(size=(30, 2))
    grid = np.stack(np.divmod(np.arange(36), 6), axis=1)
    low, high = np.quantile(plane, [0.01, 0.99], axis=0)
    places = (plane - (low + high) / 2) * 5 / (high - low).max() + 2.5
    cost = cdist(places, grid, "sqeuclidean")
    rows, cells = linear_sum_assignment(cost)
    pixels = assign(plane, (6, 6))
    assert cost[np.arange(30), pixels].sum() == pytest.approx(cost[rows, cells].sum())


def test_constant_features_take_the_pixels_that_are_left(
    shuffled_images: tuple[np.ndarray, np.ndarray],
) -> None:
    X = shuffled_images[0][:, :30].copy()
    X[:, ::2] = 7
    layout = aggmap_layout(X, seed=0)
    assert len(set(layout.pixel_of_feature.tolist())) == 30
    constant = aggmap_layout(np.ones((9, 20), dtype=np.float32), seed=0)
    np.testing.assert_array_equal(constant.pixel_of_feature, np.arange(20))


@pytest.mark.parametrize("p", [aggmap.MIN_FEATURES, 5, 16, 17])
def test_few_features_are_placed_too(p: int) -> None:
    X = np.random.default_rng(p).normal(size=(20, p)).astype(np.float32)
    assert aggmap_layout(X, seed=0).n_features == p


def test_pixels_come_back_as_features(shuffled_images: tuple[np.ndarray, np.ndarray]) -> None:
    X = shuffled_images[0]
    converter = AggMapConverter(aggmap.Params(), random_state=1).fit(X[:300])
    images = converter.transform(X[300:])
    assert images.shape == (200, 1, 12, 12)
    scaled = converter.images_.scaler_.transform(X[300:])
    np.testing.assert_array_equal(converter.to_features(images)[:, 0], scaled)
