"""A `NetworkClassifier` whose passes are each trained by all ranks that `torchrun` started."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from torch import distributed, nn

from deepmapper.attribution import attribute
from deepmapper.estimators.network_classifier import NetworkClassifier, Pass
from deepmapper.ranks import Ranks
from deepmapper.spread import spread
from deepmapper.training.trainer import Epoch


class ParallelClassifier(NetworkClassifier):
    """As `NetworkClassifier`, trained data parallel: to be fitted on every rank alike.

    Passes come one after the other (all ranks train each). Each rank looks at all rows to scale
    and screen them, as these are single sweeps, and so finds the same gate; of the batches of
    training and validation it computes its part, and of attribution its share of the classes.
    """

    ranks: Ranks

    @classmethod
    def of(cls, classifier: NetworkClassifier, ranks: Ranks) -> Self:
        """One with the parameters of `classifier`."""
        made = cls(**classifier.get_params(deep=False))
        made.ranks = ranks
        return made

    def plain(self) -> NetworkClassifier:
        """What was fitted, without the ranks: to be kept, saved and loaded."""
        made = NetworkClassifier(**self.get_params(deep=False))
        made.__dict__ |= {name: value for name, value in vars(self).items() if name != "ranks"}
        return made

    def _n_side_by_side(self, n_made: int) -> int:
        return 1

    def _train_one(
        self,
        number: int,
        training: np.ndarray,
        held_out: np.ndarray,
        network: nn.Module,
        images: Any,
        labels: torch.Tensor,
        on_epoch: Callable[[int, Epoch], None] | None,
    ) -> Pass:
        with spread(network, images, self.ranks) as own:
            return super()._train_one(number, training, held_out, network, own, labels, on_epoch)

    def _attribute(
        self, network: nn.Module, images: Any, labels: torch.Tensor, baseline: torch.Tensor
    ) -> np.ndarray:
        """As of `NetworkClassifier`: each class has draws and samples of its own, whoever asks."""
        n_classes = len(self.classes_)
        rank, n_ranks = self.ranks.rank, self.ranks.n_ranks
        maps = torch.zeros((n_classes, *images.shape[1:]), device=labels.device)
        if rank < n_classes:
            maps[rank::n_ranks] = attribute(
                network,
                images,
                labels,
                method=self.attribution,
                n_classes=n_classes,
                baseline=baseline,
                classes=range(rank, n_classes, n_ranks),
            )
        distributed.all_reduce(maps)
        return maps.cpu().numpy()
