"""The processes that `torchrun` started, each a rank with a device of its own; one without it.

Nothing here imports torch before it is needed: the command line asks which rank it is at its start.
"""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepmapper.errors import DeepMapperError

if TYPE_CHECKING:
    import torch

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")  # what torchrun sets
_MADE = itertools.count()  # process groups of this process: the same number on every rank
SECONDS_TO_ASK = 10  # for the other ranks' store, before an error is shown all the same


@dataclass(frozen=True)
class Rank:
    """This process among all: its rank, and how many there are."""

    rank: int
    n_ranks: int

    @property
    def is_first(self) -> bool:
        """Whether this is the rank that writes files and prints."""
        return self.rank == 0

    @property
    def is_shared(self) -> bool:
        """Whether there are other ranks."""
        return self.n_ranks > 1


@dataclass(frozen=True)
class Launch(Rank):
    """What `torchrun` says of this process.

    Args:
        rank, n_ranks: this process among all.
        local_rank, n_local: this process among those on this machine.
    """

    rank: int = 0
    n_ranks: int = 1
    local_rank: int = 0
    n_local: int = 1

    @classmethod
    def of_environment(cls) -> "Launch":
        """The only process there is where `torchrun` did not start it, or started one alone."""
        found = [os.environ.get(name, "") for name in NAMES]
        if not all(text.isdecimal() for text in found) or found[1] == "1":
            return cls()
        rank, n_ranks, local_rank, n_local = map(int, found)
        return cls(rank, n_ranks, local_rank, n_local)

    def is_first_to_fail(self) -> bool:
        """Whether no other rank has asked this before: one rank tells what went wrong, not all."""
        if not self.is_shared:
            return True
        from datetime import timedelta

        from torch import distributed

        try:
            store, *_ = next(
                distributed.rendezvous("env://", timeout=timedelta(seconds=SECONDS_TO_ASK))
            )
            return store.add("deepmapper/failed", 1) == 1
        except (RuntimeError, ValueError):  # the store went with the rank that held it
            return self.is_first


@dataclass(frozen=True)
class Ranks(Rank):
    """This process among those that share a training, and its device.

    Args:
        rank, n_ranks: this process among all; 0 of 1 where nothing is shared.
        device: where it computes.
        n_local: ranks on this machine.
    """

    device: "torch.device"
    n_local: int = 1

    def of_first(self, value: Any) -> Any:
        """The first rank's value, on every rank."""
        if not self.is_shared:
            return value
        from torch import distributed

        held = [value]
        distributed.broadcast_object_list(held, src=0, device=self.device)
        return held[0]

    def check_same(self, values: dict[str, Any]) -> None:
        """Every rank was given the same; to be asked where there are others.

        Args:
            values: by what they are called, compared with `==`.

        Raises:
            DeepMapperError: on every rank, where the values of one differ from the first's.
        """
        from torch import distributed

        everyone: list[Any] = [None] * self.n_ranks
        distributed.all_gather_object(everyone, values)
        for rank, other in enumerate(everyone):
            for name, first in everyone[0].items():
                if other[name] != first:
                    message = (
                        f"the ranks share one training, and rank {rank} differs from rank 0 in the "
                        f"{name}: expected {first!r:.80}, got {other[name]!r:.80}; give every rank "
                        f"the same whole table and settings: each takes its part of every batch "
                        f"by itself"
                    )
                    raise DeepMapperError(message)


@contextmanager
def all_ranks(device: "torch.device") -> Iterator[Ranks]:
    """The ranks that `torchrun` started, able to talk; this process alone where it did not.

    They talk by gloo on CPUs and by NCCL on GPUs, where each rank takes the GPU of its number on
    its machine. A process group that is there already is used and left as it is. One that was made
    here is not closed after an error: closing could wait for ranks that wait for this one.

    Args:
        device: as `deepmapper.training.devices.resolve_device` gives it.

    Raises:
        DeepMapperError: more ranks on a machine than it has GPUs; a device that cannot share.
    """
    launch = Launch.of_environment()
    if not launch.is_shared:
        yield Ranks(0, 1, device)
        return
    from torch import distributed

    device = _own_device(device, launch)
    is_ours = not distributed.is_initialized()
    if is_ours:
        backend = "nccl" if device.type == "cuda" else "gloo"
        store, rank, n_ranks = next(distributed.rendezvous("env://"))
        # Addresses of a group that was closed stay in the store: a new group looks elsewhere.
        store = distributed.PrefixStore(f"deepmapper-{next(_MADE)}", store)
        distributed.init_process_group(backend, store=store, rank=rank, world_size=n_ranks)
    yield Ranks(
        distributed.get_rank(), distributed.get_world_size(), device, n_local=launch.n_local
    )
    if is_ours:
        distributed.destroy_process_group()


def _own_device(device: "torch.device", launch: Launch) -> "torch.device":
    import torch

    if device.type == "cpu":
        return device
    if device.type != "cuda":
        message = (
            f"ranks can share a training on CPUs or on CUDA devices, not on {device.type!r}; use "
            f"device='cpu', or start one process without torchrun"
        )
        raise DeepMapperError(message)
    n_gpus = torch.cuda.device_count()
    if launch.n_local > n_gpus:
        message = (
            f"torchrun started {launch.n_local} processes on a machine with {n_gpus} CUDA devices; "
            f"each needs its own: use --nproc-per-node {n_gpus}, or device='cpu'"
        )
        raise DeepMapperError(message)
    own = torch.device("cuda", launch.local_rank)
    torch.cuda.set_device(own)  # what NCCL and kernels without a device of their own look at
    return own
