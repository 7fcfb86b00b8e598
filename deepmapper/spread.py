"""One training spread over ranks, such that the loop sees what it sees on one device.

Of every batch each rank reads and computes the rows `rank::n_ranks`. The network answers with the
outputs of the whole batch, gathered from all ranks; so the loop computes the loss and score of the
whole batch, whatever its weights, and all ranks decide alike when to stop. Going back, each rank
follows its own rows; the gradients of all ranks add up to the gradient of the whole batch's loss.
torch's `DistributedDataParallel` (Li et al., VLDB 2020) adds them while the rest still computes.

What else ties the rows of a batch together is done over the whole batch as well:

- batch normalisation takes the statistics of all rows. torch's `SyncBatchNorm` computes the same
  and refuses CPUs;
- our dropout draws the masks of the whole batch on every rank and keeps its own rows: the same
  masks as on one device. Dropout that draws from torch's global generator has other masks.

A sum over ranks rounds differently from a sum on one device: that is all that differs.
"""

import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from deepmapper.errors import DeepMapperError
from deepmapper.networks.backbones._dropout import Dropout
from deepmapper.ranks import Ranks
from deepmapper.training.streams import torch_stream

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
# Statistics are the whole batch's on every rank: nothing to send. Newer versions of torch warn of
# the older name.
SYNC_BUFFERS = next(
    name
    for name in ("forward_sync_buffers", "broadcast_buffers")
    if name in inspect.signature(DistributedDataParallel).parameters
)
NO_SYNC: dict[str, Any] = {SYNC_BUFFERS: False}


class OwnRows:
    """Images of which this rank reads its own rows only, whatever rows it is asked for.

    Args:
        images: (n, ...), a tensor or `deepmapper.images._folded.FoldedRows`.

    Attributes:
        n_rows: of the batch that was asked for last, on all ranks together.
    """

    def __init__(self, images: Any, ranks: Ranks) -> None:
        self.images = images
        self.ranks = ranks
        self.shape = images.shape
        self.n_rows = 0

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: torch.Tensor) -> torch.Tensor:
        """This rank's images of these rows, (n_own, ...); never none.

        A rank that has none computes the batch's first image along with the others, and counts it
        in no sum: every rank has to take part in every step.
        """
        self.n_rows = len(rows)
        own = rows[self.ranks.rank :: self.ranks.n_ranks]
        return self.images[own if len(own) else rows[:1]]

    def n_own(self, rank: int | None = None) -> int:
        """How many of the batch's rows are a rank's; this one's by default."""
        rank = self.ranks.rank if rank is None else rank
        return len(range(rank, self.n_rows, self.ranks.n_ranks))


@contextmanager
def spread(network: nn.Module, images: Any, ranks: Ranks) -> Iterator[OwnRows]:
    """Inside, the network computes this rank's rows and answers with all ranks' outputs.

    Weights and buffers start as the first rank's. The network keeps its class, its modules and the
    names in its `state_dict`; outside, it is an ordinary network again, the same on every rank.

    Args:
        network: (n, ...) -> (n, n_outputs), on the ranks' device.
        images: what it is to be trained and judged on.

    Yields:
        The images to give to `deepmapper.training.trainer.train` in the place of `images`.

    Raises:
        DeepMapperError: a kind of batch normalisation that cannot be spread.
    """
    _check_norms(network)
    batch = OwnRows(images, ranks)
    replica = DistributedDataParallel(
        _Inner(network),
        device_ids=[ranks.device] if ranks.device.type == "cuda" else None,
        **NO_SYNC,
    )

    def answer(x: torch.Tensor) -> torch.Tensor:
        outputs = replica(x) if torch.is_grad_enabled() else _forward(network, x)
        return _Gathered.apply(_at_least_float(outputs), batch)

    replaced: list[tuple[nn.Module, Callable[..., Any]]] = [(network, answer)]
    for module in network.modules():
        if isinstance(module, Dropout):
            replaced.append((module, partial(_dropout, module, batch)))
        elif isinstance(module, NORMS):
            replaced.append((module, partial(_batch_norm, module, batch)))
    for module, forward in replaced:
        module.forward = forward
    try:
        with torch_stream(torch.initial_seed(), "rank", ranks.rank):  # for dropout not ours
            yield batch
    finally:
        for module, _ in replaced:
            del module.forward


