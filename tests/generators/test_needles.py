"""Needles of every kind: positions, distributions and the Bayes error."""

import json
import tracemalloc
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from bench.cell import resolve_parameters
from datasets.table import Table, TableError
from generators import needles, nihs
from generators._needle_kinds import RING, RULES, SUM, XOR, Rule
from generators.needles import KINDS, bayes_error

PINNED = "0b4f1a94163ecc2cf3b5c7e848b44802785a61aff0d44a31c8e625c4dcb07139"
SMALL = {"n_samples": 400, "n_features": 50}
FEWEST = {"xor": 2, "ring": 2, "sum": 2, "ring+xor": 4, "ring+xor+sum": 6, "correlation": 2}
DISTRIBUTIONS = {
    "uniform": stats.uniform(),
    "normal": stats.norm(),
    "t": stats.t(3),
    "lognormal": stats.lognorm(1),
    "blocks": stats.norm(),
}


def drawn_in_order(table: Table) -> np.ndarray:
    """The values of the needles, pairs side by side, (n_samples, n_needles) float64."""
    order = np.ravel(table.notes["pairs"]).astype(int) if table.notes["pairs"] else table.relevant
    return table.X[:, order].astype(np.float64)


def chance_of_class_1(table: Table, noise: str, share: float) -> np.ndarray:
    """P(class 1 | needles) by Bayes' rule from the definitions, (n_samples,)."""
    kind, x = table.notes["kind"], drawn_in_order(table)
    if noise == "lognormal":
        x, noise = np.log(x), "normal"
    distribution = DISTRIBUTIONS[noise]
    if kind in ("shift", "variance", "correlation"):
        effect = table.notes["effect"]
        if kind == "shift":
            class_0, class_1 = (
                distribution.pdf(x),
                distribution.pdf(x - effect * distribution.std()),
            )
        elif kind == "variance":
            s = np.sqrt(effect)
            class_0, class_1 = (
                distribution.pdf(x),
                distribution.pdf((x - distribution.mean()) / s + distribution.mean()) / s,
            )
        else:
            z = stats.norm.ppf(distribution.cdf(x)).reshape(len(x), -1, 2)
            both = [np.array([[1, rho], [rho, 1]]) for rho in (-effect, effect)]
            class_0, class_1 = (
                stats.multivariate_normal(cov=c).pdf(z).reshape(len(x), -1) for c in both
            )
        class_0, class_1 = (1 - share) * class_0.prod(axis=1), share * class_1.prod(axis=1)
        return class_1 / (class_0 + class_1)
    if kind == "ranges":
        return (x[:, 0] >= 0.2).astype(float)
    silent = np.ones(len(x))  # P(no condition holds)
    u = distribution.cdf(x)
    names = kind.split("+") * (len(table.notes["pairs"]) // len(kind.split("+")))
    for i, (name, t) in enumerate(zip(names, table.notes["thresholds"], strict=True)):
        a, b = u[:, 2 * i], u[:, 2 * i + 1]
        if name == "ring":
            silent *= np.abs(np.sqrt((a - 0.5) ** 2 + (b - 0.5) ** 2) - 0.35) > -t
        elif name == "xor":
            silent *= (a - 0.5) * (0.5 - b) < t
        else:
            silent *= stats.norm.cdf((t - a - b) / 0.2)
    return 1 - silent


def test_a_seed_fixes_the_table() -> None:
    table = needles.load(**SMALL, kind="xor", seed=5)
    assert (table.checksum, table.notes["thresholds"]) == (PINNED, [0.0])
    assert needles.load(**SMALL, kind="xor", seed=6).checksum != PINNED


@pytest.mark.parametrize("n_samples", [400, 401, 403])
def test_ranges_gives_the_table_of_nihs(n_samples: int) -> None:
    sizes = {"n_samples": n_samples, "n_features": 50, "n_needles": 3, "seed": 5}
    ours, theirs = needles.load(**sizes, kind="ranges"), nihs.load(**sizes, needles="random")
    assert ours.checksum == theirs.checksum
    assert_array_equal(ours.relevant, theirs.relevant)


@pytest.mark.parametrize("kind", KINDS)
def test_notes_and_truth_agree(kind: str) -> None:
    k = 2 * FEWEST.get(kind, 1)
    table, again = (needles.load(**SMALL, kind=kind, n_needles=k, seed=1) for _ in range(2))
    assert again.checksum == table.checksum
    assert table.X.dtype == np.float32
    assert table.X.flags.c_contiguous
    assert len(table.relevant) == k
    assert table.relevant.tolist() == sorted(table.relevant)
    assert table.notes["kind"] == kind
    assert table.notes["bayes_error"] == bayes_error(kind, n_needles=k)
    assert json.loads(json.dumps(table.notes)) == table.notes
    pairs = table.notes["pairs"]
    assert [len(pair) for pair in pairs] == [2] * (k // 2 if kind in FEWEST else 0)
    if pairs:
        assert sorted(np.ravel(pairs)) == table.relevant.tolist()


def test_needles_lie_anywhere() -> None:
    tables = [needles.load(n_samples=20, n_features=50, kind="xor", seed=s) for s in range(200)]
    counts = np.bincount(np.concatenate([table.relevant for table in tables]), minlength=50)
    assert counts.min() > 0  # 8 expected: 0 has a chance of 3e-4 for each of 50
    assert counts.max() < 25
    first, second = np.array([table.notes["pairs"][0] for table in tables]).T
    assert 60 < np.sum(first > second) < 140


def check_bayes_error(
    kind: str, noise: str, share: float, k: int, flip: float = 0.0, **more: float
) -> None:
    """Compare `bayes_error` with the error of the true rule on 40,000 samples."""
    parameters = {"kind": kind, "n_needles": k, "noise": noise, "class_balance": share, **more}
    table = needles.load(n_samples=40_000, n_features=k + 1, flip=flip, seed=7, **parameters)
    wrong = np.mean((chance_of_class_1(table, noise, share) > 0.5) != table.y)
    expected = table.notes["bayes_error"]
    assert abs(wrong - expected) <= 4 * np.sqrt(expected * (1 - expected) / 40_000) + 1e-4


@pytest.mark.parametrize(
    ("kind", "noise", "share", "factor"),
    [
        *product([kind for kind in KINDS if kind != "ranges"], DISTRIBUTIONS, [0.5], [1]),
        *product(["shift", "variance"], ["uniform", "normal", "t"], [0.1, 0.8], [2]),
        *product(["correlation", *RULES], ["normal"], [0.1, 0.8], [2]),
    ],
)
def test_the_true_rule_attains_the_bayes_error(
    kind: str, noise: str, share: float, factor: int
) -> None:
    check_bayes_error(kind, noise, share, factor * FEWEST.get(kind, 2))


@pytest.mark.parametrize("noise", ["uniform", "normal", "t"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_the_bayes_error_holds_for_a_smaller_variance(noise: str, share: float) -> None:
    check_bayes_error("variance", noise, share, 3, effect=0.3)


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_labels_add_to_the_error(kind: str) -> None:
    """Flipping changes no value of X."""
    k = FEWEST.get(kind, 2)
    clean, flipped = (bayes_error(kind, n_needles=k, flip=f) for f in (0, 0.1))
    assert_allclose(flipped, 0.9 * clean + 0.1 * (1 - clean))
    check_bayes_error(kind, "uniform", 0.5, k, flip=0.1)
    sizes = {"n_samples": 10_000, "n_features": 9, "kind": kind, "n_needles": k}
    before, after = (needles.load(**sizes, flip=f) for f in (0, 0.2))
    assert_array_equal(before.X, after.X)
    assert abs(np.mean(before.y != after.y) - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 10_000)


@pytest.mark.parametrize("k", [1, 2, 9])
@pytest.mark.parametrize("d", [0.3, 1.0, 4.0])
def test_shift_in_normal_noise_has_the_error_of_the_textbook(k: int, d: float) -> None:
    expected = stats.norm.cdf(-d * np.sqrt(k) / 2)
    assert_allclose(bayes_error("shift", n_needles=k, effect=d, noise="normal"), expected)


@pytest.mark.parametrize("rho", [0.1, 0.8, 1.0])
def test_correlation_has_the_error_of_an_orthant(rho: float) -> None:
    assert_allclose(bayes_error("correlation", effect=rho), np.arccos(rho) / np.pi, atol=1e-9)
    three = stats.f(3, 3).cdf((1 - rho) / (1 + rho))
    assert_allclose(bayes_error("correlation", effect=rho, n_needles=6), three, atol=1e-9)


def test_convolution_agrees_with_one_integral() -> None:
    """Compare with a sum over a plane for two needles, or over a square for a pair."""
    x = stats.t(3).ppf((np.arange(3_000) + 0.5) / 3_000)
    ratio = stats.t(3).pdf(x - np.sqrt(3)) / stats.t(3).pdf(x)
    plane = np.minimum(1, np.multiply.outer(ratio, ratio)).mean() / 2
    assert_allclose(bayes_error("shift", noise="t"), plane, atol=1e-4)
    u = (np.arange(1_000) + 0.5) / 1_000
    q = stats.norm.cdf((1 - np.add.outer(u, u)) / 0.2)
    assert_allclose(bayes_error("sum"), np.minimum(q, 1 - q).mean(), atol=1e-5)


def p_values(kind: str, noise: str) -> np.ndarray:
    """Test each needle for equal means, equal spreads and equal distributions.

    Returns (3, n_needles). The spread is the distance from the median.
    """
    parameters = {"kind": kind, "noise": noise, "n_needles": FEWEST[kind]}
    table = needles.load(n_samples=20_000, n_features=10, seed=11, **parameters)
    u = DISTRIBUTIONS[noise].cdf(table.X[:, table.relevant])
    class_0, class_1 = u[table.y == 0], u[table.y == 1]
    means = stats.ttest_ind(class_0, class_1).pvalue
    spreads = stats.ttest_ind(np.abs(class_0 - 0.5), np.abs(class_1 - 0.5)).pvalue
    whole = [stats.ks_2samp(a, b).pvalue for a, b in zip(class_0.T, class_1.T, strict=True)]
    return np.array([means, spreads, whole])


@pytest.mark.parametrize("noise", DISTRIBUTIONS)
@pytest.mark.parametrize("kind", ["xor", "correlation"])
def test_no_single_feature_of_a_pair_separates_the_classes(kind: str, noise: str) -> None:
    assert p_values(kind, noise).min() > 1e-3


@pytest.mark.parametrize("noise", ["uniform", "t"])
@pytest.mark.parametrize("kind", ["ring", "ring+xor"])
def test_a_ring_shows_in_the_spread_but_not_in_the_mean(kind: str, noise: str) -> None:
    means, spreads, _ = p_values(kind, noise)
    assert means.min() > 1e-3
    assert spreads.max() < 1e-3


def test_every_feature_of_a_sum_shows() -> None:
    assert p_values("sum", "normal")[0].max() < 1e-10


@pytest.mark.parametrize("noise", DISTRIBUTIONS)
@pytest.mark.parametrize("kind", [*RULES, "correlation"])
def test_needles_are_distributed_like_the_noise(kind: str, noise: str) -> None:
    parameters = {"kind": kind, "noise": noise, "n_needles": FEWEST[kind]}
    table = needles.load(n_samples=5_000, n_features=10, seed=4, **parameters)
    distribution = DISTRIBUTIONS[noise]
    assert min(stats.kstest(table.X[:, j], distribution.cdf).pvalue for j in range(10)) > 1e-3


def test_a_pair_correlates_within_each_class_but_not_overall() -> None:
    table = needles.load(n_samples=20_000, kind="correlation", effect=0.6, noise="normal", seed=2)
    x, y = drawn_in_order(table), table.y
    rows = {"class 0": y == 0, "class 1": y == 1, "both": y >= 0}
    correlations = {name: np.corrcoef(x[chosen].T)[0, 1] for name, chosen in rows.items()}
    assert_allclose(list(correlations.values()), [-0.6, 0.6, 0], atol=0.03)


@pytest.mark.parametrize("noise", ["uniform", "normal", "t"])
def test_a_perfect_correlation_repeats_or_mirrors_the_first_of_a_pair(noise: str) -> None:
    table = needles.load(**SMALL, kind="correlation", effect=1, noise=noise, seed=2)
    first, second = drawn_in_order(table).T
    mirrored = 1 - first if noise == "uniform" else -first
    assert_allclose(second, np.where(table.y == 1, first, mirrored), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("noise", ["uniform", "normal", "t", "lognormal"])
def test_effects_are_in_units_of_the_noise(noise: str) -> None:
    sd = 1.0 if noise == "lognormal" else DISTRIBUTIONS[noise].std()
    for kind, effect in (("shift", 2.0), ("variance", 9.0)):
        parameters = {"kind": kind, "effect": effect, "noise": noise, "n_needles": 1}
        table = needles.load(n_samples=40_000, n_features=4, seed=3, **parameters)
        x = np.log(drawn_in_order(table)) if noise == "lognormal" else drawn_in_order(table)
        class_0, class_1 = x[table.y == 0], x[table.y == 1]
        if kind == "shift":
            assert_allclose(np.median(class_1) - np.median(class_0), 2 * sd, rtol=0.03)
        else:
            spread = [np.subtract(*np.quantile(v, [0.9, 0.1])) for v in (class_0, class_1)]
            assert_allclose(spread[1] / spread[0], 3, rtol=0.05)
            assert abs(np.median(class_1) - np.median(class_0)) < 0.2 * sd


@pytest.mark.parametrize(
    ("kind", "ring", "xor", "c"),
    [
        ("ring", 0.1151, None, None),
        ("xor", None, 0, None),
        ("ring+xor", 0.0704, 0.0337, None),
        ("ring+xor+sum", 0.0479, 0.0598, 1.4074),
    ],
)
def test_published_thresholds_are_those_of_the_published_code(
    kind: str, ring: float | None, xor: float | None, c: float | None
) -> None:
    """Compute the labels of our tables with the published formulas."""
    sizes = {"n_samples": 4_000, "n_features": 9, "n_needles": FEWEST[kind], "seed": 8}
    table = needles.load(**sizes, kind=kind, class_balance=None)
    x = drawn_in_order(table)
    holds = np.zeros(4_000, dtype=bool)
    if ring is not None:
        distance = np.sqrt((x[:, 0] - 0.5) ** 2 + (x[:, 1] - 0.5) ** 2)
        holds |= np.abs(distance - 0.35) <= ring
    if xor is not None:
        a, b = x[:, :2].T if ring is None else x[:, 2:4].T
        holds |= (a - 0.5) * (0.5 - b) >= xor
    if c is None:
        assert_array_equal(table.y, holds)
        return
    assert table.y[holds].all()
    chance = stats.norm.cdf(((x[:, 4] + x[:, 5])[~holds] - c) / 0.2)
    assert_allclose(table.y[~holds].mean(), chance.mean(), atol=0.03)


@pytest.mark.parametrize("rule", [RING, XOR, SUM], ids=["ring", "xor", "sum"])
@pytest.mark.parametrize("chance", [0.01, 0.2, 0.5, 0.7, 0.99])
def test_a_condition_holds_with_the_requested_probability(rule: Rule, chance: float) -> None:
    rng = np.random.default_rng(0)
    score = rule.score(rng.random((200_000, 2))) + rng.normal(0, rule.noise, 200_000)
    held = np.mean(score >= rule.threshold(chance))
    assert abs(held - chance) < 4 * np.sqrt(chance * (1 - chance) / 200_000)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.75])
def test_class_balance_is_the_share_of_class_1(kind: str, share: float) -> None:
    k = FEWEST.get(kind, 2)
    y = needles.load(n_samples=10_000, n_features=9, kind=kind, n_needles=k, class_balance=share).y
    tolerance = 4 * np.sqrt(share * (1 - share) / 10_000) if kind in RULES else 0
    assert abs(y.mean() - share) <= tolerance
    changes = 2 * share * (1 - share) * 10_000
    assert abs(np.count_nonzero(np.diff(y)) - changes) < 5 * np.sqrt(changes)  # shuffled


@pytest.mark.parametrize("noise", DISTRIBUTIONS)
def test_noise_has_its_distribution(noise: str) -> None:
    sizes = {"n_samples": 500, "n_features": 60}
    table, again = (needles.load(**sizes, noise=noise, seed=6) for _ in range(2))
    assert again.checksum == table.checksum
    rest = np.delete(table.X, table.relevant, axis=1)
    values = rest[:, :3].ravel() if noise == "blocks" else rest.ravel()
    assert stats.kstest(values, DISTRIBUTIONS[noise].cdf).pvalue > 1e-3
    r = np.corrcoef(stats.rankdata(rest, axis=0).T)[np.triu_indices(58, 1)]
    if noise != "blocks":
        assert np.abs(r).max() < 5 / np.sqrt(500)


def test_blocks_correlate_and_needles_stand_outside() -> None:
    table = needles.load(n_samples=4_000, n_features=100, n_needles=4, noise="blocks", kind="xor")
    r = np.corrcoef(table.X.T) - np.eye(100)
    assert np.abs(r[table.relevant]).max() < 5 / np.sqrt(4_000)
    rest = np.delete(np.delete(r, table.relevant, 0), table.relevant, 1)
    inside = rest > 0.3
    assert_allclose(rest[inside].mean(), 0.6, atol=0.02)
    assert np.abs(rest[~inside]).max() < 5 / np.sqrt(4_000)
    beside = np.diagonal(inside, offset=1).sum()
    assert beside < 50  # 23 expected at random, 92 if blocks are contiguous
    assert 20 <= inside.sum(axis=1).min() <= inside.sum(axis=1).max() == 24


@pytest.mark.parametrize("noise", DISTRIBUTIONS)
@pytest.mark.parametrize("kind", ["correlation", "ring"])
def test_no_second_matrix_is_made(kind: str, noise: str) -> None:
    tracemalloc.start()
    try:
        table = needles.load(n_samples=4_000, n_features=2_000, kind=kind, noise=noise)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * table.X.nbytes


def test_parameters_come_through_a_spec() -> None:
    parameters = {**SMALL, "kind": "variance", "effect": 3, "noise": "t", "class_balance": 0.3}
    assert needles.load(**resolve_parameters(needles.load, parameters, "test")).notes["effect"] == 3
    parameters = {**SMALL, "kind": "ring", "class_balance": None}
    assert needles.load(**resolve_parameters(needles.load, parameters, "test")).n_samples == 400


def test_a_rule_that_leaves_a_class_empty_says_so() -> None:
    with pytest.raises(TableError, match="class 'class 1' has 0"):
        needles.load(n_samples=10, n_features=5, kind="xor", class_balance=1e-6)
