"""A table in a folder of shards, for one that no memory holds: some rows in each file.

    shard-00000.npy, ...    float32 (n_rows_i, n_features)
    features.txt            a name a line, where the features have names
    labels.npy              (n_samples,), where there are labels
    table.json              what the others are: files, rows, SHA-256; written last

A folder without `table.json` is a table that was not finished, or none.
"""

import hashlib
import json
import mmap
import operator
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from deepmapper.errors import DeepMapperError

FORMAT = 1
TABLE, FEATURES, LABELS = "table.json", "features.txt", "labels.npy"
SHARD_BYTES = 256 << 20  # few files, and each is written from memory at once
MOST_MAPPED = 128  # shards at a time: each takes one of the process's open files
READ_BYTES = 1 << 20  # of a file at a time, for its checksum

Rows = Any  # an integer, a slice, indices (m,), or a mask (n_samples,)


def write_shards(
    blocks: Iterable[np.ndarray],
    folder: str | Path,
    *,
    labels: np.ndarray | None = None,
    label: str = "label",
    features: Iterable[str] | None = None,
    shard_rows: int | None = None,
) -> "ShardedTable":
    """Write a table, a block of rows at a time, and open it.

    Args:
        blocks: (n_rows, n_features) each, any numbers of rows, of finite values.
        folder: made where it is missing; must not hold a table.
        labels: (n_samples,), numbers or texts.
        label: what the labels are called.
        features: the names of the features, all different; None calls them x0, x1, ...
        shard_rows: rows a shard; None makes shards of about 256 MiB.

    Raises:
        DeepMapperError: no rows, blocks of different widths, values that are not finite, labels or
            names of another number or kind, a folder that holds a table or cannot be written.
    """
    folder = Path(folder)
    if (folder / TABLE).exists():
        message = f"{folder} holds a table already; choose another folder, or remove it first"
        raise DeepMapperError(message)
    if shard_rows is not None and shard_rows < 1:
        message = f"shard_rows is 1 or more, got {shard_rows}"
        raise DeepMapperError(message)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shards = [
            _written(folder, f"shard-{i:05d}.npy", rows)
            for i, rows in enumerate(_regrouped(blocks, shard_rows))
        ]
        content = _described(folder, shards, labels, label, features)
        partial = folder / f".{TABLE}.partial"
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        partial.replace(folder / TABLE)
    except OSError as error:
        message = f"cannot write to {folder}: {error.strerror}"
        raise DeepMapperError(message) from error
    return ShardedTable(folder)


