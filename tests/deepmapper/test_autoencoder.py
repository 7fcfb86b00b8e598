"""The autoencoder and its scores of features, compared with plain numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepmapper.estimators._separation import Separation, guess_hidden, hiding_order
from deepmapper.networks._autoencoder import Autoencoder, PatchExpansion, Reconstruction


def _images(n: int = 40, side: int = 5, seed: int = 0) -> torch.Tensor:
    """Images of rank 2 with a little noise."""
    draw = torch.Generator().manual_seed(seed)
    flat = torch.randn(n, 2, generator=draw) @ torch.randn(2, side * side, generator=draw)
    flat += 3 + 0.01 * torch.randn(n, side * side, generator=draw)
    return flat.view(n, 1, side, side)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 13), st.integers(1, 13), st.integers(1, 7), st.integers(1, 3))
def test_expansion_is_one_linear_map_a_patch(h: int, w: int, patch: int, width: int) -> None:
    layer = PatchExpansion((h, w), patch, width)
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, width, layer.rows, layer.columns)
    expected = np.zeros((2, 1, h, w))
    for i, j in np.ndindex(h, w):
        place = i // patch * layer.columns + j // patch
        inside = i % patch * patch + j % patch
        weight = layer.weight[place, :, inside].detach()
        value = x[:, :, i // patch, j // patch] @ weight + layer.bias[place, 0, inside].item()
        expected[:, 0, i, j] = value.numpy()
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 3), (7, 7), (31, 31), (67, 67), (5, 64)])
def test_any_side_gives_its_own_shape_and_a_gradient_to_every_weight(shape: tuple) -> None:
    torch.manual_seed(0)
    network = Autoencoder(shape, 3).train()
    for parameter in network.parameters():  # zeros would stop the gradients
        torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(64, 1, *shape)
    network(x).square().mean().backward()
    without = {name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()}
    # No other feature can predict a single one.
    assert without <= ({"embedding.weight"} if shape == (1, 1) else set())
    assert network.eval()(x).shape == x.shape
    assert network.encode(x).shape == (64, 3)


def test_it_starts_at_the_principal_components() -> None:
    images = _images()
    torch.manual_seed(0)
    network = Autoencoder((5, 5), 2).eval()
    network.start_at_principal_components(images)
    flat = images.flatten(1).numpy()
    center = flat.mean(0)
    left, spread, right = np.linalg.svd(flat - center, full_matrices=False)
    expected = center + (left[:, :2] * spread[:2]) @ right[:2]
    # Shrinking by 1 - noise / variance is what separates the two: here about 1e-5 of the signal.
    reconstruction = network(images).detach().flatten(1).numpy()
    np.testing.assert_allclose(reconstruction, expected, atol=2e-3)
    latents = network.encode(images).detach().numpy()
    np.testing.assert_allclose(np.abs(latents), np.abs(left[:, :2] * spread[:2]) / 5, atol=2e-3)


def test_axes_shrink_as_probabilistic_pca_says() -> None:
    draw = np.random.default_rng(0)
    flat = (draw.normal(size=(60, 9)) * [3, 2, 1, 1, 1, 1, 1, 1, 1]).astype(np.float32)
    network = Autoencoder((3, 3), 2).eval()
    network.start_at_principal_components(torch.from_numpy(flat).view(-1, 1, 3, 3))
    variance = np.linalg.eigvalsh(np.cov(flat.T, bias=True))[::-1]
    kept = 1 - variance[2:].mean() / variance[:2]  # the posterior mean (Tipping & Bishop 1999)
    length = network.axes.weight.detach().square().sum(1) / 9
    np.testing.assert_allclose(length.numpy(), kept, rtol=1e-3)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_more_components_than_the_images_span_start_at_zero(n: int) -> None:
    network = Autoencoder((2, 2), 8).eval()
    images = _images(n, 2)
    network.start_at_principal_components(images)
    assert not network.axes.weight[4:].any()
    assert torch.isfinite(network(images)).all()


def test_padding_stays_zero_and_has_no_part_in_the_loss() -> None:
    torch.manual_seed(0)
    pixels = torch.tensor([[True, True], [True, False]])
    network = Autoencoder((2, 2), 2, pixels)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    network.eval()
    x = torch.randn(6, 1, 2, 2)
    assert not network(x)[:, 0, 1, 1].any()
    changed = x.clone()
    changed[:, 0, 1, 1] += 7
    torch.testing.assert_close(network.encode(changed), network.encode(x))
    loss = Reconstruction(pixels, 1.0).loss
    torch.testing.assert_close(loss(network(x), changed), loss(network(x), x))


def test_the_loss_is_the_mean_over_features_and_the_score_explained_variance() -> None:
    target = torch.tensor([[[[1.0, 2.0], [3.0, 0.0]]], [[[0.0, 0.0], [0.0, 0.0]]]])
    output = target + torch.tensor([[[[1.0, 0.0], [0.0, 9.0]]], [[[2.0, 1.0], [1.0, 9.0]]]])
    objective = Reconstruction(torch.tensor([[True, True], [True, False]]), variance=4.0)
    torch.testing.assert_close(objective.loss(output, target), torch.tensor((1 / 3 + 6 / 3) / 2))
    expected = torch.tensor([1 - (1 / 3) / 4, 1 - (6 / 3) / 4])
    torch.testing.assert_close(objective.score(output, target), expected)


def test_in_training_only_hidden_pixels_differ_from_the_image() -> None:
    """A guess that is wrong by 1 everywhere has a training loss of 1."""
    network = Autoencoder((20, 20), 2, hidden=0.25).train()
    network.axes.weight.data.zero_()
    x = torch.ones(50, 1, 20, 20)  # the guess is the center, zero
    difference = (network(x) - x).detach()
    assert float((difference != 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert float(difference.square().mean()) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("hidden", [0.001, 0.003, 0.25, 0.502, 0.999])
def test_some_pixels_are_hidden_and_some_are_not_and_their_mean_stays(hidden: float) -> None:
    network = Autoencoder((64, 64), 2, hidden=hidden).train()
    network.hide.generator = torch.Generator().manual_seed(0)
    keep = network.hide(torch.ones(200, 1, 64, 64))
    share = float((keep == 0).float().mean())
    assert share == pytest.approx(hidden, abs=0.004)
    assert 0 < share < 1
    assert float(keep.mean()) == pytest.approx(1.0, abs=0.002 / (1 - share))


def _table(n: int, seed: int) -> np.ndarray:
    """16 features: four of one factor, a constant, and noise."""
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(n, 16))
    X[:, :4] += 2 * draw.normal(size=(n, 1))
    X[:, 4] = 0
    return (X / X.std(0).clip(min=1e-9)).astype(np.float32)


def _fitted(n_components: int, seed: int = 0) -> Autoencoder:
    torch.manual_seed(seed)
    network = Autoencoder((4, 4), n_components).eval()
    network.start_at_principal_components(_as_images(_table(500, seed)))
    return network


def _as_images(X: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(X).view(-1, 1, 4, 4)


def test_a_guess_does_not_depend_on_its_target() -> None:
    network = _fitted(8)
    X = _table(6, 1)
    part = hiding_order(network, 5, torch.Generator().manual_seed(0))
    before = guess_hidden(network, _as_images(X), part).flatten(1)
    for feature in range(16):
        changed = X.copy()
        changed[:, feature] += 100
        after = guess_hidden(network, _as_images(changed), part).flatten(1)
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
    error = separation.add(network, _as_images(X), torch.Generator().manual_seed(0))
    axes = network.axes.weight.detach().numpy().astype(np.float64)
    center = network.center.flatten().numpy()
    part = hiding_order(network, 4, torch.Generator().manual_seed(0)).flatten().numpy()
    truth = X - center
    guess = np.zeros_like(truth)
    for number in range(4):
        hidden = part == number
        visible = truth * ~hidden / (~hidden).mean()
        guess[:, hidden] = (visible @ axes.T / 16 @ axes)[:, hidden]
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


def test_structure_scores_high_and_noise_scores_zero() -> None:
    """Eight components reproduce half of the noise of 16 features, also in new rows."""
    network, images = _fitted(8), _as_images(_table(2000, 1))
    errors = (network(images).detach() - images).square().mean(0)
    explained = 1 - errors / images.square().mean(0).clamp(min=1e-9)
    assert float(explained.flatten()[5:].mean()) > 0.05
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
        separation.add(network, _as_images(rows), torch.Generator().manual_seed(0))
    first.join(second)
    np.testing.assert_allclose(first.scores(), whole.scores(), atol=1e-9)


def test_a_single_feature_has_a_score_of_zero() -> None:
    network = Autoencoder((1, 1), 2).eval()
    images = torch.randn(20, 1, 1, 1)
    network.start_at_principal_components(images)
    separation = Separation((1, 1))
    error = separation.add(network, images, torch.Generator().manual_seed(0))
    assert separation.scores()[0] == 0
    np.testing.assert_allclose(error, float(images.var(correction=0)), rtol=1e-5)
