"""A run that is killed at any moment loses no finished cell. See also kills.py."""

import pytest

from .kills import FEW, disturb, storm


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


@pytest.mark.slow
@pytest.mark.parametrize("n_fronts", [2, 5])
def test_runs_that_share_a_folder_lose_and_repeat_nothing_when_killed(n_fronts: int) -> None:
    facts = storm(8, n_fronts, slow=n_fronts == 5)
    assert facts["finished"]
    assert facts["equal"]
    assert facts["repeated"] == facts["broken"] == facts["lost"] == 0
    assert facts["failed"] == []
