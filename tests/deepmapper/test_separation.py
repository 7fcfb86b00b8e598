"""Scores of features without labels: equal to plain numpy, zero for noise, high for structure."""

import numpy as np
import torch

from deepmapper.estimators._separation import Separation, guess_hidden, hiding_order
from deepmapper.networks._autoencoder import Autoencoder


def _table(n: int, seed: int) -> np.ndarray:
    """16 features: the first four follow one factor, the fifth never varies, the rest is noise."""
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(n, 16))
    X[:, :4] += 2 * draw.normal(size=(n, 1))
    X[:, 4] = 0
    return (X / X.std(0).clip(min=1e-9)).astype(np.float32)


def _fitted(n_components: int, seed: int = 0) -> Autoencoder:
    torch.manual_seed(seed)
    network = Autoencoder((4, 4), n_components).eval()
    network.start_at_principal_components(_images(_table(500, seed)))
    return network


def _images(X: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(X).view(-1, 1, 4, 4)


def test_a_guess_never_sees_what_it_guesses() -> None:
    network = _fitted(8)
    X = _table(6, 1)
    part = hiding_order(network, 5, torch.Generator().manual_seed(0))
    before = guess_hidden(network, _images(X), part).flatten(1)
    for feature in range(16):
        changed = X.copy()
        changed[:, feature] += 100
        after = guess_hidden(network, _images(changed), part).flatten(1)
        torch.testing.assert_close(after[:, feature], before[:, feature])
        assert feature == 4 or not torch.allclose(after, before)


def test_parts_are_of_equal_size_and_repeatable() -> None:
    network = _fitted(2)
    part = hiding_order(network, 5, torch.Generator().manual_seed(3))
    assert sorted(np.bincount(part.flatten()).tolist()) == [3, 3, 3, 3, 4]
    assert torch.equal(part, hiding_order(network, 5, torch.Generator().manual_seed(3)))


def test_scores_equal_plain_numpy_and_batches_do_not_matter() -> None:
    network, X = _fitted(3), _table(70, 1)
    separation = Separation((4, 4), parts=4, batch_size=16)
    error = separation.add(network, _images(X), torch.Generator().manual_seed(0))
    axes = network.axes.weight.detach().numpy().astype(np.float64)
    center = network.center.flatten().numpy()
    part = hiding_order(network, 4, torch.Generator().manual_seed(0)).flatten().numpy()
    truth = X - center
    guess = np.zeros_like(truth)
    for number in range(4):
        hidden = part == number
        seen = truth * ~hidden / (~hidden).mean()
        guess[:, hidden] = (seen @ axes.T / 16 @ axes)[:, hidden]
    np.testing.assert_allclose(error, ((guess - truth) ** 2).mean(), rtol=1e-5)
    square = (truth**2).sum(0)
    larger = np.maximum(square, (guess**2).sum(0))
    expected = np.divide((guess * truth).sum(0), larger, out=np.zeros(16), where=square > 0)
    residual = guess * truth - expected * truth**2
    root = np.sqrt((residual**2).sum(0))
    expected_sd = np.divide(root, larger, out=np.zeros(16), where=square > 0)
    score, sd = separation.scores()
    np.testing.assert_allclose(score.ravel(), expected, atol=1e-5)
    np.testing.assert_allclose(sd.ravel(), expected_sd, atol=1e-5)
    assert separation.n_rows == 70


def test_structure_scores_high_and_noise_around_zero_although_the_bottleneck_lets_it_through() -> (
    None
):
    """Eight components reproduce half of 16 features' noise, also on rows that are new."""
    network, images = _fitted(8), _images(_table(2000, 1))
    seen = 1 - (network(images).detach() - images).square().mean(0) / images.square().mean(0).clamp(
        min=1e-9
    )
    assert float(seen.flatten()[5:].mean()) > 0.05
    separation = Separation((4, 4))
    separation.add(network, images, torch.Generator().manual_seed(0))
    score, sd = (values.ravel() for values in separation.scores())
    assert score[:4].min() > 0.5
    assert score[4] == sd[4] == 0
    assert abs(score[5:].mean()) < 0.02
    assert (np.abs(score[5:]) < 4 * sd[5:] + 0.01).all()


def test_joining_two_halves_is_seeing_the_whole() -> None:
    network, X = _fitted(3), _table(60, 1)
    whole, first, second = (Separation((4, 4)) for _ in range(3))
    for separation, rows in ((whole, X), (first, X[:20]), (second, X[20:])):
        separation.add(network, _images(rows), torch.Generator().manual_seed(0))
    first.join(second)
    np.testing.assert_allclose(first.scores(), whole.scores(), atol=1e-9)


def test_one_feature_alone_has_nothing_to_be_guessed_from() -> None:
    network = Autoencoder((1, 1), 2).eval()
    images = torch.randn(20, 1, 1, 1)
    network.start_at_principal_components(images)
    separation = Separation((1, 1))
    error = separation.add(network, images, torch.Generator().manual_seed(0))
    assert separation.scores()[0] == 0
    np.testing.assert_allclose(error, float(images.var(correction=0)), rtol=1e-5)


def test_a_guess_that_overshoots_scores_no_more_than_one() -> None:
    network, X = _fitted(3), _table(70, 1)
    network.axes.weight.data *= 3
    separation = Separation((4, 4))
    separation.add(network, _images(X), torch.Generator().manual_seed(0))
    assert np.abs(separation.scores()[0]).max() < 1
