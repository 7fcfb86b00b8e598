"""The contract of a method, for baselines/ or the methods that the command names."""

import pickle
import re
from dataclasses import FrozenInstanceError, dataclass, fields

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from bench.catalog import Entry
from bench.commands.contract import VARIANTS
from bench.run.outputs import attribute, predict
from datasets.table import DataUnavailable, Source, Table

AFFORDABLE: dict[str, dict[str, object]] = {  # settings that are quick enough for a test
    "boruta": {"n_trees": 20, "max_iterations": 10},
    "deepinsight_kpca": {"image_size": "equal"},
    "deepinsight_pca": {"image_size": "equal"},
    "deepinsight_tsne": {"image_size": "equal"},
    "deepinsight_umap": {"image_size": "equal"},
    "deepmapper_notebook": {"epochs": 3},
    "deepmapper_published": {"epochs": 10, "backbone": "cnn_small"},
    "genomap": {"n_iterations": 20},
    "fotomics": {"image_size": 48},
    "gfs_network": {"epochs": 60},
    "ipss": {"n_halvings": 10},
    "lassonet": {"path_multiplier": 6.0, "epochs": 15},
    "pydeepmapper": {"passes": 1, "epochs": 8},
    "random_forest": {"n_trees": 60, "n_tuning_trees": 30},
    "supertml": {"image_size": 120, "passes": 1},
    "transformer": {"passes": 1},
    "catboost": {"n_columns": (30,), "max_rounds": 60},
    "ft_transformer": {"n_layers": 1, "width": 64, "learning_rate": 0.01, "epochs": 60},
    "realmlp": {"epochs": 20},
    "stability_selection": {"n_pairs": 10},
    "tabm": {"n_members": 8, "width": 64, "learning_rate": 0.01},
}
WITHOUT_ATTRIBUTIONS = ("cpc_r", "majority", "nearest_neighbours", "tabicl", "tabpfn")
# Without the published weights, these are tested with random ones, which learn nothing.
PRETRAINED = ("tabicl", "tabpfn", "tabpfn_wide")
WEIGHTS: dict[str, dict[str, object]] = {}
# These need more data than a test has, and are only better than chance here: CPC-R, where images of
# two rows share few pixels, a global-mean CNN from scratch, and TC1, which is made for 60,483
# inputs and 400 epochs.
WEAK_WHEN_SMALL = ("cpc_r", "pydeepmapper", "cnn1d (TC1)")
# The largest change of the accuracy by a change of the table that adds no information, if it is
# more than chance. The layouts of DeepInsight are scaled to their farthest feature, such as a
# constant one or one in other units, and features share pixels. Networks with the settings of this
# test train too little, and an LSTM and a 1-D CNN see the order of the columns.
UNSTABLE = {
    "deepinsight_kpca": 0.6,
    "deepinsight_pca": 0.2,
    "deepinsight_pca (DeepFeature)": 0.2,
    "deepinsight_tsne": 0.4,
    "deepinsight_umap": 0.45,
    "deepmapper_notebook": 0.6,
    "ft_transformer": 0.6,
    "igtd (published)": 0.25,
    "lassonet": 0.45,
    "cnn1d": 0.45,
    "lstm": 0.2,
    "mlp (max-norm)": 0.3,
} | dict.fromkeys(WEAK_WHEN_SMALL, 0.45)
N_SAMPLES, N_TRAIN, N_FEATURES, PLANTED = 400, 150, 90, (7, 61)
N_CLASSES = 3


