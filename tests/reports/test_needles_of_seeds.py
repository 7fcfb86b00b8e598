"""A generator puts its needles elsewhere with each seed: each cell is scored by its own."""

from pathlib import Path

import numpy as np

from bench.store.store import Store
from reports.figure_needles import _ranks
from reports.results import Results
from reports.sections import data_rows


def test_each_seed_has_its_own_needles(filled: Store, tmp_path: Path) -> None:
    base = next(r for r in filled.records() if r["status"] == "ok" and r["dataset"]["relevant"])
    two = Store(tmp_path / "two")
    two.create()
    for seed, needle in enumerate((3, 7)):
        dataset = {**base["dataset"], "relevant": [needle], "params": {"seed": seed, "n": 5}}
        record = {**base, "key": f"k{seed}", "seed": seed, "dataset": dataset}
        scores = np.zeros((dataset["n_classes"], dataset["n_features"]), dtype=np.float32)
        scores[:, needle] = 1
        two.put(record, {"attributions": scores})
    results = Results.read(two)
    group = results.groups(base["dataset"]["label"])[0]
    np.testing.assert_array_equal(_ranks(results, group), [1, 1])
    assert data_rows(results)[0]["params"] == "seed = that of the cell, n = 5"
