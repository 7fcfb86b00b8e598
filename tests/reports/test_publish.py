"""Publishing a result: small, whole enough to be read again, and without folders of the machine."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.machine.redaction import folders_and_words, redacted
from bench.store.store import Store
from reports.publish import TOP, publish
from reports.results import Results


@pytest.fixture(scope="module")
def results(filled: Store, tmp_path_factory: pytest.TempPathFactory, put_again: Callable) -> Store:
    """A store of which one record names folders of this machine and one has wide attributions."""
    folder = tmp_path_factory.mktemp("publish") / "results"
    shutil.copytree(filled.folder, folder)
    (folder / "spec.toml").write_text(
        'name = "made up"\ndatasets = ["digits"]\nmethods = ["mlp"]\n'
    )
    (folder / "environment.json").write_text("{}\n")
    store = Store(folder)
    failed = next(r for r in store.records() if r["status"] == "failed")
    failed["reason"] = f"no file {folder.resolve()}/x and none in {Path.home()}/y"
    put_again(store, failed)
    wide = next(r for r in store.records() if "attributions" in store.artifact(r["key"]))
    rng = np.random.default_rng(0)
    put_again(store, wide, {"attributions": rng.random((2, 20_000), dtype=np.float32)})
    return store


@pytest.fixture(scope="module")
def published(results: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it was published twice, beside a text of somebody's own."""
    target = tmp_path_factory.mktemp("published")
    (target / "README.md").write_text("kept")
    for _ in range(2):  # the second takes the place of the first
        publish(results.folder, target, "a command")
    return target


def test_no_folder_of_the_machine_is_named(results: Store, published: Path) -> None:
    for path in published.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for folder, _ in folders_and_words(results.folder):
                assert folder.encode() not in content, (path, folder)
    reasons = [record["reason"] for record in Store(published).records() if record["reason"]]
    assert "no file <results>/x and none in ~/y" in reasons


def test_a_published_result_can_be_read_again(results: Store, published: Path) -> None:
    assert (published / "README.md").read_text() == "kept"
    assert (published / "COMMAND").read_text() == "a command\n"
    before, after = Results.read(results), Results.read(Store(published))
    assert before.frame["accuracy"].equals(after.frame["accuracy"])
    assert (published / "report" / "index.html").stat().st_size > 10_000
    keys = after.records
    cut = [a for key in keys if "top_features" in (a := Store(published).artifact(key))]
    assert len(cut) == 1
    assert TOP <= len(cut[0]["top_features"]) == cut[0]["top_values"].shape[1] <= 3 * TOP


@pytest.mark.slow
def test_arrays_may_be_left_out(results: Store, tmp_path: Path) -> None:
    target = tmp_path / "published"
    publish(results.folder, target, "a command", arrays=False)
    assert not (target / "artifacts").exists()
    assert list((target / "report" / "figures").glob("*.png"))  # drawn while they were there


def test_longer_folders_are_replaced_first() -> None:
    words = [("/a/b", "<b>"), ("/a", "<a>")]
    value = {"x": ["/a/b/c", "/a/c", 1, None]}
    assert redacted(value, words) == {"x": ["<b>/c", "<a>/c", 1, None]}
    assert json.dumps(redacted(value, []), sort_keys=True) == json.dumps(value, sort_keys=True)
