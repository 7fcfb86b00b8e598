"""Stability of the named features: do other rows of the same table name the same features?

The measure is the Jaccard index of the sets of the 20 strongest features of two seeds: the number
of features in both, divided by the number in either. It is averaged over the pairs of seeds whose
tables are equal. A table drawn again for each seed has other needles, and no stability.
"""

from collections import defaultdict
from itertools import combinations

import numpy as np

from bench.metrics import TOP, feature_strength
from reports.results import Group, Results
from reports.topics import Source

KEPT = 100  # features in a published topic


def strongest(attributions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the `KEPT` strongest features and their strengths, ties by index."""
    strength = feature_strength(attributions).astype(np.float32)
    order = np.argsort(-strength, kind="stable")[:KEPT]
    return order.astype(np.int32), strength[order]


def stabilities(results: Results) -> dict[tuple[str, str], float]:
    """Return (dataset, method) -> the mean Jaccard index, if two seeds have the same table."""
    groups = [group for dataset in results.datasets for group in results.groups(dataset)]
    values = {(group.dataset, group.method): _stability(results, group) for group in groups}
    return {labels: value for labels, value in values.items() if value is not None}


def _stability(results: Results, group: Group) -> float | None:
    by_table = defaultdict(list)
    for cell in group.ok:
        if features := _named_features(results.source, cell["key"]):
            by_table[results.records[cell["key"]]["dataset"]["checksum"]].append(features)
    pairs = [pair for sets in by_table.values() for pair in combinations(sets, 2)]
    return float(np.mean([len(a & b) / len(a | b) for a, b in pairs])) if pairs else None


def _named_features(source: Source, key: str) -> set[int]:
    """Return the features that are among the 20 strongest. Ties get the worst rank."""
    features, strengths = source.array(key, "top_features"), source.array(key, "top_strengths")
    attributions = source.array(key, "attributions")
    if attributions is not None:
        features, strengths = strongest(attributions)
    if features is None or strengths is None:
        return set()
    limit = strengths[TOP] if len(strengths) > TOP else 0.0
    return set(features[strengths > limit].tolist())
