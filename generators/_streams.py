"""Named, independent random streams of one seed.

They differ from those of `deepmapper.training.streams`: the table of a seed does not change with
the engine, and a method with the same seed does not repeat the draws of the table.
"""

import hashlib

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the random generator of the stream `name` of `seed`.

    It is PCG64, keyed by SHA-256 of the name. Integers and the uniform floats made of them are the
    same bit for bit on every machine.

    Parameters
    ----------
    seed, name : int, str
        Zero or more, and any text, such as "nihs/rows".

    >>> stream(0, "rows").integers(100, size=3).tolist()
    [67, 64, 95]
    """
    digest = hashlib.sha256(name.encode()).digest()
    key = tuple(int(word) for word in np.frombuffer(digest[:16], dtype="<u4"))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
