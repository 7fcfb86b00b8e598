"""The file that says how far a cell is, and what is done before cells are forked."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.run.phases import Note, Phases, read_note

from .conftest import ROOT


def test_a_note_is_whole_at_every_moment_and_gone_in_the_end(tmp_path: Path) -> None:
    note, phases = Note(tmp_path, "key"), Phases("cpu")
    phases.on_change = lambda: note.write(phases)
    for name in ("a_phase_with_a_long_name", "short"):
        with phases(name):
            assert read_note(tmp_path, "key")["current"] == name
        found = read_note(tmp_path, "key")
        assert found["current"] is None
        assert found["phases"] == phases.records
    phases.records.clear()
    note.write(phases)  # shorter than what is there
    assert read_note(tmp_path, "key") == {"current": None, "phases": {}}
    note.remove()
    assert read_note(tmp_path, "key") == {}
    assert not list((tmp_path / "running").iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_what_is_done_before_forks_starts_no_thread() -> None:
    code = """
import os
import bench.run.worker
before = len(os.listdir("/proc/self/task"))
bench.run.worker.before_forks()
assert len(os.listdir("/proc/self/task")) == before
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
