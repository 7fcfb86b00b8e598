"""The grid as SLURM jobs, with submitit on this machine and stand-ins for SLURM."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.store.store import Store

from . import fake_slurm
from .conftest import Bench
from .grids import N_CELLS, check_whole, finish, runs, spec_of, start, until


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment in which SLURM's commands are found."""
    variables = fake_slurm.install(tmp_path / "slurm")
    yield variables
    for path in (tmp_path / "slurm" / "state").glob("*.pid"):
        fake_slurm.deliver_to(int(path.read_text()), signal.SIGKILL)


def on_slurm(**options: object) -> str:
    options = {"ask_seconds": 1, "late_seconds": 2, **options}
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in options.items())
    return f'[executor]\nname = "slurm"\n[executor.slurm]\n{lines}'


def test_submitit_runs_a_grid_on_this_machine(tmp_path: Path, plugin: Path) -> None:
    more = on_slurm(cluster="local", cells_per_job=2)
    finish(start(spec_of(tmp_path, n=2, more=more), tmp_path / "out", plugin))
    check_whole(tmp_path / "out", 2)
    assert {r["executor"] for r in Store(tmp_path / "out").records()} == {"slurm"}


@pytest.mark.slow
def test_arrays_of_jobs_and_a_preemption(
    tmp_path: Path,
    plugin: Path,
    slurm: dict[str, str],
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A job of a detached array is preempted within a cell and requeued."""
    more = on_slurm(cells_per_job=4, parallel_jobs=2, partition="gpu")
    spec, out = spec_of(tmp_path, seconds=0.7, more=more), tmp_path / "out"
    assert f"{N_CELLS} cells submitted" in finish(start(spec, out, plugin, "--detach", **slurm))
    (script,) = (tmp_path / "slurm" / "state").glob("*.sh")
    text = script.read_text()
    for line in ("--array=0-1%2", "--partition=gpu", "--mem=4048MB", "--time=50", "--requeue"):
        assert f"#SBATCH {line}\n" in text
    monkeypatch.setenv("PATH", slurm["PATH"])
    monkeypatch.setenv("FAKE_SLURM", slurm["FAKE_SLURM"])
    printed = bench("status", out).stdout
    assert f"slurm: 0 of {N_CELLS} cells done; jobs of the rest: " in printed
    # More cells than one job has: both jobs have started, and handle the signal.
    until(lambda: len(Store(out).keys()) > 4)
    subprocess.run(["scancel", "100_0", "--signal", "USR2"], check=True)
    until(lambda: len(Store(out).keys()) == N_CELLS)
    until(lambda: set(fake_slurm.states(tmp_path / "slurm").values()) == {"COMPLETED"})
    check_whole(out)
    assert sum(runs(tmp_path).values()) <= N_CELLS + 1
    again = finish(start(spec, out, plugin))
    assert f"{N_CELLS}/{N_CELLS} cells done" in again
    assert not [path for path in (out / "tables").iterdir() if path.is_dir()]


@pytest.mark.slow
def test_a_job_that_dies_cancels_no_other_and_is_given_again(
    tmp_path: Path, plugin: Path, slurm: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    more = on_slurm(cells_per_job=2)
    spec, out = spec_of(tmp_path, n=4, seconds=0.7, more=more), tmp_path / "out"
    run = start(spec, out, plugin, **slurm)
    until(lambda: len(Store(out).keys()) >= 1 or run.poll() is not None)
    for name, value in slurm.items():
        monkeypatch.setenv(name, value)
    victim = sorted(fake_slurm.states(tmp_path / "slurm"))[0]
    fake_slurm.deliver(victim, signal.SIGKILL)
    finish(run)
    check_whole(out, 4)


@pytest.mark.slow
def test_if_a_later_array_is_refused_the_earlier_ones_are_noted_and_cancelled(
    tmp_path: Path, plugin: Path, slurm: dict[str, str]
) -> None:
    (Path(slurm["FAKE_SLURM"]) / "refuse").write_text("--cpus-per-task=3")
    spec = spec_of(tmp_path, n=1, seconds=60, more=on_slurm())
    small = (
        '{name = "needles", params = {n_samples = 100, n_features = 10}, resources = {cores = 3}}'
    )
    spec.write_text(spec.read_text().replace('["digits"]', f'["digits", {small}]'))
    assert "Invalid account" in finish(start(spec, tmp_path / "out", plugin, **slurm), 2)
    (note,) = (tmp_path / "out" / "jobs").glob("*.json")
    (job,) = json.loads(note.read_text())["keys"]
    assert fake_slurm.states(tmp_path / "slurm") == {job: "CANCELLED by 0"}


@pytest.mark.slow
def test_without_slurm_it_is_an_error(tmp_path: Path, plugin: Path) -> None:
    spec = spec_of(tmp_path, n=1, more=on_slurm())
    assert "srun" in finish(start(spec, tmp_path / "out", plugin), 2)
