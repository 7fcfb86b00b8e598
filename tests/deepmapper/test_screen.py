"""The screen finds the signal and little noise, and the gate closes noise."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.feature_selection import f_classif

from deepmapper.estimators.network_classifier import NetworkClassifier
from deepmapper.networks import _interactions
from deepmapper.networks._assembly import screened_gate
from deepmapper.networks.gate import GatedNetwork, PixelGate, ProximalSGD
from deepmapper.networks.screen import Screen, false_discovery_rate, most_open, screen


def _noise(n: int, p: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, p)).astype(np.float32)


def _screen(X: np.ndarray, y: np.ndarray, **options: object) -> Screen:
    return screen(torch.from_numpy(X), torch.from_numpy(y), int(y.max()) + 1, **options)  # type: ignore[arg-type]


def _xor(n: int, p: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    X = _noise(n, p, seed)
    return X, ((X[:, 3] > 0) ^ (X[:, p - 2] > 0)).astype(np.int64)


def test_the_strength_of_means_is_the_t_test() -> None:
    X, y = _noise(80, 30), np.arange(80) % 2
    X[:, 4] += 0.8 * y
    p = f_classif(X, y)[1]  # F of two groups is t squared
    result = _screen(X, y, interactions=False)
    np.testing.assert_allclose(2 * stats.norm.sf(result.mean[0]), p, rtol=1e-3)
    assert result.mean.argmax() == 4


def test_the_strength_of_variances_is_the_t_test_of_squared_deviations() -> None:
    X, y = _noise(300, 20), np.arange(300) % 2
    X[:, 7] *= 1 + y
    deviations = X - np.stack([X[y == c].mean(0) for c in (0, 1)])[y]
    p = stats.ttest_ind(deviations[y == 1] ** 2, deviations[y == 0] ** 2).pvalue
    result = _screen(X, y, interactions=False)
    np.testing.assert_allclose(2 * stats.norm.sf(result.variance[0]), p, rtol=0.02, atol=1e-4)
    assert result.variance.argmax() == 7
    assert result.opening()[7] > 0.99


def test_noise_stays_shut_and_the_signal_opens() -> None:
    y, noise_openings = np.arange(400) % 4, []
    for seed in range(5):
        X = _noise(400, 500, seed)
        X[:, [10, 20]] += y[:, None]
        opening = _screen(X, y).opening()
        assert (opening[[10, 20]] > 0.999).all()
        noise_openings.append(np.delete(opening, [10, 20]).mean())
    assert np.mean(noise_openings) < 0.05


def test_a_pair_without_marginal_signal_is_found() -> None:
    X, y = _xor(600, 200)
    result = _screen(X, y)
    assert result.pairs[0].tolist() == [3, 198]
    assert result.strength[[3, 198]].max() < 4
    assert (result.opening()[[3, 198]] > 0.999).all()


def test_the_pair_is_found_across_blocks_and_among_three_classes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_interactions, "BLOCK", 64)
    X, y = _xor(900, 200)
    y[np.arange(900) % 3 == 0] = 2
    assert _screen(X, y).pairs[0].tolist() == [3, 198]


def test_two_marginal_shifts_are_no_pair() -> None:
    X, y = _noise(600, 50), np.arange(600) % 2
    X[:, [5, 6]] += 2 * y[:, None]
    result = _screen(X, y)
    assert [5, 6] not in result.pairs[result.pair_strength > 5].tolist()


def test_empty_pixels_cost_the_search_for_pairs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = _xor(600, 40)
    wide = np.zeros((600, 400), dtype=np.float32)
    wide[:, ::10] = X
    monkeypatch.setattr(_interactions, "PAIR_BUDGET", 600 * 40**2)
    narrow, result = _screen(X, y), _screen(wide, y)
    assert result.pairs[0].tolist() == [30, 380]
    np.testing.assert_array_equal(result.pairs, 10 * narrow.pairs)
    np.testing.assert_allclose(result.pair_strength, narrow.pair_strength, rtol=1e-5)
    np.testing.assert_allclose(result.pair_sureness(), narrow.pair_sureness())


def test_the_search_for_pairs_keeps_to_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = _xor(600, 200)
    monkeypatch.setattr(_interactions, "PAIR_BUDGET", 100 * 200**2)  # 100 rows: too few
    assert len(_screen(X, y).pairs) == 0
    assert len(_screen(X, y, interactions=True).pairs) > 0
    monkeypatch.setattr(_interactions, "PAIR_BUDGET", 300 * 200**2)
    assert _screen(X, y).pairs[0].tolist() == [3, 198]


def test_all_pairs_of_a_small_table_are_searched_on_all_its_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The limit of 200 rows holds for a sample of the rows."""
    X, y = _xor(150, 40)
    assert _screen(X, y).pairs[0].tolist() == [3, 38]
    monkeypatch.setattr(_interactions, "PAIR_BUDGET", 149 * 40**2)
    assert len(_screen(X, y).pairs) == 0


def test_a_class_too_small_to_tell_a_pair_from_chance_is_not_searched() -> None:
    X, y = _noise(400, 60), np.arange(400) % 2
    assert _screen(X, y).pairs_searched
    y[:4] = 2  # a pair needs a z of 4.3 among 1,770 and three classes; four rows give 4.0
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        search = _interactions._pair_candidates
        patch.setattr(
            _interactions, "_pair_candidates", lambda *args: seen.append(args[2]) or search(*args)
        )
        _screen(X, y)
    assert seen == [[0, 1]]
    few = np.arange(20) % 10
    assert not _screen(X[:20], few).pairs_searched
    assert _screen(X[:20], few, interactions=True).pairs_searched


