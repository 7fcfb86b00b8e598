"""Of two that would work on a cell, one does; the dead and the silent lose it."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.store import locking
from bench.store.claims import Claims
from bench.store.locking import locked

from .conftest import ROOT

OTHER = """
import sys
from pathlib import Path
from bench.store.claims import Claims
mine = Claims(Path(sys.argv[1]))
print(mine.take("cell"), flush=True)
sys.stdin.read()
"""


def other(folder: Path) -> subprocess.Popen[str]:
    """Another process that takes the claim and stays."""
    words = [sys.executable, "-c", OTHER, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(words, cwd=ROOT, text=True, **pipes)  # type: ignore[call-overload]
    assert process.stdout.readline().strip() == "True"
    return process


def test_one_has_it_until_he_drops_it(tmp_path: Path) -> None:
    one, two = Claims(tmp_path), Claims(tmp_path)
    assert one.take("cell")
    assert not two.take("cell")
    two.drop("cell")  # not his
    assert not two.take("cell")
    one.drop("cell")
    assert two.take("cell")


def test_the_claim_of_a_process_that_is_gone_counts_for_nothing(tmp_path: Path) -> None:
    process = other(tmp_path)
    mine = Claims(tmp_path)
    assert not mine.take("cell")
    process.kill()
    process.wait()
    assert mine.take("cell")


def test_many_at_once_and_one_gets_it(tmp_path: Path) -> None:
    (tmp_path / "running").mkdir()
    script = (
        "import sys; from pathlib import Path; from bench.store.claims import Claims\n"
        "mine = Claims(Path(sys.argv[1])); sys.stdin.read()\n"
        "print(sum(mine.take(str(i)) for i in range(200)))"
    )
    words = [sys.executable, "-c", script, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    crowd = [subprocess.Popen(words, cwd=ROOT, text=True, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    for one in crowd:
        one.stdin.close()
    taken = [int(one.stdout.read()) for one in crowd]
    for one in crowd:
        one.wait()
    assert sum(taken) >= 200  # a claim whose owner has ended may be taken again
    assert max(taken) <= 200


def test_asking_whether_one_is_alone_loses_no_lock(tmp_path: Path) -> None:
    """With a lock that is converted, the first question made the second answer wrong."""
    with locked(tmp_path) as one, locked(tmp_path) as two:
        for lock in (two, one, two):
            with lock.alone() as alone:
                assert not alone
    with locked(tmp_path) as one, one.alone() as alone:
        assert alone


def test_the_place_of_a_run_that_was_killed_is_free(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from bench.store.locking import locked\n"
        "with locked(Path(sys.argv[1])): print(True, flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", script, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    other = subprocess.Popen(words, cwd=ROOT, text=True, **pipes)  # type: ignore[call-overload]
    assert other.stdout.readline().strip() == "True"
    with locked(tmp_path) as one:
        with one.alone() as alone:
            assert not alone
        other.kill()
        other.wait()
        with one.alone() as alone:
            assert alone
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_lock_is_shared_or_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with locked(tmp_path) as one, locked(tmp_path) as two:
        with one.alone() as alone:
            assert not alone
        with pytest.raises(BenchError, match="it has to be alone"), locked(tmp_path, alone=True):
            pass
        del two
    monkeypatch.setattr(locking, "ENTER_SECONDS", 0.1)
    with locked(tmp_path, alone=True) as one:
        with pytest.raises(BenchError, match="another run"), locked(tmp_path):
            pass
        one.share()
        with locked(tmp_path):
            pass
    with locked(tmp_path) as one, one.alone() as alone:
        assert alone
        with pytest.raises(BenchError, match="another run"), locked(tmp_path):
            pass
