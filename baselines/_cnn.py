"""The CNN and the budget of every method that makes images."""

from dataclasses import dataclass

from deepmapper.estimators.network_classifier import NetworkClassifier


@dataclass(frozen=True)
class Training:
    """Chosen among some 20 variants on one development split (seed 101) of each of four tables.

    NIHS and expression of other seeds, training images of MNIST, and a split of the six TCGA types.
    Reports split the same 364 TCGA samples anew, so their TCGA figures depend on that choice.
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
    """An untrained classifier of images."""
    return classifier(
        backbone=training.backbone,
        gate=training.gate,
        passes=training.passes,
        training={"max_epochs": training.epochs, "learning_rate": training.learning_rate},
        attribution=training.attribution,
        device=device,
        random_state=seed,
    )
