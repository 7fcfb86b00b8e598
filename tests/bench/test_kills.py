"""A run that is killed at any moment loses no finished cell. See also kills.py."""

import pytest

from .kills import FEW, disturb


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [3, 20])
def test_a_killed_run_resumes_without_loss(rounds: int) -> None:
    # Each import of torch takes ten seconds, so only the long version has it.
    facts = disturb(rounds) if rounds > 3 else disturb(rounds, methods=FEW, n_seeds=2)
    assert facts["finished"]
    assert facts["equal"]
    assert facts["repeated"] == 0
    assert facts["broken"] == 0
    assert facts["runs_killed"] >= rounds - 1
