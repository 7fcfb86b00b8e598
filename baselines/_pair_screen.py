"""Screen of all pairs of features for products that separate the classes.

Fan, Fan and Lv's independence screening, applied to products of residuals. The score of a pair is
the difference between a class and the rest in the mean of its product, an entry of X'WX with
weights 1 / n_class and -1 / n_rest. X is centred within classes and standardised, so differences of
means do not contribute. A feature paired with itself shows different variances.
"""

import numpy as np
import torch

BLOCK = 512  # features a block: the products of a block with all others fit in memory


def strongest_pairs(X: np.ndarray, codes: np.ndarray, n_best: int) -> np.ndarray:
    """Return the n_best pairs (first <= second), the strongest first, int64 (m, 2).

    X is standardised, float32 (n_samples, n_features). `codes` are classes 0, 1, ..., (n_samples,).
    m may be smaller than n_best. Time is of the order n_samples * n_features^2 for any number of
    classes. Memory is two copies of X and n_classes blocks of 512 x n_features, in float32.
    """
    n_features = X.shape[1]
    parts = [torch.from_numpy(centred) for centred in _residuals(X, codes)]
    best = torch.empty((0, 2), dtype=torch.int64)
    scores = torch.empty(0)
    lowest = 0.0  # score that a new pair has to exceed
    for start in range(0, n_features, BLOCK):
        # Pairs with features before `start` are in the earlier blocks.
        block = _scores([part[:, start:] for part in parts])
        block.triu_()
        if block.max() <= lowest:
            continue
        # The best of each row first: fewer values to sort than the whole block.
        of_rows, columns = block.topk(min(n_best, block.shape[1]), dim=1)
        values, places = of_rows.flatten().topk(min(n_best, of_rows.numel()))
        first = places // of_rows.shape[1]
        pairs = torch.stack([first, columns.flatten()[places]], dim=1) + start
        scores, order = torch.cat([scores, values]).sort(descending=True, stable=True)
        best = torch.cat([best, pairs])[order][:n_best]
        scores = scores[:n_best]
        lowest = float(scores[-1]) if len(scores) == n_best else 0.0
    return best[scores > 0].numpy()


def _residuals(X: np.ndarray, codes: np.ndarray) -> list[np.ndarray]:
    """Return each class minus its mean, in units of the inner spread, cut at 5."""
    parts = [X[codes == c] - X[codes == c].mean(0) for c in range(codes.max() + 1)]
    spread = np.sqrt(sum(np.square(part).sum(0) for part in parts) / len(X))
    factor = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 1e-6)
    return [np.clip(part * factor, -5, 5) for part in parts]


def _scores(parts: list[torch.Tensor]) -> torch.Tensor:
    """Return the largest |z| over classes, (block, n_later), of the products.

    z = (mean in the class - mean in the rest) / (sd * sqrt(1 / n_class + 1 / n_rest)). The sd of a
    product of independent standardised features is 1, that of the square of a normal one sqrt(2).
    """
    n = sum(len(part) for part in parts)
    sums = [part[:, :BLOCK].T @ part for part in parts]
    total = torch.zeros_like(sums[0])
    for of_class in sums:
        total += of_class
    best = torch.zeros_like(total)
    for part, of_class in zip(parts, sums, strict=True):
        n_class, n_rest = len(part), n - len(part)
        scale = (1 / n_class + 1 / n_rest) ** -0.5
        difference = of_class.mul_(scale / n_class + scale / n_rest)
        difference.sub_(total, alpha=scale / n_rest)
        torch.maximum(best, difference.abs_(), out=best)
    best.diagonal().div_(2**0.5)
    return best
