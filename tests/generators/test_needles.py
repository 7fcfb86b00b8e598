"""Needles of every kind: positions, distributions and the Bayes error."""

import json
import tracemalloc
from itertools import combinations, product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from bench.cell import resolve_parameters
from datasets.table import Table, TableError
from generators import needles, nihs
from generators._needle_kinds import (
    PARITY3,
    PARITY4,
    RING,
    RULES,
    SPREAD,
    STEP,
    SUM,
    XOR,
    Rule,
    parity,
)
from generators.needles import KINDS, bayes_error

PINNED = {  # the first digits of the checksum
    "shift": "04a0db3832cf3a05",
    "variance": "78f1aba8e8c05f26",
    "ranges": "e5433aac725d3c77",
    "xor": "0b4f1a94163ecc2c",
    "ring": "ad053d903d9b6ce7",
    "ring+xor": "03eb5515ff58a70a",
}
SMALL = {"n_samples": 400, "n_features": 50}
SIZES = {  # of the groups of a kind that has other groups than single needles
    "xor": [2],
    "ring": [2],
    "sum": [2],
    "ring+xor": [2, 2],
    "ring+xor+sum": [2, 2, 2],
    "correlation": [2],
    "parity3": [3],
    "parity4": [4],
    "mixture": [1, 1, 2, 3],
}
FEWEST = {kind: sum(sizes) for kind, sizes in SIZES.items()}
DISTRIBUTIONS = {
    "uniform": stats.uniform(),
    "normal": stats.norm(),
    "t": stats.t(3),
    "lognormal": stats.lognorm(1),
    "blocks": stats.norm(),
}


def drawn_in_order(table: Table) -> np.ndarray:
    """The values of the needles, groups side by side, (n_samples, n_needles) float64."""
    return table.X[:, np.concatenate(table.notes["groups"])].astype(np.float64)


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
    held = chance_of_conditions(table, distribution.cdf(x))
    if kind == "mixture":
        votes = held.sum(axis=1)
        return np.where(votes == held.shape[1] / 2, 0.5, votes > held.shape[1] / 2)
    return 1 - (1 - held).prod(axis=1)


