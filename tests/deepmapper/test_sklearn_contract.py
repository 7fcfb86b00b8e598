"""scikit-learn's own checks, on the defaults."""

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from deepmapper import DeepMapperClassifier

# scikit-learn expects these two to fail for its own SGDClassifier and forests, too: a row of weight
# 2 is in one batch and on one side of the split, two equal rows need not be.
REASON = "training in random batches: a weight of 2 is the same as two rows only on average"
EXPECTED_TO_FAIL = {
    "check_sample_weight_equivalence_on_dense_data": REASON,
    "check_sample_weight_equivalence_on_sparse_data": REASON,
}


# The embedder's are in test_embedder.py.
@pytest.mark.filterwarnings("ignore:no pass was better", "ignore:.*too few to hold out")
@parametrize_with_checks(
    [DeepMapperClassifier(device="cpu")], expected_failed_checks=lambda _: EXPECTED_TO_FAIL
)
def test_the_classifier_is_a_scikit_learn_estimator(estimator: Any, check: Any) -> None:
    check(estimator)
