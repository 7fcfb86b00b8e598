"""The CNN and the training of every method that makes images."""

from dataclasses import dataclass

from deepmapper.estimators.network_classifier import NetworkClassifier


@dataclass(frozen=True)
class Training:
    """Settings of the CNN, chosen on one development split of each of four tables.

    About 20 variants were compared (seed 101) on `nihs` and `expression` of other seeds, training
    images of MNIST, and a split of the six TCGA types. Reports split the same 364 TCGA samples
    again, so their TCGA figures depend on that choice.

    Attributes
    ----------
    backbone : str
        Name of a network in `deepmapper.networks.backbones`.
    passes : int
        Maximum number of networks to train. Their probabilities are averaged.
    epochs : int
        Maximum number of epochs.
    learning_rate : float
        Peak of the learning rate.
    gate : bool
        Whether a gate in front of the network weights the pixels by a screen of the features.
    attribution : str
        Name of an attribution method.
    """

    backbone: str = "patch"
    passes: int = 2
    epochs: int = 10
    learning_rate: float = 5e-3
    gate: bool = True
    attribution: str = "saliency"


def image_model(
    training: Training,
    classifier: type[NetworkClassifier] = NetworkClassifier,
    *,
    device: str,
    seed: int,
) -> NetworkClassifier:
    """Return an untrained classifier of images."""
    return classifier(
        backbone=training.backbone,
        gate=training.gate,
        passes=training.passes,
        training={"max_epochs": training.epochs, "learning_rate": training.learning_rate},
        attribution=training.attribution,
        device=device,
        random_state=seed,
    )
