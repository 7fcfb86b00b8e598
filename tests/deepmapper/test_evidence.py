"""Evidence: calibrated where nothing is, right about its kind where something is."""

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy import stats

from deepmapper import DeepMapperClassifier
from deepmapper.estimators import evidence as module
from deepmapper.estimators.evidence import KINDS, find_evidence
from deepmapper.networks import _interactions
from deepmapper.networks._contrasts import Flat
from deepmapper.networks._interactions import find_triples
from deepmapper.networks.screen import marginal_z
from generators import needles


def of_table(kind: str, seed: int = 100, **params: object) -> tuple[module.Evidence, np.ndarray]:
    table = needles.load(kind=kind, seed=seed, **params)
    return find_evidence(torch.from_numpy(table.X), torch.from_numpy(table.y), 2), table.relevant


@pytest.mark.parametrize(
    ("kind", "expected", "params"),
    [
        ("shift", "marginal", {"effect": 0.6}),
        ("variance", "variance", {}),
        ("xor", "pair", {}),
        ("ring", "variance", {}),
        ("parity3", "triple", {"n_needles": 3}),
    ],
)
def test_needles_come_first_with_their_kind_and_hardly_anything_else_is_named(
    kind: str, expected: str, params: dict[str, object]
) -> None:
    evidence, relevant = of_table(kind, n_samples=600, n_features=300, **params)
    strength, q = evidence.strength[0], evidence.q_value[0]
    assert set(np.argsort(-strength)[: len(relevant)]) == set(relevant)
    assert {KINDS[i] for i in evidence.kind[0, relevant]} == {expected}
    assert (q[relevant] < 0.1).all()
    assert (q < 0.1).sum() <= len(relevant) + 2
    if kind == "xor":
        assert evidence.partner[0, relevant, 0].tolist() == relevant[::-1].tolist()
        assert evidence.sure[0].tolist() == [*relevant, -1]
    if kind == "parity3":
        assert evidence.partner[0, relevant[1], 1:].tolist() == relevant[[0, 2]].tolist()
        assert evidence.sure[0].tolist() == relevant.tolist()


def test_the_strongest_triple_is_that_of_all_triples() -> None:
    rng = np.random.default_rng(0)
    X, codes = rng.normal(size=(300, 9)), np.arange(300) % 2
    X[:, 5] *= np.sign(X[:, 1] * X[:, 7]) * (1 - 2 * codes) * np.sign(X[:, 5])
    flat, y = Flat(torch.from_numpy(X).float()), torch.from_numpy(codes)
    _, _, centre, spread, _ = marginal_z(flat, y, 2)
    strongest = find_triples(flat, y, 2, centre, spread, seed=0)
    assert strongest is not None
    deviations = X - centre.numpy()[codes]
    of_all = {}
    for triple in combinations(range(9), 3):
        products = deviations[:, triple].prod(1)
        of_all[triple] = abs(stats.ttest_ind(products[codes == 0], products[codes == 1]).statistic)
    assert tuple(strongest[0][0]) == max(of_all, key=of_all.__getitem__) == (1, 5, 7)


def test_triples_of_a_wide_table_are_not_searched() -> None:
    X, y = torch.randn(300, 3000), torch.arange(300) % 2
    assert not find_evidence(X, y, 2).triples_searched
    assert find_evidence(X[:, :50], y, 2).triples_searched


def test_permuted_labels_name_nothing_in_correlated_and_skewed_features() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(60, 1))
    X = np.exp(rng.normal(size=(60, 500)) + 1.5 * shared).astype(np.float32)
    n_named = 0
    for seed in range(20):
        y = torch.from_numpy(rng.permutation(np.arange(60) % 2))
        n_named += bool((find_evidence(torch.from_numpy(X), y, 2, seed=seed).q_value < 0.1).any())
    assert n_named <= 3  # 5% of 20, and three standard deviations


def test_p_values_are_uniform_by_chance() -> None:
    rng = np.random.default_rng(1)
    X = torch.from_numpy(rng.normal(size=(100, 2000)).astype(np.float32))
    y = torch.from_numpy(rng.permutation(np.arange(100) % 3))
    evidence = find_evidence(X, y, 3)
    for log_p in evidence.log_p[:2]:
        assert stats.kstest(np.exp(log_p.ravel()), "uniform").statistic < 0.03


@pytest.mark.parametrize("n_markers", [20, 400, 1200])
def test_features_are_named_however_many_differ(n_markers: int) -> None:
    rng = np.random.default_rng(4)
    y = np.arange(200) % 2
    X = rng.normal(size=(200, 2000))
    X[y == 1, :n_markers] += 1.5
    evidence = find_evidence(torch.from_numpy(X).float(), torch.from_numpy(y), 2)
    named = evidence.q_value[0] <= 0.1
    assert named[:n_markers].mean() > 0.99
    assert (named[n_markers:].sum() / named.sum()) < 0.12
    np.testing.assert_array_equal(evidence.q_value_of_any <= 0.1, named)


