"""A sparse graph of features: the strongest partial correlations.

Two distant pixels are correlated because all pixels between them are. So the correlation finds a
vicinity. The partial correlation, -W_ij / sqrt(W_ii W_jj) of the inverse W of the shrunk
correlation matrix R + ridge * I, finds direct neighbours (Ledoit & Wolf 2004, Schäfer & Strimmer
2005).

With far more features than samples the inverse is mostly noise, and the correlation is used. On
TCGA (two halves of 182 samples, 8,000 genes) the eight neighbours of a gene agree between the
halves in 24% by correlation and in 8% by partial correlation with a ridge of 0.3. Larger ridges are
in between.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from deepmapper.training.devices import has_bfloat16
from deepmapper.training.streams import stream

N_NEIGHBOURS = 8  # a pixel touches eight pixels
# With p <= 784 from 20,000 or 60,000 images and any ridge from 0.03 to 0.3, 92 to 93% of the four
# true neighbours of a pixel are among the four strongest. 0.3 has the fewest wrong ones.
RIDGE = 0.3
MOST_FEATURES_A_SAMPLE = 10  # with more, correlation (see above)
LARGEST_INVERSE = 4096  # a larger p x p matrix is not inverted (64 MiB in float32)
ROW_BUDGET = 2e11  # multiply-adds of Z'Z: 60,000 rows of 784 features use a fifth
# More rows hardly improve the ranking of thousands of candidates: the sd of a correlation is 0.03.
# The search costs p * p * dimensions multiply-adds. The budget is about 5 s on two cores that
# multiply bfloat16.
LARGEST_GRAM = 1024
SEARCH_BUDGET = 5e11
BLOCK_ELEMENTS = 1 << 25  # similarities in memory at a time: 64 MiB in bfloat16
# Products in bfloat16 have three digits: this multiple of candidates is computed again in float32.
CANDIDATES = 3
WEAKEST = 1e-3  # weaker ties are left out
# When features are taken for the samples of a signal or the pixels of an image. Of 17 tables, the
# spoken digits, EEG and MNIST have shares of 0.72 to 0.85 and 0.94 to 1.00. Gene expression, counts
# of species, mutations and words have at most 0.41 and 0.86, genomic order (`gravier`) 0.60 and
# 0.94. Blocks of correlated features can have 1.00 and 1.00, but their groups are small.
FEWEST_FEATURES = 256
SAMPLES = ((64, 0.2), (256, 0.0))  # sampled features, and by how much less they may share
MUTUAL, SHARED = 0.65, 0.8  # shares of ties: in both directions, with a common neighbour
PRODUCTS = 1 << 23  # in memory at a time: 32 MiB
COMMON_NEIGHBOURS = 3
LARGEST_GROUP = 0.5  # share of the features with ties
# Rows that decide, and their values: 128 MiB.
FEWEST_ROWS, MOST_ROWS, MOST_VALUES = 200, 512, 1 << 25
TIED_ROWS = 256  # rows of ties whose common neighbours are in memory


@dataclass(frozen=True)
class FeatureGraph:
    """Ties between features.

    weights: symmetric CSR, float32 (n_features, n_features), positive, no diagonal.
    """

    weights: sparse.csr_matrix

    @property
    def n_features(self) -> int:
        return self.weights.shape[0]

    @property
    def tied(self) -> np.ndarray:
        """Indices of the features that have a neighbour."""
        return np.flatnonzero(np.diff(self.weights.indptr))

    def among(self, features: np.ndarray) -> "FeatureGraph":
        """The subgraph of these features."""
        return FeatureGraph(self.weights[features][:, features].tocsr())


def feature_graph(X: np.ndarray, seed: int, n_neighbours: int = N_NEIGHBOURS) -> FeatureGraph:
    """Tie each feature to those of largest positive partial correlation, given X.

    X is float32 (n_samples, n_features), finite. If it has many rows, a sample drawn by `seed` is
    used. A constant feature has no ties.
    """
    n, p = X.shape
    n_rows = min(n, LARGEST_GRAM if p > LARGEST_INVERSE else int(ROW_BUDGET / p**2))
    if n_rows < n:
        X = X[np.sort(stream(seed, "layout", "rows").choice(n, n_rows, replace=False))]
    Z, varies = _standardise(torch.from_numpy(np.ascontiguousarray(X, dtype=np.float32)))
    k = min(n_neighbours, len(varies) - 1)
    if k < 1 or len(Z) < 2:
        return FeatureGraph(sparse.csr_matrix((p, p), dtype=np.float32))
    if len(varies) <= min(LARGEST_INVERSE, MOST_FEATURES_A_SAMPLE * len(Z)):
        index, similarity = _rank_by_partial_correlation(Z, k)
    else:
        index, similarity = strongest_products(_correlation_vectors(Z), k)
    return _symmetrise(varies, index, similarity, p)


def sample_rows(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """The rows for `sample_has_neighbourhoods`, ascending. Empty if fewer than 200 are possible.

    `shape` is that of the table, (n_samples, n_features).
    """
    n_samples, n_features = shape
    n_rows = min(n_samples, MOST_ROWS, MOST_VALUES // n_features)
    if n_rows < FEWEST_ROWS:
        return np.empty(0, dtype=np.int64)
    return np.sort(np.random.default_rng(seed).permutation(n_samples)[:n_rows])


def sample_has_neighbourhoods(X: np.ndarray, seed: int) -> bool:
    """Whether a sample of the features has neighbours as those of a signal or an image.

    There, a near feature is near in both directions, and has other near features in common. In gene
    expression a few features are near to very many, and by chance neighbours share none. X is
    float32 (n_samples, n_features). Fewer than 256 features that vary are too few.
    """
    Z, varies = _standardise(torch.from_numpy(np.ascontiguousarray(X, dtype=np.float32)))
    if len(varies) < FEWEST_FEATURES:
        return False
    vectors = torch.nn.functional.normalize(Z.T, dim=1)

    def nearest(features: np.ndarray) -> np.ndarray:
        parts = []
        for part in torch.from_numpy(features).split(max(1, PRODUCTS // len(vectors))):
            products = vectors[part] @ vectors.T
            products[torch.arange(len(part)), part] = -torch.inf
            parts.append(products.topk(N_NEIGHBOURS, dim=1).indices)
        return torch.cat(parts).numpy()

    order = stream(seed, "layout", "sample").permutation(len(varies))
    for n_features, tolerance in SAMPLES:  # most tables fail clearly, with few features
        sample = order[:n_features]
        near = nearest(sample)
        others = np.unique(near)
        near_other = nearest(others)[np.searchsorted(others, near)]  # (sample, neighbours, their)
        is_mutual = (near_other == sample[:, None, None]).any(2)
        has_common = (near_other[..., None] == near[:, None, None, :]).any((2, 3))
        if is_mutual.mean() < MUTUAL - tolerance or has_common.mean() < SHARED - tolerance:
            return False
    return True


def graph_has_neighbourhoods(graph: FeatureGraph) -> bool:
    """Whether ties whose ends have common neighbours join most features that have ties.

    Neighbourhoods of a signal or an image overlap and cover all of it. Blocks of correlated
    features are many small groups.
    """
    if not len(graph.tied):
        return False
    ties = (graph.weights > 0).astype(np.float32)
    parts = (ties[start : start + TIED_ROWS] for start in range(0, graph.n_features, TIED_ROWS))
    common = sparse.vstack([(part @ ties).multiply(part) >= COMMON_NEIGHBOURS for part in parts])
    _, group = connected_components(common, directed=False)
    return bool(np.bincount(group).max() >= LARGEST_GROUP * len(graph.tied))


def ranked_ties(graph: FeatureGraph) -> tuple[np.ndarray, np.ndarray]:
    """Order the ties by feature, the strongest first. Rank them within each feature."""
    weights = graph.weights
    source = np.repeat(np.arange(graph.n_features), np.diff(weights.indptr))
    order = np.lexsort((-weights.data, source))
    return order, np.arange(len(order)) - weights.indptr[source]


def strongest_products(
    vectors: torch.Tensor, k: int, block_elements: int = BLOCK_ELEMENTS
) -> tuple[np.ndarray, np.ndarray]:
    """The k largest inner products of each vector with the others.

    Parameters
    ----------
    vectors : float32 tensor of shape (p, n_dimensions)
    k : int
        Number of products per vector, at most p - 1.
    block_elements : int, default=2**25
        Maximum number of products in memory.

    Returns
    -------
    index, value : int64 array and float32 array of shape (p, k)
        The other vectors and their products.
    """
    p = len(vectors)
    rough = vectors.bfloat16() if has_bfloat16() else vectors
    n_candidates = min(p, CANDIDATES * k + 1)  # the vector itself is among them
    block = max(1, block_elements // p)
    index = np.empty((p, k), dtype=np.int64)
    value = np.empty((p, k), dtype=np.float32)
    for start in range(0, p, block):
        rows = slice(start, min(start + block, p))
        products = rough[rows] @ rough.T  # (block, p)
        candidates = products.topk(n_candidates, dim=1, sorted=False).indices
        exact = torch.bmm(vectors[candidates], vectors[rows, :, None])[..., 0]
        own = candidates == torch.arange(rows.start, rows.stop)[:, None]
        best = exact.masked_fill_(own, -torch.inf).topk(k, dim=1)
        index[rows] = candidates.gather(1, best.indices).numpy()
        value[rows] = best.values.numpy()
    return index, value


def _standardise(X: torch.Tensor) -> tuple[torch.Tensor, np.ndarray]:
    """Columns of mean 0 and sd 1, and their indices. Constant columns are left out."""
    sd, mean = torch.std_mean(X, dim=0, correction=0)
    varies = sd > 1e-6 * (1 + mean.abs())
    if bool(varies.all()):
        return (X - mean).div_(sd), np.arange(X.shape[1])
    return (X[:, varies] - mean[varies]).div_(sd[varies]), torch.nonzero(varies).ravel().numpy()


def _rank_by_partial_correlation(Z: torch.Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    n, p = Z.shape
    correlation = Z.T @ Z / n
    # With fewer samples than features, each of the n directions of the sample has an eigenvalue of
    # about p / n by chance (Marchenko & Pastur 1967). A smaller ridge would fit noise. For 100 to
    # 4,000 images of MNIST, no other ridge finds clearly more of the true neighbours.
    correlation.diagonal().add_(RIDGE * max(1.0, p / n))
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(correlation))
    scale = inverse.diagonal().rsqrt()
    partial = inverse.mul_(-scale[:, None]).mul_(scale)
    partial.fill_diagonal_(-torch.inf)
    best = partial.topk(k, dim=1)
    return best.indices.numpy(), best.values.numpy()


def _correlation_vectors(Z: torch.Tensor) -> torch.Tensor:
    """Unit vectors, float32 (p, dimensions), with the correlations as inner products.

    If `SEARCH_BUDGET` allows fewer dimensions than rows, the principal components of least variance
    are left out.
    """
    n, p = Z.shape
    dimensions = max(1, int(SEARCH_BUDGET / p**2))
    if dimensions >= n:
        vectors = Z.T.contiguous()
    else:
        _, directions = torch.linalg.eigh((Z @ Z.T).double())  # ascending
        vectors = Z.T @ directions[:, -dimensions:].float()
    return torch.nn.functional.normalize(vectors, dim=1)


def _symmetrise(
    features: np.ndarray, index: np.ndarray, similarity: np.ndarray, n_features: int
) -> FeatureGraph:
    strong = similarity > WEAKEST
    source = np.repeat(features, strong.sum(1))
    entries = (similarity[strong], (source, features[index[strong]]))
    one_way = sparse.csr_matrix(entries, (n_features, n_features), dtype=np.float32)
    return FeatureGraph(one_way.maximum(one_way.T).tocsr())
