"""Choice of the device, its free memory, and its threads."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from deepmapper.errors import DeepMapperError

__all__ = ["resolve_device", "synchronise"]

# Steps below both limits run on one thread: in a small operation, threads wait for each other
# longer than they compute. A default fit of 79 x 12,625 beside ten busy processes on two cores took
# 17 to 29 s with one thread and 137 to 289 s with two.
SMALL_STEP_VALUES = 1 << 19  # pixels of a batch: 2 MiB
SMALL_STEP_FLOPS = 1e8  # of a forward pass of a batch


def resolve_device(name: str) -> torch.device:
    """Choose the torch device.

    Parameters
    ----------
    name : str
        "auto" (the fastest), "cpu", "cuda", "cuda:1" or "mps".

    Returns
    -------
    torch.device

    Raises
    ------
    DeepMapperError
        The device is unknown or missing.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        message = f"unknown device {name!r}; use auto, cpu, cuda or mps"
        raise DeepMapperError(message) from error
    is_missing = (device.type == "cuda" and not torch.cuda.is_available()) or (
        device.type == "mps" and not torch.backends.mps.is_available()
    )
    if is_missing:
        message = f"device {name!r} is missing on this machine; use device='auto' or 'cpu'"
        raise DeepMapperError(message)
    return device


def synchronise(device: torch.device) -> None:
    """Wait until the device has finished its work, so that a clock can be read.

    Parameters
    ----------
    device : torch.device
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware (AMX or AVX-512 BF16)."""
    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(check() for name in names if (check := getattr(torch.cpu, name, None)))


def free_bytes(device: torch.device) -> int | None:
    """Return the free memory of the device in bytes, None if it is not known."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    available = next((line for line in lines if line.startswith("MemAvailable:")), None)
    return None if available is None else 1024 * int(available.split()[1])


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Let torch use n threads per operation. Restore the number at the end."""
    n_before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(n_before)


@contextmanager
def few_threads_for(
    network: nn.Module, images: Any, batch_size: int, device: torch.device
) -> Iterator[None]:
    """Let torch use one thread if a training step of the network is small.

    A step is one batch of `batch_size` images, of shape (n, ...), on `device`. The choice depends
    only on sizes, so that the same training always has the same rounding.
    """
    is_small = False
    if device.type == "cpu" and batch_size * math.prod(images.shape[1:]) <= SMALL_STEP_VALUES:
        is_small = batch_size * count_flops(network, images[:1]) <= SMALL_STEP_FLOPS
    with threads(1 if is_small else torch.get_num_threads()):
        yield


def count_flops(network: nn.Module, images: torch.Tensor) -> int:
    """Floating-point operations that multiply by weights, for one image of shape (1, ...).

    torch's own counter imports its compiler, which takes seconds.
    """
    counts: list[int] = []

    def count(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        n_weights = sum(p.numel() for p in module.parameters(recurse=False) if p.ndim > 1)
        if isinstance(module, _ConvNd):
            n_weights *= math.prod(output.shape[2:])  # the same weights at every place
        elif isinstance(module, nn.Linear):
            n_weights *= math.prod(output.shape[1:-1])
        counts.append(2 * n_weights)

    hooks = [module.register_forward_hook(count) for module in network.modules()]
    is_training = network.training
    try:
        with torch.no_grad():
            network.eval()(images)
    finally:
        network.train(is_training)
        for hook in hooks:
            hook.remove()
    return sum(counts)


def sum_over(
    parts: Sequence[Any], terms: Callable[[Any], tuple[torch.Tensor, ...]], device: torch.device
) -> tuple[torch.Tensor, ...]:
    """Add up the tensors of terms(part) over all parts.

    On the CPU each core takes every n-th part, so the same number of cores gives the same sums.
    """
    n_threads = min(len(parts), torch.get_num_threads()) if device.type == "cpu" else 1
    sums: list[Any] = [None] * n_threads

    def add(thread: int) -> None:
        for part in parts[thread::n_threads]:
            values = terms(part)
            if sums[thread] is None:
                sums[thread] = values
            else:
                for total, value in zip(sums[thread], values, strict=True):
                    total += value

    in_threads(add, n_threads)
    return tuple(sum(of_threads[1:], of_threads[0]) for of_threads in zip(*sums, strict=True))


def in_threads(work: Callable[[int], None], n_threads: int) -> None:
    """Call work(0), ..., work(n_threads - 1), each in a thread that uses one core.

    If several threads shared every small operation, they would wait longer than they compute.
    """
    if n_threads == 1:
        work(0)
        return

    def run(thread: int) -> None:
        torch.set_num_threads(1)
        work(thread)

    with threads(torch.get_num_threads()), ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(run, range(n_threads)))
