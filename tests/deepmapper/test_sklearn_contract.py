"""scikit-learn's own checks, on the defaults; none is expected to fail."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from deepmapper import DeepMapperClassifier


# The embedder's are in test_embedder.py.
@pytest.mark.filterwarnings("ignore:no pass was better", "ignore:.*too few to hold out")
@parametrize_with_checks([DeepMapperClassifier(device="cpu")])
def test_the_classifier_is_a_scikit_learn_estimator(estimator, check) -> None:  # type: ignore[no-untyped-def]
    check(estimator)
