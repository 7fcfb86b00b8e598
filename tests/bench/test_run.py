"""`bench run`: resume, missing tables, folders of another spec, wrong arguments."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.cli import main
from bench.store.store import Store

from .conftest import ROOT, Bench, bench_environment
from .grids import finish, start, until

SPEC = """
name = "small"
seeds = [0, 1]
jobs = 2
datasets = ["digits", {name = "tcga"}, {name = "broken_table", label = "gone"},
            {name = "broken_table", label = "infinite", params = {how = "infinite"}}]
methods = ["majority", "stump", {name = "random_forest", params = {n_trees = 20}}]
[limits]
cpu_seconds = 60
memory_mib = 2000
"""


@pytest.fixture(scope="module")
def again(finished: Path, bench: Bench) -> Path:
    """The digits of the same spec, run in another folder."""
    words = ("--datasets", "digits", "--no-report", "--out", finished / "again")
    bench("run", finished / "spec.toml", *words)
    return finished / "again"


def write(folder: Path, text: str) -> Path:
    path = folder / "spec.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, bench: Bench) -> Path:
    """A finished run, with a data folder that is empty."""
    folder = tmp_path_factory.mktemp("run")
    spec = write(folder, SPEC)
    bench("run", spec, "--out", folder / "out", data=folder / "no-data")
    return folder


def test_missing_data_are_rows_and_the_run_goes_on(finished: Path) -> None:
    records = list(Store(finished / "out").records())
    assert {(r["dataset"]["label"], r["status"]) for r in records} == {
        ("digits", "ok"),
        ("tcga", "unavailable"),
        ("gone", "unavailable"),
        ("infinite", "failed"),
    }
    reasons = {r["dataset"]["label"]: r["reason"] for r in records}
    assert "put it there" in reasons["gone"]
    assert "TCGA_ACC_Counts.exp.gz" in reasons["tcga"]
    assert "row 2, feature 'f3'" in reasons["infinite"]


def test_the_output_folder_holds_what_the_design_promises(finished: Path) -> None:
    out = finished / "out"
    for name in ("spec.toml", "environment.json", "results.parquet", "report/index.html"):
        assert (out / name).is_file(), name
    environment = json.loads((out / "environment.json").read_text())
    assert environment["packages"]["torch"]
    assert environment["selection"]["sample"] == 1
    assert os.uname().nodename not in (out / "environment.json").read_text()
    assert not [path for path in (out / "tables").iterdir() if path.is_dir()]


def stamps(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (out / "cells").glob("*.json")}


def test_a_rerun_repeats_only_unavailable_cells(finished: Path, bench: Bench) -> None:
    out = finished / "out"
    before = stamps(out)
    ok = {f"{r['key']}.json" for r in Store(out).records() if r["status"] == "ok"}
    words = ("--no-report", "--out", out)
    bench("run", finished / "spec.toml", *words, data=finished / "no-data")
    after = stamps(out)
    assert {name for name in ok if before[name] != after[name]} == set()
    assert len(after) == len(before)


def test_results_stay_if_their_table_cannot_be_made_again(tmp_path: Path, bench: Bench) -> None:
    file, killed = tmp_path / "data", tmp_path / "killed"
    file.touch()
    spec = write(
        tmp_path,
        f"""
name = "gone"
datasets = [{{name = "broken_table", label = "file", params = {{how = "file", path = "{file}"}}}},
  {{name = "broken_table", label = "killed", params = {{how = "killed_once", path = "{killed}"}}}}]
