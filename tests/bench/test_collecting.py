"""`bench collect`: several output folders become one, whole at every moment; sources stay."""

import contextlib
import copy
import fcntl
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cli import main
from bench.cluster.collecting import command
from bench.cluster.collecting.command import Collected, collect
from bench.errors import BenchError
from bench.experiments.scale import collect as scale
from bench.experiments.scale.collect import SPEC, record
from bench.store.store import Store

from .conftest import ROOT

Changes = dict[str, Any]


def filled(folder: Path, cells: dict[int, Changes], spec: str = SPEC) -> Path:
    """An output folder with these cells; changes go by dotted names, `arrays` to the arrays."""
    store = Store(folder)
    store.create()
    (folder / "spec.toml").write_text(spec)
    (folder / "environment.json").write_text("{}")
    for number, changes in cells.items():
        put(store, number, changes)
    return folder


def put(store: Store, number: int, changes: Changes) -> None:
    made = copy.deepcopy(record(number))
    arrays = {"probabilities": np.full((3, 2), 0.5, np.float32), "history": np.array("[]")}
    for name, value in changes.items():
        if name == "arrays":
            arrays = {**arrays, **value} if value else {}
            continue
        *parents, last = name.split(".")
        entry = made
        for parent in parents:
            entry = entry[parent]
        entry[last] = value
    (store.cells / f"{made['key']}.json").write_text(json.dumps(made, indent=1))
    if arrays:
        np.savez(store.artifacts / f"{made['key']}.npz", **arrays)  # type: ignore[arg-type]


def key(number: int) -> str:
    return str(record(number)["key"])


def content(folder: Path, where: str = "cells") -> list[tuple[str, dict[str, bytes]]]:
    """The records of a folder and their arrays, in an order that names do not decide."""
    arrays = "artifacts" if where == "cells" else where
    found = []
    for path in (folder / where).glob("*.json"):
        arrays_path = folder / arrays / f"{path.stem}.npz"
        loaded = dict(np.load(arrays_path)) if arrays_path.is_file() else {}
        text = json.dumps(json.loads(path.read_text()), sort_keys=True)
        found.append((text, {name: array.tobytes() for name, array in loaded.items()}))
    return sorted(found, key=lambda entry: entry[0])


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and folder with its time of change and its bytes."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in [folder, *folder.rglob("*")]
    }


ASIDE = "cells/superseded"
TIMES = {"phases.train.seconds": 9.0, "wall_seconds": 10.0, "environment": {"cpu": "another"}}
OTHER = {"metrics.accuracy": 0.25, "arrays": {"probabilities": np.zeros((3, 2), np.float32)}}
LATER = {"finished": "2026-06-01T00:00:00+00:00"}
UNAVAILABLE = {"status": "unavailable", "reason": "no data", "dataset.checksum": None, "arrays": {}}
CUT_SHORT = {"status": "failed", "reason": "killed by signal 9", "transient": True, "arrays": {}}


def test_folders_become_one_and_stay_as_they_are(tmp_path: Path) -> None:
    one = filled(tmp_path / "one", {1: {}, 2: {}})
    two = filled(tmp_path / "two", {3: {}, 4: {"status": "failed", "arrays": {}}})
    before = snapshot(one), snapshot(two)
    merged = collect([one, two], tmp_path / "out")
    assert (snapshot(one), snapshot(two)) == before
    assert content(tmp_path / "out") == sorted(
        content(one) + content(two), key=lambda entry: entry[0]
    )
    assert (tmp_path / "out" / "spec.toml").read_text() == SPEC
    assert (tmp_path / "out" / "environment.json").is_file()
    assert (merged.n_all, merged.n_new, merged.n_alike, merged.n_aside) == (4, 4, 0, 0)
    assert (tmp_path / "out" / "cells" / f"{key(1)}.json").stat().st_nlink == 2


