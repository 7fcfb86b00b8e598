"""Differences of methods on the same rows, and over tables, compared with slow or known tests."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports import figure_heat, figure_ranks
from reports.aggregate import columns
from reports.figure_ranks import cliques
from reports.figure_style import style
from reports.pairs import Pairs, compare_over_tables, holm
from reports.results import Results


class Arrays:
    """Predictions of made-up cells: test rows, and whether each is predicted correctly."""

    def __init__(self) -> None:
        self.of_cells: dict[str, dict[str, np.ndarray]] = {}

    def array(self, key: str, name: str) -> np.ndarray | None:
        return self.of_cells.get(key, {}).get(name)

    def add(self, key: str, rows: Sequence[int], is_right: Sequence[int]) -> None:
        right = np.asarray(is_right)
        self.of_cells[key] = {
            "test_rows": np.asarray(rows),
            "y_test": np.zeros(len(rows), dtype=int),
            "probabilities": np.stack([right, 1 - right], axis=1).astype(float),
        }


def results_of(*cells: tuple[str, int, str, float | None], split: str = "official") -> Results:
    """Results from table, seed, method and accuracy. A cell without accuracy failed."""
    rows, records = [], {}
    for table, seed, method, accuracy in cells:
        key = f"{table} {seed} {method}"
        row: dict[str, Any] = dict.fromkeys(columns())
        row |= {"dataset_label": table, "method_label": method, "seed": seed, "key": key}
        row |= {"accuracy": accuracy, "balanced_accuracy": accuracy, "n_test": 50, "n_train": 100}
        row |= {"status": "failed" if accuracy is None else "ok", "split": split, "machine": "A"}
        rows.append(row)
        records[key] = {"key": key, "dataset": {"name": table, "checksum": table}}
    frame = pd.DataFrame(rows).astype(columns())
    return Results(Arrays(), records, frame, frame)  # type: ignore[arg-type]


def of_rows(a: Sequence[int], b: Sequence[int]) -> tuple[Results, Pairs]:
    results = results_of(("t", 0, "a", float(np.mean(a))), ("t", 0, "b", float(np.mean(b))))
    for method, right in (("a", a), ("b", b)):
        results.source.add(f"t 0 {method}", range(len(right)), right)  # type: ignore[attr-defined]
    return results, Pairs(results)


@pytest.mark.parametrize("n_only_b", [0, 1, 3])
def test_one_seed_is_judged_as_by_mcnemar(n_only_b: int) -> None:
    """The interval excludes 0 if and only if the exact test of discordant rows has p < 0.05."""
    for n_only_a in range(n_only_b, 30):
        a = [1] * n_only_a + [0] * n_only_b + [1] * 60
        b = [0] * n_only_a + [1] * n_only_b + [1] * 60
        results, pairs = of_rows(a, b)
        group, other = results.group("t", "a"), results.group("t", "b")
        assert group is not None
        assert other is not None
        difference = pairs.difference(group, other)
        assert difference is not None
        assert difference.low is not None
        assert difference.mean == pytest.approx((n_only_a - n_only_b) / len(a))
        discordant = n_only_a + n_only_b
        p = stats.binomtest(n_only_a, discordant).pvalue if discordant else 1.0
        if not 0.03 < p < 0.07:  # the normal approximation
            assert (difference.low > 0) == (p < 0.05)
        _, level = pairs.level("t")
        assert ("b" in level) == (difference.low <= 0 and n_only_a > n_only_b)


def test_the_interval_covers_the_difference_of_new_rows() -> None:
    """95% of 400 draws of 100 rows; the same rows are tested by three seeds."""
    rng, covered = np.random.default_rng(0), []
    for _ in range(400):
        shared = rng.random(100)  # rows are easy or hard for both
        cells = []
        rights = {}
        for seed in range(3):
            for method, share in (("a", 0.9), ("b", 0.8)):
                own = 0.7 * shared + 0.3 * rng.random(100)
                right = own < np.quantile(0.7 * rng.random(9999) + 0.3 * rng.random(9999), share)
                rights[f"t {seed} {method}"] = right.astype(int)
                cells.append(("t", seed, method, float(right.mean())))
        results = results_of(*cells)
        for key, right in rights.items():
            results.source.add(key, range(100), right)  # type: ignore[attr-defined]
        group, other = results.group("t", "a"), results.group("t", "b")
        assert group is not None
        assert other is not None
        difference = Pairs(results).difference(group, other)
        assert difference is not None
        low, high = difference.ends
        covered.append(low <= 0.1 <= high)
    assert np.mean(covered) >= 0.93


def test_seeds_that_differ_widen_the_interval() -> None:
    """By hand: t(0.975, 1) sd sqrt(1/2 + 50/100) for drawn splits, sd = 0.01 sqrt(2)."""
    cells = (("t", 0, "a", 0.93), ("t", 1, "a", 0.85), ("t", 0, "b", 0.90), ("t", 1, "b", 0.80))
    for split, overlap in (("official", 0.0), ("stratified 0.25", 0.5)):
        results = results_of(*cells, ("t", 2, "a", 0.1), ("t", 3, "b", None), split=split)
        group, other = results.group("t", "a"), results.group("t", "b")
        assert group is not None
        assert other is not None
        difference = Pairs(results).difference(group, other)
        assert difference is not None
        assert (difference.n, difference.mean) == (2, pytest.approx(0.04))
        half = 12.706205 * 0.01 * math.sqrt(2) * math.sqrt(1 / 2 + overlap)
        assert difference.high == pytest.approx(0.04 + half, abs=1e-6)


def test_a_method_that_failed_has_no_difference() -> None:
    results = results_of(("t", 0, "a", 0.9), ("t", 0, "b", None))
    group, other = results.group("t", "a"), results.group("t", "b")
    assert group is not None
    assert other is not None
    assert Pairs(results).difference(group, other) is None
    assert Pairs(results).level("t") == ({"a"}, set())


def test_methods_are_compared_over_tables() -> None:
    rng = np.random.default_rng(0)
    base = rng.uniform(0.6, 0.8, 12)
    gains = {"better": 0.05 + 0.01 * rng.random(12), "same": 0.002 * rng.normal(size=12)}
    cells: list[tuple[str, int, str, float | None]] = []
    for i, value in enumerate(base):
        for seed in (0, 1):
            cells.append((f"t{i}", seed, "ours", float(value)))
            cells += [(f"t{i}", seed, name, float(value + gain[i])) for name, gain in gains.items()]
        cells.append((f"t{i}", 0, "fails", 0.5 if i < 3 else None))
    better, same, fails = compare_over_tables(results_of(*cells), "ours")
    assert (better.method, same.method, fails.method) == ("better", "same", "fails")
    assert (better.wins, better.ties, better.losses) == (12, 0, 0)
    assert (same.wins, same.ties, same.losses) == (0, 12, 0)
    assert better.mean == pytest.approx(gains["better"].mean())
    raw = stats.wilcoxon(gains["better"]).pvalue
    assert better.p == pytest.approx(3 * raw)
    assert better.better is not None
    assert same.equal is not None
    assert better.better > 0.99
    assert same.equal > 0.99
    assert (fails.n_tables, fails.n_failed, fails.p, fails.worse) == (3, 9, None, None)


def test_holm_multiplies_by_the_number_of_p_values_that_are_as_large() -> None:
    p = [0.001, 0.2, 0.04, 0.012, 0.9]
    assert holm(p) == pytest.approx([0.005, 0.4, 0.12, 0.048, 0.9])
    assert holm([]) == []


def test_cliques_are_the_longest_runs_without_a_difference() -> None:
    same = np.eye(5, dtype=bool)
    for a, b in ((0, 1), (1, 2), (0, 2), (2, 3)):
        same[a, b] = same[b, a] = True
    assert cliques(same) == [(0, 2), (2, 3)]
    assert cliques(np.eye(3, dtype=bool)) == []


def test_ranks_and_heat_are_drawn_for_six_tables_and_more() -> None:
    rng = np.random.default_rng(0)
    for n_tables in (5, 8):
        cells: list[tuple[str, int, str, float | None]] = [
            (f"table {i}", 0, f"method {j}", float(0.9 - 0.1 * j + 0.01 * rng.random()))
            for i in range(n_tables)
            for j in range(4)
        ]
        results = results_of(*cells, ("table 0", 0, "fails", None))
        for module in (figure_ranks, figure_heat):
            with style():
                figure = module.draw(results)
            assert (figure is not None) == (n_tables == 8)
    assert figure is not None
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert len(texts) == 8 * 5
    assert "faile" not in texts
    assert texts.count("failed") == 1
