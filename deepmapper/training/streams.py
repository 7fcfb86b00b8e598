"""Named streams of one seed: what draws from one name never shifts what another name gets."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from sklearn.utils import check_random_state


def stream_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream `names` of `seed`; the same on every machine and version."""
    path = [zlib.crc32(str(name).encode()) for name in names]
    high, low = np.random.SeedSequence(seed, spawn_key=path).generate_state(2, np.uint32)
    return (int(high) << 31) ^ int(low)


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """A numpy generator for the stream `names` of `seed`.

    >>> stream(0, "split").integers(100, size=3).tolist()
    [19, 83, 49]
    >>> stream_seed(0, "split") == stream_seed(0, "initialisation")
    False
    """
    return np.random.default_rng(stream_seed(seed, *names))


def seed_of(random_state: int | np.random.RandomState | None) -> int:
    """The seed that scikit-learn's three forms of `random_state` stand for.

    >>> seed_of(7)
    7
    """
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


@contextmanager
def torch_stream(seed: int, *names: str | int) -> Iterator[None]:
    """Inside, torch's global generators are the stream's; outside, they are as they were."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(stream_seed(seed, *names))
        yield
