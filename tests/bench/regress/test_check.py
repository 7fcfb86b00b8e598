"""Whole checks of real commits in real processes. No test depends on a time."""

import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from bench.asv.rows import CONTROL_WORKLOAD, EXACT_ROWS, ROWS
from bench.cli import main
from bench.errors import BenchError
from bench.experiments import injections
from bench.regress.check import arrays_equal
from bench.regress.processes import SideProcesses
from bench.regress.sides import git, install_sides

ROOT = Path(__file__).resolve().parents[3]


def regress(out: Path, *words: str) -> tuple[int, dict, str]:
    """Exit code, verdict.json and summary.md of the command."""
    completed = subprocess.run(
        [sys.executable, "-m", "bench", "regress", *words, "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    paths = out / "verdict.json", out / "summary.md"
    if not paths[0].exists():
        return completed.returncode, {}, completed.stderr
    return completed.returncode, json.loads(paths[0].read_text()), paths[1].read_text()


@pytest.mark.slow
def test_an_extra_copy_is_a_regression_without_a_clock(tmp_path: Path) -> None:
    """Compare HEAD with a commit that makes one more copy of the table."""
    words = (
        "--base",
        "HEAD",
        "--head",
        injections.commit_extra_copy(),
        "--only",
        "fold,convert,unfold",
    )
    code, verdict, summary = regress(tmp_path, *words, "--seconds", "30")
    assert code == 1
    assert verdict["verdict"] == "regression"
    assert {"fold.peak_torch", "convert.peak_numpy"} <= set(verdict["rises"])
    assert not any(rise.startswith("unfold.") for rise in verdict["rises"])
    assert "`fold` takes more: peak_torch" in summary
    assert verdict["rows"].keys() == {"fold", "convert", "unfold"}
    assert all(row["first"]["n_pairs"] >= 7 for row in verdict["rows"].values())
    assert verdict["control"]["n_pairs"] >= 7
    assert all(row["same_output"] for row in verdict["rows"].values())
    assert verdict["detectable"] >= 1.05
    assert verdict["environment"]["core"] is not None
    assert verdict["head"][:7] not in git("worktree", "list")


def test_a_workload_that_raises_ends_with_2(tmp_path: Path) -> None:
    words = ("--base", "HEAD", "--head", injections.commit_broken_fold(), "--only", "fold")
    code, verdict, summary = regress(tmp_path, *words)
    assert (code, verdict["verdict"]) == (2, "failed")
    assert "broken on purpose" in summary
    assert str(ROOT) not in summary
    assert sys.prefix not in summary


@pytest.mark.slow
def test_a_revision_that_cannot_be_installed_ends_with_2(tmp_path: Path) -> None:
    code, verdict, _ = regress(
        tmp_path, "--base", injections.commit_broken_install(), "--head", "HEAD"
    )
    assert (code, verdict["verdict"]) == (2, "failed")
    assert "cannot be installed" in verdict["reason"]
    text = injections.read_file("HEAD", "pyproject.toml")
    changed, n_changes = re.subn(r'"numpy>=[\d.]+"', '"numpy>=999"', text)
    assert n_changes == 1
    commit = injections.commit_files("HEAD", {"pyproject.toml": changed})
    code, verdict, _ = regress(tmp_path, "--base", commit)
    assert code == 2
    assert "needs numpy>=999" in verdict["reason"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--base", "no-such-revision"), "git knows no revision 'no-such-revision'"),
        (("--base", "HEAD", "--only", "fodl"), "Did you mean 'fold'"),
        (("--base", "HEAD", "--accept", "fold.pases"), "Did you mean 'passes'"),
        (("--base", "HEAD", "--only", "train_vit"), "leaves nothing to time"),
        (("--aa", "--head", "HEAD"), "no --head"),
        (("--base", "HEAD", "--accept", "fodl.passes"), "unknown row 'fodl'"),
        ((), "--base REV"),
    ],
)
def test_wrong_words_end_with_2(
    words: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "regress", *words, "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    verdict = tmp_path / "verdict.json"
    printed = verdict.read_text() if verdict.is_file() else capsys.readouterr().err
    assert message in printed


@pytest.mark.slow
def test_the_sides_are_the_requested_commits() -> None:
    slower = injections.commit_slowdown(0.2)
    with install_sides("HEAD", slower) as (base, head):
        assert (base.commit, head.commit) == (git("rev-parse", "HEAD"), slower)
        assert len(base.path[1]) == len(head.path[1])
        for side, expected in ((base, False), (head, True)):
            for folder in side.path:  # the installed copy and the checkout
                text = (Path(folder) / "deepmapper" / "training" / "trainer.py").read_text()
                assert ("_slowed(train, 0.2)" in text) is expected


@pytest.mark.slow
@pytest.mark.parametrize("row", [*ROWS, *EXACT_ROWS, "control"])
def test_every_row_computes_the_same_twice(row: str) -> None:
    name, parameters = {**ROWS, **EXACT_ROWS, "control": CONTROL_WORKLOAD}[row]
    module, _, function = name.partition(".")
    timed = getattr(import_module(f"bench.asv.{module}"), function)(**parameters)
    assert arrays_equal(timed.output(timed.run_once()), timed.output(timed.run_once()))


def test_outputs_are_the_same_up_to_rounding() -> None:
    a = np.array([1.0, np.nan, 3.0])
    assert arrays_equal([a], [a + 1e-7])
    assert not arrays_equal([a], [a + 1e-3])
    assert not arrays_equal([a], [a[:2]])
    assert not arrays_equal([a], [a, a])
    assert not arrays_equal([a], [a.astype(np.float32)])
    assert not arrays_equal([a * 1e-9], [a * 0])
    assert arrays_equal([np.array([1, 2])], [np.array([1, 2])])
    assert not arrays_equal([np.array([1, 2])], [np.array([1, 3])])


def test_a_slowed_fold_waits_its_share_and_folds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from deepmapper.images.layouts import Layout

    class Slowed(Layout):
        pass

    exec(injections.WAITING.format(where="Layout.fold", share=5.0), {"Layout": Slowed})
    ticks = iter(range(100))
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))
    images = Slowed(np.arange(4), (2, 2)).fold(np.ones((10, 4), dtype=np.float32))
    monkeypatch.undo()
    assert next(ticks) == 7  # the fold takes 1 tick, and the wait 5
    assert images.shape == (10, 1, 2, 2)


