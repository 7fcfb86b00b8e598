"""Of two that would work on a cell, one does; the dead and the silent lose it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.store import claims
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


@pytest.mark.parametrize("skew", [-3e8, 0.0, 3e8])
def test_another_machine_s_claim_goes_when_its_count_stands_still(
    skew: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten years of clock skew change nothing: only this process's own clock is looked at."""
    now = 1000.0
    monkeypatch.setattr(claims.time, "monotonic", lambda: now)
    theirs, mine = Claims(tmp_path), Claims(tmp_path)
    theirs._owner["where"] = "elsewhere"
    assert theirs.take("cell")
    path = tmp_path / "running" / "cell.claim"

    def look() -> bool:
        stamp = path.stat().st_atime + skew
        os.utime(path, (stamp, stamp))
        return mine.take("cell")

    assert not look()
    now += claims.STALE_SECONDS - 1
    theirs.beat()
    assert not look()  # the count has moved: it is counted anew from here
    now += claims.STALE_SECONDS - 1
    assert not look()
    now += 2
    assert look()
    theirs.drop("cell")  # back from the dead: it is not his any more
    assert json.loads(path.read_text())["token"] == mine._owner["token"]


def test_a_new_claim_is_not_taken_for_the_stale_one_before_it(tmp_path: Path) -> None:
    """Another judged the same stale claim, and was faster."""
    mine = Claims(tmp_path)
    assert mine.take("cell")
    path = tmp_path / "running" / "cell.claim"
    claims._remove(path, "the text of the stale one")
    assert json.loads(path.read_text())["token"] == mine._owner["token"]
    assert [p.name for p in path.parent.iterdir()] == ["cell.claim"]
    claims._remove(path, path.read_text())
    assert not path.exists()


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


def test_a_lock_is_shared_or_alone(tmp_path: Path) -> None:
    with locked(tmp_path) as one, locked(tmp_path) as two:
        with one.alone() as alone:
            assert not alone
        with pytest.raises(BenchError, match="it has to be alone"), locked(tmp_path, alone=True):
            pass
        del two
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