class ShardedTable:
    """Behaves as an array (n_samples, n_features) of float32 that is indexed by rows.

    `table[rows]` reads these rows into memory, and no others stay there. `take` is a selection that
    reads nothing. Opening looks at the files' headers, `verify` at every byte.

    Args:
        folder: as `write_shards` made it.

    Attributes:
        shape: (n_samples, n_features).
        features: their names.
        label: what the labels are called; None where there are none.

    Raises:
        DeepMapperError: no such table, of another format, or a file of it that is missing or is
            not of the size and type it should be.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     blocks = (np.full((4, 2), i) for i in range(3))
    ...     table = write_shards(blocks, folder, shard_rows=5)
    ...     table.shape, table[[11, 0]].tolist()
    ((12, 2), [[2.0, 2.0], [0.0, 0.0]])
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._content = _read_content(self.folder)
        self.label: str | None = self._content["label"]
        self._files = [self.folder / shard["file"] for shard in self._content["shards"]]
        counts = [int(shard["rows"]) for shard in self._content["shards"]]
        self._ends = np.cumsum(counts)
        n_features = int(self._content["n_features"])
        for path, n_rows in zip(self._files, counts, strict=True):
            _check_header(path, (n_rows, n_features))
        self._mapped: dict[int, np.memmap] = {}
        self._rows: np.ndarray | None = None  # which of the files' rows and columns; None: all
        self._columns: np.ndarray | None = None
        self.shape = (int(self._ends[-1]), n_features)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Rows) -> np.ndarray:
        """float32 (n_rows, n_features); (n_features,) for an integer. Rows as numpy counts them.

        `table[rows, columns]` is `table.take(rows, columns)[:]`.

        Raises:
            IndexError: a row that is not there.
        """
        if isinstance(rows, tuple):
            return self.take(*rows)[:]
        if isinstance(rows, int | np.integer):
            return self[np.array([operator.index(rows)])][0]
        wanted = _indices(rows, len(self))
        return self._read(wanted if self._rows is None else self._rows[wanted])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The whole table in memory, for those who cannot do with less."""
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)

    @cached_property
    def features(self) -> list[str]:
        names = self._file_names()
        return names if self._columns is None else [names[i] for i in self._columns]

    @property
    def is_named(self) -> bool:
        """Whether the features were given names."""
        return bool(self._content["named"])

    @property
    def labels(self) -> np.ndarray | None:
        """(n_samples,), or None.

        Raises:
            DeepMapperError: the file is missing, or holds another number of labels.
        """
        if self.label is None:
            return None
        path, n = self.folder / LABELS, int(self._ends[-1])
        labels = _loaded(path)
        if labels.shape != (n,):
            message = f"{path}: expected {n} labels, got an array {labels.shape}; write it again"
            raise DeepMapperError(message)
        return labels if self._rows is None else labels[self._rows]

    def take(self, rows: Rows = slice(None), columns: Rows = slice(None)) -> "ShardedTable":
        """These rows and columns as a table; nothing is read."""
        chosen = object.__new__(ShardedTable)
        vars(chosen).update(vars(self))
        vars(chosen).pop("features", None)
        chosen._rows = _chosen(self._rows, rows, self.shape[0])
        chosen._columns = _chosen(self._columns, columns, self.shape[1])
        chosen.shape = (
            int(self._ends[-1]) if chosen._rows is None else len(chosen._rows),
            int(self._content["n_features"]) if chosen._columns is None else len(chosen._columns),
        )
        return chosen

    def verify(self) -> None:
        """Read every file and compare checksums.

        Raises:
            DeepMapperError: a file was cut off, altered or damaged after it was written.
        """
        others = self._content["files"]
        for entry in (*self._content["shards"], *others):
            path = self.folder / entry["file"]
            found = _sha256(path)
            if found != entry["sha256"]:
                message = (
                    f"{path} was altered or damaged after it was written: expected SHA-256 "
                    f"{entry['sha256'][:12]}..., got {found[:12]}...; copy or write the table again"
                )
                raise DeepMapperError(message)

    def _read(self, rows: np.ndarray) -> np.ndarray:
        """These rows of the files, (m,), in their order."""
        out = np.empty((len(rows), self.shape[1]), dtype=np.float32)
        shard_of = np.searchsorted(self._ends, rows, side="right")
        for shard in np.unique(shard_of):
            places = np.flatnonzero(shard_of == shard)
            start = int(self._ends[shard - 1]) if shard else 0
            mapped = self._map(int(shard))
            block = mapped[_as_slice(rows[places] - start)]
            out[_as_slice(places)] = block if self._columns is None else block[:, self._columns]
            _give_back(mapped)
        return out

    def _map(self, shard: int) -> np.memmap:
        mapped = self._mapped.get(shard)
        if mapped is None:
            if len(self._mapped) >= MOST_MAPPED:
                self._mapped.clear()  # those in use elsewhere stay until they are not
            mapped = self._mapped[shard] = np.load(self._files[shard], mmap_mode="r")
        return mapped

    def _file_names(self) -> list[str]:
        n = int(self._content["n_features"])
        if not self._content["named"]:
            return [f"x{i}" for i in range(n)]
        path = self.folder / FEATURES
        try:
            names = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            message = f"cannot read the names of the features from {path}: {error}"
            raise DeepMapperError(message) from error
        if len(names) != n:
            message = f"{path}: expected {n} names of features, got {len(names)}; write it again"
            raise DeepMapperError(message)
        return names


