"""Plain models beside the networks: each against its definition, and the mixture of all."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import norm, rankdata
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import f_classif
from sklearn.linear_model import Ridge

from deepmapper import DeepMapperClassifier
from deepmapper.errors import DeepMapperError
from deepmapper.estimators import _linear
from deepmapper.estimators._calibration import calibrate
from deepmapper.estimators._forest import fit_forest
from deepmapper.estimators._linear import (
    fit_discriminant,
    fit_ranks,
    row_scores,
    solve_discriminant,
    solve_ridge,
)
from deepmapper.estimators.mixture import fit_mixture
from generators import needles

Table = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def table_of(n: int = 60, p: int = 90, n_classes: int = 3, seed: int = 0) -> Table:
    """Standardised values, class codes, and balanced weights of the rows."""
    rng = np.random.default_rng(seed)
    codes = rng.choice(n_classes, n, p=np.arange(1, n_classes + 1) / sum(range(n_classes + 1)))
    codes[:n_classes] = np.arange(n_classes)
    values = rng.normal(size=(n, p)).astype(np.float32)
    values[:, :4] += 1.5 * codes[:, None]
    values = (values - values.mean(0)) / values.std(0)
    weights = (n / np.bincount(codes))[codes] / n_classes
    return torch.from_numpy(values), torch.from_numpy(codes), torch.from_numpy(weights)


def solve(solver: Callable, X: np.ndarray, codes: np.ndarray, w: np.ndarray, penalty: float):
    """Coefficients and intercepts, from the solution between rows."""
    rows = torch.from_numpy(X)
    ((duals, intercept),) = solver(
        rows @ rows.T, torch.from_numpy(codes), 3, torch.from_numpy(w), [penalty]
    )
    return (rows.T @ duals).numpy(), intercept.numpy()


def test_the_ridge_regression_is_that_of_scikit_learn() -> None:
    values, codes, weights = table_of()
    X, y, w = values.double().numpy() + 1, codes.numpy(), (weights / weights.mean()).numpy()
    coef, intercept = solve(solve_ridge, X, y, w, 0.5)
    centred = X - np.average(X, axis=0, weights=w)
    alpha = 0.5 * np.average(np.square(centred).sum(1), weights=w)
    oracle = Ridge(alpha).fit(X, np.eye(3)[y], sample_weight=w)
    np.testing.assert_allclose(coef.T, oracle.coef_, atol=1e-8)
    np.testing.assert_allclose(intercept, oracle.intercept_, atol=1e-8)


def test_the_discriminant_is_that_of_its_definition() -> None:
    values, codes, weights = table_of()
    X, y, w = values.double().numpy() + 1, codes.numpy(), (weights / weights.mean()).numpy()
    coef, intercept = solve(solve_discriminant, X, y, w, 0.5)
    means = np.stack([np.average(X[y == c], axis=0, weights=w[y == c]) for c in range(3)])
    within = np.sqrt(w)[:, None] * (X - means[y])
    scatter = within.T @ within
    ridge = 0.5 * np.trace(scatter) / len(X)
    directions = np.linalg.solve(scatter + ridge * np.eye(X.shape[1]), means.T)
    np.testing.assert_allclose(coef, directions, rtol=1e-6)
    np.testing.assert_allclose(intercept, -(means.T * directions).sum(0) / 2, rtol=1e-6)


def test_the_discriminant_sees_a_class_between_two_others() -> None:
    rng = np.random.default_rng(0)
    codes = torch.from_numpy(np.arange(150) % 3)
    values = torch.from_numpy(rng.normal(size=(150, 3))).float() + codes[:, None]
    model, held_out = fit_discriminant(values, codes, 3, torch.ones(150, dtype=torch.float64))
    middle = codes == 1
    for logits in (held_out, model.logits(values)):
        assert (logits.argmax(1) == codes)[middle].double().mean() > 0.6


def test_rows_held_out_choose_no_feature() -> None:
    rng = np.random.default_rng(0)
    values = torch.from_numpy(rng.normal(size=(60, 5000)).astype(np.float32))
    codes = torch.from_numpy(rng.permutation(np.arange(60) % 2))
    accuracy = {}
    for number in (30, 5000):
        problem = _linear._Problem(values, codes, 2, torch.ones(60).double(), solve_ridge)
        logits = problem.held_out([number], [1.0], 0)[number][0]
        accuracy[number] = float((logits.argmax(1) == codes).double().mean())
    # Three standard errors. Features chosen with all rows give an accuracy near 1.
    assert all(abs(value - 0.5) < 3 * 0.5 / 60**0.5 for value in accuracy.values()), accuracy


def test_the_strongest_features_are_those_of_the_f_test() -> None:
    values, codes, weights = table_of()
    values[:, 5] = 3.0
    problem = _linear._Problem(values, codes, 3, weights, solve_ridge)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        F = np.nan_to_num(f_classif(values.numpy(), codes.numpy())[0])
    np.testing.assert_array_equal(problem.strongest(20), np.argsort(-F)[:20])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_calibration_finds_factor_and_offsets(n_classes: int) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, n_classes))
    true = 2.0 * logits + np.linspace(-1, 1, n_classes)
    draw = (np.cumsum(softmax(true, axis=1), axis=1) < rng.random((len(true), 1))).sum(1)
    ones = torch.ones(len(true), dtype=torch.float64)
    calibration, _ = calibrate(torch.from_numpy(logits), torch.from_numpy(draw), ones)
    assert calibration.factor == pytest.approx(2.0, rel=0.05)
    offsets = calibration.offsets - calibration.offsets.mean()
    np.testing.assert_allclose(offsets, np.linspace(-1, 1, n_classes), atol=0.08)


def test_calibration_of_logits_that_are_always_right_is_not_certain() -> None:
    codes = torch.arange(40) % 2
    logits = torch.nn.functional.one_hot(codes, 2).double()
    calibration, _ = calibrate(logits, codes, torch.ones(40, dtype=torch.float64))
    assert calibration.probabilities(logits).max() == pytest.approx(1 - 0.5 / 42, abs=0.005)


@pytest.mark.parametrize("seed", range(3))
def test_no_part_sees_a_signal_in_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 4000)).astype(np.float32)
    images = torch.from_numpy(X).view(-1, 1, 50, 80)
    codes = torch.from_numpy(rng.permutation(np.arange(60) % 2))
    networks = torch.arange(60), torch.full((60, 2), 0.5, dtype=torch.float64)
    mixture = fit_mixture(networks, images, X, codes, torch.ones(60), n_classes=2)
    assert (mixture.held_out["accuracy"] < 0.75).all()
    assert (mixture.held_out["loss"] > 0.6).all()


def test_row_scores_are_normal_scores_of_mean_ranks() -> None:
    values = torch.from_numpy(np.random.default_rng(0).integers(0, 5, (20, 37))).float()
    expected = norm.ppf(rankdata(values, axis=1) / 38)
    np.testing.assert_allclose(row_scores(values).numpy(), expected, atol=1e-6)


def test_ranks_do_not_see_the_units_of_a_row() -> None:
    values, codes, weights = table_of()
    model, _ = fit_ranks(values.exp(), codes, 3, weights)
    in_other_units = values.exp() * torch.linspace(0.1, 900, len(values))[:, None]
    np.testing.assert_allclose(
        model.logits(in_other_units).numpy(), model.logits(values.exp()).numpy(), atol=1e-5
    )


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_forest_is_that_of_scikit_learn(n_classes: int) -> None:
    values, codes, weights = table_of(n_classes=n_classes)
    model, held_out = fit_forest(values, codes, n_classes, torch.ones_like(weights), seed=3)
    oracle = RandomForestClassifier(200, oob_score=True, random_state=3).fit(values, codes)
    new = torch.randn(25, values.shape[1], generator=torch.Generator().manual_seed(0))
    expected = oracle.predict_proba(new.numpy())
    np.testing.assert_allclose(model.logits(new).softmax(1).numpy(), expected, atol=2e-5)
    np.testing.assert_allclose(held_out.softmax(1), oracle.oob_decision_function_, atol=2e-5)


def test_the_better_part_gets_the_weight() -> None:
    values, codes, weights = table_of(n=300)
    images = values[:, :81].reshape(-1, 1, 9, 9)
    rows = torch.arange(len(codes))
    right = torch.nn.functional.one_hot(codes, 3) * 0.94 + 0.02
    guess = torch.full((len(codes), 3), 1 / 3)
    shared = (images, values[:, :81].numpy(), codes, weights)
    weight, excess = {}, {}
    for name, probabilities in (("right", right), ("guess", guess)):
        mixture = fit_mixture((rows, probabilities.double()), *shared, n_classes=3)
        assert mixture.weights.sum() == pytest.approx(1)
        weight[name] = mixture.weights[0]
        held_out = mixture.held_out.set_index("part")
        best = held_out["loss"][list(mixture.names)].min()
        assert held_out.loc["mixture", "loss"] < best + 0.03
        excess[name] = held_out.loc["without network", "excess"]
    assert weight["right"] > 0.9
    assert weight["guess"] < 0.1
    assert excess["right"] > 0.1 > abs(excess["guess"])


def shifted_table() -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of intensities; the class moves some of the features."""
    rng = np.random.default_rng(1)
    y = np.arange(120) % 2
    X = (
        rng.normal(size=120)[:, None] * 0.2
        + rng.normal(5, 2, size=300)
        + rng.normal(size=(120, 300))
    )
    X[:, :25] += 1.6 * y[:, None]
    return X.astype(np.float32), y


