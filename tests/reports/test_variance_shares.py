"""Shares of variance, compared with known effects and with statsmodels."""

import hashlib
import re
from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
import pytest

from bench.store.store import Store
from reports import readme
from reports.figures import variance
from reports.figures.plans import plan_figures
from reports.results import Results
from reports.statistics.variance_shares import (
    TERMS,
    Grid,
    error_logit,
    factors_of,
    has_grid,
    read_grid,
    read_grids,
    sums_of_squares,
)
from reports.tables.markup import markdown
from reports.tables.writer import all_views

SHAPE = (6, 4, 3, 2)  # two seeds of three tables, layouts, networks, gates
TABLES = np.array([0, 0, 1, 1, 2, 2])


def effect(rng: np.random.Generator, term: tuple[int, ...]) -> np.ndarray:
    """Return a random effect of a term whose sums over each of its factors are 0, of sum 1."""
    values = rng.normal(size=[n if axis in term else 1 for axis, n in enumerate((3, *SHAPE[1:]))])
    for axis in term:
        values = values - values.mean(axis, keepdims=True)
    values = np.broadcast_to(values, (3, *SHAPE[1:]))[TABLES]
    return values / np.sqrt((values**2).sum())


def test_known_effects_are_found() -> None:
    rng = np.random.default_rng(0)
    squares = np.arange(1, 11) * 10.0
    noise = rng.normal(size=SHAPE)
    noise = noise - noise.mean((1, 2, 3), keepdims=True)
    logits = 3 + sum(np.sqrt(s) * effect(rng, term) for s, term in zip(squares, TERMS, strict=True))
    found_squares = sums_of_squares(logits, TABLES)
    np.testing.assert_allclose(found_squares, [*squares, 0], atol=1e-9)
    # Interactions of three factors are residual.
    three = rng.normal(size=SHAPE)
    for axis in (1, 2, 3):
        three = three - three.mean(axis, keepdims=True)
    with_three = sums_of_squares(logits + three, TABLES)
    np.testing.assert_allclose(with_three, [*squares, (three**2).sum()], atol=1e-8)


def test_simulated_components_have_their_shares() -> None:
    """Layout, gate x table and noise: variances 1, 2 and 1 of independent normal effects."""
    rng = np.random.default_rng(1)
    shape, codes = (60, 40, 2, 40), np.repeat(np.arange(30), 2)
    logits = rng.normal(size=(1, 40, 1, 1)) + np.sqrt(2) * rng.normal(size=(30, 1, 1, 40))[codes]
    squares = sums_of_squares(logits + rng.normal(size=shape), codes)
    shares = dict(zip([*TERMS, "residual"], squares / squares.sum(), strict=True))
    assert shares[1,] == pytest.approx(0.25, abs=0.08)
    assert shares[0, 3] == pytest.approx(0.5, abs=0.08)
    assert shares["residual"] == pytest.approx(0.25, abs=0.05)


@pytest.mark.slow  # statsmodels takes long to import
def test_the_sums_of_squares_are_those_of_statsmodels() -> None:
    formula = pytest.importorskip("statsmodels.formula.api")
    anova = pytest.importorskip("statsmodels.stats.anova")
    tables_ = np.array([0, 0, 0, 1, 1, 2])  # tables with different numbers of seeds
    logits = np.random.default_rng(2).normal(size=SHAPE) + tables_[:, None, None, None]
    points = np.array(list(product(*map(range, SHAPE))))
    frame = pd.DataFrame(points, columns=["block", "l", "n", "g"])
    frame = frame.assign(y=logits.ravel(), t=tables_[frame["block"]])
    model = formula.ols("y ~ (C(t) + C(l) + C(n) + C(g)) ** 2", frame).fit()
    expected = anova.anova_lm(model, typ=2)["sum_sq"]
    np.testing.assert_allclose(sums_of_squares(logits, tables_), expected, rtol=1e-8)


def test_a_block_that_is_drawn_twice_counts_twice() -> None:
    logits = np.random.default_rng(3).normal(size=SHAPE)
    counts = np.array([2, 0, 1, 3, 0, 0])  # the third table is not drawn
    repeated = np.repeat(np.arange(6), counts)
    np.testing.assert_allclose(
        sums_of_squares(logits, TABLES, counts),
        sums_of_squares(logits[repeated], TABLES[repeated]),
    )


def test_intervals_hold_the_share_and_a_single_table_has_none() -> None:
    rng = np.random.default_rng(4)
    logits = rng.normal(size=SHAPE) + 5 * np.arange(4)[:, None, None]
    blocks = [(f"table {t}", seed) for seed, t in enumerate(TABLES)]
    levels = [blocks, [*"abcd"], [*"xyz"], ["gate", "no gate"]]
    first, *_, last = Grid(logits, levels, []).shares()
    assert (first.term, first.df, last.term) == ("layout", 3, "residual")
    assert 0.8 < first.low < first.share < first.high < 1
    single = Grid(logits[:1], [blocks[:1], *levels[1:]], []).shares()
    assert {share.low for share in single} == {None}
    assert not [share for share in single if "table" in share.term]
    assert sum(share.share for share in single) == pytest.approx(1)
    assert Grid(np.ones(SHAPE), levels, []).shares() == []


