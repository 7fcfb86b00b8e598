"""A table with known needles, the estimator with its default settings, and what it found."""

import time
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from bench.catalog import table_entry
from bench.experiments.runner import of_seeds
from deepmapper import DeepMapperClassifier

TEST_SHARE = 0.25


def measure_needles(
    generator: str, parameters: dict[str, Any], seed: int, device: str = "cpu"
) -> dict[str, Any]:
    """Accuracy on a quarter of the rows, ranks of the needles, seconds to attribution."""
    table = table_entry(generator).load().load(seed=seed, **parameters)
    X, X_test, y, y_test = train_test_split(
        table.X, table.y, test_size=TEST_SHARE, stratify=table.y, random_state=seed
    )
    start = time.perf_counter()
    model = DeepMapperClassifier(device=device, random_state=seed).fit(X, y)
    seconds = time.perf_counter() - start
    strength = _strength(model, table.n_features)
    order = np.argsort(-strength, kind="stable")
    rank = np.empty(len(order), dtype=int)
    rank[order] = np.arange(1, len(order) + 1)
    return {
        "accuracy": float((model.predict(X_test) == y_test).mean()),
        "needle_ranks": sorted(rank[table.relevant].tolist()),
        "n_needles": len(table.relevant),
        "fit_seconds": seconds,
        "passes": len(model.consensus_.maps),
        "features_selected": int((model.consensus_.selection_frequency().max(0) > 0).sum()),
        "open_pixels": model.history_[-1]["open_pixels"],
        "n_test": len(y_test),
    }


def _strength(model: DeepMapperClassifier, n_features: int) -> np.ndarray:
    """Mean attribution a feature over passes and classes, (n_features,)."""
    maps = np.mean(model.consensus_.maps, axis=0)
    return np.abs(maps).mean(0)


def summary_of_needles(records: list[dict[str, Any]]) -> str:
    measured = [record["measured"] for record in records]
    seconds = [m["fit_seconds"] for m in measured]
    n_on_top = sum(max(m["needle_ranks"]) == m["n_needles"] for m in measured)
    return "\n".join(
        [
            f"- test accuracy {of_seeds([m['accuracy'] for m in measured])}",
            f"- needles are exactly the top features in {n_on_top} of {len(measured)}",
            f"- seconds from table to attribution {of_seeds(seconds, 1)}",
            f"- passes made {of_seeds([float(m['passes']) for m in measured], 1)}",
        ]
    )
