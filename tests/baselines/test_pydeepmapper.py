"""The authors' package: its networks are kept, its importances are its own."""

import numpy as np
import pytest

pytest.importorskip("pydeepmapper", reason="optional: pip install pydeepmapper")

import torch
from pydeepmapper import backbones
from pydeepmapper.config import BackboneSpec, DeepMapperConfig
from pydeepmapper.runner import run

from baselines.pydeepmapper import Params, PyDeepMapperClassifier
from deepmapper.streams import torch_stream

SMALL = Params(passes=2, epochs=8)


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    """90 rows of 30 features; every feature is larger in the second class."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 2
    return (rng.normal(size=(90, 30)) + 2 * y[:, None]).astype(np.float32), y


def test_importances_and_accuracies_are_what_the_package_reports(
    rows: tuple[np.ndarray, np.ndarray],
) -> None:
    X, y = rows
    model = PyDeepMapperClassifier(SMALL, random_state=5).fit(X, np.array(["a", "b"])[y])
    config = DeepMapperConfig(n_passes=2, epochs=8, backbone=BackboneSpec(), seed=5)
    with torch_stream(5, "pydeepmapper"):
        findings = run(X, y, config)
    np.testing.assert_allclose(model.feature_importances_, findings.median_importance, rtol=1e-5)
    assert [row["validation_accuracy"] for row in model.history_] == findings.accuracies
    assert set(model.predict(X)) <= {"a", "b"}
    assert not [kind for kind in backbones._REGISTRY if kind.startswith("recorded")]


def test_kept_networks_predict_as_they_did_in_their_pass(
    rows: tuple[np.ndarray, np.ndarray],
) -> None:
    """The accuracy of a pass on the quarter it held out, from our weights and order of pixels."""
    X, y = rows
    model = PyDeepMapperClassifier(SMALL, random_state=5).fit(X, y)
    weights = model.weights_
    for number, row in enumerate(model.history_):
        order = torch.randperm(90, generator=torch.Generator().manual_seed(5 + number))
        held_out = order[: round(0.25 * 90)].numpy()
        model.weights_, model.random_state = [weights[number]], 5 + number
        accuracy = (model.predict(X[held_out]) == y[held_out]).mean()
        assert accuracy == pytest.approx(row["validation_accuracy"])


def test_blocks_of_rows_change_nothing(
    rows: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = rows
    model = PyDeepMapperClassifier(Params(passes=1, epochs=1)).fit(X, y)
    whole = model.predict_proba(X)
    monkeypatch.setattr("baselines.pydeepmapper.BLOCK_VALUES", 7 * 30)
    np.testing.assert_allclose(model.predict_proba(X), whole, atol=1e-6)
