"""Attributions as stored: of all features, or of the strongest of a result that was published."""

import numpy as np


def mean_strengths(arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Features and their strengths: each class's attributions, absolute, averaged over classes.

    Of all features, or of those that `reports.publish` kept: the strongest of each class.
    """
    if "attributions" in arrays:
        values = arrays["attributions"]
        return np.arange(values.shape[1]), np.abs(values).mean(0)
    if "top_features" in arrays:
        return arrays["top_features"], np.abs(arrays["top_values"]).mean(0)
    return np.empty(0, dtype=np.int64), np.empty(0)


def strongest(arrays: dict[str, np.ndarray], n: int) -> tuple[np.ndarray, np.ndarray]:
    """The n strongest features and their strengths, the strongest first; ties by index."""
    features, strengths = mean_strengths(arrays)
    order = np.lexsort((features, -strengths))[:n]
    return features[order], strengths[order]