def easy_table(seed: int = 0, n: int = N_SAMPLES) -> Table:
    """Three classes that differ strongly in two of 90 features."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % N_CLASSES)
    X = rng.normal(size=(n, N_FEATURES)).astype(np.float32)
    X[:, PLANTED[0]] += 4 * (y - 1)
    X[:, PLANTED[1]] += 4 * (y == 1)
    return table_of(X, y)


def table_for(method: Entry, n: int = N_SAMPLES) -> Table:
    """The easy table, as counts if the method takes nothing else."""
    table = easy_table(n=n)
    supports = getattr(method.load(), "supports", lambda table: None)
    return table if supports(table) is None else table_of(np.rint(np.exp(3 + table.X)), table.y)


def table_of(X: np.ndarray, y: np.ndarray, relevant: tuple[int, ...] = PLANTED) -> Table:
    names = [f"f{i}" for i in range(X.shape[1])]
    source = Source("made for a test", "generated", "none")
    classes = [f"class {i}" for i in range(y.max() + 1)]
    return Table("easy", X, y.astype(np.int64), classes, names, source, np.array(relevant))


def pipeline_of(method: Entry, seed: int = 3) -> Pipeline:
    module = method.load()
    settings = [of.get(method.name, {}) for of in (AFFORDABLE, VARIANTS, WEIGHTS)]
    params = module.Params(**{name: value for of in settings for name, value in of.items()})
    return module.build(params, device="cpu", seed=seed)


def fit(pipeline: Pipeline, X: np.ndarray, y: np.ndarray) -> Pipeline:
    """Fit as the harness does: the converter sees only training rows. Skip without data."""
    convert = pipeline["convert"].fit(X, y)
    try:
        pipeline["model"].fit(convert.transform(X), y)
    except DataUnavailable as error:
        pytest.skip(str(error))
    return pipeline


def probabilities(pipeline: Pipeline, X: np.ndarray, n_classes: int = N_CLASSES) -> np.ndarray:
    return predict(pipeline["model"], pipeline["convert"].transform(X), n_classes)


def as_array(Z: object) -> np.ndarray:
    """The output of a converter: an array, a CSR matrix or a tensor."""
    if hasattr(Z, "toarray"):
        return Z.toarray()
    return np.asarray(Z.cpu() if hasattr(Z, "cpu") else Z)


@dataclass
class Fitted:
    """A method fitted on the training rows of the easy table."""

    method: Entry
    table: Table
    pipeline: Pipeline
    probabilities: np.ndarray

    @property
    def training(self) -> tuple[np.ndarray, np.ndarray]:
        return self.table.X[:N_TRAIN], self.table.y[:N_TRAIN]

    @property
    def test(self) -> tuple[np.ndarray, np.ndarray]:
        return self.table.X[N_TRAIN:], self.table.y[N_TRAIN:]


@pytest.fixture(scope="module", autouse=True)
def weights(method: Entry, request: pytest.FixtureRequest) -> None:
    if method.name in PRETRAINED:
        WEIGHTS.update(request.getfixturevalue("tiny_weights"))


@pytest.fixture(scope="module")
def fitted(method: Entry) -> Fitted:
    table = table_for(method)
    pipeline = fit(pipeline_of(method), table.X[:N_TRAIN], table.y[:N_TRAIN])
    return Fitted(method, table, pipeline, probabilities(pipeline, table.X[N_TRAIN:]))


def test_it_is_documented_and_its_parameters_are_frozen(method: Entry) -> None:
    module = method.load()
    assert module.__doc__
    params = module.Params()
    assert hash(params) == hash(module.Params())
    with pytest.raises(FrozenInstanceError):
        params.anything = 1
    if method.module.startswith("baselines."):
        texts = "\n".join(cls.__doc__ or "" for cls in module.Params.__mro__[:-1])
        unexplained = [
            f.name
            for f in fields(params)
            if not re.search(rf"^( +){f.name} : .+\n\1 +\S", texts, re.M)
        ]
        assert not unexplained, f"give a line under Attributes of Params to {unexplained}"


def test_its_input_is_unchanged(fitted: Fitted) -> None:
    again = Table(**{f.name: getattr(fitted.table, f.name) for f in fields(Table)})
    assert again.checksum == table_for(fitted.method).checksum


def test_probabilities_are_finite_and_sum_to_one(fitted: Fitted) -> None:
    assert fitted.probabilities.shape == (N_SAMPLES - N_TRAIN, N_CLASSES)
    assert np.isfinite(fitted.probabilities).all()
    assert (fitted.probabilities >= 0).all()
    np.testing.assert_allclose(fitted.probabilities.sum(1), 1, atol=1e-4)


def test_it_beats_the_majority_on_an_easy_table(fitted: Fitted) -> None:
    accuracy = (fitted.probabilities.argmax(1) == fitted.test[1]).mean()
    if fitted.method.name == "majority":
        assert accuracy < 0.5
    elif fitted.method.name in WEAK_WHEN_SMALL:
        assert accuracy > 0.4
    elif fitted.method.name not in PRETRAINED:
        assert accuracy > 0.55


def test_the_same_seed_gives_the_same_probabilities(fitted: Fitted) -> None:
    again = fit(pipeline_of(fitted.method), *fitted.training)
    np.testing.assert_array_equal(
        probabilities(again, fitted.table.X[N_TRAIN:]), fitted.probabilities
    )


def test_permuted_labels_give_chance_and_keep_their_names(fitted: Fitted) -> None:
    X, y = fitted.training
    names = np.array(["high", "low", "middle"])
    permuted = names[np.random.default_rng(5).permutation(y)]
    pipeline = fit(pipeline_of(fitted.method), X, permuted)
    predicted = pipeline["model"].predict(pipeline["convert"].transform(fitted.test[0]))
    assert set(np.unique(predicted)) <= set(names.tolist())
    # Three classes, 250 rows: four standard errors of a guess above a third.
    assert (predicted == names[fitted.test[1]]).mean() < 0.46


def test_conversion_depends_on_training_rows_alone(fitted: Fitted) -> None:
    """A row becomes the same image beside other rows, and after other rows."""
    convert = fitted.pipeline["convert"]
    rows = fitted.test[0][:20]
    before = as_array(convert.transform(rows)).copy()
    strange = np.concatenate([rows[:10], 100 * rows[10:] - 50]).astype(np.float32)
    np.testing.assert_allclose(
        as_array(convert.transform(strange))[:10], before[:10], rtol=1e-5, atol=1e-5
    )
    np.testing.assert_array_equal(as_array(convert.transform(rows)), before)


def test_attributions_name_the_planted_features(fitted: Fitted) -> None:
    convert, model = fitted.pipeline["convert"], fitted.pipeline["model"]
    X, y = fitted.training
    values = attribute(convert, model, convert.transform(X), y, N_CLASSES)
    if fitted.method.name in WITHOUT_ATTRIBUTIONS:
        assert values is None
        return
    if values is None and not fitted.method.module.startswith("baselines."):
        pytest.skip(f"{fitted.method.name} gives no attributions")
    assert values is not None, "it has no `attribute` or `coef_`: list it in WITHOUT_ATTRIBUTIONS"
    assert values.shape == (N_CLASSES, N_FEATURES)
    assert np.isfinite(values).all()
    if fitted.method.name not in (*WEAK_WHEN_SMALL, *PRETRAINED):
        top = np.argsort(-np.abs(values).sum(0))[:12]
        assert set(PLANTED) & set(top.tolist())


def test_it_clones_and_pickles_like_an_estimator(fitted: Fitted) -> None:
    assert str(clone(fitted.pipeline).get_params()) == str(pipeline_of(fitted.method).get_params())
    again = pickle.loads(pickle.dumps(fitted.pipeline))
    np.testing.assert_array_equal(
        probabilities(again, fitted.table.X[N_TRAIN:]), fitted.probabilities
    )


@pytest.mark.parametrize(("n", "p"), [(40, 1), (12, 3), (40, 5000)])
def test_a_table_of_another_size_is_fitted_or_refused_with_a_reason(
    method: Entry, n: int, p: int
) -> None:
    module = method.load()
    rng = np.random.default_rng(n + p)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, p)).astype(np.float32)
    X[:, 0] += 5 * y
    reason = module.supports(table_of(X, y, (0,))) if hasattr(module, "supports") else None
    if reason is None:
        if p > 1000:
            return  # benchmarks test large tables
        pipeline = fit(pipeline_of(method), X, y)
        assert np.isfinite(probabilities(pipeline, X, 2)).all()
    else:
        assert isinstance(reason, str)
        assert any(str(number) in reason for number in (n, p, f"{p:,}")), reason


def test_a_class_with_one_row_is_learned_from_or_refused(method: Entry) -> None:
    table = table_for(method)
    rows_of_last = np.flatnonzero(table.y[:60] == 2)
    rows = np.setdiff1d(np.arange(60), rows_of_last[1:])
    X, y = table.X[rows], table.y[rows]
    pipeline = pipeline_of(method)
    try:
        fit(pipeline, X, y)
    except ValueError as error:
        assert "class" in str(error)  # noqa: PT017 - both outcomes are right
        return
    predicted = probabilities(pipeline, table.X[60:90])
    assert predicted.shape == (30, N_CLASSES)
    assert np.isfinite(predicted).all()


def test_a_sparse_table_gives_the_same_predictions(method: Entry) -> None:
    table = table_for(method, n=120)
    X = np.where(np.abs(table.X) > 0.5, table.X, 0).astype(np.float32)
    y = table.y[:90]
    kinds = (X, sparse.csr_matrix(X))
    pipelines = [pipeline_of(method) for _ in kinds]
    converted = []
    try:
        for pipeline, rows in zip(pipelines, kinds, strict=True):
            convert = pipeline["convert"].fit(rows[:90], y)
            converted.append((convert.transform(rows[:90]), convert.transform(rows[90:])))
        if all(map(is_same_array, *converted)):
            return  # the model gets the same input
        predictions = [
            predict(pipeline["model"].fit(training, y), test, N_CLASSES)
            for pipeline, (training, test) in zip(pipelines, converted, strict=True)
        ]
    except (TypeError, ValueError) as error:
        if method.module.startswith("baselines.") or "sparse" not in str(error):
            raise
        return  # a method from outside may refuse sparse tables
    np.testing.assert_allclose(*predictions, atol=0.02)


CHANGES = {
    "columns in another order": lambda X, y, rng: (X[:, rng.permutation(X.shape[1])], y),
    "rows in another order": lambda X, y, rng: _reorder_training_rows(X, y, rng),
    "constant columns": lambda X, y, rng: (np.insert(X, [0, 20, 20, 90], [0, 1, -3.5, 1e4], 1), y),
    "one feature in other units": lambda X, y, rng: (X * np.where(np.arange(90) == 7, 1e3, 1), y),
    "a feature twice": lambda X, y, rng: (np.hstack([X, X[:, [61]]]), y),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_adds_no_information_changes_little(fitted: Fitted, change: str) -> None:
    X, y = CHANGES[change](fitted.table.X, fitted.table.y, np.random.default_rng(0))
    X = X.astype(np.float32)
    module = fitted.method.load()
    if hasattr(module, "supports") and (reason := module.supports(table_of(X, y))):
        pytest.skip(reason)
    pipeline = fit(pipeline_of(fitted.method), X[:N_TRAIN], y[:N_TRAIN])
    changed = probabilities(pipeline, X[N_TRAIN:])
    right, right_before = (
        (p.argmax(1) == y[N_TRAIN:]).mean() for p in (changed, fitted.probabilities)
    )
    # 250 rows: four standard errors of the difference of two independent accuracies, near 0.9
    # and near 0.5.
    chance = 0.11 if right_before > 0.8 else 0.18
    assert abs(right - right_before) < UNSTABLE.get(fitted.method.name, chance)


@pytest.mark.slow
def test_missing_values_are_read_by_a_method_that_says_so(fitted: Fitted) -> None:
    if not getattr(fitted.method.load(), "READS_MISSING", False):
        pytest.skip("the harness replaces missing values")
    X = fitted.table.X.copy()
    X[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    pipeline = fit(pipeline_of(fitted.method), X[:N_TRAIN], fitted.training[1])
    predicted = probabilities(pipeline, X[N_TRAIN:])
    assert np.isfinite(predicted).all()
    assert (predicted.argmax(1) == fitted.test[1]).mean() > 0.7


def test_names_of_classes_change_no_prediction(fitted: Fitted) -> None:
    X, y = fitted.training
    names = np.array(["a", "b", "c"])
    pipeline = fit(pipeline_of(fitted.method), X, names[y])
    before, predicted = (
        p["model"].predict(p["convert"].transform(fitted.test[0]))
        for p in (fitted.pipeline, pipeline)
    )
    np.testing.assert_array_equal(predicted, names[before])


def _reorder_training_rows(
    X: np.ndarray, y: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    order = np.r_[rng.permutation(N_TRAIN), N_TRAIN : len(y)]
    return X[order], y[order]


def is_same_array(first: object, second: object) -> bool:
    """Whether both have the same type, sparse or dense, and the same values."""
    return type(first) is type(second) and np.array_equal(as_array(first), as_array(second))
