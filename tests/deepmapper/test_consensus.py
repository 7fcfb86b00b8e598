"""The consensus of passes, compared with numbers by hand."""

import numpy as np
import pytest

from deepmapper import DeepMapperError
from deepmapper.estimators.consensus import Consensus


def _consensus(*maps: list[list[float]], top: int = 2) -> Consensus:
    consensus = Consensus(top)
    for attributions in maps:
        consensus.add(np.array(attributions))
    return consensus


def test_one_pass_agrees_with_nothing() -> None:
    assert _consensus([[1.0, 2.0]]).agreement() == 0.0


def test_agreement_is_the_common_share_of_the_top() -> None:
    halves = _consensus([[6.0, 4.0, 0.1]], [[3.0, 7.0, 0.1]])
    assert halves.agreement() == pytest.approx(0.3 + 0.4)


def test_other_features_on_top_do_not_agree() -> None:
    assert _consensus([[1.0, 1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0, 1.0]]).agreement() == 0.0


def test_closed_gates_select_nothing() -> None:
    frequency = _consensus([[1.0, 0.0, 0.0]], [[1.0, 0.5, 0.0]]).selection_frequency()
    assert frequency.tolist() == [[1.0, 0.5, 0.0]]


def test_top_is_at_least_one() -> None:
    with pytest.raises(DeepMapperError, match="1 or more"):
        Consensus(0)


def test_features_of_equal_attribution_share_their_rank() -> None:
    table = _consensus([[3.0, 0.0, 0.0]]).table(["a", "b", "c"], ["only"]).set_index("feature")
    assert table["mean_rank"].to_dict() == {"a": 1.0, "b": 2.5, "c": 2.5}


def test_consensus_averages_shares_and_ranks() -> None:
    table = _consensus([[6.0, 3.0, 1.0]], [[0.2, 0.8, 0.0]], top=1)
    table = table.table(["a", "b", "c"], ["only"]).set_index("feature")
    assert list(table.index) == ["b", "a", "c"]
    np.testing.assert_allclose(table["mean"], [0.55, 0.4, 0.05])
    np.testing.assert_allclose(table["sd"], np.array([0.5, 0.4, 0.1]) / np.sqrt(2))
    np.testing.assert_allclose(table["selection_frequency"], [0.5, 0.5, 0.0])
    np.testing.assert_allclose(table["mean_rank"], [1.5, 1.5, 3.0])
