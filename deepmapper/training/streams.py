"""Named random streams of one seed: draws from one stream never shift another."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from sklearn.utils import check_random_state

__all__ = ["stream", "stream_seed", "torch_stream"]


def stream_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream `names` of `seed`, the same on every machine.

    Parameters
    ----------
    seed : int
        0 or more.
    *names : str or int
        Name of the stream, in parts.

    Returns
    -------
    int
    """
    path = [zlib.crc32(str(name).encode()) for name in names]
    high, low = np.random.SeedSequence(seed, spawn_key=path).generate_state(2, np.uint32)
    return (int(high) << 31) ^ int(low)


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """A numpy generator for the stream `names` of `seed`.

    Parameters
    ----------
    seed : int
    *names : str or int
        See `stream_seed`.

    Returns
    -------
    numpy.random.Generator

    Examples
    --------
    >>> stream(0, "split").integers(100, size=3).tolist()
    [19, 83, 49]
    >>> stream_seed(0, "split") == stream_seed(0, "initialisation")
    False
    """
    return np.random.default_rng(stream_seed(seed, *names))


def seed_of(random_state: int | np.random.RandomState | None) -> int:
    """The seed for a `random_state` in any of scikit-learn's three forms.

    Examples
    --------
    >>> seed_of(7)
    7
    """
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


@contextmanager
def torch_stream(seed: int, *names: str | int) -> Iterator[None]:
    """Seed torch's global generators by a stream. Restore them at the end.

    Parameters
    ----------
    seed : int
    *names : str or int
        See `stream_seed`.
    """
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(stream_seed(seed, *names))
        yield
