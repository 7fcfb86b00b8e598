"""AggMap with several channels: clusters of features, each with a map of its own."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from baselines import aggmap
from baselines.aggmap import AggMapConverter, Params, clusters
from bench.run.outputs import attribute
from deepmapper.errors import DeepMapperError
from deepmapper.images.converter import ImageConverter
from deepmapper.images.layouts import Layout

N_CLUSTERS = 4


@pytest.fixture(autouse=True)
def plane(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random plane instead of UMAP's, whose compilation takes long."""
    draw = np.random.default_rng(7)
    monkeypatch.setattr(aggmap, "_plane", lambda X, *others: draw.uniform(size=(X.shape[1], 2)))


@pytest.fixture
def blocks() -> np.ndarray:
    """Forty features: ten copies with noise of each of four independent ones."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(80, N_CLUSTERS))
    return (np.repeat(factors, 10, axis=1) + 0.3 * rng.normal(size=(80, 40))).astype(np.float32)


def are_same_partition(first: np.ndarray, second: np.ndarray) -> bool:
    return bool(((first[:, None] == first) == (second[:, None] == second)).all())


def test_features_are_clustered_by_complete_linkage_of_correlation(blocks: np.ndarray) -> None:
    X = np.random.default_rng(1).normal(size=(30, 25)).astype(np.float32)
    tree = linkage(pdist(X.T, "correlation"), "complete")
    assert are_same_partition(clusters(X, 5, seed=0), fcluster(tree, 5, "maxclust"))
    assert are_same_partition(clusters(blocks, N_CLUSTERS, 0), np.arange(40) // 10)


def test_features_that_are_not_clustered_join_the_most_correlated_cluster(
    blocks: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggmap, "MOST_CLUSTERED", 24)
    assert are_same_partition(clusters(blocks, N_CLUSTERS, seed=2), np.arange(40) // 10)


def test_constant_features_and_few_features_have_a_channel_too(blocks: np.ndarray) -> None:
    blocks[:, 5] = 3
    assert clusters(blocks, N_CLUSTERS, 0)[5] == 0
    assert clusters(blocks[:, :2], 5, 0).max() < 5
    np.testing.assert_array_equal(clusters(np.ones((9, 6), dtype=np.float32), 5, 0), np.zeros(6))


def test_channels_add_up_to_the_map_of_one_channel(blocks: np.ndarray) -> None:
    converter = AggMapConverter(Params(channels=N_CLUSTERS)).fit(blocks)
    images = converter.transform(blocks)
    layout = converter.images_.layout_
    pixels = layout.pixel_of_feature % 49
    one = ImageConverter(Layout(pixels, (7, 7))).fit(blocks).transform(blocks)
    assert images.shape == (80, 1, N_CLUSTERS * 7, 7)
    channels = images.reshape(80, N_CLUSTERS, 7, 7)
    np.testing.assert_array_equal(channels.sum(1), one[:, 0])
    assert ((channels != 0).sum(1) <= 1).all()
    assert [int((channels[:, c] != 0).any(0).sum()) for c in range(N_CLUSTERS)] == [10] * 4


def test_a_pixel_comes_back_as_the_feature_of_its_channel(blocks: np.ndarray) -> None:
    converter = AggMapConverter(Params(channels=N_CLUSTERS)).fit(blocks)
    scaled = converter.images_.scaler_.transform(blocks)
    images = converter.transform(blocks)
    np.testing.assert_array_equal(converter.to_features(images)[:, 0], scaled)


def test_channels_need_a_network_that_reads_them() -> None:
    with pytest.raises(DeepMapperError, match="channels=3 needs backbone='cnn_small'"):
        aggmap.build(Params(channels=3), device="cpu", seed=0)
    assert aggmap.n_channels(Params(recipe="published")) == 5
    assert aggmap.n_channels(Params(recipe="published", channels=1)) == 1


def test_the_shared_network_reads_channels_and_names_a_planted_feature(blocks: np.ndarray) -> None:
    y = np.arange(80) % 2
    blocks[:, 23] += 5 * y
    params = Params(channels=N_CLUSTERS, backbone="cnn_small", passes=1)
    pipeline = aggmap.build(params, device="cpu", seed=0)
    convert, model = pipeline["convert"].fit(blocks), pipeline["model"]
    Z = convert.transform(blocks)
    model.fit(Z, y)
    first = next(w for w in model.networks_[0].parameters() if w.ndim == 4 and w.shape[0] == 16)
    assert first.shape[1] == N_CLUSTERS
    values = attribute(convert, model, Z, y, 2)
    assert values is not None
    assert 23 in np.argsort(-values.sum(0))[:8]
