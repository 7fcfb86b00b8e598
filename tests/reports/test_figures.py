"""Figures are drawn, are not blank, and are left out if they have no data."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.metrics import version
from bench.store.store import Store
from reports.figures import curves, images, learning, naming, phases, plans
from reports.figures.curves import series
from reports.figures.images import Examples, common_row
from reports.figures.needles import _ranks
from reports.figures.style import MOST_METHODS, PAGE, few_methods, method_styles, style
from reports.page.sections import data_rows
from reports.results import Results
from reports.topics import PUBLISHED

OVER_TABLES = ["ranks", "heat"]  # for six tables and more
NAMES = ["accuracy", "time", "accuracy_vs_time", "images", "needle_ranks", "curves"]
DRAWN = [  # topic and figure, from real cells
    *(("quick", name) for name in (*NAMES, "naming")),
    *(("wide_pilot", name) for name in (*OVER_TABLES, "accuracy", "time", "accuracy_vs_time")),
    *(("compare", name) for name in ("accuracy", "accuracy_vs_time")),  # 38 methods
]


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_there_and_not_blank(filled: Store, name: str) -> None:
    path = filled.folder / "report" / "figures" / f"{name}.png"
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("L"), dtype=float)
    assert pixels.std() > 5
    assert min(pixels.shape) > 300
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert edge.min() > 250, "something is cut off at the edge"
    assert path.with_suffix(".svg").read_text().count("<path") > 20


def test_an_empty_store_draws_nothing_and_leaves_no_file(store: Store, tmp_path: Path) -> None:
    stale = tmp_path / "figures" / "accuracy.png"
    stale.parent.mkdir()
    stale.write_bytes(b"old")
    drawn = plans.draw_all(Results.read(store), tmp_path / "figures")
    assert {figure.name for figure in drawn} == {*OVER_TABLES, *NAMES, "naming"}
    assert all(figure.note and figure.png is None for figure in drawn)
    assert not stale.exists()


@pytest.fixture(scope="module")
def topic() -> Callable[[str], Results]:
    return cache(lambda name: Results.read(PUBLISHED / name))


@pytest.mark.parametrize(("name", "figure"), DRAWN)
def test_a_figure_can_be_printed(
    topic: Callable, name: str, figure: str, assert_printable: Callable
) -> None:
    with style():
        drawn = plans.modules()[figure].draw(topic(name))
        assert_printable(drawn, PAGE)


def test_every_method_looks_different() -> None:
    styles = method_styles([f"method {i}" for i in range(40)])
    assert len({(str(s["color"]), s["marker"]) for s in styles.values()}) == 40


def test_all_converters_show_the_same_sample() -> None:
    images = np.zeros((3, 2, 2))
    shown = [Examples([5, 7, 9], images), Examples([9, 7], images)]
    assert common_row(shown) == 7
    assert common_row([*shown, Examples([1], images)]) is None


def test_passes_follow_one_another_with_a_gap() -> None:
    history = [
        {"pass": 0, "epoch": 0, "train_loss": 2.0},
        {"pass": 0, "epoch": 1, "train_loss": 1.0},
        {"pass": 1, "epoch": 0, "train_loss": None},
        {"pass": 1, "epoch": 1, "train_loss": 0.5},
    ]
    np.testing.assert_array_equal(series(history, "train_loss"), [2, 1, np.nan, np.nan, 0.5])


def test_methods_are_rows(filled: Store) -> None:
    results = Results.read(filled)
    image_grid, training_curves = images.draw(results), curves.draw(results)
    assert image_grid is not None
    assert training_curves is not None
    with_images = {"deepmapper", "deepmapper_published", "deepinsight_tsne"}
    rows = {axes.get_ylabel().replace("\n", "") for axes in image_grid.axes} - {""}
    assert rows == {axes.get_ylabel() for axes in training_curves.axes} - {""} == with_images
    titles = {axes.get_title(loc="left") for axes in training_curves.axes}
    assert titles - {""} <= set(results.datasets)
    assert any(axes.lines for axes in training_curves.axes)


def test_each_seed_has_its_own_needles(filled: Store, store: Store) -> None:
    base = next(r for r in filled.records() if r["status"] == "ok" and r["dataset"]["relevant"])
    for seed, needle in enumerate((3, 7)):
        dataset = {**base["dataset"], "relevant": [needle], "params": {"seed": seed, "n": 5}}
        record = {**base, "key": f"k{seed}", "seed": seed, "dataset": dataset}
        scores = np.zeros((dataset["n_classes"], dataset["n_features"]), dtype=np.float32)
        scores[:, needle] = 1
        store.put(record, {"attributions": scores})
    results = Results.read(store)
    group = results.groups(base["dataset"]["label"])[0]
    np.testing.assert_array_equal(_ranks(results, group), [1, 1])
    assert data_rows(results)[0]["params"] == "seed = that of the cell, n = 5"


@pytest.fixture
def relabelled(make_cell: Callable, store: Store) -> Callable:
    """A function that reads cells of "needles" under other labels: label -> changes by seed."""

    def read(cells: dict[str, dict[int, dict]]) -> Results:
        for label, of_seeds in cells.items():
            for seed, changes in of_seeds.items():
                for method in ("logistic", "deepmapper"):
                    record, arrays = make_cell("nihs", method, seed)
                    record["dataset"]["label"] = label
                    record |= {"key": f"{label} {method} {seed}"} | changes.get("record", {})
                    record["metrics"] |= changes.get("metrics", {})
                    record["metrics_version"] = version()
                    store.put(record, arrays)
        return Results.read(store)

    return read


def test_phases_count_seeds_and_end_where_nine_of_ten_succeed(
    relabelled: Callable, assert_printable: Callable
) -> None:
    top, missed, failed = {"precision_at_k": 1.0}, {"precision_at_k": 0.5}, {"status": "failed"}
    results = relabelled(
        {
            "xor (30 features, 60 rows)": {s: {"metrics": missed} for s in range(10)},
            "xor (30 features, 125 rows)": {0: {"metrics": top}, 1: {"record": failed}},
            "xor (30 features, 250 rows)": {s: {"metrics": top} for s in range(10)},
            "xor (900 features, 250 rows)": {0: {"record": {"status": "unavailable"}}},
        }
    )
    labels = ["xor (30 features, 60 rows)", "xor (30 features, 125 rows)"]
    labels += ["xor (30 features, 250 rows)", "xor (900 features, 250 rows)"]
    shares = [phases.success(results.group(name, "logistic")) for name in labels]
    assert shares == [0, 0.5, 1, None]
    edges = phases.boundary(np.array([[0, 0.5, 1], [1, 0.5, 1], [0.95, np.nan, 1], [0, 1, 0]]))
    np.testing.assert_array_equal(edges, [1.5, 1.5, -0.5, np.nan])
    with style():
        figure = phases.draw(results)
        assert figure is not None
        assert_printable(figure, PAGE)
    assert [text.get_text() for text in figure.axes[0].texts] == ["0", "5", "10"]


def test_a_learning_curve_follows_the_rows(
    relabelled: Callable, assert_printable: Callable
) -> None:
    accuracies = {50: 0.5, 100: 0.7, 1000: 0.9}
    cells = {
        f"x ({n} rows)": {s: {"metrics": {"balanced_accuracy": value}} for s in range(2)}
        for n, value in accuracies.items()
    }
    results = relabelled(cells | {"x": {0: {}}, "y (50 rows)": {0: {}}})
    assert list(learning.tables_by_rows(results)) == ["x"]
    with style():
        figure = learning.draw(results)
        assert figure is not None
        assert_printable(figure, PAGE)
    accuracy, area = figure.axes
    assert accuracy.get_title(loc="left") == area.get_title(loc="left") == "x"
    for line in accuracy.lines:
        np.testing.assert_allclose(line.get_ydata(), list(accuracies.values()))
        np.testing.assert_allclose(line.get_xdata(), list(accuracies), rtol=0.05)


def test_false_discoveries_are_counted_feature_by_feature() -> None:
    rng = np.random.default_rng(0)
    strength, relevant = rng.integers(1, 5, 60).astype(float), [3, 17, 42]
    false, recall = naming.trace_ranking(strength, relevant)
    order = sorted(range(60), key=lambda i: (-strength[i], i in relevant))
    for k in (1, 7, 60):
        hits = len(set(order[:k]) & set(relevant))
        assert any(np.isclose(false, 1 - hits / k) & np.isclose(recall, hits / 3))


def test_named_features_are_a_point(make_cell: Callable, store: Store) -> None:
    record, arrays = make_cell("needles", "deepmapper", 0)
    record["dataset"]["relevant"] = list(range(30))
    record["metrics"] |= {"selected_recall": 0.75, "false_discovery_share": 0.25}
    store.put(record | {"metrics_version": version()}, arrays)
    with style():
        figure = naming.draw(Results.read(store))
    assert figure is not None
    points = [line.get_xydata() for line in figure.axes[0].lines]
    assert any(np.array_equal(xy, [[0.25, 0.75]]) for xy in points)


def test_few_methods_are_the_best_and_the_engine() -> None:
    labels = [f"m{i}" for i in range(12)]
    results: Any = SimpleNamespace(replicates={labels[1]: labels[0]})
    others = [labels[0], *labels[2:]]  # without the repeated method
    chosen = few_methods(results, [*labels, "deepmapper"])
    assert chosen == [*others[: MOST_METHODS - 1], "deepmapper"]
    assert few_methods(results, labels) == others[:MOST_METHODS]
