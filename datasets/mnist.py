"""MNIST: handwritten digits of 28 x 28 pixels.

70,000 images (784 features, grey values 0 to 255), ten classes of about equal size, official split
of 60,000 training and 10,000 test images. LeCun, Bottou, Bengio and Haffner (1998), CC BY-SA 3.0.
Trap: neighbouring features are neighbouring pixels, so a method that reads the table as an image
has information that other tables lack. `generators.shuffled_mnist` removes it.
"""

import gzip
import math
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from datasets.fetch import DataFile, fetch
from datasets.table import Source, Table, require_size, wrong_file

FILES = (
    "mnist/train-images-idx3-ubyte.gz",
    "mnist/train-labels-idx1-ubyte.gz",
    "mnist/t10k-images-idx3-ubyte.gz",
    "mnist/t10k-labels-idx1-ubyte.gz",
)
MD5_UNPACKED = (
    "6bbc9ace898e44ae57da46a324031adb",
    "a25bea736e30d166cdddb491f175f624",
    "2646ac647ad5339dbf082846283269ea",
    "27ae3e4e09519cfbb04c329615203637",
)
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
SOURCE = Source(
    citation="LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document "
    "recognition, Proc. IEEE 86 (1998) 2278-2324",
    address=MIRRORS[0],
    licence="CC BY-SA 3.0",
)
N_TRAIN, N_TEST = 60_000, 10_000
SIDE = 28
UNSIGNED_BYTE = 0x08  # IDX's code for the type of MNIST's values


def load(*, n_train: int = N_TRAIN, n_test: int = N_TEST) -> Table:
    """Load the grey values, 0 to 255.

    Parameters
    ----------
    n_train, n_test : int
        Numbers of images: the first of 60,000 and of 10,000, whose order is random.

    Returns
    -------
    Table
        X (n_train + n_test, 784), float32, 10 classes, official split.
    """
    classes = [str(digit) for digit in range(10)]
    return table_of_images("mnist", data_files(), classes, SOURCE, n_train, n_test)


def data_files(*, n_train: int = N_TRAIN, n_test: int = N_TEST) -> list[DataFile]:
    """Return the four files, the same for any number of images."""
    return files_of_mirrors(FILES, MIRRORS, [f"md5:{md5}" for md5 in MD5_UNPACKED])


def files_of_mirrors(
    paths: Sequence[str], mirrors: Sequence[str], checksums: Sequence[str]
) -> list[DataFile]:
    """Return files that have the same name on all mirrors."""
    names = [PurePosixPath(path).name for path in paths]
    addresses = [tuple(mirror + name for mirror in mirrors) for name in names]
    return [DataFile(*parts) for parts in zip(paths, addresses, checksums, strict=True)]


def table_of_images(
    name: str,
    files: Sequence[DataFile],
    classes: Sequence[str],
    source: Source,
    n_train: int,
    n_test: int,
) -> Table:
    """Read a table of MNIST's format and size: training rows, then test rows.

    Parameters
    ----------
    files : sequence of DataFile
        Training images, training labels, test images, test labels.
    """
    require_size(name, N_TRAIN, n_train=n_train)
    require_size(name, N_TEST, n_test=n_test)
    n = n_train + n_test
    X = np.empty((n, SIDE * SIDE), dtype=np.float32)
    y = np.empty(n, dtype=np.int64)
    train, test = np.arange(n_train), np.arange(n_train, n)
    parts = ((train, files[:2], N_TRAIN), (test, files[2:], N_TEST))
    for rows, (images, labels), n_in_file in parts:
        block = slice(rows[0], rows[-1] + 1)
        X[block] = _read(images, (n_in_file, SIDE, SIDE))[: len(rows)].reshape(len(rows), -1)
        y[block] = _read(labels, (n_in_file,))[: len(rows)]
    return Table(
        name=name,
        X=X,
        y=y,
        classes=classes,
        features=pixel_names(SIDE, SIDE),
        source=source,
        official_split=(train, test),
    )


def pixel_names(height: int, width: int) -> list[str]:
    """Return the names "pixel_<row>_<column>", row by row."""
    return [f"pixel_{row}_{column}" for row in range(height) for column in range(width)]


def parse_idx(content: bytes, where: str) -> np.ndarray:
    """Parse an IDX file of bytes and return its uint8 array.

    The file is 0, 0, the type, the number of dimensions, each size as 4 bytes, then the values.
    Raises a TableError for a wrong format, type of values or number of bytes.

    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), "example")
    array([7, 9], dtype=uint8)
    """
    if len(content) < 4 or content[:3] != bytes([0, 0, UNSIGNED_BYTE]) or content[3] == 0:
        expected = "an IDX file of bytes, which begins with 00 00 08 and the number of dimensions"
        raise wrong_file(where, expected, content[:4].hex(" ") or "an empty file")
    n_header = 4 + 4 * content[3]
    if len(content) < n_header:
        raise wrong_file(where, f"a header of {n_header} bytes", f"{len(content)} bytes")
    shape = tuple(int(size) for size in np.frombuffer(content[4:n_header], dtype=">u4"))
    n_values = math.prod(shape)
    if len(content) != n_header + n_values:
        expected = f"{n_values} values for the shape {shape}"
        raise wrong_file(where, expected, len(content) - n_header)
    return np.frombuffer(content, dtype=np.uint8, offset=n_header).reshape(shape)


def _read(file: DataFile, shape: tuple[int, ...]) -> np.ndarray:
    with gzip.open(fetch(file)) as content:
        values = parse_idx(content.read(), file.path)
    if values.shape != shape:
        raise wrong_file(file.path, f"the shape {shape}", values.shape)
    return values
