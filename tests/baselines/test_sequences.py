"""LSTM and transformer on tokens of neighbouring features."""

import numpy as np
import pytest
import torch
from torch import nn

from baselines import lstm, transformer
from baselines._tokens import Tokens


@pytest.mark.parametrize(("p", "n_tokens", "length"), [(1, 1, 1), (9, 9, 1), (34, 12, 3)])
def test_tokens_are_pieces_of_neighbours_in_their_order(p: int, n_tokens: int, length: int) -> None:
    tokens = Tokens(p, 16)
    x = torch.arange(1.0, 2 * p + 1).reshape(2, p)
    pieces = tokens(x)
    assert pieces.shape == (2, n_tokens, length)
    torch.testing.assert_close(pieces.reshape(2, -1)[:, :p], x)
    assert not pieces.reshape(2, -1)[:, p:].any()


def test_there_are_at_most_as_many_tokens_as_asked_for() -> None:
    for p in (15, 16, 17, 100, 56_537):
        tokens = Tokens(p, 16)
        assert tokens.n_tokens <= 16
        assert tokens.n_tokens * tokens.token_length - p == tokens.padding < tokens.token_length


NETWORKS = {
    "lstm": lambda p: lstm.LSTMNet(p, 3, lstm.Params(layers=2)),
    "transformer": lambda p: transformer.TransformerNet(p, 3, transformer.Params()),
}


@pytest.mark.parametrize("p", [1, 17, 100])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_gets_a_gradient_at_every_length(name: str, p: int) -> None:
    torch.manual_seed(0)
    network: nn.Module = NETWORKS[name](p)
    logits = network(torch.randn(8, p))
    assert logits.shape == (8, 3)
    (logits * torch.randn(8, 3)).sum().backward()
    for weight_name, weight in network.named_parameters():
        assert weight.grad is not None, weight_name


@pytest.mark.parametrize("name", NETWORKS)
def test_every_feature_has_a_gradient_in_evaluation_mode(name: str) -> None:
    """As for attribution. Predictions without gradients (PyTorch's fast path) are the same."""
    torch.manual_seed(0)
    network = NETWORKS[name](40).eval()
    x = torch.randn(4, 40, requires_grad=True)
    logits = network(x)
    logits[:, 0].sum().backward()
    assert x.grad is not None
    assert (x.grad != 0).all()
    with torch.no_grad():
        torch.testing.assert_close(network(x), logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("module", [lstm, transformer])
def test_settings_reach_the_training(module) -> None:  # type: ignore[no-untyped-def]
    params = module.Params(epochs=3, learning_rate=0.1, passes=1)
    model = module.build(params, device="cpu", seed=0).named_steps["model"]
    assert model.training == {"max_epochs": 3, "learning_rate": 0.1}
    X = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
    assert model.fit(X, np.arange(12) % 2).predict_proba(X).shape == (12, 2)