def test_constant_features_and_tiny_classes_say_nothing() -> None:
    X, y = _noise(20, 8), np.zeros(20, dtype=np.int64)
    y[0] = 1
    X[:, 2] = 7
    result = _screen(X, y)
    assert result.mean[0, 2] == result.variance[0, 2] == result.opening()[2] == 0
    assert np.isfinite(result.strength).all()


@pytest.mark.parametrize("most", [1.5, 10.0, 39.0])
def test_limited_openings_sum_to_the_limit_and_keep_their_order(most: float) -> None:
    X, y = _noise(300, 40), np.arange(300) % 2
    X += np.linspace(0.5, 3, 40, dtype=np.float32) * y[:, None]
    result = _screen(X, y)
    free, limited = result.opening(), result.opening(most)
    assert free.sum() > 39.5
    assert limited.sum() == pytest.approx(most, rel=1e-3)
    strongest = int(result.strength.argmax())
    assert limited[strongest] == free[strongest]
    by_strength = np.argsort(result.strength)
    assert (np.diff(limited[by_strength]) >= 0).all()


def test_a_class_of_few_samples_keeps_its_strongest_features() -> None:
    y = np.repeat([0, 1, 2], [140, 140, 20])
    X = _noise(300, 60)
    X[:, :50] += 4 * (y == 0)[:, None]
    X[:, 50:] += 2 * (y == 2)[:, None]
    opening = _screen(X, y).opening(15.0)
    assert opening[50:].max() > 0.99


def test_openings_below_the_limit_stay_as_they_are() -> None:
    X, y = _noise(300, 40), np.arange(300) % 2
    X[:, 7] += 3 * y
    result = _screen(X, y)
    np.testing.assert_array_equal(result.opening(most_open(300)), result.opening())


def test_equal_features_open_equally_even_above_the_limit() -> None:
    y = np.arange(300) % 2
    X = np.repeat(_noise(300, 1) + 3 * y[:, None], 40, axis=1).astype(np.float32)
    opening = _screen(X, y).opening(5.0)
    assert np.ptp(opening) == 0
    assert opening[0] > 0.99


def test_the_limit_is_that_of_sure_independence_screening() -> None:
    assert most_open(291) == pytest.approx(291 / np.log(291))
    assert most_open(2) > 1


def test_q_values_of_noise_are_those_of_benjamini_and_hochberg() -> None:
    p = np.random.default_rng(0).random(200)
    expected = stats.false_discovery_control(p)
    null_share = min(1.0, (np.sum(p > 0.5) + 1) / 100)
    np.testing.assert_allclose(
        false_discovery_rate(p), np.minimum(1, expected * null_share), atol=0.05
    )


def test_a_shut_pixel_is_not_seen_and_can_open_again() -> None:
    gate = PixelGate(torch.tensor([[[0.0, 1.0]]]))
    x = torch.tensor([[[[5.0, 3.0]]]])
    assert gate(x).tolist() == [[[[0.0, 3.0]]]]
    assert gate.n_open() == 1
    gate(x).sum().backward()
    assert gate.weight.grad is not None
    assert gate.weight.grad[0, 0, 0] == 5.0


def test_the_step_is_gradient_and_threshold_by_hand() -> None:
    gate = PixelGate(torch.tensor([[[0.8, 0.5, 0.2]]]), doubt=torch.tensor([[[0.0, 1.0, 1.0]]]))
    gate.weight.grad = torch.tensor([[[0.1, -0.2, 0.3]]])
    ProximalSGD(gate, lr=0.5, strictness=2.0).step()
    noise = 0.2  # the median of |gradient| after one step
    expected = [0.8 - 0.05, 0.5 + 0.1 - 0.5 * 2 * noise, 0.0]
    np.testing.assert_allclose(gate.weight.detach().flatten(), expected, atol=1e-6)


def test_padding_without_gradient_changes_nothing() -> None:
    gate = PixelGate(torch.tensor([[[0.0, 0.5]]]))
    gate.weight.grad = torch.zeros(1, 1, 2)
    ProximalSGD(gate).step()
    assert gate.weight.flatten().tolist() == [0.0, 0.5]


@pytest.mark.parametrize("gate", [True, False])
def test_a_gated_classifier_finds_the_pixel_and_shuts_noise(gate: bool) -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(400, 1, 12, 12)).astype(np.float32)
    labels = (images[:, 0, 5, 7] > 0).astype(int)
    model = NetworkClassifier(gate=gate, device="cpu", random_state=0).fit(images, labels)
    test = rng.normal(size=(400, 1, 12, 12)).astype(np.float32)
    accuracy = (model.predict(test) == (test[:, 0, 5, 7] > 0)).mean()
    assert accuracy > 0.9 if gate else accuracy > 0.6
    if gate:
        (network,) = model.networks_
        assert isinstance(network, GatedNetwork)
        assert int((network.gate.weight > 0.1).sum()) < 20
        assert int(network.gate.weight.argmax()) == 5 * 12 + 7


def test_there_is_no_gate_if_every_pixel_has_signal() -> None:
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(600) % 2
    images = torch.randn(600, 1, 4, 4, generator=draw)
    images += labels.float().view(-1, 1, 1, 1)
    images[:, 0, 0, 0] = 0.0  # a pixel that never varies is no reason for a gate
    assert screened_gate(images, labels, 2) is None
    images[:, 0, 1] = torch.randn(600, 4, generator=draw)  # four pixels of noise are a reason
    assert screened_gate(images, labels, 2) is not None


def test_too_few_samples_for_all_pixels_are_a_reason_for_a_gate() -> None:
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 2
    images = torch.randn(60, 1, 5, 5, generator=draw) + 3 * labels.float().view(-1, 1, 1, 1)
    assert screened_gate(images, labels, 2) is not None
