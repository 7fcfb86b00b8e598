"""A cell has one owner, and a run can find out whether it is alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.run import runner
from bench.run.progress import Progress
from bench.spec import parse_spec
from bench.store import locks
from bench.store.locks import Claims, RunLock
from bench.store.store import Store

from .conftest import ROOT

OTHER = """
import sys
from pathlib import Path
from bench.store.locks import Claims, RunLock
folder = Path(sys.argv[1])
with RunLock(folder):
    claims = Claims(folder / 'running')
    print(claims.take("cell"), flush=True)
    sys.stdin.read()
"""


def start_other_run(folder: Path) -> subprocess.Popen[str]:
    """Start another run that claims the cell and keeps running."""
    words = [sys.executable, "-c", OTHER, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(words, cwd=ROOT, text=True, **pipes)  # type: ignore[call-overload]
    assert process.stdout.readline().strip() == "True"
    return process


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "START_SECONDS", 0.1)


def test_a_cell_has_one_owner_until_it_is_dropped(tmp_path: Path) -> None:
    first, second = Claims(tmp_path / "running"), Claims(tmp_path / "running")
    assert first.take("cell")
    assert not second.take("cell")
    first.drop("cell")
    assert second.take("cell")
    second.drop_all()
    assert not list((tmp_path / "running").iterdir())


def test_a_run_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    process = start_other_run(tmp_path)
    claims = Claims(tmp_path / "running")
    with RunLock(tmp_path) as run:
        assert not claims.take("cell")
        with run.exclusive() as alone:
            assert not alone
        process.kill()
        process.wait()
        assert claims.take("cell")
        with run.exclusive() as alone:
            assert alone


def test_a_run_that_asks_whether_it_is_alone_stays_in_the_folder(tmp_path: Path) -> None:
    with RunLock(tmp_path) as first, RunLock(tmp_path) as second:
        for run in (second, first, second):
            with run.exclusive() as alone:
                assert not alone
        with (
            pytest.raises(BenchError, match="needs the folder alone"),
            RunLock(tmp_path, exclusive=True),
        ):
            pass
    with RunLock(tmp_path) as first, first.exclusive() as alone:
        assert alone
        with pytest.raises(BenchError, match="another run"), RunLock(tmp_path):
            pass


def test_a_fresh_run_lets_no_other_start_before_it_says_so(tmp_path: Path) -> None:
    with RunLock(tmp_path, exclusive=True) as first:
        with first.exclusive() as alone:
            assert alone
        with pytest.raises(BenchError, match="another run"), RunLock(tmp_path):
            pass
        first.share()
        with RunLock(tmp_path), first.exclusive() as alone:
            assert not alone


def test_one_run_at_a_time_supersedes_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slower run that read the outdated record must not supersede the record made since."""
    held: list[bool] = []

    def note(self: object) -> None:
        held.append(locks.try_lock(tmp_path / "running" / ".supersede.lock") is None)

    monkeypatch.setattr(runner._Run, "_supersede_records", note)
    spec = parse_spec('name = "x"\ndatasets = ["digits"]\nmethods = ["majority"]', "x")
    plan = runner.Plan([])
    Store(tmp_path).create()
    run = runner._Run(Store(tmp_path), spec, plan, runner.RunOptions(), "cpu", Progress())
    with RunLock(tmp_path) as lock:
        run.execute(lock)
    assert held == [True]