def label_of(folder: str | Path) -> str | None:
    """What the labels of the table in a folder are called; None where it has none."""
    return _read_content(Path(folder))["label"]


def _regrouped(blocks: Iterable[np.ndarray], n_rows: int | None) -> Iterator[np.ndarray]:
    """The same rows, as float32, in shards of n_rows; the last may be shorter.

    All in one piece of memory, to be written before the next is asked for.
    """
    shard: np.ndarray | None = None
    filled, width, seen = 0, None, 0
    for given in blocks:
        block = np.asarray(given, dtype=np.float32)
        if block.ndim != 2 or (width is not None and block.shape[1] != width):
            expected = "(n_rows, n_features)" if width is None else f"(n_rows, {width})"
            message = f"block after row {seen}: expected shape {expected}, got {block.shape}"
            raise DeepMapperError(message)
        if not np.isfinite(block).all():
            row, column = np.argwhere(~np.isfinite(block))[0]
            message = (
                f"row {seen + row}, feature {column} (counted from 0) is {block[row, column]}: a "
                f"table in shards holds finite float32 numbers; fill or drop the others first"
            )
            raise DeepMapperError(message)
        width, seen = block.shape[1], seen + len(block)
        if shard is None:
            size = n_rows or max(1, SHARD_BYTES // (4 * max(1, width)))
            shard = np.empty((size, width), dtype=np.float32)
        while len(block):
            part, block = block[: len(shard) - filled], block[len(shard) - filled :]
            shard[filled : filled + len(part)] = part
            filled += len(part)
            if filled == len(shard):
                yield shard
                filled = 0
    if not seen or not width:
        message = f"a table needs rows and features, got {seen} rows of {width or 0} features"
        raise DeepMapperError(message)
    if shard is not None and filled:
        yield shard[:filled]


def _written(folder: Path, name: str, rows: np.ndarray) -> dict[str, Any]:
    np.save(folder / name, rows)
    return {"file": name, "rows": len(rows), "width": rows.shape[1], **_checksum(folder / name)}


def _described(
    folder: Path,
    shards: list[dict[str, Any]],
    labels: np.ndarray | None,
    label: str,
    features: Iterable[str] | None,
) -> dict[str, Any]:
    """The content of `table.json`; writes the labels and the names."""
    n, p = sum(shard["rows"] for shard in shards), shards[0].pop("width")
    for shard in shards[1:]:
        del shard["width"]
    files = []
    if labels is not None:
        labels = np.asarray(labels)
        if labels.dtype == object:
            labels = labels.astype(str)  # no pickles: loading them would run code
        if labels.shape != (n,):
            message = f"expected {n} labels, one a row, got an array {labels.shape}"
            raise DeepMapperError(message)
        np.save(folder / LABELS, labels)
        files.append({"file": LABELS, **_checksum(folder / LABELS)})
    if features is not None:
        names = [str(name) for name in features]
        if len(names) != p or len(set(names)) != p or any("\n" in name for name in names):
            message = (
                f"expected {p} different names of features, one a line, got {len(names)}, of which "
                f"{len(set(names))} differ"
            )
            raise DeepMapperError(message)
        (folder / FEATURES).write_text("\n".join(names) + "\n", encoding="utf-8")
        files.append({"file": FEATURES, **_checksum(folder / FEATURES)})
    return {
        "format": FORMAT,
        "dtype": "float32",
        "n_samples": n,
        "n_features": p,
        "label": None if labels is None else label,
        "named": features is not None,
        "shards": shards,
        "files": files,
    }


def _read_content(folder: Path) -> dict[str, Any]:
    path = folder / TABLE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        message = (
            f"{folder} holds no table in shards: it has no {TABLE}, which is written last; write "
            f"one with deepmapper.shards.write_shards"
        )
        raise DeepMapperError(message) from error
    except (OSError, ValueError) as error:
        message = f"cannot read {path}: {error}"
        raise DeepMapperError(message) from error
    try:
        if content["format"] != FORMAT or content["dtype"] != "float32":
            found = f"{content['format']!r} of {content['dtype']!r}"
            message = f"{path}: expected format {FORMAT} of 'float32', got {found}"
            raise DeepMapperError(message)
        n_rows = sum(int(shard["rows"]) for shard in content["shards"])
        absent = {"n_samples", "n_features", "label", "named", "files"} - set(content)
        names = [entry["file"] for entry in (*content["shards"], *content["files"])]
    except (KeyError, TypeError) as error:
        message = f"{path} is not what write_shards writes: {error!r}"
        raise DeepMapperError(message) from error
    outside = [name for name in names if Path(name).name != name]
    if absent or outside or not n_rows or n_rows != content["n_samples"]:
        message = (
            f"{path} is not what write_shards writes: its shards have {n_rows} rows, the table "
            f"{content.get('n_samples')}; missing: {sorted(absent)}; outside the folder: {outside}"
        )
        raise DeepMapperError(message)
    return content


def _check_header(path: Path, shape: tuple[int, int]) -> None:
    """DeepMapperError where a shard is missing or is not float32 of that shape, whole."""
    shard = _loaded(path, mmap_mode="r")
    if shard.dtype != np.float32 or shard.shape != shape or not shard.flags.c_contiguous:
        message = (
            f"{path}: expected float32 {shape}, got {shard.dtype} {shard.shape}; it does not "
            f"belong to this table, copy or write the table again"
        )
        raise DeepMapperError(message)


def _loaded(path: Path, **options: Any) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False, **options)
    except FileNotFoundError as error:
        message = (
            f"{path} is missing: {TABLE} beside it lists the file; copy or write the table again"
        )
        raise DeepMapperError(message) from error
    except (OSError, ValueError, EOFError) as error:
        message = f"cannot read {path}: {error}; copy or write the table again"
        raise DeepMapperError(message) from error


