"""Which reader a file's name asks for."""

from collections.abc import Callable
from pathlib import Path

from deepmapper.errors import DeepMapperError
from deepmapper.tables._delimited import OPENERS, SEPARATORS, read_delimited
from deepmapper.tables._h5ad import read_h5ad
from deepmapper.tables._npy import read_npy
from deepmapper.tables._parquet import read_parquet
from deepmapper.tables._raw import Planner, RawTable

# (file, planner, further marks of a missing value) -> its table
Reader = Callable[[Path, Planner, tuple[str, ...]], RawTable]

READERS: dict[str, Reader] = {
    **dict.fromkeys(SEPARATORS, read_delimited),
    ".parquet": read_parquet,
    ".pq": read_parquet,
    ".h5ad": read_h5ad,
    ".npy": read_npy,
}


def reader_of(path: Path) -> Reader:
    """The reader for a file.

    Raises:
        DeepMapperError: no such file, an unknown suffix.
    """
    if not path.is_file():
        message = f"there is no file {path}"
        raise DeepMapperError(message)
    suffixes = [suffix.lower() for suffix in path.suffixes] or [""]
    if suffixes[-1] in OPENERS and suffixes[-2:-1] and suffixes[-2] in SEPARATORS:
        return read_delimited
    if suffixes[-1] not in READERS:
        message = (
            f"cannot tell what {path} holds from its name; known are {', '.join(READERS)}, and "
            f"text packed as {', '.join(OPENERS)}"
        )
        raise DeepMapperError(message)
    return READERS[suffixes[-1]]
