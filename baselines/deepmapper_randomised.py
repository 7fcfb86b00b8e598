"""A control: DeepMapper's predictions, but attributions of networks with random weights.

Adebayo et al., "Sanity checks for saliency maps", NeurIPS (2018): an attribution that stays the
same when weights are random does not come from what the network learned. Predictions are those of
`deepmapper`. If the features are still ranked well with random weights, the screen and its gate
rank them, not the training. With a random gate too, the ranking should be no better than chance.
Limits: those of `deepmapper`.
"""

import copy
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from torch import nn

from baselines import deepmapper
from baselines.deepmapper import ImageModel, TableImages
from deepmapper.networks.backbones import build_backbone
from deepmapper.networks.gate import GatedNetwork
from deepmapper.training.streams import torch_stream


@dataclass(frozen=True)
class Params(deepmapper.Params):
    """Settings of `deepmapper`, and the weights that become random.

    Attributes
    ----------
    randomise : {"network", "network and gate"}
        "network" draws the weights behind the gate anew. "network and gate" also gives the trained
        openings of the gate to other pixels.
    """

    ranking: Literal["evidence", "attribution"] = "attribution"  # that of the random networks
    randomise: Literal["network", "network and gate"] = "network"


class RandomNetworks(ImageModel):
    """A classifier that predicts with trained networks and attributes with untrained ones."""

    shuffles_gate = False

    def attribute(self, Z: TableImages, y: np.ndarray) -> np.ndarray:
        """Attribute with random weights, as `NetworkClassifier.attribute` does.

        Parameters
        ----------
        Z : TableImages of shape (n_samples, 1, h, w)
        y : array of shape (n_samples,)

        Returns
        -------
        array of shape (n_classes, 1, h, w)
        """
        classifier = self.classifier_
        trained = classifier.networks_
        with torch_stream(classifier.seed_, "randomised"):
            classifier.networks_ = [self._untrained(network, Z.shape[1:]) for network in trained]
        try:
            return classifier.attribute(Z.images, y)
        finally:
            classifier.networks_ = trained

    def _untrained(self, trained: nn.Module, shape: tuple[int, ...]) -> nn.Module:
        """A network with new weights, drawn from torch's global generator."""
        gate = copy.deepcopy(getattr(trained, "gate", None))
        if gate is not None and self.shuffles_gate:
            weight = gate.weight.data.flatten()
            order = torch.randperm(len(weight)).to(weight.device)
            gate.weight.data = weight[order].view_as(gate.weight)
        height, width = (shape if gate is None else gate.weight.shape)[-2:]
        network = build_backbone(
            str(self.classifier_.backbone), (height, width), len(self.classes_)
        )
        network = network if gate is None else GatedNetwork(gate, network)
        return network.to(self.classifier_.device_).eval()


class RandomNetworksAndGates(RandomNetworks):
    """The same with the openings of each gate at other pixels."""

    shuffles_gate = True


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline of `deepmapper` with the attribution of other networks."""
    kind = RandomNetworks if params.randomise == "network" else RandomNetworksAndGates
    return deepmapper.build(params, kind, device=device, seed=seed)
