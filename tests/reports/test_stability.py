"""Stability: equal tables are compared, ties and single seeds give none."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.store.store import Store
from reports.publish import publish
from reports.results import Results
from reports.statistics.stability import stabilities
from reports.tables.markup import markdown
from reports.tables.measures import attribution


def scores(*strongest: int, n: int = 60) -> np.ndarray:
    """Attributions of two classes, with the given features before all others."""
    values = np.linspace(0.2, 0.1, n)
    values[list(strongest)] = 1 + np.arange(len(strongest))
    return np.array([values, -2 * values], dtype=np.float32)


@pytest.fixture
def of_seeds(store: Store, make_cell: Callable) -> Callable[..., Store]:
    def make(*arrays: np.ndarray, checksums: str = "aaaa", label: str = "digits") -> Store:
        for seed, values in enumerate(arrays):
            record, _ = make_cell(label, "logistic", seed)
            record["dataset"]["checksum"] = checksums[seed]
            store.put(record, {"attributions": values})
        return store

    return make


@pytest.mark.parametrize(
    ("arrays", "checksums", "expected"),
    [
        ([scores(*range(20)), scores(*range(10, 30))], "aa", 10 / 30),
        ([scores(*range(20)), scores(*range(20)), scores(*range(20, 40))], "aaa", 1 / 3),
        ([scores(*range(20)), scores(*range(10, 30))], "ab", None),  # tables drawn again
        ([scores(*range(20)), scores(*range(20)), scores(*range(20, 40))], "aab", 1.0),
        ([np.eye(2, 60), np.eye(2, 60)], "aa", 1.0),  # two features are named, not eighteen ties
        ([np.ones((2, 60)), np.ones((2, 60))], "aa", None),  # nothing but ties
        ([scores(*range(20))], "a", None),
    ],
)
def test_stability_is_the_mean_jaccard_index_over_pairs_of_seeds(
    of_seeds: Callable, arrays: list[np.ndarray], checksums: str, expected: float | None
) -> None:
    values = stabilities(Results.read(of_seeds(*arrays, checksums=checksums)))
    assert values.get(("digits", "logistic")) == pytest.approx(expected)


@pytest.mark.parametrize("arrays", [True, False])
def test_a_topic_has_the_stability_of_its_results(
    of_seeds: Callable, tmp_path: Path, arrays: bool
) -> None:
    rng = np.random.default_rng(0)
    base = rng.random(12_000) ** 200
    store = of_seeds(*(np.array([base, base]) * rng.uniform(0.8, 1.2, (2, 12_000)) for _ in "abc"))
    (store.folder / "spec.toml").write_text(
        'name = "x"\ndatasets = ["digits"]\nmethods = ["mlp"]\n'
    )
    publish(store.folder, tmp_path / "topic", stale="made up", arrays=arrays)
    before, after = (stabilities(Results.read(f)) for f in (store.folder, tmp_path / "topic"))
    assert before == after
    assert 0 < before["digits", "logistic"] < 1


def test_tables_without_known_needles_have_their_stability(
    of_seeds: Callable, put_again: Callable
) -> None:
    """The second seed names five features, the first only ranks them."""
    store = of_seeds(scores(*range(20)), scores(*range(10, 30)))
    key = max(store.records(), key=lambda record: record["seed"])["key"]
    arrays = store.artifact(key) | {"selected": np.arange(60) < 5}
    put_again(store, store.record(key), arrays)
    view = attribution(Results.read(store))
    lines = markdown(view).splitlines()
    assert "| Method | Named | Stability |" in lines
    assert "| logistic | 5 | 0.333 |" in lines
    assert view.data["stability"].tolist() == [pytest.approx(1 / 3)]


def test_features_named_on_a_table_without_needles_are_shown(
    of_seeds: Callable, put_again: Callable
) -> None:
    """As with permuted labels, where each seed has a table of its own."""
    store = of_seeds(scores(*range(20)))
    [record] = store.records()
    arrays = store.artifact(record["key"]) | {"selected": np.arange(60) < 2}
    put_again(store, record, arrays)
    lines = markdown(attribution(Results.read(store))).splitlines()
    assert "| Method | Named |" in lines
    assert "| logistic | 2 |" in lines
