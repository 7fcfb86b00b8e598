"""`bench collect` merges output folders, or stops before it copies anything."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.asv.stores import make_cells
from bench.cli import main
from bench.cluster.collect import collect
from bench.errors import BenchError
from bench.store.locks import RunLock
from bench.store.store import Store

SPEC = 'name = "merge"\nseeds = [0]\ndatasets = ["digits"]\nmethods = ["majority"]\n'
OTHER_SPEC = SPEC.replace("[0]", "[0, 7]")
RECORDS = [record for record, _ in make_cells(10)]
SLOWER = {"wall_seconds": 99.0}
UNAVAILABLE = {"status": "unavailable", "reason": "no data"}
CUT_SHORT = {"status": "failed", "reason": "killed by signal 9", "transient": True}

Changes = dict[str, Any]


def key(number: int) -> str:
    return str(RECORDS[number]["key"])


def filled(folder: Path, cells: dict[int, Changes], spec: str = SPEC) -> Path:
    """An output folder with these cells, each with changes to its record."""
    store = Store(folder)
    store.create()
    (folder / "spec.toml").write_text(spec)
    (folder / "environment.json").write_text("{}")
    for number, changes in cells.items():
        record = {**RECORDS[number], "status": "ok", "reason": None, **changes}
        (store.cells / f"{record['key']}.json").write_text(json.dumps(record))
        if record["status"] == "ok":
            np.savez(store.artifacts / f"{record['key']}.npz", probabilities=np.full((3, 2), 0.5))
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """The bytes of every file but the lock, by name."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def walls(folder: Path) -> dict[str, float]:
    return {record["key"]: record["wall_seconds"] for record in Store(folder).records()}


def test_folders_become_one_and_stay_as_they_are(tmp_path: Path) -> None:
    first = filled(tmp_path / "one", {1: {}, 2: {}})
    spec = SPEC + "jobs = 4\n"  # measures the same
    second = filled(tmp_path / "two", {2: {}, 3: {"status": "failed"}}, spec)
    before = content(first), content(second)
    out = tmp_path / "out"
    assert collect([first, second, first], out) == f"{out}: 3 records, 3 of them new"
    assert (content(first), content(second)) == before
    assert content(out) == content(first) | content(second)
    again = content(out)
    (first / "artifacts" / f"{key(2)}.npz").unlink()  # a copy may lack its arrays
    assert "0 of them new" in collect([first, out, second], out)  # results/* includes out itself
    assert content(out) == again
    collect([second], first)
    assert Store(first).artifact(key(2))


@pytest.mark.parametrize("other", [SLOWER, {"status": "timeout"}, {"key": "ff" * 16}])
def test_different_records_of_a_cell_are_an_error_before_anything_is_copied(
    tmp_path: Path, other: Changes
) -> None:
    first = filled(tmp_path / "one", {number: {} for number in range(8)})
    second = filled(tmp_path / "two", {number: SLOWER for number in range(7)} | {7: other, 8: {}})
    out = tmp_path / "out"
    with pytest.raises(BenchError) as raised:
        collect([first, second], out)
    message = str(raised.value)
    dataset, method = (RECORDS[0][kind]["label"] for kind in ("dataset", "method"))
    assert "8 cells have different records, so nothing was copied" in message
    assert f"{dataset} / {method} / seed 0: {first}: ok, key {key(0)[:8]}; {second}: ok" in message
    assert "and 3 more" in message
    assert "--keep first or --keep last" in message
    assert not out.exists()


def test_keep_decides_which_record_wins_and_the_other_is_set_aside(tmp_path: Path) -> None:
    first = filled(tmp_path / "one", {1: {}})
    second = filled(tmp_path / "two", {1: SLOWER, 2: {}})
    for keep, folder in (("first", first), ("last", second)):
        collect([first, second], tmp_path / keep, keep)
        assert walls(tmp_path / keep) == {**walls(second), **walls(folder)}
    before = content(first)
    collect([second], first, "last")
    assert walls(first) == walls(second)
    assert (first / "cells/superseded" / f"{key(1)}.json").read_bytes() in before.values()
    collect([tmp_path / "first"], first, "first")  # the target comes first
    assert walls(first) == walls(second)


