"""The package of the authors gives the predictions and the importances."""

import numpy as np
import pytest

pytest.importorskip("pydeepmapper", reason="optional: pip install pydeepmapper")

from pydeepmapper import backbones
from pydeepmapper.config import BackboneSpec, DeepMapperConfig
from pydeepmapper.evaluate import evaluate
from pydeepmapper.runner import run
from sklearn.model_selection import train_test_split

from baselines.pydeepmapper import Params, PyDeepMapperClassifier
from deepmapper.training.streams import torch_stream

SMALL = Params(passes=2, epochs=8)


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    """90 rows of 30 features, all larger in the second class."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 2
    return (rng.normal(size=(90, 30)) + 2 * y[:, None]).astype(np.float32), y


def test_predictions_are_those_of_evaluate_and_importances_those_of_run(
    rows: tuple[np.ndarray, np.ndarray],
) -> None:
    X, y = rows
    labels = np.array(["a", "b"])[y]
    model = PyDeepMapperClassifier(SMALL, random_state=5).fit(X, labels)
    config = DeepMapperConfig(n_passes=2, epochs=8, backbone=BackboneSpec(), seed=5)
    with torch_stream(5, "pydeepmapper"):
        evaluated = evaluate(X, y, config, test_size=2, seed=5)
    _, held = train_test_split(np.arange(90), test_size=2, stratify=y, random_state=5)
    np.testing.assert_allclose(model.predict_proba(X[held]), evaluated.y_proba, atol=1e-5)
    assert [row["validation_accuracy"] for row in model.history_] == evaluated.per_pass_acc
    assert set(model.predict(X)) <= {"a", "b"}
    assert not [name for name in backbones._REGISTRY if name.startswith("recorded")]
    with torch_stream(5, "pydeepmapper attributions"):
        findings = run(X, y, config)
    values = model.attribute(X, labels)
    assert values.shape == (2, 30)
    np.testing.assert_allclose(values[0], findings.median_importance, rtol=1e-5)


def test_blocks_of_rows_change_nothing(
    rows: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = rows
    model = PyDeepMapperClassifier(Params(passes=1, epochs=1)).fit(X, y)
    whole = model.predict_proba(X)
    monkeypatch.setattr("baselines.pydeepmapper.BLOCK_VALUES", 7 * 30)
    np.testing.assert_allclose(model.predict_proba(X), whole, atol=1e-6)
