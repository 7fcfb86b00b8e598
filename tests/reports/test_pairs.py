"""Differences of methods on the same rows, and over tables, compared with slow or known tests."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from scipy import stats

from reports.aggregate import columns
from reports.figures import heat, ranks
from reports.figures.ranks import cliques
from reports.figures.style import SMALLEST, style
from reports.results import Group, Results
from reports.statistics.estimates import Estimate, correct, wilson_interval
from reports.statistics.over_tables import bayesian_signed_rank, compare_over_tables
from reports.statistics.pairs import Pairs
from reports.tables.accuracy import _mark, accuracy, pairwise
from reports.tables.views import LEVEL, PLAIN, UNSURE
from reports.tables.writer import all_views


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


def results_of(
    *cells: tuple[str, int, str, float | None], split: str = "official", table: str = ""
) -> Results:
    """Results from table, seed, method and accuracy. A cell without accuracy failed."""
    rows, records = [], {}
    for label, seed, method, share in cells:
        key = f"{label} {seed} {method}"
        row: dict[str, Any] = dict.fromkeys(columns())
        name = method.split(" (")[0]
        row |= {"dataset_label": label, "method_label": method, "seed": seed, "key": key}
        row |= {"accuracy": share, "balanced_accuracy": share, "n_test": 50, "n_train": 100}
        row |= {"even_rows": 40.0, "method": name, "log_loss": None if share is None else 1 - share}
        row |= {"status": "failed" if share is None else "ok", "split": split, "machine": "A"}
        rows.append(row)
        about = {"name": name, "params": {}, "replicate": int("(again)" in method)}
        facts = {"name": label, "checksum": label + table}
        records[key] = {"key": key, "dataset": facts, "method": about}
    frame = pd.DataFrame(rows).astype(columns())
    return Results(Arrays(), records, frame, frame)  # type: ignore[arg-type]


def group_of(results: Results, method: str, table: str = "t") -> Group:
    group = results.group(table, method)
    assert group is not None
    return group


def difference_of(results: Results) -> Estimate:
    """The difference of the methods a and b on the table t."""
    difference = Pairs(results).difference(group_of(results, "a"), group_of(results, "b"))
    assert difference is not None
    return difference


def with_rows(results: Results, rights: dict[str, Sequence[int]]) -> Results:
    for key, right in rights.items():
        results.source.add(key, range(len(right)), right)  # type: ignore[attr-defined]
    return results


def one_seed(a: Sequence[int], b: Sequence[int]) -> Results:
    results = results_of(("t", 0, "a", float(np.mean(a))), ("t", 0, "b", float(np.mean(b))))
    return with_rows(results, {"t 0 a": a, "t 0 b": b})


@pytest.mark.parametrize("n_rows", [2, 3, 8, 20, 200])
def test_one_seed_is_judged_as_by_mcnemar_with_edwards_correction(n_rows: int) -> None:
    for n_only_a in range(1, min(n_rows, 25) + 1):
        for n_only_b in range(min(n_only_a, n_rows - n_only_a + 1)):
            rest = [1] * (n_rows - n_only_a - n_only_b)
            a = [1] * n_only_a + [0] * n_only_b + rest
            b = [0] * n_only_a + [1] * n_only_b + rest
            results = one_seed(a, b)
            difference = difference_of(results)
            assert difference.mean == pytest.approx((n_only_a - n_only_b) / n_rows)
            chi2 = max(0, n_only_a - n_only_b - 1) ** 2 / (n_only_a + n_only_b)
            assert (difference.ends[0] > 0) == (stats.chi2.sf(chi2, 1) < 0.05)
            assert -1 <= difference.ends[0] <= difference.ends[1] <= 1
            assert difference.p == pytest.approx(stats.chi2.sf(chi2, 1))


@pytest.mark.parametrize("split", ["official", "stratified 0.25"])
def test_the_interval_covers_the_true_difference(split: str) -> None:
    """Of 600 results of three seeds, some 95% cover it, with chance of rows and of training."""
    rng, covered = np.random.default_rng(0), []
    for number in range(600):
        rows = rng.normal(size=300)  # easy and hard rows; official splits test the same ones
        cells, rights = [], {}
        for seed in range(3):
            tested = rows if split == "official" else rng.normal(size=300)
            for method, skill in (("a", 1.0), ("b", 0.7)):
                trained = skill + 0.1 * rng.normal()
                right = (tested + rng.normal(size=300) < trained).astype(int)
                rights[f"t {seed} {method}"] = right
                cells.append(("t", seed, method, float(right.mean())))
        results = results_of(*cells, split=split, table=str(number))
        low, high = difference_of(with_rows(results, rights)).ends
        scale = math.sqrt(2 + 0.1**2)
        covered.append(low <= stats.norm.cdf(1 / scale) - stats.norm.cdf(0.7 / scale) <= high)
    assert np.mean(covered) >= 0.94


def test_seeds_that_differ_widen_the_interval() -> None:
    """By hand: t(0.975, 1) sd sqrt(1/2 + 50/100) for drawn splits, sd = 0.01 sqrt(2)."""
    cells = (("t", 0, "a", 0.93), ("t", 1, "a", 0.85), ("t", 0, "b", 0.90), ("t", 1, "b", 0.80))
    results = results_of(*cells, ("t", 2, "a", 0.1), ("t", 3, "b", None), split="stratified 0.25")
    difference = difference_of(results)
    assert (difference.n, difference.mean) == (2, pytest.approx(0.04))
    half = 12.706205 * 0.01 * math.sqrt(2) * math.sqrt(1 / 2 + 50 / 100)
    assert difference.high == pytest.approx(0.04 + half, abs=1e-6)


@pytest.mark.parametrize(
    ("split", "n_seeds", "n_rows"),
    [
        ("folds 0.33", 2, 80),
        ("folds 0.33", 6, 120),
        ("stratified 0.33", 6, 40),
        ("official", 6, 40),
    ],
)
def test_folds_of_a_cross_validation_are_different_rows(
    split: str, n_seeds: int, n_rows: int
) -> None:
    """Three folds: a training set of 100 rows and a test set of 50."""
    results = results_of(*(("t", seed, "a", 0.9) for seed in range(n_seeds)), split=split)
    main = group_of(results, "a").main
    assert main is not None
    assert main.ends == pytest.approx(wilson_interval(0.9, n_rows))


@pytest.mark.parametrize(("split", "overlap"), [("folds 0.33", 0.5), ("official", 0.0)])
def test_means_over_splits_of_the_same_rows_have_the_wider_interval(
    split: str, overlap: float
) -> None:
    results = results_of(*(("t", s, "a", v) for s, v in enumerate((0.42, 0.5, 0.58))), split=split)
    group = group_of(results, "a")
    for mean in (group.main, group.accuracy, group.mean("log_loss")):
        assert mean is not None
        half = stats.t.ppf(0.975, 2) * 0.08 * math.sqrt(1 / 3 + overlap)
        assert mean.ends == pytest.approx((0.5 - half, 0.5 + half))


def test_tables_drawn_anew_for_each_seed_share_no_rows() -> None:
    cells = (("t", 0, "a", 0.93), ("t", 1, "a", 0.85), ("t", 0, "b", 0.90), ("t", 1, "b", 0.80))
    results = results_of(*cells, split="stratified 0.25")
    results.frame["is_redrawn"] = True
    half = 12.706205 * 0.01 * math.sqrt(2) * math.sqrt(1 / 2)
    assert difference_of(results).high == pytest.approx(0.04 + half, abs=1e-6)


def test_columns_shuffled_anew_for_each_seed_are_the_same_rows() -> None:
    """The checksum differs between the seeds, and splits still share training rows."""
    cells = (("t", 0, "a", 0.93), ("t", 1, "a", 0.85), ("t", 0, "b", 0.90), ("t", 1, "b", 0.80))
    results = results_of(*cells, split="stratified 0.25")
    for key, record in results.records.items():
        record["dataset"]["checksum"] = key.split()[1]
    half = 12.706205 * 0.01 * math.sqrt(2) * math.sqrt(1 / 2 + 50 / 100)
    assert difference_of(results).high == pytest.approx(0.04 + half, abs=1e-6)


def test_without_predictions_an_official_split_and_one_seed_have_no_interval_and_no_mark() -> None:
    one = results_of(("t", 0, "a", 0.9), ("t", 0, "b", 0.8), split="stratified 0.25")
    several = results_of(
        *(("t", seed, m, v) for seed in (0, 1) for m, v in (("a", 0.9), ("b", 0.8)))
    )
    for results in (one, several):
        assert difference_of(results).low is None
        best, others = Pairs(results).from_best("t", ["a", "b"])
        assert (best, others) == ({"a"}, {"b": difference_of(results)})
        assert _mark(others["b"]) == UNSURE


def test_rows_of_groups_are_not_independent() -> None:
    results = one_seed([1] * 50, [0] * 50)
    assert difference_of(results).low is not None
    for record in results.records.values():
        record["dataset"]["n_groups"] = 5
    assert difference_of(results).low is None  # the records do not have the groups


def test_groups_are_the_units_of_the_interval() -> None:
    """Ten rows of a person that are right together are one observation, not ten."""
    results = one_seed([1] * 50, [0] * 25 + [1] * 25)
    of_rows = difference_of(results)
    for record in results.records.values():
        record["dataset"]["n_groups"] = 5
    for arrays in results.source.of_cells.values():  # type: ignore[attr-defined]
        arrays["test_groups"] = np.repeat(np.arange(5), 10)
    of_groups = difference_of(results)
    assert of_rows.low is not None
    assert of_groups.low is not None
    assert of_rows.low > 0 > of_groups.low
    # Sums of 10, 10 and 5 over the groups, Student's t with 4 degrees of freedom.
    half = stats.t.ppf(0.975, 4) * np.sqrt(225) / 50 + 1 / 50
    assert of_groups.mean - of_groups.low == pytest.approx(half)
    for arrays in results.source.of_cells.values():  # type: ignore[attr-defined]
        arrays["test_groups"] = np.arange(50)
    assert difference_of(results).half == pytest.approx(of_rows.half, rel=0.03)


def test_only_the_same_test_rows_are_compared() -> None:
    results = results_of(("t", 0, "a", 0.5), ("t", 0, "b", 0.5))
    add = results.source.add  # type: ignore[attr-defined]
    add("t 0 a", [3, 1, 2, 0], [1, 1, 0, 0])
    add("t 0 b", [0, 1, 2, 3], [0, 1, 0, 1])  # the same rows in another order
    assert difference_of(results).mean == 0
    add("t 0 b", [4, 5, 6, 7], [0, 1, 0, 1])
    pairs = Pairs(results)
    assert pairs.difference(group_of(results, "a"), group_of(results, "b")) is None


def test_a_method_that_failed_has_no_difference() -> None:
    results = results_of(("t", 0, "a", 0.9), ("t", 0, "b", None))
    pairs = Pairs(results)
    assert pairs.difference(group_of(results, "a"), group_of(results, "b")) is None
    assert pairs.from_best("t", ["a", "b"]) == ({"a"}, {})


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
        cells.append((f"t{i}", 0, "dead", None))
    better, same, fails, dead = compare_over_tables(results_of(*cells), "ours")
    names = [c.method for c in (better, same, fails, dead)]
    assert names == ["better", "same", "fails", "dead"]
    assert (better.wins, better.ties, better.losses) == (12, 0, 0)
    assert (same.wins, same.ties, same.losses) == (0, 12, 0)
    assert better.mean == pytest.approx(gains["better"].mean())
    raw = stats.wilcoxon(gains["better"]).pvalue
    assert better.p == pytest.approx(2 * raw)  # of the two methods that are tested
    assert better.better is not None
    assert same.equal is not None
    assert better.better > 0.99
    assert same.equal > 0.99
    assert (fails.n_tables, fails.n_missing, fails.p, fails.worse) == (3, 9, None, None)
    assert (dead.n_tables, dead.n_missing, dead.mean) == (0, 12, None)


def test_variants_of_a_table_count_once_and_rounding_is_no_difference() -> None:
    cells: list[tuple[str, int, str, float | None]] = []
    for i in range(5):
        for label in (f"t{i}", f"t{i} (shuffled)"):
            cells += [(label, 0, "ours", 0.80), (label, 0, "other", 0.81)]
    (other,) = compare_over_tables(results_of(*cells), "ours")
    assert (other.n_tables, other.p, other.ties) == (5, None, 5)
    cells = [
        (f"t{i}", seed, method, value)
        for i in range(6)
        for seed, ours in ((0, 0.7), (1, 0.9))
        for method, value in (("ours", ours), ("other", 1.6 - ours))
    ]
    (other,) = compare_over_tables(results_of(*cells), "ours")
    assert (other.mean, other.p) == (0.0, 1.0)


def test_the_reference_may_be_the_one_that_failed() -> None:
    (other,) = compare_over_tables(
        results_of(("t", 0, "ours", None), ("t", 0, "other", 0.9)), "ours"
    )
    assert (other.n_tables, other.n_missing, other.n_alone) == (0, 0, 1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [  # of baycomp 1.0.3, SignedRankTest.probs with 50,000 draws
        ([0.05] * 7 + [-0.05] * 5, (0.360, 0.579, 0.061)),
        ([0.03, 0.022, 0.005, -0.004, 0.06, 0.013, 0.008, -0.03], (0.697, 0.269, 0.033)),
        ([-0.021, -0.05, -0.003, -0.04, -0.012, -0.03], (0.0, 0.021, 0.979)),
    ],
)
def test_the_bayesian_test_is_that_of_baycomp(
    values: Sequence[float], expected: Sequence[float]
) -> None:
    np.testing.assert_allclose(bayesian_signed_rank(np.array(values)), expected, atol=0.02)


def test_p_values_are_corrected_as_by_holm() -> None:
    p = [0.001, 0.2, 0.04, None, 0.012, 0.9]
    assert correct(p) == pytest.approx([0.005, 0.4, 0.12, None, 0.048, 0.9])
    assert correct([]) == []


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
        for module in (ranks, heat):
            with style():
                figure = module.draw(results)
            assert (figure is not None) == (n_tables == 8)
    assert figure is not None
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert len(texts) == 8 * 5
    assert texts.count("f") == 1  # failed


def test_figures_of_the_grid_wide_fit_a_page() -> None:
    """55 entries, 21 tables and 25 seeds: at most 180 mm, letters of at least 7 points."""
    rng = np.random.default_rng(0)
    tables = [f"table {i}{label}" for i in range(15) for label in ("", " (shuffled)")[: 1 + i % 2]]
    methods = [f"method_{j}" for j in range(50)] + [f"method_{j} (variant)" for j in range(5)]
    cells = [
        (table, seed, method, level + 0.02 * rng.random())
        for table in tables[:21]
        for j, method in enumerate(methods)
        for level in [0.8 - 0.01 * j + 0.02 * rng.normal()]
        for seed in range(25)
    ]
    results = results_of(*cells)
    with style():
        diagram = ranks.draw(results)
        heat_map = heat.draw(results)
    assert diagram is not None
    assert heat_map is not None
    for figure in (diagram, heat_map):
        assert figure.get_figwidth() <= 7.09
        assert min(text.get_fontsize() for text in figure.findobj(Text)) >= SMALLEST
    shown = [label.get_text() for label in diagram.axes[0].get_yticklabels()]
    assert len(shown) == 10
    assert not any("variant" in label for label in shown)
    assert len(diagram.axes[0].lines) > 2  # dots, the edge, and bars
    assert len(heat_map.axes[0].get_yticklabels()) == 50


def test_the_diagram_says_if_the_tables_are_too_few() -> None:
    """Six pairs of four methods: the smallest p of 7 tables is 6 / 2^6, that of 8 is 6 / 2^7."""
    cells = [(f"t{i}", 0, f"m{j}", 0.9 - 0.1 * j) for i in range(8) for j in range(4)]
    for n_tables, is_said in ((7, True), (8, False)):
        figure = ranks.draw(results_of(*cells[: 4 * n_tables]))
        assert figure is not None
        assert ("too few" in figure.axes[0].get_xlabel()) == is_said


UNEQUAL = np.repeat([0, 1, 2], [120, 60, 20])


def two_methods(rng: np.random.Generator, split: str = "official", n_seeds: int = 1) -> Results:
    """Two methods on classes of unequal size, the second of them worse on the smallest class."""
    cells: list[tuple[str, int, str, float | None]] = []
    arrays: dict[str, dict[str, np.ndarray]] = {}
    for seed in range(n_seeds):
        for method, shares in (("a", (0.8, 0.7, 0.6)), ("b", (0.8, 0.6, 0.4))):
            right = rng.random(len(UNEQUAL)) < np.array(shares)[UNEQUAL]
            true = np.where(right, rng.uniform(0.5, 1, 200), rng.uniform(0, 0.5, 200))
            probabilities = np.full((200, 3), 0.0)
            probabilities[np.arange(200), UNEQUAL] = true
            probabilities[np.arange(200), (UNEQUAL + 1) % 3] = 1 - true
            key = f"t {seed} {method}"
            names = ("test_rows", "y_test", "probabilities")
            arrays[key] = dict(zip(names, (np.arange(200), UNEQUAL, probabilities), strict=True))
            means = [right[c == UNEQUAL].mean() for c in range(3)]
            cells.append(("t", seed, method, float(np.mean(means))))
    results = results_of(*cells, split=split)
    results.source.of_cells = arrays  # type: ignore[attr-defined]
    for key, held in arrays.items():
        loss = -np.log(held["probabilities"][np.arange(200), UNEQUAL]).mean()
        results.frame.loc[results.frame["key"] == key, "log_loss"] = loss
    return results


def test_the_interval_of_a_balanced_accuracy_is_that_of_a_bootstrap_within_classes() -> None:
    results = two_methods(np.random.default_rng(1))
    difference, arrays = difference_of(results), results.source.of_cells  # type: ignore[attr-defined]
    right = [arrays[f"t 0 {m}"]["probabilities"].argmax(1) == UNEQUAL for m in "ab"]
    signed = right[0].astype(float) - right[1]
    rng = np.random.default_rng(0)
    draws = [
        np.mean([rng.choice(signed[c == UNEQUAL], (c == UNEQUAL).sum()).mean() for c in range(3)])
        for _ in range(4000)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    assert difference.mean == pytest.approx(np.mean(draws), abs=0.005)
    assert difference.half is not None
    assert (high - low) / 2 <= difference.half <= 1.25 * (high - low) / 2


def test_the_interval_of_a_balanced_accuracy_covers_the_truth() -> None:
    rng, truth = np.random.default_rng(2), (0.1 + 0.2) / 3
    ends = [difference_of(two_methods(rng)).ends for _ in range(200)]
    assert np.mean([low <= truth <= high for low, high in ends]) >= 0.94


def test_log_losses_have_the_interval_of_the_paired_t_test() -> None:
    results = two_methods(np.random.default_rng(3))
    groups = group_of(results, "a"), group_of(results, "b")
    difference = Pairs(results).difference(*groups, "log_loss")
    assert difference is not None
    arrays = results.source.of_cells  # type: ignore[attr-defined]
    losses = [-np.log(arrays[f"t 0 {m}"]["probabilities"][np.arange(200), UNEQUAL]) for m in "ab"]
    expected = stats.ttest_rel(*losses)
    assert difference.p == pytest.approx(expected.pvalue)
    assert difference.ends == pytest.approx(tuple(expected.confidence_interval()))


def test_a_method_is_worse_level_or_there_are_too_few_rows() -> None:
    """Six wrong rows of 1,000 have p = 0.041 by McNemar's test, and 0.082 after Holm."""
    n_wrong = {"best": 0, "level": 1, "unsure": 6, "worse": 60}
    results = results_of(*(("t", 0, m, 1 - n / 1000) for m, n in n_wrong.items()))
    rights = {f"t 0 {m}": [0] * n + [1] * (1000 - n) for m, n in n_wrong.items()}
    best, others = Pairs(with_rows(results, rights)).from_best("t", list(n_wrong))
    assert best == {"best"}
    marks = {name: _mark(difference) for name, difference in others.items()}
    assert marks == {"level": LEVEL, "unsure": UNSURE, "worse": PLAIN}
    unsure = others["unsure"]
    assert unsure is not None
    assert unsure.p == pytest.approx(2 * stats.chi2.sf(25 / 6, 1))


