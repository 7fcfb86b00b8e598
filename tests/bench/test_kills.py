"""A run killed at any moment loses nothing that was finished; see kills.py for the long version."""

import pytest

from .kills import FEW, disturb


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [3, 20])
def test_kill_and_resume(rounds: int) -> None:
    # What needs torch costs each start ten seconds of imports; the long version has it.
    facts = disturb(rounds) if rounds > 3 else disturb(rounds, methods=FEW, n_seeds=2)
    assert facts["finished"]
    assert facts["equal"]
    assert facts["repeated"] == 0
    assert facts["broken"] == 0
    assert facts["runs_killed"] >= rounds - 1
