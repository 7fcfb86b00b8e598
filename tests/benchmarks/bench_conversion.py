"""Tables become images, and back."""

from collections.abc import Callable

import pytest

from bench.asv.workloads import convert, fold, normalise, unfold

SIZES = [(4_000, 1_000), (400, 10_000), (66, 60_000)]
Measure = Callable[..., None]


@pytest.mark.parametrize(("n_samples", "n_features"), SIZES)
@pytest.mark.parametrize("scale", ["standard", "minmax", "none"])
def test_normalise(measure: Measure, n_samples: int, n_features: int, scale: str) -> None:
    measure(normalise(n_samples, n_features, scale))


@pytest.mark.parametrize(("n_samples", "n_features"), SIZES)
@pytest.mark.parametrize("layout", ["natural", "random"])
def test_fold(measure: Measure, n_samples: int, n_features: int, layout: str) -> None:
    measure(fold(n_samples, n_features, layout))


@pytest.mark.parametrize(("n_samples", "n_features"), SIZES)
def test_unfold(measure: Measure, n_samples: int, n_features: int) -> None:
    measure(unfold(n_samples, n_features))


@pytest.mark.parametrize(("n_samples", "n_features"), SIZES)
def test_convert(measure: Measure, n_samples: int, n_features: int) -> None:
    measure(convert(n_samples, n_features))