def test_rows_of_another_laboratory_are_predicted_by_their_ranks() -> None:
    X, y = shifted_table()
    model = DeepMapperClassifier(device="cpu", random_state=0).fit(X[:80], y[:80])
    assert (model.predict(X[80:]) == y[80:]).mean() > 0.9
    with pytest.warns(UserWarning, match="in the same units"):
        elsewhere = model.predict(3 * X[80:] + 40)
    assert (elsewhere == y[80:]).mean() > 0.9


def test_a_part_can_be_left_out_and_an_unknown_one_is_refused() -> None:
    X, y = shifted_table()
    model = DeepMapperClassifier(passes=2, device="cpu", random_state=0, training={"plain": ()})
    assert model.fit(X, y).mixture_.names == ("network",)
    np.testing.assert_array_equal(
        model.predict_proba(X), model.classifier_.predict_proba(model.transform(X))
    )
    with pytest.raises(
        DeepMapperError, match="plain is a tuple of names in discriminant, ranks, products, forest"
    ):
        DeepMapperClassifier(training={"plain": ("trees",)}).fit(X, y)


def test_plain_models_predict_without_the_networks() -> None:
    X, y = np.random.default_rng(0).normal(size=(120, 30)), np.arange(120) % 2
    X[:, 3] += 2 * y
    model = DeepMapperClassifier(passes=2, device="cpu", random_state=0)
    with_networks = model.fit(X, y).mixture_.held_out.set_index("part")
    alone = model.set_params(training__networks=False).fit(X, y).mixture_
    assert "network" not in alone.names
    assert "without network" not in set(alone.held_out["part"])
    loss = alone.held_out.set_index("part")["loss"]
    assert loss["mixture"] == pytest.approx(with_networks["loss"]["without network"])
    assert (model.predict(X) == y).mean() > 0.7


