"""Slots split cores and GPUs evenly. The load of other processes is measured."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.machine import slots
from bench.machine.slots import Leases, LoadMonitor, own_seconds, split_cores

from .conftest import ROOT
from .grids import until

BUSY = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"
MONITOR = """
import sys, time
from bench.machine import slots
slots.own_cores, slots.SHORTEST_SECONDS = lambda: [int(sys.argv[1])], 0.5
monitor = slots.LoadMonitor()
time.sleep(0.8)
print(*monitor.describe_load("cpu"), sep="\\n")
"""


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


@pytest.fixture
def neighbour() -> Iterator[int]:
    """A process that computes all the time on a core, which is returned."""
    core = min(os.sched_getaffinity(0))
    process = subprocess.Popen([sys.executable, "-c", BUSY, str(core)])
    yield core
    process.kill()
    process.wait()


def test_others_on_a_core_are_noticed(neighbour: int) -> None:
    """Another process computes, while the cell waits."""
    words = [sys.executable, "-c", MONITOR, str(neighbour)]
    printed = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert len(printed.splitlines()) == 1
    assert "of their time went to others" in printed


def test_the_time_of_a_living_child_is_own_time(neighbour: int) -> None:
    before = own_seconds()
    until(lambda: own_seconds() - before > 0.3, 60)


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