class _Inner(nn.Module):
    """The network with the forward of its class: what `DistributedDataParallel` is to call."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return _forward(self.network, x)


def _forward(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return type(module).forward(module, x)


class _Gathered(torch.autograd.Function):
    """Outputs (n_own, ...) of every rank -> those of the whole batch, (n_rows, ...), in its order.

    Backwards each rank takes the gradient of its own rows, times the number of ranks:
    `DistributedDataParallel` divides by it.
    """

    @staticmethod
    def forward(ctx: Any, outputs: torch.Tensor, batch: OwnRows) -> torch.Tensor:
        n_ranks, n_own = batch.ranks.n_ranks, batch.n_own()
        ctx.rank, ctx.n_ranks, ctx.shape = batch.ranks.rank, n_ranks, outputs.shape
        padded = outputs.new_zeros((math.ceil(batch.n_rows / n_ranks), *outputs.shape[1:]))
        padded[:n_own] = outputs[:n_own]
        parts = [torch.empty_like(padded) for _ in range(n_ranks)]
        distributed.all_gather(parts, padded)
        whole = outputs.new_empty((batch.n_rows, *outputs.shape[1:]))
        for rank, part in enumerate(parts):
            whole[rank::n_ranks] = part[: batch.n_own(rank)]
        return whole

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        (gradient,) = gradients
        own = gradient[ctx.rank :: ctx.n_ranks] * ctx.n_ranks
        return (own if len(own) else gradient.new_zeros(ctx.shape)), None


def _dropout(module: Dropout, batch: OwnRows, x: torch.Tensor) -> torch.Tensor:
    """Dropout with this rank's part of the masks that one device would draw for the whole batch.

    x: (n_here * k, ...), image by image.
    """
    n_here = max(1, batch.n_own())
    if not module.training or module.generator is None or len(x) % n_here:
        return _forward(module, x)
    shape = (batch.n_rows, len(x) // n_here, *x.shape[1:])
    masks = _forward(module, x.new_ones(()).expand(shape))
    own = masks[batch.ranks.rank :: batch.ranks.n_ranks] if batch.n_own() else masks[:1]
    return x * own.reshape(x.shape)


def _check_norms(network: nn.Module) -> None:
    for name, module in network.named_modules():
        is_norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
        if is_norm and type(module) not in NORMS:  # its forward does more, or something else
            message = (
                f"a training on several devices normalises with the statistics of all of them; "
                f"{name!r} is a {type(module).__name__}, known are "
                f"{', '.join(norm.__name__ for norm in NORMS)}: choose another backbone, or train "
                f"on one device"
            )
            raise DeepMapperError(message)


def _batch_norm(module: Any, batch: OwnRows, x: torch.Tensor) -> torch.Tensor:
    """Batch normalisation of x, (n_here, n_channels, ...), with the statistics of all ranks."""
    if not module.training:
        return _forward(module, x)
    values = _at_least_float(x)
    n_values = x[0, 0].numel()  # an image and channel
    n = batch.n_rows * n_values
    if n == 1:
        message = "batch normalisation needs two values a channel or more to be trained, got one"
        raise DeepMapperError(message)
    mean, variance = _statistics(values.detach(), batch)
    if module.track_running_stats:
        _follow(module, mean, variance * n / (n - 1))
    return _Normalised.apply(
        values, mean, variance, module.weight, module.bias, module.eps, batch
    ).to(x.dtype)


def _statistics(x: torch.Tensor, batch: OwnRows) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance a channel, (n_channels,) each, of the whole batch.

    From each rank's mean and variance: the variance is the mean of the variances and the variance
    of the means (Chan, Golub & LeVeque 1983), which rounds less than sums of squares.
    """
    own = x.new_zeros((2, x.shape[1]))
    if batch.n_own():
        own[1], own[0] = torch.var_mean(x, _all_but_channels(x), correction=0)
    parts = [torch.empty_like(own) for _ in range(batch.ranks.n_ranks)]
    distributed.all_gather(parts, own)
    means, variances = torch.stack(parts, 1)  # (n_ranks, n_channels) each
    counts = [batch.n_own(rank) / batch.n_rows for rank in range(batch.ranks.n_ranks)]
    share = x.new_tensor(counts)[:, None]
    mean = (share * means).sum(0)
    return mean, (share * (variances + (means - mean).square())).sum(0)


def _follow(module: Any, mean: torch.Tensor, variance: torch.Tensor) -> None:
    """Move the running statistics, as torch's batch normalisation does."""
    module.num_batches_tracked += 1
    step = module.momentum
    if step is None:  # the mean over all batches
        step = 1.0 / float(module.num_batches_tracked)
    module.running_mean.lerp_(mean.to(module.running_mean.dtype), step)
    module.running_var.lerp_(variance.to(module.running_var.dtype), step)


class _Normalised(torch.autograd.Function):
    """(x - mean) / sqrt(variance + eps) * weight + bias, mean and variance those of all ranks.

    With z the normalised values and dy the gradient, over all n values of a channel on all ranks:
    dx = weight / sqrt(variance + eps) * (dy - sum(dy) / n - z * sum(dy * z) / n).
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        mean: torch.Tensor,
        variance: torch.Tensor,
        weight: torch.Tensor | None,
        bias: torch.Tensor | None,
        eps: float,
        batch: OwnRows,
    ) -> torch.Tensor:
        ctx.save_for_backward(x, mean, (variance + eps).rsqrt(), weight)
        ctx.has_own, ctx.n = bool(batch.n_own()), batch.n_rows * x[0, 0].numel()
        return nn.functional.batch_norm(x, mean, variance, weight, bias, eps=eps)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (dy,) = gradients
        x, mean, scale, weight = ctx.saved_tensors
        channels = (1, -1, *[1] * (x.dim() - 2))
        z = (x - mean.view(channels)) * scale.view(channels)
        dims = _all_but_channels(x)
        own = torch.stack([dy.sum(dims), (dy * z).sum(dims)])
        total = own.clone()
        distributed.all_reduce(total)
        by_bias, by_weight = (total / ctx.n).view(2, *channels)
        factor = scale if weight is None else scale * weight
        dx = (dy - by_bias - z * by_weight).mul_(factor.view(channels))
        if not ctx.has_own:
            dx.zero_()  # its image is in none of the sums
        wanted = (own[1], own[0]) if weight is not None else (None, None)
        return dx, None, None, *wanted, None, None


def _at_least_float(x: torch.Tensor) -> torch.Tensor:
    """In float32 where it came in bfloat16: to be summed, and sent by gloo."""
    return x if x.dtype == torch.float64 else x.float()


def _all_but_channels(x: torch.Tensor) -> list[int]:
    return [0, *range(2, x.dim())]