def test_five_passes_hold_out_every_row_once() -> None:
    X, y = shifted_table()
    model = DeepMapperClassifier(agreement=None, device="cpu", random_state=0).fit(X, y)
    held_out = np.concatenate([trained.held_out for trained in model.classifier_.passes_])
    assert sorted(held_out) == list(range(len(X)))
    assert model.mixture_.n_held_out == len(X)


def test_passes_compare_the_pairs_that_all_rows_support() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 40)).astype(np.float32)
    alone, xor = (X[:, 3] > 0).astype(int), ((X[:, 3] > 0) ^ (X[:, 9] > 0)).astype(int)
    model = DeepMapperClassifier(passes=1, device="cpu", random_state=0, training={"plain": ()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert not len(model.fit(X, alone).evidence_.pairs)
        model.fit(X, xor)
    assert set(model.evidence_.pairs[0]) == {3, 9}
    gate = model.classifier_.networks_[0].gate.weight.detach().flatten()
    assert set(gate.topk(2).indices.tolist()) == set(model.layout_.pixel_of_feature[[3, 9]])


def test_passes_end_once_two_of_them_have_solved_the_table() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2600, 20)).astype(np.float32)
    y = (X[:, 3] > 0).astype(int)
    X[:, 3] = 4 * y + rng.normal(size=len(y)) * 0.1
    model = DeepMapperClassifier(attribution=None, device="cpu", random_state=0).fit(X, y)
    assert len(model.classifier_.passes_) == 2
    assert model.mixture_.names == ("network",)


