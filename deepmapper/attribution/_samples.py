"""Which images speak for a class: those that the network gets right, in it and outside of it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from deepmapper.errors import DeepMapperError
from deepmapper.training.trainer import predict_logits

# (belongs to the class, is taken for it) -> whether an image is in the group
GROUPS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "true_positives": lambda belongs, taken: belongs & taken,
    "true_negatives": lambda belongs, taken: ~belongs & ~taken,
    "false_positives": lambda belongs, taken: ~belongs & taken,
    "false_negatives": lambda belongs, taken: belongs & ~taken,
}


def choose(
    network: nn.Module,
    images: Any,
    labels: torch.Tensor,
    *,
    classes: Sequence[int],
    groups: Sequence[str],
    max_samples: int,
    batch_size: int,
) -> dict[tuple[int, str], torch.Tensor]:
    """(class, group) -> the first `max_samples` rows of the group, on the labels' device.

    Images are predicted in order, and only until all groups are full.

    Raises:
        DeepMapperError: a group that is not in `GROUPS`.
    """
    unknown = sorted(set(groups) - set(GROUPS))
    if unknown or not groups:
        message = f"unknown groups {unknown}; known: {', '.join(GROUPS)}; at least one is needed"
        raise DeepMapperError(message)
    codes = labels.cpu()
    found = {(c, group): torch.empty(0, dtype=torch.int64) for c in classes for group in groups}
    for rows in torch.arange(len(codes)).split(batch_size):
        batch = images[rows.to(labels.device)]
        predicted = predict_logits(network, batch, batch_size).argmax(1).cpu()
        for c, group in found:
            members = GROUPS[group](codes[rows] == c, predicted == c)
            found[c, group] = torch.cat([found[c, group], rows[members]])[:max_samples]
        if all(len(chosen) == max_samples for chosen in found.values()):
            break
    return {key: chosen.to(labels.device) for key, chosen in found.items()}
