"""The CNN and the budget that every method which makes images shares."""

from dataclasses import dataclass

from deepmapper.classifier import NetworkClassifier


@dataclass(frozen=True)
class Training:
    """Chosen on development seeds of NIHS, expression and shuffled MNIST's training images."""

    backbone: str = "patch"
    passes: int = 2
    epochs: int = 10
    learning_rate: float = 5e-3
    attribution: str = "saliency"


def image_model(training: Training, *, device: str, seed: int) -> NetworkClassifier:
    """An untrained classifier of images."""
    return NetworkClassifier(
        training.backbone,
        passes=training.passes,
        epochs=training.epochs,
        learning_rate=training.learning_rate,
        attribution=training.attribution,
        device=device,
        random_state=seed,
    )
