"""Captum's random choices from a named stream of a seed."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from deepmapper.training.streams import stream_seed, torch_stream


@contextmanager
def captum_stream(seed: int, *names: str | int) -> Iterator[None]:
    """Inside, the global generators of torch and numpy are the stream's; outside, as they were.

    KernelShap draws from torch's, GradientShap from both. They are global to the process: two
    threads that explain at once by these methods are not repeatable.
    """
    state = np.random.get_state()  # noqa: NPY002 (Captum draws from numpy's global generator)
    np.random.seed(stream_seed(seed, *names, "numpy") % 2**32)  # noqa: NPY002
    try:
        with torch_stream(seed, *names):
            yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
