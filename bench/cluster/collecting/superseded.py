"""What the merged folder has set aside."""

import filecmp
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from bench.cluster.collecting.found import Stamp, stamp_of

File = tuple[str, Stamp]  # its path, and what it was when it was judged
Move = tuple[File, str]


class Superseded:
    """What `out` has set aside, and free names for more.

    A name is <key>.<n>.json: `Store.supersede` writes to <key>.json, over what is there.
    """

    def __init__(self, out: Path) -> None:
        self.folder = out / "cells" / "superseded"
        self._contents: dict[str, list[str]] = defaultdict(list)
        for (path, _), _ in records_aside(out):
            self._contents[_key_of(path)].append(path)
        paths = [path for some in self._contents.values() for path in some]
        self._taken = {path.removesuffix(".json") for path in paths}

    def __len__(self) -> int:
        return len(self._taken)

    def holds(self, path: str) -> bool:
        """Whether this very record is here already."""
        there = self._contents[_key_of(path)]
        return any(filecmp.cmp(path, other, shallow=False) for other in there)

    def moves(self, record: File, arrays: File | None) -> tuple[list[Move], list[Move]]:
        """The moves of arrays and record; none where the same record is here."""
        path = record[0]
        if self.holds(path):
            return [], []
        key, number = _key_of(path), 1
        while (name := f"{self.folder}/{key}.{number}") in self._taken:
            number += 1
        self._taken.add(name)
        self._contents[key].append(path)
        return [(arrays, f"{name}.npz")] if arrays else [], [(record, f"{name}.json")]


def records_aside(folder: Path) -> Iterator[tuple[File, File | None]]:
    """The records that a folder has set aside, with their arrays."""
    for path in sorted((folder / "cells" / "superseded").glob("[!.]*.json")):
        arrays = path.with_suffix(".npz")
        yield file_at(path), file_at(arrays) if arrays.is_file() else None


def file_at(path: Path) -> File:
    return str(path), stamp_of(path.stat())


def _key_of(path: str) -> str:
    return os.path.basename(path).split(".")[0]
