"""Slots split cores and GPUs evenly. The load of other processes is measured."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.machine import slots
from bench.machine.slots import Leases, LoadMonitor, split_cores

BUSY = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"


def test_slots_that_share_say_so() -> None:
    result = split_cores(4, [0, 1], ["7"])
    assert [slot.cores for slot in result] == [(0,), (1,), (0,), (1,)]
    assert {slot.gpu for slot in result} == {"7"}
    assert result[0].shared == (
        "cores: 4 cells side by side on 2 cores",
        "GPU: 4 cells side by side on 1 GPU",
    )
    result = split_cores(2, range(8), ["GPU-a", "GPU-b"])
    assert [(slot.gpu, slot.shared) for slot in result] == [("GPU-a", ()), ("GPU-b", ())]


def test_visible_gpus_are_those_that_the_variable_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-1f")
    assert slots.visible_gpus() == ["2", "GPU-1f"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert slots.visible_gpus() == []


def test_leases_of_two_workers_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "own_cores", lambda: [0, 1, 2])
    monkeypatch.setattr(slots, "visible_gpus", lambda: ["0"])
    leases, others = Leases(tmp_path), Leases(tmp_path)
    first, second = leases.slot(2, "cuda"), others.slot(1, "cuda")
    assert (first.cores, first.gpu, first.shared) == ((0, 1), "0", ())
    assert (second.cores, second.shared) == ((2,), ("GPU: none of 1 is free",))
    assert others.slot(1, "cpu").shared == ("cores: 0 cores free of 1 asked for",)
    leases.close()
    assert Leases(tmp_path).slot(2, "cuda").shared == ()


def test_others_on_a_core_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process computes all the time, while the cell waits."""
    core = min(os.sched_getaffinity(0))
    monkeypatch.setattr(slots, "own_cores", lambda: [core])
    monkeypatch.setattr(slots, "SHORTEST_SECONDS", 0.5)
    neighbour = subprocess.Popen([sys.executable, "-c", BUSY, str(core)])
    try:
        time.sleep(0.3)
        monitor = LoadMonitor()
        time.sleep(0.8)
        reasons = monitor.describe_load("cpu")
    finally:
        neighbour.kill()
        neighbour.wait()
    assert len(reasons) == 1
    assert "of their time went to others" in reasons[0]


def test_a_cell_s_own_work_is_not_others_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "SHORTEST_SECONDS", 0.0)
    own = iter([0.0, 9.5])
    busy = iter([100.0, 110.0])
    clock = iter([0.0, 10.0])
    monkeypatch.setattr(slots, "own_seconds", lambda: next(own))
    monkeypatch.setattr(slots, "_busy_seconds", lambda cores: next(busy))
    monkeypatch.setattr(slots, "own_cores", lambda: [0])
    monkeypatch.setattr(slots.time, "monotonic", lambda: next(clock))
    assert LoadMonitor().describe_load("cpu") == []
