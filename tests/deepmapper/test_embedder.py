"""DeepMapperEmbedder: a scikit-learn estimator that needs no labels."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from deepmapper.errors import DeepMapperError
from deepmapper.estimators._base import latent
from deepmapper.estimators._embedder import DeepMapperEmbedder
from deepmapper.estimators._saving import load_model, save_model
from deepmapper.images.converter import FoldedRows


@parametrize_with_checks([DeepMapperEmbedder(max_epochs=2, device="cpu")])
def test_the_embedder_is_a_scikit_learn_estimator(estimator, check) -> None:  # type: ignore[no-untyped-def]
    check(estimator)


def _needles(kind: str, seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray, set[str]]:
    """500 features, of which ten depend on two hidden clusters or two hidden factors."""
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(n, 500))
    relevant = draw.permutation(500)[:10]
    groups = draw.integers(0, 2, n)
    if kind == "clusters":
        X[:, relevant] += 2 * groups[:, None]
    else:
        angles = np.arange(10) * 0.7
        loadings = 2 * np.stack([np.cos(angles), np.sin(angles)])
        X[:, relevant] += draw.normal(size=(n, 2)) @ loadings
    return X.astype(np.float32), groups, {f"x{i}" for i in relevant}


def _table(n: int = 60, p: int = 12, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return (draw.normal(size=(n, 2)) @ draw.normal(size=(2, p)) * 3 + 5).astype(np.float32)


def _quick(**changes: object) -> DeepMapperEmbedder:
    usual = {"n_components": 3, "max_epochs": 3, "device": "cpu", "random_state": 0}
    return DeepMapperEmbedder(**(usual | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["clusters", "factors"])
@pytest.mark.parametrize("layout", ["natural", "random"])
def test_features_that_separate_observations_rank_first(kind: str, layout: str) -> None:
    X, groups, relevant = _needles(kind, seed=1)
    model = _quick(n_components=4, n_neighbors=None, layout=layout, max_epochs=6).fit(X)
    table = model.attributions_
    assert list(table.columns) == ["feature", "score", "sd", "rank"]
    assert set(table.feature[:10]) == relevant
    assert table["rank"].tolist() == list(range(1, 501))
    assert table.score.is_monotonic_decreasing
    noise = table[10:]
    assert abs(noise.score.mean()) < 0.02
    assert table.score[9] > 3 * table.sd[9]
    if kind == "clusters":
        embedded = model.transform(X)[:, 0]
        assert adjusted_rand_score(groups, embedded > np.median(embedded)) > 0.8


def test_the_map_makes_clusters_compact_in_new_rows_too() -> None:
    X, digits = load_digits(return_X_y=True)
    with_map, without = (
        KMeans(10, n_init=10, random_state=0).fit_predict(
            _quick(n_components=10, n_neighbors=n_neighbors).fit(X[:900]).transform(X[900:])
        )
        for n_neighbors in (15, None)
    )
    assert adjusted_rand_score(digits[900:], with_map) > 0.7
    assert adjusted_rand_score(digits[900:], without) < 0.6


def test_a_saved_embedder_older_than_the_map_loads(tmp_path: Path) -> None:
    X = load_digits().data[:80]
    model = _quick(n_components=4, n_neighbors=None).fit(X)
    expected = model.transform(X)
    del model.map_
    save_model(model, tmp_path / "model")
    embedding = load_model(tmp_path / "model").transform(X)
    np.testing.assert_allclose(embedding, expected, rtol=1e-5, atol=1e-6)


def test_a_table_of_noise_gives_scores_around_zero() -> None:
    X = np.random.default_rng(0).normal(size=(200, 60)).astype(np.float32)
    table = _quick(n_components=32, passes=5, max_epochs=2).fit(X).attributions_
    assert abs(table.score.mean()) < 0.03
    assert (table.score.abs() > 4 * table.sd).mean() < 0.05


def test_training_is_kept_only_if_it_guesses_better() -> None:
    X = _table(100)
    spoilt = _quick(learning_rate=3.0, max_epochs=1, schedule="constant").fit(X)
    (record,) = spoilt.passes_
    assert record["kept"] == "start"
    assert record["trained_error"] > record["start_error"]
    np.testing.assert_array_equal(spoilt.network_.code.weight.detach().numpy(), 0)
    # A closed curve through 36 dimensions: two linear components miss most of it.
    draw = np.random.default_rng(0)
    angle, phase = draw.uniform(0, 2 * np.pi, (400, 1)), draw.uniform(0, 2 * np.pi, 36)
    curve = np.cos(np.arange(36) % 3 * angle + angle + phase).astype(np.float32)
    trained = _quick(n_components=2, max_epochs=15).fit(curve)
    (record,) = trained.passes_
    assert record["kept"] == "trained"
    assert record["trained_error"] < 0.8 * record["start_error"]


def test_passes_hold_out_every_row_once_and_write_their_history() -> None:
    model = _quick(passes=5, max_epochs=2).fit(_table())
    splits = [model._split(i, 60) for i in range(5)]
    assert sorted(np.concatenate([held_out for _, held_out in splits])) == list(range(60))
    assert all(len(np.union1d(*split)) == 60 for split in splits)
    assert [(row["pass"], row["epoch"]) for row in model.history_] == [
        (i, e) for i in range(5) for e in (1, 2)
    ]
    assert {"train_loss", "validation_explained_variance"} <= set(model.history_[0])
    assert len(model.passes_) == 5


def test_the_same_seed_repeats_everything_and_labels_are_ignored() -> None:
    X = _table()
    first = _quick().fit(X)
    again = clone(first).fit(X, y=np.arange(60))
    np.testing.assert_array_equal(again.transform(X), first.transform(X))
    pd.testing.assert_frame_equal(again.attributions_, first.attributions_)
    other = clone(first).set_params(random_state=1).fit(X)
    assert (other.transform(X) != first.transform(X)).any()
    with pytest.raises(NotFittedError):
        clone(first).transform(X)


def test_sparse_equals_dense_and_a_data_frame_gives_its_names() -> None:
    X = _table()
    X[X < 5] = 0
    model = _quick().fit(X)
    csr = clone(model).fit(sparse.csr_matrix(X))
    np.testing.assert_array_equal(csr.transform(sparse.csr_matrix(X)), model.transform(X))
    frame = pd.DataFrame(X, columns=[f"gene{i}" for i in range(12)])
    named = clone(model).fit(frame)
    assert set(named.attributions_.feature) == set(frame.columns)
    assert named.get_feature_names_out()[0] == "deepmapperembedder0"


def test_a_streamed_table_gives_the_same_latents(monkeypatch: pytest.MonkeyPatch) -> None:
    X = _table()
    held = _quick().fit(X)
    monkeypatch.setattr("deepmapper.images.converter.free_bytes", lambda device: 1)
    streamed = clone(held).fit(X)
    assert isinstance(streamed.converter_.transform(X), FoldedRows)
    np.testing.assert_allclose(streamed.transform(X), held.transform(X), rtol=1e-4, atol=1e-5)


def test_latents_of_any_layer() -> None:
    X = _table()
    plain = _quick(n_neighbors=None).fit(X)
    np.testing.assert_array_equal(plain.latent(X), plain.transform(X))
    model = _quick().fit(X)
    assert model.latent(X).shape == (60, 12)  # the number of features, at most 50
    assert model.transform(X).shape == (60, 3)
    assert model.latent(X, "embedding").shape == (60, 16, 1, 1)
    with pytest.raises(DeepMapperError, match="did you mean 'bottleneck'"):
        model.latent(X, "bottlenek")


def test_a_row_alone_is_embedded_as_among_others() -> None:
    X = _table()
    model = _quick().fit(X)
    alone = np.concatenate([model.transform(row[None]) for row in X])
    np.testing.assert_allclose(alone, model.transform(X), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("n", [2, 3])
def test_few_rows_are_warned_about_and_still_embedded(n: int) -> None:
    with pytest.warns(UserWarning, match="too few to hold out"):
        model = _quick().fit(_table(n))
    assert model.transform(_table(n)).shape == (n, 3)
    record = {"pass": 0, "start_error": None, "trained_error": None, "kept": "trained"}
    assert model.passes_[0] == record


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_components": 0}, "'n_components' .*Got 0"),
        ({"n_neighbors": 0}, "'n_neighbors' .*Got 0"),
        ({"passes": 1.5}, "'passes' .*Got 1.5"),
        ({"hidden": 0.0}, "'hidden' .*Got 0.0"),
        ({"validation_fraction": 1.0}, "'validation_fraction' .*Got 1.0"),
        ({"device": "abacus"}, "abacus"),
    ],
)
def test_wrong_parameters_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(DeepMapperError, match=message):
        _quick(**changes).fit(_table())


class _Doubler(nn.Module):
    """Layers in place, without rows, and one that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Linear(4, 4, bias=False)
        self.twice.weight.data = 2 * torch.eye(4)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.idle = nn.Linear(4, 1)
        self.total = _Total()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.drop(self.relu(self.twice(x.flatten(1))))
        self.total(x)
        return x