def test_noise_and_the_smallest_difference_stand_beside_each_comparison() -> None:
    cells = [
        (f"t{i}", 0, method, 0.8 + gain * (-1) ** i)
        for i in range(8)
        for method, gain in {"ours": 0, "ours (again)": 0.02, "other": 0.05, "third": 0.1}.items()
    ]
    results = results_of(*cells, ("t0", 1, "ours", 0.8), ("t0", 1, "third", None))
    assert sorted(results.entries) == ["other", "ours", "third"]
    assert results.replicates == {"ours (again)": "ours"}
    for view in all_views(results):
        if view.name in ("differences", "over_tables", "pairwise"):
            assert "(ours) differ by 0.020 (root mean square over 8 tables)" in view.reading
            assert "Differences up to 0.020 are ties. Over 8 tables, the smallest" in view.reading
    rows = {row[0].text: row for row in accuracy(results).blocks[0].rows}
    assert rows["A/A: ours − ours (again)"][1].text == "−0.020"
    assert rows["third"][-1].text == "1 of 9"
    assert "ours (again)" not in rows


def test_differences_within_the_noise_of_a_method_against_itself_are_ties() -> None:
    gains = {"ours": 0.0, "ours (again)": 0.02, "other": 0.015}
    cells = [(f"t{i}", 0, method, 0.8 + gain) for i in range(6) for method, gain in gains.items()]
    (other,) = compare_over_tables(results_of(*cells), "ours")
    assert (other.wins, other.ties, other.losses) == (0, 6, 0)
    without = [cell for cell in cells if cell[2] != "ours (again)"]
    (other,) = compare_over_tables(results_of(*without), "ours")
    assert (other.wins, other.ties, other.losses) == (6, 0, 0)


def test_the_matrix_has_mean_differences_and_counts() -> None:
    gains = (0.05, 0.005, -0.03, 0.02, 0.0, 0.04, 0.01)
    cells = [
        (f"t{i}", 0, method, value)
        for i, gain in enumerate(gains)
        for method, value in (("a", 0.7 + gain), ("b", 0.7), ("c", 0.2))
    ]
    view = pairwise(results_of(*cells))
    table = {
        row[0].text: [(c.text, c.detail, c.mark) for c in row[1:]] for row in view.blocks[0].rows
    }
    assert table["a"][0] == (f"+{np.mean(gains):.3f}", "3, 3, 1", PLAIN)
    assert table["b"] == [("–", "", "absent"), ("+0.500", "7, 0, 0", "best")]


def test_cells_of_two_processors_are_marked() -> None:
    results = results_of(*((t, s, "a", 0.9) for t in "xy" for s in (0, 1)))
    results.frame.loc[0, "machine"] = "B"
    view = accuracy(results)
    assert [column.notes for column in view.blocks[0].columns][:3] == [(), (1,), ()]
    assert "A, B" in view.footnotes[0]