def test_the_same_record_is_one_however_it_is_written(tmp_path: Path) -> None:
    one = filled(tmp_path / "one", {1: {}, 2: {}, 3: {"arrays": {}}})
    two = filled(tmp_path / "two", {2: {}, 3: {}})
    path = two / "cells" / f"{key(2)}.json"
    path.write_text(json.dumps(json.loads(path.read_text())))  # on one line
    arrays = Store(two).artifact(key(2))
    np.savez_compressed(two / "artifacts" / f"{key(2)}.npz", **arrays)  # type: ignore[arg-type]
    merged = collect([one, two], tmp_path / "out")
    assert (merged.n_all, merged.n_alike) == (3, 2)
    assert merged.n_without_arrays == {one: 1}
    assert Store(tmp_path / "out").artifact(key(3))  # the copy that has arrays


def test_arrays_that_a_kill_left_do_not_join_a_record_without_any(tmp_path: Path) -> None:
    out = filled(tmp_path / "out", {1: {}})
    (out / "cells" / f"{key(1)}.json").unlink()
    collect([filled(tmp_path / "one", {1: {"arrays": {}}})], out)
    assert Store(out).record(key(1))
    assert Store(out).artifact(key(1)) == {}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (TIMES, "the predictions are the same, only times and machine differ"),
        (TIMES, 'environment.cpu: "AMD'),
        (TIMES, "phases.train.seconds: 0.11 | 9.0"),
        (OTHER, "the predictions differ: a probability by 0.5; metrics.accuracy: "),
        ({"status": "timeout", "arrays": {}}, 'status: "ok" | "timeout"'),
        ({"arrays": {"attributions": np.ones(3)}}, "predictions are the same; arrays: attribut"),
        ({"method.label": "another"}, 'method.label: "method1" | "another"'),
    ],
)
def test_another_outcome_of_one_key_is_an_error_that_shows_both(
    tmp_path: Path, changes: Changes, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = {"environment": {"cpu": "AMD"}}
    one, two = filled(tmp_path / "one", {1: usual}), filled(tmp_path / "two", {1: usual | changes})
    with pytest.raises(BenchError) as raised:
        collect([one, two], tmp_path / "out")
    message = str(raised.value)
    for part in (
        "each other, so nothing was written: 1 records",
        "digits / method1 / seed 0, one key",
        str(one),
        str(two),
        says,
    ):
        assert part in message
    assert "--keep FOLDER" in message
    assert not (tmp_path / "out").exists()


def test_another_key_in_the_same_place_is_an_error_that_says_why(tmp_path: Path) -> None:
    one = filled(tmp_path / "one", {1: {}, 5: {}})
    two = filled(
        tmp_path / "two", {1: {"key": "ff" * 16, "method.source_hash": "another", **LATER}}
    )
    with pytest.raises(BenchError, match="different keys") as raised:
        collect([one, two], tmp_path / "out")
    message = str(raised.value)
    assert f"{two}: ok, finished 2026-06-01T00:00:00+00:00 (the newest), key ffffffff" in message
    assert 'method.source_hash: "cd' in message
    merged = collect([one, two], tmp_path / "out", [two])
    assert {r["key"] for r in Store(tmp_path / "out").records()} == {key(5), "ff" * 16}
    assert merged.n_aside == 1


def test_an_error_spells_out_the_first_and_counts_the_rest(tmp_path: Path) -> None:
    one = filled(tmp_path / "one", {n: {} for n in range(7)})
    two = filled(tmp_path / "two", {n: OTHER for n in range(7)})
    with pytest.raises(BenchError) as raised:
        collect([one, two], tmp_path / "out")
    assert "written: 7 records" in str(raised.value)
    assert str(raised.value).count("one key") == 3
    assert "and 4 more" in str(raised.value)


def test_keep_says_whose_records_count_and_the_others_are_kept_aside(tmp_path: Path) -> None:
    one, two = filled(tmp_path / "one", {1: {}, 2: {}}), filled(tmp_path / "two", {1: OTHER, 3: {}})
    three = filled(tmp_path / "three", {4: {}})
    out = tmp_path / "out"
    with pytest.raises(BenchError, match="1 records"):  # it has none in dispute
        collect([one, two, three], out, [three])
    merged = collect([one, two, three], out, [three, two])
    assert (merged.n_all, merged.n_decided, merged.n_aside) == (4, 1, 1)
    assert Store(out).record(key(1)) == Store(two).record(key(1))
    assert Store(out).artifact(key(1))["probabilities"].max() == 0
    aside = out / "cells" / "superseded"
    assert {path.name for path in aside.iterdir()} == {f"{key(1)}.1.json", f"{key(1)}.1.npz"}
    assert content(out, ASIDE)[0] == content(one)[0]
    before = content(out), content(out, ASIDE)
    for keep in ([two], []):  # the same again; and what was decided need not be said again
        collect([one, two, three], out, keep)
        assert (content(out), content(out, ASIDE)) == before
    collect([one, two, three], out, [one])  # on second thoughts
    assert Store(out).record(key(1)) == Store(one).record(key(1))
    assert len(content(out, ASIDE)) == 2


def test_a_folder_that_is_there_is_merged_into(tmp_path: Path) -> None:
    out = filled(tmp_path / "out", {1: {}, 2: {}})
    (out / "README.md").write_text("mine")
    two = filled(tmp_path / "two", {1: OTHER, 3: {}})
    before = snapshot(out)
    with pytest.raises(BenchError, match="one key"):
        collect([two, out], out)
    assert {**snapshot(out), ".lock": 0, ".": 0} == {**before, ".lock": 0, ".": 0}
    merged = collect([two, out, two], out, [two])  # twice and itself: as results/* may be
    assert (merged.n_all, merged.n_new) == (3, 2)
    assert Store(out).record(key(1)) == Store(two).record(key(1))
    assert len(content(out, ASIDE)) == 1
    assert (out / "README.md").read_text() == "mine"


@pytest.mark.parametrize("weak", [UNAVAILABLE, CUT_SHORT])
@pytest.mark.parametrize("own_key", [True, False])
def test_what_a_run_would_repeat_loses_against_any_result(
    tmp_path: Path, weak: Changes, own_key: bool
) -> None:
    weak = {**weak, **LATER, **({} if own_key else {"key": "ee" * 16})}
    result = {"status": "failed", "arrays": {}}
    one, two = filled(tmp_path / "one", {1: weak, 2: {}}), filled(tmp_path / "two", {1: result})
    for sources in ([one, two], [two, one]):
        out = tmp_path / f"out-{sources[0].name}"
        assert collect(sources, out).n_passed_over == 1
        assert [r["reason"] for r in Store(out).records()] == [None, None]
        assert not content(out, ASIDE)
    collect([two], one)
    assert [r["reason"] for r in Store(one).records()] == [None, None]
    assert len(content(one, ASIDE)) == 1
    weaker = filled(tmp_path / "three", {1: {**weak, "reason": "another"}})
    collect([weaker], filled(tmp_path / "four", {1: weak}))  # no dispute: neither is a result


def test_what_sources_set_aside_is_set_aside_once(tmp_path: Path) -> None:
    one, two = filled(tmp_path / "one", {1: {}}), filled(tmp_path / "two", {1: {}})
    # as `bench run --fresh` names it, and as an earlier collect does
    for folder, changes, name in ((one, OTHER, ".1"), (one, TIMES, ""), (two, OTHER, "")):
        put(Store(folder), 2, changes)
        Store(folder).supersede(key(2))
        for path in (folder / ASIDE).glob(f"{key(2)}.[jn]*"):
            path.rename(path.with_stem(f"{key(2)}{name}"))
    out = tmp_path / "out"
    for _ in range(2):
        collect([one, two], out)
        names = {path.name for path in (out / ASIDE).iterdir()}
        assert names == {f"{key(2)}.{n}.{end}" for n in (1, 2) for end in ("json", "npz")}
        assert content(out, ASIDE) == content(one, ASIDE)


def test_descriptions_of_tables_are_equal_or_in_dispute(tmp_path: Path) -> None:
    folders = [filled(tmp_path / name, {n: {}}) for n, name in enumerate(("one", "two"))]
    for seconds, folder in enumerate(folders):
        facts = {"name": "digits", "label": str(seconds), "checksum": "a", "prepare_seconds": 1.0}
        (folder / "tables" / "t.json").write_text(json.dumps({**facts, "seconds": 1}))
    collect(folders, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "tables" / "t.json").read_text())["label"] == "0"
    (folders[1] / "tables" / "t.json").write_text(json.dumps({"name": "digits", "checksum": "b"}))
    with pytest.raises(BenchError, match=r'table digits, .*checksum: "a" \| "b"'):
        collect(folders, tmp_path / "out")
    collect(folders, tmp_path / "out", [folders[1]])
    assert json.loads((tmp_path / "out" / "tables" / "t.json").read_text())["checksum"] == "b"