@pytest.mark.parametrize("weak", [UNAVAILABLE, CUT_SHORT])
@pytest.mark.parametrize("own_key", [{}, {"key": "ee" * 16}])
def test_a_record_that_a_rerun_repeats_loses_against_any_result(
    tmp_path: Path, weak: Changes, own_key: Changes
) -> None:
    first = filled(tmp_path / "one", {1: {**weak, **own_key}, 2: weak})
    second = filled(tmp_path / "two", {1: {"status": "failed"}, 2: {**weak, "wall_seconds": 1.0}})
    for sources in ([first, second], [second, first]):
        out = tmp_path / f"out-{sources[0].name}"
        collect(sources, out, "last")
        assert [r["status"] for r in Store(out).records() if r["key"] != key(2)] == ["failed"]
    collect([second], first)
    assert {r["status"] for r in Store(first).records()} == {"failed", weak["status"]}


def test_tables_of_one_name_have_one_content(tmp_path: Path) -> None:
    folders = [filled(tmp_path / name, {n: {}}) for n, name in enumerate(("one", "two"))]
    for folder, seconds in zip(folders, (1, 2), strict=True):
        facts = {"checksum": "a", "prepare_seconds": seconds}
        (folder / "tables" / "t.json").write_text(json.dumps(facts))
    collect(folders, tmp_path / "out")
    assert json.loads((tmp_path / "out/tables/t.json").read_text())["prepare_seconds"] == 1
    (folders[1] / "tables" / "t.json").write_text('{"checksum": "b"}')
    with pytest.raises(BenchError, match=r"one/tables/t.json and .*two.* different tables.*--keep"):
        collect(folders, tmp_path / "out2")
    collect(folders, tmp_path / "out2", "last")
    assert json.loads((tmp_path / "out2/tables/t.json").read_text())["checksum"] == "b"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda out: (out / "cells/x.json").write_text('{"schema": 1, "ke'), r"x\.json cannot be"),
        (lambda out: next(out.glob("cells/*.json")).rename(out / "cells/x.json"), "another name"),
        (lambda out: os.truncate(next(out.glob("artifacts/*.npz")), 200), r"a complete \.npz"),
        (lambda out: (out / "spec.toml").unlink(), "is not an output folder"),
        (
            lambda out: (out / "spec.toml").write_text(OTHER_SPEC),
            r"other spec .*different: seeds\)",
        ),
    ],
)
def test_a_broken_source_is_named_and_nothing_is_copied(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    first, second = filled(tmp_path / "one", {2: {}}), filled(tmp_path / "two", {1: {}})
    damage(second)
    with pytest.raises(BenchError, match=message) as raised:
        collect([first, second], tmp_path / "out")
    assert str(second) in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_strange_folders_and_folders_in_use_are_refused(tmp_path: Path) -> None:
    first, out = filled(tmp_path / "one", {1: {}}), filled(tmp_path / "out", {2: {}})
    (tmp_path / "home").mkdir()
    collect([first], tmp_path / "home")  # an empty folder will do
    (tmp_path / "home" / "spec.toml").unlink()
    with pytest.raises(BenchError, match="home is not an output folder"):
        collect([first], tmp_path / "home")
    with pytest.raises(BenchError, match="nothing to collect"):
        collect([first], first)
    for folder in (first, out):
        with RunLock(folder), pytest.raises(BenchError, match=f"run is .* {folder}"):
            collect([first], out)
    assert "2 records" in collect([first], out)


def test_an_interrupted_collect_leaves_whole_records_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = filled(tmp_path / "one", {1: {}}), filled(tmp_path / "two", {1: SLOWER, 2: {}})
    for n in range(6):  # files that are moved into place: spec, environment, records, arrays
        out = tmp_path / f"out-{n}"
        moves = [os.replace] * n
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", lambda *paths, moves=moves: moves.pop()(*paths))
            with pytest.raises(IndexError):
                collect([first, second], out, "last")
        for record in Store(out).records():
            assert Store(out).artifact(record["key"])
        collect([first, second], out, "last")
        assert walls(out) == walls(second)


def test_the_command_shows_a_contradiction_as_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = filled(tmp_path / "one", {1: {}}), filled(tmp_path / "two", {1: SLOWER})
    words = ["bench", "collect", str(first), str(second), "--out", str(tmp_path / "out")]
    for more, code in (([], 2), (["--keep", "x"], 2), (["--keep", "first"], 0)):
        monkeypatch.setattr(sys, "argv", [*words, *more])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == code
    printed = capsys.readouterr()
    assert "error: 1 cells have different records" in printed.err
    assert "unknown value 'x' in --keep" in printed.err
    assert "1 records, 1 of them new" in printed.out
