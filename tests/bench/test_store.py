"""Records appear whole or not at all."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from bench.errors import BenchError
from bench.store.store import Store, write_atomically
from bench.store.tables import read_table, write_table
from datasets.digits import load


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "out")
    store.create()
    return store


def test_a_record_comes_back_with_its_arrays(store: Store) -> None:
    record = {"schema": 2, "key": "k", "status": "ok"}
    store.put(record, {"a": np.arange(3)})
    assert store.has("k")
    assert store.record("k") == record
    np.testing.assert_array_equal(store.artifact("k")["a"], [0, 1, 2])
    assert store.artifact("none") == {}


def test_a_full_disk_keeps_the_older_records(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put({"schema": 2, "key": "k", "status": "ok"})

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.put({"schema": 2, "key": "new", "status": "ok"})
    assert store.record("k")["status"] == "ok"
    assert [path.name for path in store.cells.iterdir()] == ["k.json"]


@pytest.mark.parametrize("links", [True, False])
def test_the_first_record_of_a_key_stays(
    links: bool, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only one of two runs of a cell can store it, even at the same moment."""

    def refuse(source: str, target: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    assert store.put({"schema": 2, "key": "k", "status": "ok"})
    assert not store.put({"schema": 2, "key": "k", "status": "failed"})
    monkeypatch.setattr(Store, "has", lambda self, key: False)  # neither run sees the other record
    assert not store.put({"schema": 2, "key": "k", "status": "timeout"})
    assert store.record("k")["status"] == "ok"
    assert [path.name for path in store.cells.iterdir()] == ["k.json"]


def test_records_that_are_set_aside_again_replace_none(store: Store) -> None:
    for status in ("ok", "failed", "timeout"):
        store.put({"schema": 2, "key": "k", "status": status}, {"a": np.arange(3)})
        store.supersede("k")
        assert not store.has("k")
        assert list(store.records()) == []
    aside = sorted(path.name for path in (store.cells / "superseded").iterdir())
    assert aside == ["k.1.json", "k.1.npz", "k.2.json", "k.2.npz", "k.json", "k.npz"]


def test_a_broken_record_is_named(store: Store) -> None:
    (store.cells / "bad.json").write_text('{"schema": 2, "ke')
    with pytest.raises(BenchError, match=r"bad\.json cannot be read"):
        list(store.records())


def test_an_interrupted_write_leaves_no_file(tmp_path: Path) -> None:
    def interrupted(file: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "x", interrupted)
    assert list(tmp_path.iterdir()) == []


def test_a_table_comes_back_from_its_files(tmp_path: Path) -> None:
    table = load()
    write_table(tmp_path / "t", table)
    assert read_table(tmp_path / "t").checksum == table.checksum