def test_another_spec_is_an_error_that_names_what_differs(tmp_path: Path) -> None:
    one = filled(tmp_path / "one", {1: {}})
    two = filled(tmp_path / "two", {2: {}}, SPEC.replace("seeds = [0]", "seeds = [0, 7]"))
    with pytest.raises(BenchError, match=r"different: seeds \(0,\) \| \(0, 7\)") as raised:
        collect([one, two], tmp_path / "out")
    assert str(one) in str(raised.value)
    assert str(two) in str(raised.value)
    with pytest.raises(BenchError, match="another spec"):
        collect([one], two)
    assert not (tmp_path / "out").exists()
    # Where and how many at a time is no other benchmark.
    three = filled(tmp_path / "three", {3: {}}, SPEC.replace("seeds", "jobs = 4\nseeds"))
    assert collect([one, three], tmp_path / "out").n_all == 2


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda cells: (cells / "x.json").write_text('{"schema": 1, "ke'), r"x\.json cannot be re"),
        (lambda cells: (cells / "x.json").write_text("[]"), r"x\.json cannot be read"),
        (lambda cells: (cells / "x.json").write_bytes(b"\xff\xfe\x00"), r"x\.json cannot be read"),
        (lambda cells: (cells / "x.json").write_text('{"schema": 0}'), "schema 0"),
        (lambda cells: (cells / f"{key(1)}.json").rename(cells / "x.json"), "was renamed"),
        (lambda cells: (cells / "x.json").mkdir(), r"x\.json cannot be read"),
        (
            lambda cells: os.truncate(cells.parent / "artifacts" / f"{key(1)}.npz", 200),
            r"no whole \.npz",
        ),
    ],
)
def test_what_is_broken_is_named_and_nothing_is_written(
    tmp_path: Path, damage: Callable[[Path], object], says: str
) -> None:
    one, two = filled(tmp_path / "one", {2: {}}), filled(tmp_path / "two", {1: {}})
    damage(two / "cells")
    with pytest.raises(BenchError, match=says) as raised:
        collect([one, two], tmp_path / "out")
    assert str(two) in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_other_folders_are_refused(tmp_path: Path) -> None:
    one = filled(tmp_path / "one", {1: {}})
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("")
    with pytest.raises(BenchError, match=r"no spec\.toml, but letter\.txt"):
        collect([one], tmp_path / "home")
    with pytest.raises(BenchError, match="has no cells"):
        collect([one, tmp_path / "none"], tmp_path / "out")
    with pytest.raises(BenchError, match="nothing to collect"):
        collect([one], one)
    with pytest.raises(BenchError, match="unknown folder"):
        collect([one], tmp_path / "out", [tmp_path / "home"])
    (tmp_path / "empty").mkdir()
    assert collect([one], tmp_path / "empty").n_all == 1


