"""Figures are drawn, are not blank, and are left out if they have no data."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.store.store import Store
from reports import figure_curves, figure_front, figure_images, figures
from reports.figure_curves import series
from reports.figure_images import Examples, common_row
from reports.figure_needles import _ranks
from reports.figure_style import method_styles
from reports.results import Results
from reports.sections import data_rows

OVER_TABLES = ["ranks", "heat"]  # for six tables and more
NAMES = ["accuracy", "time", "accuracy_vs_time", "images", "needle_ranks", "curves"]


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
    drawn = figures.draw_all(Results.read(store), tmp_path / "figures")
    assert [figure.name for figure in drawn] == [*OVER_TABLES, *NAMES]
    assert all(figure.note and figure.png is None for figure in drawn)
    assert not stale.exists()


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


def test_methods_are_rows_and_the_front_has_names(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = Results.read(filled)
    images, curves = figure_images.draw(results), figure_curves.draw(results)
    assert images is not None
    assert curves is not None
    with_images = {"deepmapper", "deepmapper_published", "deepinsight_tsne"}
    rows = {axes.get_ylabel().replace("\n", "") for axes in images.axes} - {""}
    assert rows == {axes.get_ylabel() for axes in curves.axes} - {""} == with_images
    assert {axes.get_title(loc="left") for axes in curves.axes} - {""} <= set(results.datasets)
    assert any(axes.lines for axes in curves.axes)
    monkeypatch.setattr(figure_front, "MANY", 0)
    front = figure_front.draw(results)
    assert front is not None
    for axes in front.axes:
        assert {text.get_text() for text in axes.texts} & set(results.methods)


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