def chance_of_conditions(table: Table, u: np.ndarray) -> np.ndarray:
    """P(condition holds | ranks of the needles), (n_samples, n_groups)."""
    kind, groups = table.notes["kind"], table.notes["groups"]
    names = ["step", "spread", "xor", "parity"] if kind == "mixture" else kind.split("+")
    names = names * (len(groups) // len(names))
    held, start = [], 0
    for name, group, t in zip(names, groups, table.notes["thresholds"], strict=True):
        v = u[:, start : start + len(group)]
        start += len(group)
        if name == "ring":
            distance = np.sqrt((v[:, 0] - 0.5) ** 2 + (v[:, 1] - 0.5) ** 2)
            held.append(np.abs(distance - 0.35) <= -t)
        elif name == "sum":
            held.append(stats.norm.cdf((v[:, 0] + v[:, 1] - t) / 0.2))
        elif name == "step":
            held.append(v[:, 0] >= t)
        elif name == "spread":
            held.append((v[:, 0] <= 0.5 - t) | (v[:, 0] >= 0.5 + t))
        else:  # "xor" is the parity of two
            odd = (v > 0.5).sum(axis=1) % 2 == 1
            distance = np.abs(v - 0.5).prod(axis=1)
            held.append(np.where(odd, distance, -distance) >= t)
    return np.stack(held, axis=1).astype(float)


@pytest.mark.parametrize("kind", PINNED)
def test_a_seed_fixes_the_table(kind: str) -> None:
    sizes = {**SMALL, "kind": kind, "n_needles": FEWEST.get(kind, 2)}
    assert needles.load(**sizes, seed=5).checksum.startswith(PINNED[kind])
    assert not needles.load(**sizes, seed=6).checksum.startswith(PINNED[kind])


def test_balanced_xor_has_the_threshold_0() -> None:
    assert needles.load(**SMALL, kind="xor").notes["thresholds"] == [0.0]


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
    groups = table.notes["groups"]
    assert [len(group) for group in groups] == 2 * SIZES.get(kind, [1])
    assert sorted(np.concatenate(groups)) == table.relevant.tolist()
    assert table.notes["pairs"] == [group for group in groups if len(group) == 2]


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
@pytest.mark.parametrize("kind", ["xor", "correlation", "parity3", "parity4"])
def test_no_single_feature_of_a_group_separates_the_classes(kind: str, noise: str) -> None:
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
@pytest.mark.parametrize("size", [3, 4])
def test_no_smaller_set_of_a_parity_depends_on_the_class(size: int, noise: str) -> None:
    sizes = {"n_samples": 20_000, "n_features": 10, "n_needles": size}
    table = needles.load(**sizes, kind=f"parity{size}", noise=noise, seed=11)
    above = DISTRIBUTIONS[noise].cdf(drawn_in_order(table)) > 0.5
    assert_array_equal(table.y, above.sum(axis=1) % 2)
    for chosen in combinations(range(size), size - 1):
        odd = above[:, chosen].sum(axis=1) % 2 == 1
        agreement = np.mean(odd == (table.y == 1))
        assert abs(agreement - 0.5) < 4 * np.sqrt(0.25 / 20_000)


@pytest.mark.parametrize("n_sets", [1, 2])
def test_each_vote_of_a_mixture_agrees_with_the_class_equally_often(n_sets: int) -> None:
    sizes = {"n_samples": 40_000, "n_features": 20, "n_needles": 7 * n_sets}
    table = needles.load(**sizes, kind="mixture", noise="normal", seed=2)
    held = chance_of_conditions(table, stats.norm.cdf(drawn_in_order(table)))
    agreement = np.mean(held == table.y[:, None], axis=0)
    expected = {1: 11 / 16, 2: 1 / 2 + 35 / 256}[n_sets]  # the other votes are tied, or all are
    assert_allclose(agreement, expected, atol=4 * np.sqrt(0.22 / 40_000))
    assert table.notes["bayes_error"] == pytest.approx({1: 3 / 16, 2: 35 / 256}[n_sets])


@pytest.mark.parametrize(("kind", "k"), [("xor", 2), ("parity3", 3), ("parity4", 4)])
def test_patterns_of_coins_are_equally_frequent(kind: str, k: int) -> None:
    """No proper subset of the needles differs between the classes, in the table itself."""
    table = needles.load(n_samples=160, n_features=12, n_needles=k, kind=kind, noise="binary")
    assert set(np.unique(table.X)) == {0, 1}
    bits = drawn_in_order(table).astype(int)
    assert_array_equal(table.y, bits.sum(axis=1) % 2)
    assert_array_equal(np.bincount(bits @ 2 ** np.arange(k)), [160 // 2**k] * 2**k)
    assert table.notes["bayes_error"] == 0
    assert np.count_nonzero(np.diff(table.y)) > 50  # shuffled


def test_other_coins_are_fair_and_independent() -> None:
    table = needles.load(n_samples=4_000, n_features=30, kind="xor", noise="binary", seed=4)
    assert_allclose(table.X.mean(axis=0), 0.5, atol=4.5 * np.sqrt(0.25 / 4_000))
    r = np.corrcoef(np.column_stack([table.X, table.y]).T) - np.eye(31)
    assert np.abs(r).max() < 5 / np.sqrt(4_000)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "shift"}, "another one with kind='shift', got 'binary'"),
        ({"kind": "mixture", "n_needles": 7}, "another one with kind='mixture'"),
        ({"kind": "xor", "n_needles": 4}, "expected 2 with noise=.binary. and kind='xor', got 4"),
        ({"kind": "xor", "class_balance": 0.3}, "expected 0.5 with noise=.binary., got 0.3"),
    ],
)
def test_coins_are_refused_where_the_rule_has_no_meaning(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(TableError, match=message):
        needles.load(**SMALL, noise="binary", **changes)


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


RULES_BY_NAME = {
    "ring": RING,
    "xor": XOR,
    "sum": SUM,
    "step": STEP,
    "spread": SPREAD,
    "parity3": PARITY3,
    "parity4": PARITY4,
}


@pytest.mark.parametrize("rule", RULES_BY_NAME.values(), ids=RULES_BY_NAME)
@pytest.mark.parametrize("chance", [0.01, 0.2, 0.5, 0.7, 0.99])
def test_a_condition_holds_with_the_requested_probability(rule: Rule, chance: float) -> None:
    rng = np.random.default_rng(0)
    score = rule.score(rng.random((200_000, rule.size))) + rng.normal(0, rule.noise, 200_000)
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


@pytest.mark.parametrize("chance", [0.01, 0.2, 0.5, 0.7, 0.99])
def test_xor_is_the_parity_of_two(chance: float) -> None:
    assert_allclose(parity(2).threshold(chance), XOR.threshold(chance), atol=1e-12)
    u = np.random.default_rng(0).random((100, 2))
    assert_allclose(parity(2).score(u), XOR.score(u))


def test_a_rule_that_leaves_a_class_empty_says_so() -> None:
    with pytest.raises(TableError, match="class 'class 1' has 0"):
        needles.load(n_samples=10, n_features=5, kind="xor", class_balance=1e-6)