@contextlib.contextmanager
def held(folder: Path, kind: int) -> Iterator[None]:
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, kind)
        yield


def test_a_folder_in_use_is_refused_unless_live(tmp_path: Path) -> None:
    one, out = filled(tmp_path / "one", {1: {}}), filled(tmp_path / "out", {2: {}})
    with held(one, fcntl.LOCK_SH):  # as runs hold it
        with pytest.raises(BenchError, match=r"a run is writing to .*one.*--live"):
            collect([one], out)
        assert collect([one], out, live=True).n_all == 2
    with (
        held(out, fcntl.LOCK_SH),
        pytest.raises(BenchError, match="is using"),
    ):
        collect([one], out)
    collect([one], out)


def test_a_record_replaced_meanwhile_stops_it_and_the_next_completes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = filled(tmp_path / "one", {n: {} for n in range(4)})
    out = tmp_path / "out"
    monkeypatch.setattr(command, "BATCH", 2)
    for how in ("replaced", "gone"):
        judged = command.judge

        def meanwhile(*words: Any, how: str = how, judged: Any = judged) -> Any:
            steps = judged(*words)
            Store(one).supersede(key(3))
            if how == "replaced":
                put(Store(one), 3, TIMES)
            return steps

        with monkeypatch.context() as patch:
            patch.setattr(command, "judge", meanwhile)
            with pytest.raises(BenchError, match="was replaced while it was collected"):
                collect([one], out, live=True)
        assert {r["key"] for r in Store(out).records()} == {key(0), key(1)}
        assert not list(out.rglob(".*.collect"))
    assert collect([one], out).n_all == 3