methods = ["majority", "stump"]
""",
    )
    words = ("run", spec, "--no-report", "--out", tmp_path / "out")
    bench(*words)
    assert killed.is_file()
    assert [record["status"] for record in Store(tmp_path / "out").records()] == ["ok"] * 4
    before = stamps(tmp_path / "out")
    file.unlink()
    for path in (tmp_path / "out" / "tables").glob("*.json"):
        path.unlink()
    bench(*words)
    assert stamps(tmp_path / "out") == before


@pytest.mark.slow
def test_the_same_seed_gives_identical_predictions(finished: Path, again: Path) -> None:
    for record in Store(again).records():
        first, second = (Store(f).artifact(record["key"]) for f in (finished / "out", again))
        np.testing.assert_array_equal(first["probabilities"], second["probabilities"])
        np.testing.assert_array_equal(first["test_rows"], second["test_rows"])


@pytest.mark.slow
def test_fresh_runs_the_selected_cells_again(finished: Path, again: Path, bench: Bench) -> None:
    words = ("--datasets", "digits", "--methods", "majority", "--seeds", "1", "--fresh")
    before = stamps(again)
    bench("run", finished / "spec.toml", *words, "--no-report", "--out", again)
    after = stamps(again)
    assert len([name for name in before if before[name] != after[name]]) == 1


@pytest.mark.slow
def test_a_folder_of_another_spec_or_schema_is_refused(
    finished: Path, tmp_path: Path, bench: Bench
) -> None:
    other = write(tmp_path, SPEC.replace("seeds = [0, 1]", "seeds = [5]"))
    completed = bench("run", other, "--out", finished / "out", code=2)
    assert "another spec" in completed.stderr
    assert "seeds" in completed.stderr
    (tmp_path / "out" / "cells").mkdir(parents=True)
    (tmp_path / "out" / "cells" / "old.json").write_text('{"schema": 0, "key": "old"}')
    completed = bench("run", finished / "spec.toml", "--out", tmp_path / "out", code=2)
    assert "schema 0" in completed.stderr


@pytest.mark.slow
def test_a_full_disk_stops_the_run_and_nothing_is_lost(tmp_path: Path, plugin: Path) -> None:
    text = 'name = "full"\ndatasets = ["digits"]\nmethods = ["majority", "stump"]\n'
    spec = write(tmp_path, text)
    words = [sys.executable, "-m", "bench", "run", spec, "--no-report", "--out", tmp_path / "out"]

    def small_files() -> None:  # writing past the limit fails as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))

    options = {"cwd": ROOT, "env": bench_environment(plugin), "capture_output": True, "text": True}
    completed = subprocess.run(words, preexec_fn=small_files, check=False, **options)  # type: ignore[call-overload]
    assert completed.returncode == 2
    assert "disk is full" in completed.stderr
    assert not list((tmp_path / "out" / "cells").glob("*.json"))
    completed = subprocess.run(words, check=False, **options)  # type: ignore[call-overload]
    assert completed.returncode == 0, completed.stderr
    assert {r["status"] for r in Store(tmp_path / "out").records()} == {"ok"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "quikc"], "Did you mean 'quick'"),
        (["run", "no/such.toml"], "No such file"),
        (["list", "metod"], "Did you mean 'methods'"),
        (["run", "quick", "--methods", "deepmaper"], "Did you mean 'deepmapper'"),
        (["run", "table2", "--datasets", '"tcga, shufled",x'], "unknown dataset 'tcga, shufled'"),
        (["run", "quick", "--seeds", "a"], "0-4"),
        (["run", "quick", "--sample", "5"], "less than or equal to 1"),
        (["run", "quick", "--seeds", "4-0"], "0-4"),
        (["run", "quick", "--executor", "slurn"], "Did you mean 'slurm'"),
        (["run", "quick", "--device", "abacus"], "abacus"),
        (["status", "no/such"], "not an output folder"),
        (["data", "verify", "tgca"], "Did you mean 'tcga'"),
    ],
)
def test_wrong_words_get_a_clear_error(
    words: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.slow
def test_runs_of_different_selections_share_a_folder(tmp_path: Path, plugin: Path) -> None:
    """The run that ends first keeps the tables for the other."""
    methods = [
        f'{{name = "villain", label = "{s}", params = {{how = "", seconds = {s}.0}}}}'
        for s in (0, 4)
    ]
    datasets = '["digits", {name = "shuffled_mnist", params = {base = "digits"}}]'
    text = f'name = "two"\ndatasets = {datasets}\nmethods = [{", ".join(methods)}]\n'
    spec, out = write(tmp_path, text), tmp_path / "out"
    long = start(spec, out, plugin, "--methods", "4")
    until(lambda: list(out.glob("cells/*.json")))
    short = start(spec, out, plugin, "--methods", "0")
    finish(short)
    finish(long)
    assert [r["status"] for r in Store(out).records()] == ["ok"] * 4


def test_status_compare_and_report_read_the_folder(
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out, again = finished / "out", tmp_path / "again"
    shutil.copytree(out, again)

    def printed(*words: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert not stopped.value.code
        return capsys.readouterr().out

    assert "6 ok" in printed("status", out)
    compared = printed("compare", out, again)
    assert "random_forest" in compared
    assert "6 of 6 cells have identical predictions" in compared
    assert "largest difference in balanced accuracy: 0.0000" in compared
    (again / "report" / "index.html").unlink()
    printed("report", again)
    assert (again / "report" / "index.html").is_file()


def test_a_file_that_cannot_be_read_is_the_failure_of_its_table_alone(
    tmp_path: Path, bench: Bench
) -> None:
    text = f"""
name = "file"
methods = ["majority"]
datasets = ["digits", {{name = "broken_table", params = {{how = "csv", path = "{tmp_path}/x"}}}}]
"""
    completed = bench("run", write(tmp_path, text), "--no-report", "--out", tmp_path / "out")
    records = {r["dataset"]["name"]: r for r in Store(tmp_path / "out").records()}
    assert records["digits"]["status"] == "ok"
    assert "No such file" in records["broken_table"]["reason"]
    assert "disk is full" not in completed.stderr


def test_cells_of_changed_data_do_not_stand_beside_those_of_the_old(
    tmp_path: Path, bench: Bench
) -> None:
    file = tmp_path / "x"
    file.write_text("0")
    text = f"""
name = "file"
methods = ["majority", "stump"]
datasets = [{{name = "broken_table", params = {{how = "csv", path = "{file}"}}}}]
"""
    words = ("run", write(tmp_path, text), "--no-report", "--out", tmp_path / "out")
    bench(*words, "--methods", "majority")
    file.write_text("1")
    completed = bench(*words, code=2)
    assert "the data of broken_table have changed since the cells in" in completed.stderr
    bench(*words)
    records = list(Store(tmp_path / "out").records())
    assert len(records) == 2
    assert len({r["dataset"]["checksum"] for r in records}) == 1


def test_global_random_generators_depend_on_the_seed_alone(tmp_path: Path, bench: Bench) -> None:
    text = """
name = "generators"
seeds = [0, 1, 2]
datasets = ["digits"]
methods = [{name = "villain", params = {how = "global_generator"}}]
"""
    spec, folders = write(tmp_path, text), [tmp_path / "one", tmp_path / "two"]
    first, second = (
        {
            record["seed"]: store.artifact(record["key"])["probabilities"][0, 0]
            for record in store.records()
        }
        for store in (bench("run", spec, "--no-report", "--out", f) and Store(f) for f in folders)
    )
    assert first == second
    assert len(set(first.values())) == 3
