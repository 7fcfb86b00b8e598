"""DeepMapper: each feature is one pixel, a CNN reads images, features are ranked.

After Ersavas, Smith, Mattick, Sci Rep 14 (2024), "Novel applications of Convolutional Neural
Networks in the age of Transformers".

Public modules. Every other module is private: its name or its folder's name begins with "_"::

    deepmapper                                    the estimators, `Layout`, the errors
    deepmapper.attribution                        which pixels a network uses
    deepmapper.errors                             the exceptions
    deepmapper.estimators.consensus               agreement between passes
    deepmapper.estimators.evidence                how sure it is that features differ
    deepmapper.estimators.mixture                 weights of networks and plain models
    deepmapper.estimators.network_classifier      a classifier of images
    deepmapper.images.converter                   from a table to images
    deepmapper.images.layouts                     the pixel of each feature
    deepmapper.images.placement                   how a learned layout is made
    deepmapper.images.scaling                     scaling of features
    deepmapper.networks.backbones                 the networks by name
    deepmapper.networks.gate                      a trained weight before every pixel
    deepmapper.networks.screen                    features and pairs that differ between classes
    deepmapper.tables                             reading a table from a file
    deepmapper.training.devices                   CPU or GPU, and its memory
    deepmapper.training.objectives                losses and scores
    deepmapper.training.streams                   named random streams of one seed
    deepmapper.training.trainer                   the training loop
"""

import os
from typing import TYPE_CHECKING

# torch's threads wait for each other in a busy loop. If other processes use the cores, this loop
# takes CPU time from the threads it waits for. OpenMP reads this variable when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

__version__ = "0.2.0"
__all__ = [
    "DeepMapperClassifier",
    "DeepMapperEmbedder",
    "DeepMapperError",
    "DivergedError",
    "Layout",
    "TrainingSettings",
]

_HOMES = {
    "DeepMapperClassifier": "deepmapper.estimators._classifier",
    "DeepMapperEmbedder": "deepmapper.estimators._embedder",
    "DeepMapperError": "deepmapper.errors",
    "DivergedError": "deepmapper.errors",
    "Layout": "deepmapper.images.layouts",
    "TrainingSettings": "deepmapper.training.trainer",
}

if TYPE_CHECKING:
    from deepmapper.errors import DeepMapperError, DivergedError
    from deepmapper.estimators._classifier import DeepMapperClassifier
    from deepmapper.estimators._embedder import DeepMapperEmbedder
    from deepmapper.images.layouts import Layout
    from deepmapper.training.trainer import TrainingSettings


def __getattr__(name: str) -> object:
    """Import on first use, so that `import deepmapper` does not load torch."""
    if name not in _HOMES:
        message = f"module 'deepmapper' has no attribute {name!r}"
        raise AttributeError(message)
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
