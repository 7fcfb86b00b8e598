"""A control: DeepMapper's predictions, but attributions of networks with random weights.

Adebayo et al., "Sanity checks for saliency maps", NeurIPS (2018): an attribution that stays the
same when weights are random does not come from what the network learned. Predictions are those of
`deepmapper`. If the features are still ranked well with random weights, the screen and its gate
rank them, not the training. With a random gate too, the ranking should be no better than chance.
Limits: those of `deepmapper`.
"""

import copy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from torch import nn

from baselines._cnn import Training, image_model
from deepmapper.estimators.network_classifier import NetworkClassifier
from deepmapper.images.converter import ImageConverter
from deepmapper.networks.backbones import build_backbone
from deepmapper.networks.gate import GatedNetwork
from deepmapper.training.streams import torch_stream


@dataclass(frozen=True)
class Params(Training):
    """Settings of `deepmapper`, and the weights that become random.

    Attributes
    ----------
    layout : str
        See `deepmapper`.
    randomise : {"network", "network and gate"}
        "network" draws the weights behind the gate anew. "network and gate" also gives the trained
        openings of the gate to other pixels.
    """

    layout: str = "natural"
    randomise: Literal["network", "network and gate"] = "network"


class RandomNetworks(NetworkClassifier):
    """A classifier that predicts with trained networks and attributes with untrained ones."""

    shuffles_gate = False

    def attribute(self, Z: Any, y: np.ndarray) -> np.ndarray:
        """Attribute with random weights, as `NetworkClassifier.attribute` does.

        Parameters
        ----------
        Z : array or tensor of shape (n_samples, 1, h, w)
        y : array of shape (n_samples,)

        Returns
        -------
        array of shape (n_classes, 1, h, w)
        """
        trained = self.networks_
        with torch_stream(self.seed_, "randomised"):
            self.networks_ = [self._untrained(network, Z.shape[1:]) for network in trained]
        try:
            return super().attribute(Z, y)
        finally:
            self.networks_ = trained

    def _untrained(self, trained: nn.Module, shape: tuple[int, ...]) -> nn.Module:
        """A network with new weights, drawn from torch's global generator."""
        gate = copy.deepcopy(getattr(trained, "gate", None))
        if gate is not None and self.shuffles_gate:
            weight = gate.weight.data.flatten()
            order = torch.randperm(len(weight)).to(weight.device)
            gate.weight.data = weight[order].view_as(gate.weight)
        network = build_backbone(str(self.backbone), (shape[-2], shape[-1]), len(self.classes_))
        network = network if gate is None else GatedNetwork(gate, network)
        return network.to(self.device_).eval()


class RandomNetworksAndGates(RandomNetworks):
    """The same with the openings of each gate at other pixels."""

    shuffles_gate = True


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline of `deepmapper` with the attribution of other networks."""
    convert = ImageConverter(params.layout, device=device, random_state=seed)
    kind = RandomNetworks if params.randomise == "network" else RandomNetworksAndGates
    return Pipeline(
        [("convert", convert), ("model", image_model(params, kind, device=device, seed=seed))]
    )