class _Total(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(5, 1, 2, 2, generator=torch.Generator().manual_seed(0))


def test_a_latent_is_the_output_before_a_layer_in_place_changes_it(images: torch.Tensor) -> None:
    network = _Doubler()
    torch.testing.assert_close(latent(network, images, "twice"), 2 * images.flatten(1))
    torch.testing.assert_close(latent(network, images, "relu"), 2 * images.flatten(1).clamp(min=0))


def test_latent_runs_in_evaluation_mode_and_restores_modes_and_hooks(images: torch.Tensor) -> None:
    network = _Doubler().train()
    network.relu.eval()  # a frozen part of a network in training
    torch.testing.assert_close(latent(network, images, "drop"), 2 * images.flatten(1).clamp(min=0))
    assert network.training
    assert network.drop.training
    assert not network.relu.training
    assert all(not module._forward_hooks for module in network.modules())


def test_layers_without_rows_and_no_images_are_refused_and_no_hook_stays(
    images: torch.Tensor,
) -> None:
    network = _Doubler().train()
    with pytest.raises(DeepMapperError, match="is not called"):
        latent(network, images, "idle")
    with pytest.raises(DeepMapperError, match=r"no row per image: expected \(5, ...\), got \(\)"):
        latent(network, images, "total")
    with pytest.raises(DeepMapperError, match="at least one image"):
        latent(network, images[:0], "twice")
    assert network.training
    assert all(not module._forward_hooks for module in network.modules())
