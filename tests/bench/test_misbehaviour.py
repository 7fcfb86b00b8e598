"""A method that misbehaves gets a reason, and other cells are untouched."""

import subprocess
from pathlib import Path

import psutil
import pytest

from bench.store.store import Record, Store

from .conftest import Bench, records_by_label

Outcome = tuple[Path, subprocess.CompletedProcess[str]]

# Error after the predictions -> (attribution_status, part of its reason)
LATE = {
    "attribute_hangs": ("timeout", "over 20 s during attribute"),
    "attribute_spins": ("timeout", "over 2 CPU s during attribute"),
    "attribute_eats": ("out_of_memory", "over 300 MiB during attribute"),
    "attribute_exits": ("failed", "its process ended with code 3 during attribute"),
    "attribute_raises": ("failed", "in attribute: RuntimeError: cannot explain"),
    "attribute_shape": ("failed", "attributions have shape (10, 3), expected (10, 64)"),
}
EXPECTED = {  # how -> (status, part of its reason)
    "raise": ("failed", "in train: RuntimeError: no good"),
    "hang": ("timeout", "over 20 s during train"),
    "eat": ("out_of_memory", "over 300 MiB during train"),
    "memory_error": ("out_of_memory", "in train: asked for too much"),
    "diverge": ("diverged", "in train: the loss became nan"),
    "exit": ("failed", "its process ended with code 3 during train"),
    "suicide": ("failed", "killed by signal 9 during train"),
    "strange_labels": ("failed", "labels that do not exist: 99"),
    "nan": ("failed", "NaN or infinity for 1 of 449 rows"),
    "no_probabilities": ("failed", "row sums from 2 to 2"),
    "short": ("failed", "returned shape (448, 10), expected (449, 10)"),
    "few_labels": ("failed", "predict returned shape (1,), expected (449,)"),
    "twice": ("failed", "classes_ has labels twice: [0, 0, 2"),
    "changes_labels": ("ok", None),
    "spin": ("timeout", "over 2 CPU s during train"),
    "spin_in_child": ("timeout", "over 2 CPU s during train"),
    "chatter": ("ok", None),
    "leave_child": ("ok", None),
    **dict.fromkeys(LATE, ("ok", None)),
    "small_only": ("unsupported", "takes at most 50 features, got 64"),
}


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    methods = "".join(
        f'[[methods]]\nname = "villain"\nlabel = "{how}"\nparams = {{how = "{how}"}}\n'
        for how in EXPECTED
        if how != "small_only"
    )
    methods += '[[methods]]\nname = "small_only"\n'
    path = tmp_path_factory.mktemp("spec") / "villains.toml"
    path.write_text(
        'name = "villains"\njobs = 2\ndatasets = ["digits"]\n'
        "[limits]\ncpu_seconds = 2\nwall_seconds = 20\nmemory_mib = 300\n" + methods
    )
    return path


@pytest.fixture(scope="module")
def outcome(spec: Path, tmp_path_factory: pytest.TempPathFactory, bench: Bench) -> Outcome:
    folder = tmp_path_factory.mktemp("out")
    return folder, bench("run", spec, "--out", folder)


@pytest.fixture(scope="module")
def records(outcome: Outcome) -> dict[str, Record]:
    return records_by_label(outcome[0])


@pytest.mark.parametrize("how", sorted(EXPECTED))
def test_misbehaviour_is_recorded_with_its_reason(how: str, records: dict[str, Record]) -> None:
    status, reason = EXPECTED[how]
    record = records[how]
    assert record["status"] == status, record["reason"]
    if reason is None:
        assert record["reason"] is None
    else:
        assert reason in record["reason"]


def test_a_killed_cell_keeps_the_phases_it_finished(records: dict[str, Record]) -> None:
    assert list(records["hang"]["phases"]) == ["load", "warm_up", "convert_fit", "convert_train"]


@pytest.mark.parametrize("how", sorted(LATE))
def test_an_error_in_the_attribution_keeps_the_predictions(
    how: str, records: dict[str, Record], outcome: Outcome
) -> None:
    record = records[how]
    status, reason = LATE[how]
    assert record["attribution_status"] == status
    assert reason in record["attribution_reason"]
    assert record["metrics"]["accuracy"] == pytest.approx(0.1, abs=0.02)
    assert record["metrics"]["train_accuracy"] == pytest.approx(0.1, abs=0.02)
    assert not record["near_limit"]
    assert Store(outcome[0]).artifact(record["key"])["probabilities"].shape == (449, 10)


def test_a_cell_says_what_it_used_of_its_limits(records: dict[str, Record]) -> None:
    assert records["chatter"]["attribution_status"] == "ok"
    assert records["chatter"]["warnings"] == ["UserWarning: careful"]
    limits = {"cpu_seconds": 2.0, "wall_seconds": 20.0, "memory_mib": 300}
    assert records["chatter"]["limits"] == limits
    assert 0 < records["chatter"]["cpu_seconds"] < 1.4
    assert not records["chatter"]["near_limit"]
    for how in ("hang", "spin", "eat"):
        assert records[how]["near_limit"]
    assert records["spin_in_child"]["cpu_seconds"] > 2
    assert records["raise"]["metrics"]["accuracy"] is None
    assert "no good" in records["raise"]["traceback"]


def test_nothing_is_left_running_and_nothing_half_written(
    records: dict[str, Record], outcome: Outcome
) -> None:
    folder, _ = outcome
    assert not [path for path in folder.rglob(".*") if path.name != ".lock"]
    assert not (folder / "running").exists()
    assert all(Store(folder).record(path.stem) for path in (folder / "cells").glob("*.json"))
    for process in psutil.process_iter(["cmdline"]):
        assert str(folder) not in " ".join(process.info["cmdline"] or [])


def test_a_child_that_a_cell_leaves_behind_is_killed(records: dict[str, Record]) -> None:
    (warning,) = records["leave_child"]["warnings"]
    assert not psutil.pid_exists(int(warning.split()[-1]))


def test_labels_that_a_method_changes_are_stored_as_they_were(
    outcome: Outcome, records: dict[str, Record]
) -> None:
    labels = Store(outcome[0]).artifact(records["changes_labels"]["key"])["y_train"]
    assert len(set(labels.tolist())) == 10


def test_the_page_and_the_table_show_failures_with_reasons(outcome: Outcome) -> None:
    folder, completed = outcome
    page = (folder / "report" / "index.html").read_text()
    assert "over 20 s during train" in page
    assert "timeout" in completed.stdout


@pytest.mark.slow
def test_only_the_cell_that_was_killed_from_outside_runs_again(
    outcome: Outcome, records: dict[str, Record], spec: Path, bench: Bench
) -> None:
    folder, _ = outcome
    completed = bench("run", spec, "--no-report", "--out", folder)
    again = records_by_label(folder)
    changed = [how for how in records if again[how] != records[how]]
    assert changed in ([], ["suicide"])  # times are rounded to seconds
    assert list((folder / "cells" / "superseded").iterdir())
    assert f"{len(EXPECTED) - 1}/{len(EXPECTED)}" in completed.stdout