def _checksum(path: Path) -> dict[str, str]:
    return {"sha256": _sha256(path)}


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while part := file.read(READ_BYTES):
                digest.update(part)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}; copy or write the table again"
        raise DeepMapperError(message) from error
    return digest.hexdigest()


def _indices(rows: Rows, n: int) -> np.ndarray:
    """Which of n rows these are, (m,), none negative."""
    if isinstance(rows, slice):
        return np.arange(n)[rows]
    indices = np.asarray(rows)
    if indices.dtype == bool and indices.shape == (n,):
        return np.flatnonzero(indices)
    if indices.ndim != 1 or (len(indices) and indices.dtype.kind not in "iu"):
        message = (
            f"rows of a table in shards are an integer, a slice, integers (m,) or a mask ({n},), "
            f"got {indices.dtype} {indices.shape}"
        )
        raise IndexError(message)
    indices = indices.astype(np.int64)
    if len(indices) and (indices.min() < -n or indices.max() >= n):
        wrong = indices[(indices < -n) | (indices >= n)][0]
        message = f"row {wrong} is not there: the table has {n} rows"
        raise IndexError(message)
    return np.where(indices < 0, indices + n, indices)


def _chosen(before: np.ndarray | None, now: Rows, n: int) -> np.ndarray | None:
    """A selection of a selection; None for all."""
    if isinstance(now, slice) and now == slice(None):
        return before
    indices = _indices(now, n)
    if before is None and np.array_equal(indices, np.arange(n)):
        return None
    return indices if before is None else before[indices]


def _as_slice(indices: np.ndarray) -> slice | np.ndarray:
    """The same rows as a slice where they follow each other: read at once."""
    first, n = int(indices[0]), len(indices)
    if int(indices[-1]) - first == n - 1 and bool((np.diff(indices) == 1).all()):
        return slice(first, first + n)
    return indices


def _give_back(mapped: np.memmap) -> None:
    """Tell the kernel that the pages read are not needed: else the file would count as memory."""
    pages = getattr(mapped, "_mmap", None)
    if pages is not None and hasattr(pages, "madvise"):
        pages.madvise(mmap.MADV_DONTNEED)