def test_other_file_systems_and_links_get_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = filled(tmp_path / "one", {1: {}, 2: {}}), filled(tmp_path / "two", {3: {}, 1: OTHER})
    (two / "kept").mkdir()
    path = two / "artifacts" / f"{key(3)}.npz"
    path.rename(two / "kept" / path.name)
    path.symlink_to(Path("..", "kept", path.name))
    for folder in (one, two):
        for path in [folder, *folder.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o555 if path.is_dir() else 0o444)
    before = snapshot(one), snapshot(two)

    def refuse(*words: object, **more: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    collect([one, two], tmp_path / "linked", [one])
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refuse)
        collect([one, two], tmp_path / "copied", [one])
    assert (snapshot(one), snapshot(two)) == before
    assert not (tmp_path / "linked" / "artifacts" / f"{key(3)}.npz").is_symlink()
    for where in ("cells", ASIDE):
        assert content(tmp_path / "linked", where) == content(tmp_path / "copied", where)
    for path in (tmp_path / "copied").rglob("*.json"):
        assert path.stat().st_nlink == 1
        path.chmod(0o644)


STATES: list[Changes | None] = [None, {}, UNAVAILABLE, CUT_SHORT]


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STATES), st.sampled_from(STATES)), max_size=5))
def test_the_order_does_not_matter_and_again_is_nothing(
    cells: list[tuple[Changes | None, Changes | None]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sources = [
            filled(
                Path(folder) / name,
                {
                    n: both[i] if both[i] in ({}, None) else {**both[i], "reason": name}
                    for n, both in enumerate(cells)
                    if both[i] is not None
                },  # type: ignore[arg-type, dict-item, misc]
            )
            for i, name in enumerate(("one", "two"))
        ]
        there, back = Path(folder) / "there", Path(folder) / "back"
        merged = collect(sources, there)
        collect(sources[::-1], back)
        assert content(there) == content(back)
        assert merged.n_all == sum(both != (None, None) for both in cells)
        before = snapshot(there / "cells")
        assert collect(sources, there).n_new == 0
        assert collect([there], back).n_new == 0
        assert snapshot(there / "cells") == before


def test_memory_is_that_of_a_few_records(tmp_path: Path) -> None:
    long = {"warnings": ["x" * 500_000]}
    one = filled(tmp_path / "one", {n: {**long, "arrays": {}} for n in range(20)})
    two = filled(tmp_path / "two", {n: {**long, "arrays": {}} for n in range(10, 30)})
    tracemalloc.start()
    collect([one, two], tmp_path / "out")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6  # of 20 MB


def die_after(n: int) -> None:
    """SIGKILL for this process at its n-th change to the disk from now."""
    left = itertools.count()
    for name in ("link", "replace", "unlink", "mkdir"):
        real = getattr(os, name)

        def counted(*words: Any, real: Any = real, **more: Any) -> Any:
            if next(left) == n:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*words, **more)

        setattr(os, name, counted)


def killed_at(n: int, collecting: Callable[[], object], *, links: bool) -> bool:
    """Collect in a process that is killed at its n-th step; whether it was."""
    child = os.fork()
    if child == 0:
        try:
            if not links:
                os.link = lambda *words, **more: (_ for _ in ()).throw(OSError("none here"))
            die_after(n)
            collecting()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL)
    return status != 0


