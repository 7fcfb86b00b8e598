"""Attributions of untrained networks say what the screen alone names."""

import numpy as np

from baselines import deepmapper, deepmapper_randomised
from generators import needles


def test_predictions_stay_and_only_a_shuffled_gate_loses_the_needles() -> None:
    table = needles.load(kind="shift", effect=1.5, n_samples=300, n_features=100, seed=100)
    expected, rank = None, {}
    settings = {"trained": deepmapper.Params(passes=1, epochs=3, ranking="attribution")}
    for randomise in ("network", "network and gate"):
        settings[randomise] = deepmapper_randomised.Params(passes=1, epochs=3, randomise=randomise)
    for name, params in settings.items():
        module = deepmapper if name == "trained" else deepmapper_randomised
        pipeline = module.build(params, device="cpu", seed=0)
        Z = pipeline["convert"].fit_transform(table.X)
        model = pipeline["model"].fit(Z, table.y)
        probabilities = model.predict_proba(Z)
        expected = probabilities if expected is None else expected
        np.testing.assert_array_equal(probabilities, expected)
        values = pipeline["convert"].to_features(model.attribute(Z, table.y)[:, 0]).sum(0)
        rank[name] = max(np.argsort(np.argsort(-values))[table.relevant])
    assert rank["trained"] == rank["network"] == 1
    assert rank["network and gate"] > 5