def test_the_rows_that_weigh_the_networks_choose_no_epoch() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 500)).astype(np.float32), np.arange(100) % 2
    training = {"min_accuracy": 0.0}
    model = DeepMapperClassifier(
        agreement=None, attribution=None, training=training, device="cpu", random_state=0
    ).fit(X, y)
    rows, probabilities = model.classifier_.held_out_proba()
    losses = -np.log(probabilities[np.arange(len(rows)), y[rows]])
    for trained in model.classifier_.passes_:
        last = trained.history[-1]["validation_loss"]
        assert losses[trained.held_out].mean() == pytest.approx(last, rel=1e-3)


def test_rejected_passes_count_in_the_rows_held_out() -> None:
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(100, 500)).astype(np.float32), np.arange(100) % 2
    model = DeepMapperClassifier(agreement=None, attribution=None, device="cpu", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    assert len(model.classifier_.passes_) < 5
    assert model.mixture_.n_held_out == len(X)


def test_a_parity_of_three_features_is_predicted_by_their_product() -> None:
    table = needles.load(kind="parity3", n_needles=3, n_samples=600, n_features=60, seed=100)
    X, y = table.X, table.y
    model = DeepMapperClassifier(passes=2, device="cpu", random_state=0).fit(X[:450], y[:450])
    assert "products" in model.mixture_.names
    assert (model.predict(X[450:]) == y[450:]).mean() > 0.9
    first = model.attributions_.iloc[0]
    assert first["evidence"] == "triple"
    others = {f"x{i}" for i in table.relevant} - {first["feature"]}
    assert set(first["partner"].split(", ")) == others


def test_products_are_a_part_only_of_features_that_interact() -> None:
    X, y = shifted_table()
    model = DeepMapperClassifier(passes=1, device="cpu", random_state=0).fit(X, y)
    assert "products" not in model.mixture_.names


def test_a_gate_that_reads_a_part_of_the_pixels_keeps_the_place_of_features(tmp_path) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 9000)).astype(np.float32), np.arange(120) % 2
    X[:, 8000] += 3 * y
    model = DeepMapperClassifier(passes=1, device="cpu", random_state=0, training={"plain": ()})
    model.fit(X, y)
    gate = model.classifier_.networks_[0].gate
    assert tuple(gate.weight.shape) == (1, 64, 64)
    strongest = int(gate.pixels[gate.weight.detach().flatten().argmax()])
    assert strongest == model.layout_.pixel_of_feature[8000]
    shares = np.abs(model.consensus_.maps[0]).mean(0)
    assert shares.argmax() == 8000
    read = np.isin(model.layout_.pixel_of_feature, gate.pixels.numpy())
    assert (shares[~read] == 0).all()
    model.save(tmp_path / "model")
    loaded = DeepMapperClassifier.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    with pytest.raises(DeepMapperError, match="set attribution to grad_cam before training"):
        loaded.classifier_.set_params(attribution="grad_cam").attribute(model.transform(X), y)


def test_a_layout_with_meaning_keeps_all_its_pixels() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 9000)).astype(np.float32), np.arange(60) % 2
    X[:, 8000] += 3 * y
    settings = {"passes": 1, "attribution": None, "training": {"plain": (), "max_epochs": 1}}
    for layout, is_part in ((np.arange(9000), False), ("random", True)):
        model = DeepMapperClassifier(layout=layout, device="cpu", random_state=0, **settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gate = model.fit(X, y).classifier_.networks_[0].gate
        assert (gate.pixels is not None) == is_part


def test_noise_is_not_judged_better_than_chance() -> None:
    rng = np.random.default_rng(0)
    X = torch.zeros(60, 1, 1, 5)
    codes, rows = torch.arange(60) % 2, torch.arange(60)
    judged = []
    for _ in range(30):
        noise = torch.from_numpy(rng.normal(size=(60, 2))).softmax(1)
        mixture = fit_mixture(
            (rows, noise), X, X.flatten(1).numpy(), codes, torch.ones(60), n_classes=2, plain=[]
        )
        judged.append(mixture.held_out.set_index("part").loc["mixture", ["loss", "accuracy"]])
    loss, accuracy = np.mean(judged, axis=0)
    assert loss >= np.log(2)
    assert accuracy < 0.5 + 2 * 0.5 / np.sqrt(30 * 60)
