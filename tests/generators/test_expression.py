"""The simulated cohort: integer counts, dispersed like TCGA's, and class effects."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.feature_selection import f_classif

from datasets.table import Table
from generators import _calibration, expression

PINNED = "8f1a5ea3bcb4518dac6a30b6c2639dff5cd7a9b3ed17a5ca1ab8d4ff1e950a8c"


@pytest.fixture(scope="module")
def table() -> Table:
    return expression.load(n_samples=600, n_features=2_000, seed=11)


def test_a_seed_fixes_the_table() -> None:
    sizes = {"n_samples": 150, "n_features": 60, "n_classes": 3}
    assert expression.load(**sizes, seed=5).checksum == PINNED
    assert expression.load(**sizes, seed=6).checksum != PINNED


def test_counts_are_whole_and_not_negative(table: Table) -> None:
    assert (table.X.shape, table.X.dtype) == ((600, 2_000), np.float32)
    assert table.X.min() == 0
    assert_array_equal(table.X, np.round(table.X))


def test_classes_are_uneven_and_shuffled(table: Table) -> None:
    sizes = np.bincount(table.y)
    assert (np.diff(sizes) <= 0).all()
    assert 2.0 < sizes[0] / sizes[-1] < 2.4
    assert np.count_nonzero(np.diff(table.y)) > 450
    assert expression.class_sizes(6_216, 10, 2.2).sum() == 6_216
    assert_array_equal(expression.class_sizes(90, 3, 1.0), [30, 30, 30])


def test_counts_are_spread_like_those_of_tcga(table: Table) -> None:
    """Intervals around the published calibration, for 2,000 genes and 364 samples."""
    X, y = table.X[:364], table.y[:364]
    assert 0.025 < np.mean(X == 0) < 0.06  # TCGA: 0.041
    assert 0.25 < np.std(np.log(X.sum(axis=1))) < 0.42  # TCGA: 0.31
    low, high = (_calibration.deciles(X, y)[decile] for decile in (1, 7))
    assert 0.7 < low["dispersion_50"] < 1.8  # TCGA: 1.2
    assert 0.15 < high["dispersion_50"] < 0.35  # TCGA: 0.22
    assert low["zero_fraction"] > 10 * high["zero_fraction"]


def test_moments_are_those_of_the_model() -> None:
    """Without class effects, mean and variance follow the formula of the model."""
    n = 200_000
    genes = expression.Genes(
        mean=np.array([0.5, 20.0, 3_000.0]),
        phi=np.array([1.0, 0.3, 0.1]),
        loading=np.array([0.0, -0.4, 0.3]),
        module=np.array([0, 0, 1]),
        seen=np.array([1.0, 0.9, 1.0]),
    )
    sizes = np.array([n // 2, n // 2])
    samples = expression.draw_samples(sizes, 0.6, 0.2, 0.0, 2, seed=0)
    markers = expression.draw_markers(3, 2, 2, 0.0, seed=0)
    X = expression.draw_counts(genes, markers, samples, seed=0).astype(np.float64)
    dispersion = (1 + genes.phi) * np.exp(genes.loading**2) - 1
    second = genes.mean + (1 + dispersion) * genes.mean**2  # E[count^2] before dropout
    assert_allclose(X.mean(axis=0), genes.mean * genes.seen, rtol=0.02)
    assert_allclose((X**2).mean(axis=0), second * genes.seen, rtol=0.03)
    negative_binomial_zero = (1 + genes.phi[0] * genes.mean[0]) ** (-1 / genes.phi[0])
    assert_allclose(np.mean(X[:, 0] == 0), negative_binomial_zero, rtol=0.02)


def test_relevant_genes_differ_between_classes(table: Table) -> None:
    scores, _ = f_classif(np.log1p(table.X), table.y)
    scores = np.nan_to_num(scores)
    relevant = np.zeros(2_000, dtype=bool)
    relevant[table.relevant] = True
    assert relevant.sum() == 400
    assert 0.7 < np.median(scores[~relevant]) < 1.3  # F under no effect: about 1
    assert np.median(scores[relevant]) > 4


def test_each_relevant_gene_marks_its_class(table: Table) -> None:
    marks = np.array(table.notes["marks"])
    assert np.bincount(marks).tolist() == [40] * 10
    logs = np.log1p(table.X[:, table.relevant])
    means = np.stack([logs[table.y == c].mean(axis=0) for c in range(10)])
    furthest = np.abs(means - np.median(means, axis=0)).argmax(axis=0)
    assert np.mean(furthest == marks) > 0.5  # 0.1 by chance


def test_without_an_effect_relevant_genes_do_not_differ() -> None:
    table = expression.load(n_samples=600, n_features=500, n_classes=3, effect=0.0, seed=1)
    scores, _ = f_classif(np.log1p(table.X), table.y)
    assert 0.5 < np.nanmedian(scores[table.relevant]) < 1.2


def test_dropout_only_removes_counts() -> None:
    sizes = {"n_samples": 128, "n_features": 200, "n_classes": 2, "seed": 0}
    full, holes = (expression.load(**sizes, dropout=chance) for chance in (0.0, 0.5))
    assert np.mean(holes.X == 0) > np.mean(full.X == 0) + 0.05
    kept = holes.X > 0
    assert_array_equal(holes.X[kept], full.X[kept])


def test_tables_of_other_sizes_are_about_as_hard() -> None:
    assert expression.scaled_effect(0.4, 6_216, 19_319, 10) == pytest.approx(0.4)
    hundredth = expression.scaled_effect(0.4, 6_216, 19_319, 1_000)
    assert hundredth == pytest.approx(0.4 * 100**0.3)
    assert hundredth == pytest.approx(expression.scaled_effect(0.4, 62_160, 19_319, 10_000))


def test_a_linear_method_succeeds_on_a_small_table(table: Table) -> None:
    measured = _calibration.accuracies(table)
    assert 0.88 < measured["logistic_accuracy"] <= 1  # 150 test rows, standard error 0.02
    assert measured["neighbours_accuracy"] < 0.4


@pytest.mark.parametrize("purity_spread", [0.0, 0.4])
def test_purity_has_the_stated_mean_and_spread(purity_spread: float) -> None:
    samples = expression.draw_samples(np.array([20_000]), 0.6, purity_spread, 0.31, 1, seed=0)
    assert samples.purity.mean() == pytest.approx(0.6, abs=0.01)
    assert samples.purity.std() == pytest.approx(purity_spread, abs=0.01)
    assert samples.depth.mean() == pytest.approx(1, abs=0.01)


def test_the_calibration_is_written_as_json(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = _calibration.measure(table)
    monkeypatch.setattr(_calibration, "calibrate", lambda seeds: {"simulated": measured})
    monkeypatch.setattr("sys.argv", ["expression", "--out", str(tmp_path / "new" / "a.md")])
    assert _calibration.main() == 0
    assert json.loads((tmp_path / "new" / "a.json").read_text()) == {"simulated": measured}


@pytest.mark.slow
def test_the_default_table_is_as_hard_as_published() -> None:
    accuracy = _calibration.accuracies(expression.load(seed=0))["logistic_accuracy"]
    assert 0.965 <= accuracy <= 0.985
