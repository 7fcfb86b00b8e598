"""The contract of a method, over every file in baselines/."""

import pickle
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from bench.attributions import attribute
from bench.catalog import entries
from bench.worker import predict
from datasets.table import Source, Table

METHODS = sorted(name for name, e in entries("methods").items() if e.unavailable is None)
AFFORDABLE = {  # settings that a test has time for; the others run with their defaults
    "deepinsight_pca": {"image_size": "equal"},
    "deepinsight_tsne": {"image_size": "equal"},
    "deepmapper_published": {"epochs": 6},
}
N_TRAIN, N_FEATURES, PLANTED = 150, 90, (7, 61)


def easy_table(seed: int = 0, n: int = 200) -> Table:
    """Three classes told apart by two of 90 features, each of which alone says much."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 3)
    X = rng.normal(size=(n, N_FEATURES)).astype(np.float32)
    X[:, PLANTED[0]] += 4 * (y - 1)
    X[:, PLANTED[1]] += 4 * (y == 1)
    names = [f"f{i}" for i in range(N_FEATURES)]
    source = Source("made for a test", "generated", "none")
    return Table("easy", X, y.astype(np.int64), "abc", names, source, np.array(PLANTED))


def fit(name: str, table: Table, seed: int = 3) -> tuple[Pipeline, np.ndarray]:
    """The fitted pipeline and its probabilities on the rows held out."""
    module = entries("methods")[name].load()
    pipeline = module.build(module.Params(**AFFORDABLE.get(name, {})), device="cpu", seed=seed)
    convert, model = pipeline.named_steps["convert"], pipeline.named_steps["model"]
    convert.fit(table.X[:N_TRAIN], table.y[:N_TRAIN])
    model.fit(convert.transform(table.X[:N_TRAIN]), table.y[:N_TRAIN])
    return pipeline, predict(model, convert.transform(table.X[N_TRAIN:]), 3)


@pytest.fixture(scope="module", params=METHODS)
def fitted(request: pytest.FixtureRequest) -> tuple[str, Table, Pipeline, np.ndarray]:
    table = easy_table()
    before = table.checksum
    pipeline, probabilities = fit(request.param, table)
    assert easy_table().checksum == before
    again = Table(**{f.name: getattr(table, f.name) for f in fields(Table)})
    assert again.checksum == before, f"{request.param} changed its input"
    return request.param, table, pipeline, probabilities


def test_it_is_documented_and_its_parameters_are_frozen(fitted: tuple) -> None:
    name = fitted[0]
    module = entries("methods")[name].load()
    assert module.__doc__
    params = module.Params()
    assert hash(params) == hash(module.Params())
    with pytest.raises(FrozenInstanceError):
        params.anything = 1


def test_it_beats_the_majority_on_an_easy_table(fitted: tuple) -> None:
    name, table, _, probabilities = fitted
    accuracy = (probabilities.argmax(1) == table.y[N_TRAIN:]).mean()
    if name == "majority":
        assert accuracy < 0.5
    elif name == "deepmapper_published":
        assert accuracy > 0.4  # a ResNet-18 from scratch on 135 images of 10x10 pixels
    else:
        assert accuracy > 0.55


def test_the_same_seed_gives_the_same_probabilities(fitted: tuple) -> None:
    name, table, _, probabilities = fitted
    np.testing.assert_array_equal(fit(name, table)[1], probabilities)


def test_attributions_name_the_planted_features(fitted: tuple) -> None:
    name, table, pipeline, _ = fitted
    convert, model = pipeline.named_steps["convert"], pipeline.named_steps["model"]
    Z = convert.transform(table.X[:N_TRAIN])
    values = attribute(convert, model, Z, table.y[:N_TRAIN], 3)
    if name in ("majority", "nearest_neighbours"):
        assert values is None
        return
    assert values is not None
    assert values.shape == (3, N_FEATURES)
    assert np.isfinite(values).all()
    if name != "deepmapper_published":
        top = np.argsort(-np.abs(values).sum(0))[:12]
        assert set(PLANTED) & set(top.tolist())


def test_it_clones_and_pickles_like_an_estimator(fitted: tuple) -> None:
    _, table, pipeline, probabilities = fitted
    clone(pipeline)
    again = pickle.loads(pickle.dumps(pipeline))
    convert, model = again.named_steps["convert"], again.named_steps["model"]
    values = predict(model, convert.transform(table.X[N_TRAIN:]), 3)
    np.testing.assert_array_equal(values, probabilities)
