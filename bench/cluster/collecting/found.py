"""Records of several folders, found and held against each other: alike, or what differs.

Of a record that was read only `Found` stays in memory; its content is read again where it is asked.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import BenchError
from bench.store.store import SCHEMA, Record, Store

Place = tuple[str, str, int]
Stamp = tuple[int, int, int, int]

END, N_END = b"PK\5\6", 22  # a zip file, so a .npz file, ends with a block that begins so


@dataclass(frozen=True, slots=True)
class Found:
    """A record in a folder: what is remembered of it.

    Args:
        place: its place in the tables: dataset label, method label, seed.
        is_result: not `unavailable`, and not cut short by something else (`transient`).
        digest: of the bytes of the record.
        stamp: of the record's file; `arrays`: of its artifact, None without one.
    """

    folder: Path
    key: str
    place: Place
    is_result: bool
    is_ok: bool
    finished: str
    digest: bytes
    stamp: Stamp
    arrays: Stamp | None

    # Texts in this package where others have Path: for ten thousand files that saves a second.
    @property
    def path(self) -> str:
        return f"{self.folder}/cells/{self.key}.json"

    @property
    def arrays_path(self) -> str:
        return f"{self.folder}/artifacts/{self.key}.npz"

    @property
    def files(self) -> tuple[tuple[str, Stamp], tuple[str, Stamp] | None]:
        """Record and artifact."""
        return (self.path, self.stamp), (self.arrays_path, self.arrays) if self.arrays else None


def found_in(folder: Path) -> Iterator[Found]:
    """The records of a folder, in the order of their keys, each read and checked.

    Raises:
        BenchError: a record is broken, of another schema or under another name; a broken artifact.
    """
    cells = folder / "cells"
    for name in sorted(os.listdir(cells)) if cells.is_dir() else []:
        if name.endswith(".json"):
            found = _found(folder, name.removesuffix(".json"))
            if found is not None:
                yield found


def _found(folder: Path, key: str) -> Found | None:
    """None where a run has set the record aside since the folder was listed."""
    path, arrays_path = f"{folder}/cells/{key}.json", f"{folder}/artifacts/{key}.npz"
    # A run moves a record away before its arrays, and writes new arrays before a new record: so
    # arrays looked at before the record are those of the record or older, and their stamp tells
    # when they are taken.
    arrays = _whole_arrays(arrays_path)
    read = _read(path)
    if read is None:
        return None
    raw, stamp = read
    arrays = arrays or _whole_arrays(arrays_path)
    try:
        record = json.loads(raw)
        _check(record, key, path)
        dataset, method = (str(record[part]["label"]) for part in ("dataset", "method"))
        place = (dataset, method, int(record["seed"]))
        status = record["status"]
    except BenchError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        message = (
            f"the record {path} cannot be read ({type(error).__name__}: {error}). Copy that folder "
            "again, or move the record away: `bench run` repeats the cell there."
        )
        raise BenchError(message) from error
    return Found(
        folder,
        key,
        place,
        is_result=not record.get("transient") and status != "unavailable",
        is_ok=status == "ok",
        finished=record.get("finished") or "",
        digest=hashlib.blake2b(raw, digest_size=16).digest(),
        stamp=stamp,
        arrays=arrays,
    )


def _read(path: str, last: int | None = None) -> tuple[bytes, Stamp] | None:
    """The bytes of a file (the last so many) and its stamp; None where there is no file."""
    handle = None
    try:
        handle = os.open(path, os.O_RDONLY)
        facts = os.fstat(handle)
        start = 0 if last is None else max(0, facts.st_size - last)
        return os.pread(handle, facts.st_size - start, start), stamp_of(facts)
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise BenchError(message) from error
    finally:
        if handle is not None:
            os.close(handle)


def _whole_arrays(path: str) -> Stamp | None:
    """The stamp of an artifact; BenchError where it was cut short: a .npz file has its end."""
    read = _read(path, N_END)
    if read is None:
        return None
    end, stamp = read
    if not end.startswith(END):
        message = f"{path} is no whole .npz file. Copy it again, or move its record away."
        raise BenchError(message)
    return stamp


def _check(record: Any, key: str, path: str) -> None:
    if record["schema"] != SCHEMA:
        message = (
            f"the record {path} has schema {record['schema']!r}, this version of the benchmark "
            f"reads schema {SCHEMA}. Collect it with the version that wrote it."
        )
        raise BenchError(message)
    if record["key"] != key:
        message = (
            f"the record {path} is that of the key {record['key']!r}: a file that was renamed. "
            "Copy that folder again, or move the record away."
        )
        raise BenchError(message)


def stamp_of(facts: os.stat_result) -> Stamp:
    """What tells a file from one that takes its place later."""
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


def alike(one: Found, other: Found) -> bool:
    """The same key, records equal as JSON, arrays equal; a copy without arrays is no other run."""
    if one.key != other.key:
        return False
    if one.digest != other.digest and record_of(one) != record_of(other):
        return False
    return one.arrays is None or other.arrays is None or not other_arrays(one, other)


def other_arrays(one: Found, other: Found) -> list[str]:
    """The names of the arrays that differ."""
    if one.arrays == other.arrays or _same_bytes(one.arrays_path, other.arrays_path):
        return []
    a, b = Store(one.folder).artifact(one.key), Store(other.folder).artifact(other.key)
    return [n for n in sorted({**a, **b}) if not (n in a and n in b and _equal(a[n], b[n]))]


def _same_bytes(one: str, other: str) -> bool:
    a, b = _read(one), _read(other)
    return a is not None and b is not None and a[0] == b[0]


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def record_of(found: Found) -> Record:
    return Store(found.folder).record(found.key)


def age_of(found: Found) -> tuple[str, bytes]:
    """For the order in time; the digest decides between records of one second."""
    return found.finished, found.digest
