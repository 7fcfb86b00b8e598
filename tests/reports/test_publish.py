"""Published topics are lossless, small, and match the sources or are stale."""

import json
import re
import shutil
import tomllib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import metrics
from bench.catalog import ROOT, entry
from bench.errors import BenchError
from bench.machine.redaction import list_replacements, redact
from bench.spec import load_spec
from bench.store.store import Store, round_probabilities
from reports.aggregate import results_frame
from reports.build import build
from reports.publish import MOST_LINES, MOST_PICTURES, problems, publish
from reports.results import Results
from reports.statistics.stability import KEPT
from reports.topics import PUBLISHED, Topic, read_cells, write_cells

TOPICS = sorted(path for path in PUBLISHED.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def results(filled: Store, tmp_path_factory: pytest.TempPathFactory, put_again: Callable) -> Store:
    """A store with a record that names folders, and one with wide attributions."""
    folder = tmp_path_factory.mktemp("publish") / "results"
    shutil.copytree(filled.folder, folder)
    (folder / "spec.toml").write_text(
        'name = "made up"\ndatasets = ["digits"]\nmethods = ["mlp"]\n'
    )
    store = Store(folder)
    for record in store.records():
        record["method"]["source_hash"] = entry("methods", record["method"]["name"]).source_hash
        put_again(store, record)
    failed = next(r for r in store.records() if r["status"] == "failed")
    failed["reason"] = f"no file {folder.resolve()}/x and none in {Path.home()}/y"
    put_again(store, failed)
    wide = next(r for r in store.records() if "attributions" in store.artifact(r["key"]))
    rng = np.random.default_rng(0)
    put_again(store, wide, {"attributions": rng.random((2, 20_000), dtype=np.float32)})
    return store


@pytest.fixture(scope="module")
def published(results: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The topic of the store, published over an older topic with a README."""
    target = tmp_path_factory.mktemp("published") / "topic"
    target.mkdir()
    (target / "README.md").write_text("kept")
    (target / "old.parquet").write_text("of the older topic")
    publish(results.folder, target, "a command")
    return target


def test_no_folder_of_the_machine_is_named(results: Store, published: Path) -> None:
    text = json.dumps(list(Topic(published).records()))
    for path in published.glob("*.[mt]*"):
        text += path.read_text()
    for folder, _ in list_replacements(results.folder):
        assert folder not in text
    assert "no file <results>/x and none in ~/y" in text


def test_a_topic_is_read_like_its_results(results: Store, published: Path, tmp_path: Path) -> None:
    assert (published / "README.md").read_text() == "kept"
    assert tomllib.loads((published / "topic.toml").read_text()) == {
        "command": "a command",
        "commits": ["0123456789abcdef"],
        "cpu_hours": 6.0,
    }
    files = {path.name for path in published.iterdir()}
    assert files - {path.name for path in published.glob("*.png")} == {
        *("README.md", "topic.toml", "spec.toml", "cells.parquet", "arrays.parquet"),
    }  # the made-up cells have no probabilities
    before, after = Results.read(results), Results.read(published)
    words = list_replacements(results.folder)
    assert list(after.records.values()) == [redact(r, words) for r in results.records()]
    assert before.frame["accuracy"].equals(after.frame["accuracy"])
    cut = [a for key in after.records if "top_features" in (a := after.source.arrays(key))]
    assert len(cut) == 1
    (whole,) = (
        a
        for r in results.records()
        if "attributions" in (a := results.artifact(r["key"])) and a["attributions"].size == 40_000
    )
    strongest = np.argsort(-metrics.feature_strength(whole["attributions"]))[:KEPT]
    np.testing.assert_array_equal(cut[0]["top_features"], strongest)
    np.testing.assert_array_equal(cut[0]["top_values"], whole["attributions"][:, strongest])
    text = build(published, tmp_path, interactive=False).read_text()
    assert "cells.parquet" in text
    assert "../cells/" not in text
    assert not (published / "report").exists()


def test_predictions_are_kept_row_by_row(tmp_path: Path, make_cell: Callable) -> None:
    store, arrays = store_of_predictions(tmp_path / "store", make_cell)
    publish(store.folder, tmp_path / "topic", stale="made up", arrays=False)
    (record,) = store.records()
    stored = Topic(tmp_path / "topic").arrays(record["key"])
    assert stored.keys() == set(arrays)
    for name, values in stored.items():
        expected = round_probabilities(arrays[name]) if name == "probabilities" else arrays[name]
        np.testing.assert_array_equal(values, expected)
        assert values.dtype == arrays[name].dtype
    about = tomllib.loads((tmp_path / "topic" / "topic.toml").read_text())
    assert about["command"] == "python -m bench run made up"
    assert about["command"] in (tmp_path / "topic" / "README.md").read_text()


def test_published_probabilities_are_close_and_predict_the_same() -> None:
    probabilities = np.random.default_rng(0).dirichlet([0.1] * 5, size=2000)
    probabilities[0] = [0.4999, 0.5001, 0, 0, 0]  # a tie, once rounded
    rounded = round_probabilities(probabilities)
    np.testing.assert_allclose(rounded[1:], probabilities[1:], rtol=2**-9)
    np.testing.assert_allclose(rounded[0], probabilities[0], rtol=2**-7)
    np.testing.assert_array_equal(rounded.argmax(1), probabilities.argmax(1))
    np.testing.assert_array_equal(round_probabilities(rounded), rounded)


def store_of_predictions(
    folder: Path, make_cell: Callable
) -> tuple[Store, dict[str, np.ndarray[Any, Any]]]:
    """A store of one cell, with three correct test rows out of four."""
    record, _ = make_cell("nihs", "logistic", 0)
    arrays = {
        "y_test": np.array([0, 1, 1, 0]),
        "test_rows": np.array([3, 5, 8, 9]),
        "test_groups": np.array([0, 0, 1, 1]),
        "probabilities": np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [1, 0]], dtype=np.float32),
    }
    store = Store(folder)
    store.create()
    (folder / "spec.toml").write_text('name = "made up"\ndatasets = ["nihs"]\nmethods = ["mlp"]\n')
    store.put(record, arrays)
    return store, arrays


def test_a_new_metric_needs_no_rerun(
    tmp_path: Path, make_cell: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = store_of_predictions(tmp_path / "store", make_cell)
    (record,) = store.records()

    def share_of_ones(outcome: metrics.Outcome) -> float:
        return float(outcome.predictions.mean())

    monkeypatch.setitem(metrics.METRICS, "share_of_ones", share_of_ones)
    row = results_frame(store).iloc[0]
    assert row["share_of_ones"] == 0.25
    assert row["accuracy"] == 0.75  # computed again, because the record has no version
    assert row["train_accuracy"] == record["metrics"]["train_accuracy"]  # as stored: no arrays
    build(store.folder, interactive=False)
    assert "share_of_ones" in results_frame(store).columns


def test_metrics_of_the_same_version_are_as_stored(
    tmp_path: Path, make_cell: Callable, put_again: Callable
) -> None:
    store, arrays = store_of_predictions(tmp_path / "store", make_cell)
    (record,) = store.records()
    for version, accuracy in ((metrics.version(), record["metrics"]["accuracy"]), ("old", 0.75)):
        put_again(store, record | {"metrics_version": version}, arrays)
        assert results_frame(store).iloc[0]["accuracy"] == accuracy


def test_records_of_any_form_are_read_as_they_were_written(tmp_path: Path) -> None:
    records: list[dict[str, Any]] = [
        {"key": "a", "n": 1, "x": 1.0, "deep": {"b": [1, {"c": None}], "d": True}, "mixed": 1},
        {
            "key": "b",
            "n": None,
            "x": None,
            "deep": {"b": [], "d": None},
            "mixed": "ä",
            "more": None,
        },
    ]
    write_cells(records, tmp_path / "cells.parquet")
    assert list(map(repr, read_cells(tmp_path / "cells.parquet"))) == list(map(repr, records))


def test_records_of_an_experiment_are_published_unchanged(tmp_path: Path) -> None:
    cells = tmp_path / "results" / "cells" / "xor"
    cells.mkdir(parents=True)
    record = {"case": "a", "measured": {"seconds": 1.5}, "environment": {"commit": "c0ffee"}}
    (cells / "a.json").write_text(json.dumps(record))
    with pytest.raises(BenchError, match="--command"):
        publish(tmp_path / "results", tmp_path / "topic")
    publish(tmp_path / "results", tmp_path / "topic", "a command")
    assert list(Topic(tmp_path / "topic").records()) == [{"file": "xor/a"} | record]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"environment": {"commit": "c0ffee"}}, "cells of commits 0123456789ab, c0ffee"),
        ({"method": {"name": "mlp", "source_hash": "0"}}, "the sources of mlp are not those"),
        ({"method": {"name": "gone", "source_hash": "0"}}, "the sources of gone are not those"),
        ({"reason": "no file /home/someone/x"}, "names folders of a machine: /home/someone"),
    ],
)
def test_a_topic_of_other_code_is_refused(
    published: Path, tmp_path: Path, change: dict[str, Any], expected: str
) -> None:
    topic = tmp_path / "topic"
    shutil.copytree(published, topic)
    assert problems(topic) == []
    records = list(Topic(topic).records())
    records[0] |= {k: records[0][k] | v if isinstance(v, dict) else v for k, v in change.items()}
    write_cells(records, topic / "cells.parquet")
    (message,) = problems(topic)
    assert expected in message
    assert "Renew it: a command" in message
    with (topic / "topic.toml").open("a") as file:
        file.write('stale = "a reason"\n')
    assert bool(problems(topic)) == ("folders" in expected)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda path: path.name)
def test_a_published_topic_matches_the_sources_or_is_marked_stale(topic: Path) -> None:
    assert problems(topic) == []
    assert len(set(topic.glob("*.png")) - set(topic.glob("fig*.png"))) <= MOST_PICTURES


@pytest.mark.parametrize(
    ("profile", "topic", "page"),
    [("quick", "quick", "start.md"), ("paper_small", "paper", "paper.md")],
)
def test_a_profile_states_the_minutes_of_its_published_run(
    profile: str, topic: str, page: str
) -> None:
    stated = re.search(
        r"(?:(\w+) to )?(\w+) minutes on two cores", load_spec(profile)[0].description
    )
    assert stated is not None
    assert stated[0] in (ROOT / "docs" / page).read_text()
    records = list(Topic(PUBLISHED / topic).records())
    began, ended = (
        choose(datetime.fromisoformat(record[name]) for record in records if record[name])
        for choose, name in ((min, "started"), (max, "finished"))
    )
    minutes = (ended - began).total_seconds() / 60
    words = {"one": 1, "four": 4}
    low, high = (words.get(word) or int(word) for word in (stated[1] or stated[2], stated[2]))
    assert low - 2 <= minutes <= high  # starting, and the installation


def test_an_unknown_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"unknown picture 'heatt'\. Did you mean 'heat'"):
        publish(PUBLISHED / "quick", tmp_path / "topic", pictures=["heatt"])


def test_published_topics_keep_their_budget() -> None:
    files = [path for path in PUBLISHED.rglob("*") if path.is_file()]
    assert len(files) <= 120
    assert sum(path.stat().st_size for path in files) <= 15 * 2**20
    assert {path.suffix for path in files} <= {".parquet", ".toml", ".md", ".png"}


def test_a_readme_that_is_too_long_is_refused(published: Path, tmp_path: Path) -> None:
    topic = tmp_path / "topic"
    shutil.copytree(published, topic)
    (topic / "README.md").write_text("line\n" * (MOST_LINES + 1))
    (message,) = problems(topic)
    assert "41 lines, at most 40" in message


def test_longer_folders_are_replaced_first() -> None:
    words = [("/a/b", "<b>"), ("/a", "<a>")]
    value = {"x": ["/a/b/c", "/a/c", 1, None]}
    assert redact(value, words) == {"x": ["<b>/c", "<a>/c", 1, None]}
    assert json.dumps(redact(value, []), sort_keys=True) == json.dumps(value, sort_keys=True)
