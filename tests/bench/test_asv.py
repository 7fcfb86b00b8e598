"""asv's benchmarks cover what there is, and run."""

from typing import Any

import pytest

from bench.asv import benchmarks
from deepmapper.attribution import EXPLAINERS
from deepmapper.networks.backbones import BACKBONES


def test_every_attribution_and_every_backbone_has_its_benchmark() -> None:
    assert set(benchmarks.EXPLAINERS) == set(EXPLAINERS)
    assert set(benchmarks.BACKBONES) == set(BACKBONES)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Normalise", (1_000, "standard")),
        ("Fold", (1_000, "random")),
        ("Convert", (1_000,)),
        ("Epoch", ("patch", 28)),
        ("Step", ("patch",)),
        ("StoreAppend", ()),
        ("StoreRead", (100,)),
    ],
)
def test_a_benchmark_runs(name: str, parameters: tuple[Any, ...]) -> None:
    benchmark = getattr(benchmarks, name)()
    benchmark.setup(*parameters)
    methods = [m for m in dir(benchmark) if m.startswith(("time_", "track_"))]
    assert methods
    for method in methods:
        measured = getattr(benchmark, method)(*parameters)
        assert measured is None or measured > 0