@pytest.mark.parametrize("links", [True, False])
def test_killed_at_any_step_it_leaves_whole_records_and_is_completed(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "BATCH", 3)
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # a kill does not wait for the disk
    monkeypatch.setattr(os, "sync", lambda: None)
    one = filled(tmp_path / "one", {1: {}, 2: {}, 3: TIMES, 4: {}})
    two = filled(tmp_path / "two", {1: {}, 2: OTHER, 3: OTHER, 5: {"arrays": {}}})
    put(Store(two), 6, {})
    Store(two).supersede(key(6))
    start = filled(tmp_path / "start", {3: {}, 4: {**UNAVAILABLE, "key": "ee" * 16}, 7: {}})
    known = [entry for folder in (one, two, start) for entry in content(folder)]

    def collecting(out: Path) -> Collected:
        return collect([one, two], out, [two])

    shutil.copytree(start, tmp_path / "calm")
    collecting(tmp_path / "calm")
    expected = [content(tmp_path / "calm", where) for where in ("cells", ASIDE)]
    assert [len(some) for some in expected] == [6, 5]
    for n in itertools.count(step=1 if links else 3):
        out = tmp_path / f"out-{n}"
        shutil.copytree(start, out)
        if not killed_at(n, lambda out=out: collecting(out), links=links):  # type: ignore[misc]
            break
        assert all(entry in known for entry in content(out))
        for path in (out / "cells").glob("*.json"):
            assert json.loads(path.read_text())["key"] == path.stem
        left = content(out) + content(out, ASIDE)
        assert all(entry in left for entry in content(start))
        collecting(out)
        assert [content(out, where) for where in ("cells", ASIDE)] == expected
        assert not list(out.rglob(".*.collect"))
    assert n > 30


def test_a_killed_command_is_completed_by_the_same_command(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    scale.fill(one, range(600))
    scale.fill(two, range(550, 1150))
    out = tmp_path / "out"
    words = [sys.executable, "-m", "bench", "collect", one, two, "--out", out]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL)
    while process.poll() is None and not list(out.glob("cells/*.json")):
        time.sleep(0.001)
    process.kill()
    process.wait()
    half = list(Store(out).records())
    assert all(Store(out).artifact(r["key"]) for r in half[::20])
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{one}: 600 records" in done.stdout
    assert f"{out}: 1150 records, {1150 - len(half)} of them new" in done.stdout
    assert f"python -m bench report {out}" in done.stdout
    assert len(list(out.glob("artifacts/*.npz"))) == 1150


def test_the_command_shows_disputes_as_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = filled(tmp_path / "one", {1: {}}), filled(tmp_path / "two", {1: OTHER})
    words = ["bench", "collect", str(one), str(two), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "error: the folders contradict" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", [*words, "--keep", str(two)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0
    assert "1 where another was kept" in capsys.readouterr().out


def test_the_measurement_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scale.measure(cells=20, overlap=0.2, folder=tmp_path)
    assert "2 x 20 cells" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
