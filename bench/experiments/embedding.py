"""The embedder, which has no labels, against plain methods without labels.

`clusters`: the agreement of k-means on ten dimensions with the classes (adjusted Rand index), for
the embedder, PCA and UMAP of the same scaled rows.

`unlabelled`: how well the markers of simulated expression are named without labels (area under the
precision-recall curve), by the embedder, the variance of logarithms, and the Laplacian score (He,
Cai & Niyogi, NIPS 2005).
"""

from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, average_precision_score
from sklearn.neighbors import kneighbors_graph

from bench.experiments.runner import (
    cases_of_expression,
    experiment,
    grid,
    load_choice,
    load_table,
)
from deepmapper import DeepMapperEmbedder
from deepmapper.images.scaling import FeatureScaler

DIMENSIONS = 10
N_NEIGHBOURS = 10
SIZES = ((900, 5_000, 6), (273, 20_000, 6), (75, 20_000, 2))  # samples, features, classes


@experiment(
    "adjusted Rand index of the embedder at least that of PCA and of UMAP on 3 of 4 tables",
    grid(
        "{table}_seed_{seed}",
        table=("digits", "tcga", "cell_cycle", "baron_mouse"),
        seed=range(3),
    ),
)
def clusters(table: str, seed: int) -> dict[str, Any]:
    from umap import UMAP

    is_wide = table in ("cell_cycle", "baron_mouse")
    loaded = load_choice("wide", table) if is_wide else load_table(table)
    X = np.asarray(loaded.X, dtype=np.float32)
    scaled = FeatureScaler().fit_transform(X)
    settings: dict[str, Any] = {"n_components": DIMENSIONS, "random_state": seed}
    embeddings = {
        "embedder": DeepMapperEmbedder(device="cpu", **settings).fit(X).transform(X),
        "pca": PCA(**settings).fit_transform(scaled),
        "umap": UMAP(n_jobs=1, **settings).fit_transform(scaled),
    }
    k_means = KMeans(loaded.n_classes, n_init=10, random_state=seed)
    return {
        name: float(adjusted_rand_score(loaded.y, k_means.fit_predict(values)))
        for name, values in embeddings.items()
    }


@experiment(
    "area under the precision-recall curve of the embedder at least that of the variance and of "
    "the Laplacian score",
    cases_of_expression(SIZES),
)
def unlabelled(seed: int, **sizes: int) -> dict[str, Any]:
    table = load_table("expression", seed=seed, **sizes)
    n_features = table.n_features
    X = np.asarray(table.X, dtype=np.float32)
    model = DeepMapperEmbedder(passes=5, device="cpu", random_state=seed).fit(X)
    of_embedder = np.empty(n_features)
    names = {f"x{i}": i for i in range(n_features)}
    of_embedder[[names[name] for name in model.attributions_["feature"]]] = model.attributions_[
        "score"
    ]
    scores = {
        "embedder": of_embedder,
        "variance": np.log1p(X).var(0),
        "laplacian": -laplacian_score(FeatureScaler().fit_transform(X)),
    }
    is_marker = np.isin(np.arange(n_features), table.relevant)
    return {
        name: float(average_precision_score(is_marker, values)) for name, values in scores.items()
    }


def laplacian_score(X: np.ndarray) -> np.ndarray:
    """The Laplacian score of each feature, (n_features,): small if near rows have near values.

    X is (n_samples, n_features). Rows are near if one is among the ten nearest of the other.
    """
    graph = kneighbors_graph(X, N_NEIGHBOURS)
    graph = graph.maximum(graph.T)
    degree = np.asarray(graph.sum(1))
    centred = X - (degree * X).sum(0) / degree.sum()
    spread = (degree * centred**2).sum(0)
    shared = (centred * (graph @ centred)).sum(0)
    return (spread - shared) / np.maximum(spread, 1e-12)