def test_labels_of_the_scheme_are_factors_and_others_are_not() -> None:
    assert factors_of("learned / patch / gate") == ("learned", "patch", "gate")
    for label in ("deepmapper", "a / b", "a / b / gate / d", "a / b / c"):
        assert factors_of(label) is None
    assert not has_grid(pd.DataFrame({"method_label": ["logistic", "mlp / x"]}))


def test_the_response_is_the_logit_of_the_error_rate() -> None:
    cell = {"status": "ok", "accuracy": 0.9, "n_test": 50}
    assert error_logit(cell) == pytest.approx(np.log(5.5 / 45.5))
    assert np.isnan(error_logit({**cell, "status": "timeout"}))
    assert np.isfinite(error_logit({**cell, "accuracy": 1.0}))


def frame_of(accuracy: Callable[[str, int, str, str, str], float | None]) -> pd.DataFrame:
    points = product(
        ["a", "b"], [0, 1], ["natural", "learned"], ["patch", "vit"], ["gate", "no gate"]
    )
    rows = [
        {
            "dataset_label": point[0],
            "seed": point[1],
            "method_label": " / ".join(point[2:]),
            "accuracy": accuracy(*point),
            "status": "failed" if accuracy(*point) is None else "ok",
            "n_test": 100,
        }
        for point in points
    ]
    return pd.DataFrame(rows)


def test_a_layout_without_cells_on_a_table_is_left_out() -> None:
    grid = read_grid(
        frame_of(
            lambda table, seed, layout, *_: None if (table, layout) == ("b", "learned") else 0.9
        )
    )
    assert grid.logits.shape == (4, 1, 2, 2)
    assert grid.left_out == ["layout learned (50% of its cells are missing or not ok)"]
    one_seed = frame_of(lambda table, seed, *_: None if (table, seed) == ("b", 1) else 0.9)
    grid = read_grid(one_seed)
    assert grid.levels[0] == [("a", 0), ("a", 1), ("b", 0)]
    assert grid.left_out == ["seed 1 of b (100% of its cells are missing or not ok)"]


def test_layouts_that_some_tables_lack_have_grids_of_their_own() -> None:
    frame = frame_of(lambda table, seed, layout, *_: 0.9 + 0.01 * seed if layout else None)
    extra = frame[(frame["dataset_label"] == "a") & frame["method_label"].str.contains("learned")]
    labels = extra["method_label"].str.replace("learned", "true grid")
    grids = read_grids(pd.concat([frame, extra.assign(method_label=labels)]))
    assert [(grid.tables, grid.levels[1]) for grid in grids] == [
        (["a", "b"], ["learned", "natural"]),
        (["a"], ["learned", "natural", "true grid"]),
    ]
    assert len(read_grids(frame)) == 1


def test_a_report_of_a_grid_has_its_table_and_figure(
    make_cell: Callable, store: Store, put_again: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    for dataset, seed in product(("nihs", "needles"), (0, 1)):
        for factors in product(("natural", "learned"), ("patch", "flat"), ("gate", "no gate")):
            record, arrays = make_cell(dataset, "deepmapper", seed)
            record["method"] = record["method"] | {"label": " / ".join(factors)}
            accuracy = 0.6 + 0.2 * (factors[2] == "gate") + 0.02 * rng.random()
            record["metrics"] = record["metrics"] | {"accuracy": accuracy}
            name = f"{dataset} {factors} {seed}".encode()
            record["key"] = hashlib.sha256(name).hexdigest()[:32]
            store.put(record, arrays)
    results = Results.read(store)
    [view] = [view for view in all_views(results) if view.name == "variance"]
    row = next(row for row in view.blocks[0].rows if row[0].text == "gate")
    assert row[2].sort > 0.9
    assert "All tables" in markdown(view)
    assert [plan.name for plan in plan_figures(results)][-1] == "variance"
    figure = variance.draw(results)
    assert figure is not None
    [axes] = figure.axes
    widths = [patch.get_width() for patch in axes.patches]
    assert sum(widths) == pytest.approx(300)  # three bars: all tables and each
    monkeypatch.setattr(readme, "_results", lambda topic: results)
    shares = readme.renew("<!-- records: causes; variance -->\n<!-- end -->")
    assert re.search(r"\| gate \| 1 \| 9\d\.\d \| 9\d\.\d to \d+\.\d \|", shares)
    levels = readme.renew("<!-- records: causes; levels -->\n<!-- end -->")
    assert "| level | needles | nihs † |" in levels
    assert re.findall(r"\| (.*?) \| \.\d+ \| \.\d+ \|", levels) == [
        *("layout: learned", "layout: natural", "network: flat", "network: patch"),
        *("gate: gate", "gate: no gate"),
    ]