def test_a_harmless_commit_differs_and_computes_the_same() -> None:
    commit = injections.commit_harmless_change()
    changed = {injections.FOLD[0], injections.TRAIN[0], injections.CONVERT[0]}
    assert set(git("diff", "--name-only", "HEAD", commit).splitlines()) == changed
    namespace: dict = {"__name__": "harmless"}
    exec(compile(injections.read_file(commit, injections.FOLD[0]), "layout.py", "exec"), namespace)
    assert namespace["_unused"](namespace["Layout"](np.arange(1), (1, 1)), np.ones((1, 1))).shape


@pytest.mark.slow
def test_a_check_that_is_stopped_clears_up(tmp_path: Path) -> None:
    """A cancelled workflow sends SIGTERM."""
    commit = injections.commit_slowdown(0.5)
    words = [sys.executable, "-m", "bench", "regress", "--base", commit, "--only", "fold"]
    process = subprocess.Popen(
        [*words, "--out", str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "checked out and installed" in process.stderr.readline()
    assert commit[:7] in git("worktree", "list")
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 128 + 15
    assert commit[:7] not in git("worktree", "list")


def test_an_error_leaves_no_older_verdict(tmp_path: Path) -> None:
    (tmp_path / "verdict.json").write_text('{"verdict": "no regression"}')
    code, verdict, _ = regress(tmp_path, "--base", "no-such-revision")
    assert (code, verdict["verdict"]) == (2, "failed")
    code, _, printed = regress(tmp_path / "verdict.json", "--base", "HEAD")
    assert code == 2
    assert "File exists" in printed


@pytest.mark.slow
def test_a_dead_measuring_process_is_an_error_and_its_folder_is_removed() -> None:
    with install_sides("HEAD", "HEAD") as (base, head), SideProcesses(0) as processes:
        processes._processes._server.kill()
        with pytest.raises(BenchError, match="did not start"), processes.pair(base, head):
            pass
    assert not Path(processes._folder.name).exists()


@pytest.mark.slow
def test_two_checks_work_in_one_checkout_at_the_same_time() -> None:
    code = (
        "from bench.regress.sides import install_sides\n"
        "with install_sides('HEAD', None) as (base, head): print(base.commit)"
    )
    words = [sys.executable, "-c", code]
    both = [
        subprocess.Popen(words, cwd=ROOT, stdout=-1, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert outputs == [git("rev-parse", "HEAD") + "\n"] * 2


def test_an_error_of_git_is_shown_whole_with_its_command() -> None:
    with pytest.raises(BenchError, match=r"`git read-tree no-such-tree` in .*\nfatal: .*no-such"):
        git("read-tree", "no-such-tree")