def test_a_class_without_markers_names_none_beside_classes_with_many() -> None:
    rng = np.random.default_rng(5)
    y = np.arange(300) % 3
    X = rng.normal(size=(300, 2000))
    X[y == 0, :60] += 1.0
    X[y == 1, :60] -= 1.0  # so the third class is equal to the mean of the rest
    evidence = find_evidence(torch.from_numpy(X).float(), torch.from_numpy(y), 3)
    n_named = (evidence.q_value <= 0.1).sum(1)
    assert (n_named[:2] >= 60).all()
    assert n_named[2] <= 2


def test_a_pair_is_evidence_only_for_the_classes_that_it_tells_apart() -> None:
    rng = np.random.default_rng(6)
    y = np.arange(800) % 4
    X = rng.normal(size=(800, 100))
    sign = np.select([y == 0, y == 1], [1, -1], 0)
    X[:, 9] = np.where(sign != 0, sign * X[:, 3], X[:, 9]) + 0.3 * rng.normal(size=800)
    evidence = find_evidence(torch.from_numpy(X).float(), torch.from_numpy(y), 4)
    assert (evidence.q_value[:2, [3, 9]] < 0.01).all()
    assert (evidence.q_value[2:, [3, 9]] > 0.1).all()
    assert evidence.partner[:, 3, 0].tolist() == [9, 9, -1, -1]


def test_the_direction_is_that_of_the_class_means() -> None:
    rng = np.random.default_rng(7)
    y = np.arange(200) % 2
    shared = rng.normal(size=(200, 1)) + 2 * y[:, None]  # of all features, and larger in class 1
    X = shared + rng.normal(size=(200, 300))
    X[y == 1, :20] -= 1.0  # lower than expected, but still higher
    for table in (X, X[:, :1]):
        evidence = find_evidence(torch.from_numpy(table).float(), torch.from_numpy(y), 2)
        higher = table[y == 1].mean(0) > table[y == 0].mean(0)
        np.testing.assert_array_equal(evidence.sign[0] > 0, higher)


def test_many_strong_features_are_evidence_even_if_the_strongest_is_not() -> None:
    rng = np.random.default_rng(8)
    y = np.arange(60) % 2
    X = rng.normal(size=(60, 4000))
    X[y == 1, :800] += 0.6
    assert find_evidence(torch.from_numpy(X).float(), torch.from_numpy(y), 2).global_p < 0.05


def test_a_perfect_marker_is_the_strongest_and_constants_have_none() -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(80, 50)).astype(np.float32)
    y = np.arange(80) % 2
    X[:, 7], X[:, 9] = y, 3.0
    evidence = find_evidence(torch.from_numpy(X), torch.from_numpy(y), 2)
    assert evidence.strength[0].argmax() == 7
    assert evidence.strength[0, 9] == 0
    assert evidence.sign[0, 7] == 1


def test_a_table_too_wide_to_permute_is_ranked_by_the_tests_of_the_screen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_VALUES", 300 * 100)
    evidence, relevant = of_table("shift", n_samples=600, n_features=300, effect=0.6)
    assert set(np.argsort(-evidence.strength[0])[:2]) == set(relevant)
    assert (evidence.q_value[0, relevant] < 0.01).all()


def test_the_evidence_of_features_is_that_of_their_pixels() -> None:
    table = needles.load(kind="xor", n_samples=600, n_features=100, seed=101)
    order = np.random.default_rng(0).permutation(144)[:100]
    images = np.zeros((600, 144), dtype=np.float32)
    images[:, order] = table.X
    y = torch.from_numpy(table.y)
    pixels = find_evidence(torch.from_numpy(images), y, 2).of_features(order)
    features = find_evidence(torch.from_numpy(table.X), y, 2)
    assert pixels.partner[0, table.relevant, 0].tolist() == table.relevant[::-1].tolist()
    np.testing.assert_allclose(pixels.strength, features.strength, rtol=0.2, atol=1.5)


def test_the_table_names_direction_and_partner() -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(400, 40))
    y = rng.permutation(np.arange(400) % 2)
    X[:, 4] += y
    X[:, 7] = np.abs(X[:, 7]) * np.sign(X[:, 9]) * (2 * y - 1)
    model = DeepMapperClassifier(passes=1, device="cpu", random_state=0).fit(X, y)
    for label, expected in ((0, "lower"), (1, "higher")):
        table = model.attributions_
        rows = table[table["class"] == label].set_index("feature")
        assert set(rows.index[:3]) == {"x4", "x7", "x9"}
        assert rows.evidence[["x4", "x7", "x9"]].tolist() == ["marginal", "pair", "pair"]
        assert rows.direction[["x4", "x7"]].tolist() == [expected, ""]
        assert rows.partner[["x4", "x7", "x9"]].tolist() == ["", "x9", "x7"]


def test_pairs_that_are_not_searched_are_said_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_interactions, "PAIR_BUDGET", 1000)
    X, y = np.random.default_rng(0).normal(size=(300, 40)), np.arange(300) % 2
    model = DeepMapperClassifier(passes=1, device="cpu", random_state=0)
    model.set_params(training__min_accuracy=0.0, training__max_epochs=1)
    with pytest.warns(UserWarning, match="pairs of the 40 features were not searched"):
        model.fit(X, y)
