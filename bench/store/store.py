"""The records of runs: one JSON file a cell, written whole or not at all.

    DIR/spec.toml  environment.json  cells/<key>.json  artifacts/<key>.npz  tables/<id>.json

A record is complete: its artifacts are written first, then the record is moved into place. A record
that a newer source or new data replace goes to cells/superseded/.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from io import BufferedWriter
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import BenchError
from bench.store.records import SCHEMA
from bench.store.records import Record as TypedRecord

__all__ = ["DISK_FULL", "SCHEMA", "Record", "Store", "disk_full", "write_atomically"]

DISK_FULL = 74  # EX_IOERR: exit code of a job that could not write

Record = dict[str, Any]


class Store:
    """The folder of one benchmark."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.cells = self.folder / "cells"
        self.artifacts = self.folder / "artifacts"

    def create(self) -> None:
        """Make the folders; BenchError if that is not possible."""
        try:
            for folder in (self.cells, self.artifacts, self.folder / "tables"):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"cannot write to {self.folder}: {error.strerror}. Choose another --out."
            raise BenchError(message) from error

    def has(self, key: str) -> bool:
        return (self.cells / f"{key}.json").is_file()

    def keys(self) -> set[str]:
        """The keys of all current records."""
        return {path.stem for path in self.cells.glob("*.json")}

    def record(self, key: str) -> Record:
        """One record; BenchError if it is missing, unreadable or of another schema."""
        return self._read(self.cells / f"{key}.json")

    def records(self) -> Iterator[Record]:
        """All current records, in the order of their keys."""
        for path in sorted(self.cells.glob("*.json")):
            yield self._read(path)

    def artifact(self, key: str) -> dict[str, np.ndarray]:
        """The arrays of a run, named in `bench.run.worker`; {} if it stored no arrays."""
        path = self.artifacts / f"{key}.npz"
        if not path.is_file():
            return {}
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def read(self, key: str) -> TypedRecord:
        """One record; raises like `record`, and for unknown fields."""
        try:
            return TypedRecord.from_dict(self.record(key))
        except (TypeError, KeyError) as error:
            message = (
                f"the record {self.cells / key}.json has other fields than this version writes: "
                f"{error}. Move it away and run again: the cell is then repeated."
            )
            raise BenchError(message) from error

    def put(
        self, record: TypedRecord | Record, arrays: dict[str, np.ndarray] | None = None
    ) -> bool:
        """Write the arrays, then the record; each appears whole or not at all.

        The first record of a key stays: returns False if another run has written it meanwhile.
        """
        if isinstance(record, TypedRecord):
            record = record.to_dict()
        key = record["key"]
        if self.has(key):
            return False
        if arrays:
            write_atomically(
                self.artifacts / f"{key}.npz",
                lambda file: np.savez_compressed(file, **arrays),  # type: ignore[arg-type]
            )
        text = json.dumps(record, indent=1, allow_nan=False).encode()
        path = self.cells / f"{key}.json"
        return write_atomically(path, lambda file: file.write(text), replace=False)

    def draft_path(self, key: str) -> Path:
        return self.folder / "running" / f"{key}.draft.npz"

    def put_draft(self, record: TypedRecord, arrays: dict[str, np.ndarray]) -> None:
        """Keep the record and arrays of a cell at work, in case it is killed."""
        text = np.array(record.to_json())
        write_atomically(
            self.draft_path(record.key),
            lambda file: np.savez(file, record=text, **arrays),  # type: ignore[arg-type]
            sync=False,
        )

    def draft(self, key: str) -> tuple[TypedRecord, dict[str, np.ndarray]] | None:
        """The draft of a killed cell, if it kept one."""
        if not self.draft_path(key).is_file():
            return None
        with np.load(self.draft_path(key), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return TypedRecord.from_json(str(arrays.pop("record"))), arrays

    def supersede(self, key: str) -> None:
        """Set a record aside that no longer counts: nothing is deleted."""
        aside = self.cells / "superseded"
        aside.mkdir(exist_ok=True)
        names = (key, *(f"{key}.{n}" for n in range(1, len(list(aside.glob(f"{key}*"))) + 1)))
        name = next(name for name in names if not (aside / f"{name}.json").exists())
        for path in (self.cells / f"{key}.json", self.artifacts / f"{key}.npz"):
            if path.is_file():
                os.replace(path, aside / f"{name}{path.suffix}")

    def clean_up(self) -> None:
        """Remove half-written files, notes and logs of killed runs; call it only if alone."""
        for path in (self.folder / "running").glob("*"):
            if path.is_file():
                path.unlink()
        for place in (self.cells, self.artifacts, self.folder / "tables", self.folder):
            for path in (*place.glob(".*.json.*"), *place.glob(".*.npz.*")):
                path.unlink(missing_ok=True)

    def _read(self, path: Path) -> Record:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            message = (
                f"the record {path} cannot be read ({error}). Move it away and run again: "
                "the cell is then repeated."
            )
            raise BenchError(message) from error
        if record.get("schema") != SCHEMA:
            message = (
                f"the record {path} has schema {record.get('schema')!r}, this version of the "
                f"benchmark writes schema {SCHEMA}. Use another --out, or read it with the "
                "version that wrote it."
            )
            raise BenchError(message)
        return record


def disk_full(folder: Path) -> BenchError:
    """The error for a folder that takes no more records."""
    message = (
        f"a record could not be written to {folder}: the disk is full or a size limit is reached. "
        "Free some space and run the same command again: every finished cell is kept."
    )
    return BenchError(message)


def write_atomically(
    path: Path,
    write: Callable[[BufferedWriter], object],
    *,
    replace: bool = True,
    sync: bool = True,
) -> bool:
    """Let `write` fill a temporary file beside `path`, flush it to the disk, move it into place.

    Args:
        sync: whether the file has to survive a crash of the machine.
        replace: whether to replace an existing file; otherwise it stays, and False is returned.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp's files are for their owner alone
        if not replace:
            return _place_once(temporary, path)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return True


def _place_once(temporary: str, path: Path) -> bool:
    """Give a file its name if it is free: of two at the same moment, one gets False."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links: a race of a moment remains
        if path.exists():
            return False
        os.replace(temporary, path)
        return True
    finally:
        Path(temporary).unlink(missing_ok=True)
    return True


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
