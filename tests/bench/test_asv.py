"""asv's benchmarks cover what there is."""

from bench.asv.attributions import METHODS
from bench.asv.training import BACKBONES
from deepmapper.attribution import EXPLAINERS
from deepmapper.networks.backbones import BACKBONES as KNOWN


def test_every_attribution_and_every_backbone_has_its_benchmark() -> None:
    assert set(METHODS) == set(EXPLAINERS)
    assert set(BACKBONES) == set(KNOWN)
