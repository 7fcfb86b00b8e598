"""The store of records: a JSON file for each cell, written whole or not at all.

    DIR/spec.toml  environment.json  cells/<key>.json  artifacts/<key>.npz  tables/<id>.json

The arrays of a cell are written before its record, so a record that exists is complete. An outdated
record goes to cells/superseded/.
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

__all__ = [
    "DISK_FULL",
    "SCHEMA",
    "Record",
    "Store",
    "disk_full",
    "round_probabilities",
    "write_atomically",
]

PUBLISHED_BITS = 9  # significant bits of a published probability
DISK_FULL = 74  # EX_IOERR: exit code of a job that could not write

Record = dict[str, Any]


class Store:
    """The records and arrays in the output folder of a benchmark.

    Parameters
    ----------
    folder : path of the output folder, which `create` makes
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.cells = self.folder / "cells"
        self.artifacts = self.folder / "artifacts"

    def create(self) -> None:
        """Make the folders. Raises BenchError if this is not possible."""
        try:
            for folder in (self.cells, self.artifacts, self.folder / "tables"):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"cannot write to {self.folder}: {error.strerror}. Choose another --out."
            raise BenchError(message) from error

    def has(self, key: str) -> bool:
        """Whether a current record has this key."""
        return (self.cells / f"{key}.json").is_file()

    def keys(self) -> set[str]:
        """Return the keys of all current records."""
        return {path.stem for path in self.cells.glob("*.json")}

    def record(self, key: str) -> Record:
        """Read a record as a dictionary.

        Raises
        ------
        BenchError
            If the record is missing, unreadable or of another schema.
        """
        return self._read(self.cells / f"{key}.json")

    def records(self) -> Iterator[Record]:
        """Read all current records, in the order of their keys. Raises like `record`."""
        for path in sorted(self.cells.glob("*.json")):
            yield self._read(path)

    def artifact(self, key: str) -> dict[str, np.ndarray]:
        """Read the arrays of a cell, which `bench.run.worker` names, or return {}."""
        path = self.artifacts / f"{key}.npz"
        if not path.is_file():
            return {}
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def read(self, key: str) -> TypedRecord:
        """Read a record as an object. Raises like `record`, and for unknown fields."""
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
        """Write the arrays, then the record. Each file is written whole or not at all.

        Parameters
        ----------
        record : the record, as an object or a dictionary
        arrays : arrays by name

        Returns
        -------
        bool
            False if the store already has a record of this key, which stays.
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
        """Path of the draft of a running cell."""
        return self.folder / "running" / f"{key}.draft.npz"

    def put_draft(self, record: TypedRecord, arrays: dict[str, np.ndarray]) -> None:
        """Write the record and arrays of a running cell, in case it is killed."""
        text = np.array(record.to_json())
        write_atomically(
            self.draft_path(record.key),
            lambda file: np.savez(file, record=text, **arrays),  # type: ignore[arg-type]
            sync=False,
        )

    def draft(self, key: str) -> tuple[TypedRecord, dict[str, np.ndarray]] | None:
        """Read the draft of a killed cell, or None."""
        if not self.draft_path(key).is_file():
            return None
        with np.load(self.draft_path(key), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return TypedRecord.from_json(str(arrays.pop("record"))), arrays

    def supersede(self, key: str) -> None:
        """Move a record and its arrays to cells/superseded/."""
        superseded = self.cells / "superseded"
        superseded.mkdir(exist_ok=True)
        names = (key, *(f"{key}.{n}" for n in range(1, len(list(superseded.glob(f"{key}*"))) + 1)))
        name = next(name for name in names if not (superseded / f"{name}.json").exists())
        for path in (self.cells / f"{key}.json", self.artifacts / f"{key}.npz"):
            if path.is_file():
                os.replace(path, superseded / f"{name}{path.suffix}")

    def clean_up(self) -> None:
        """Remove the leftover files of killed runs. The caller holds the exclusive lock."""
        for path in (self.folder / "running").glob("*"):
            if path.is_file():
                path.unlink()
        for folder in (self.cells, self.artifacts, self.folder / "tables", self.folder):
            for path in (*folder.glob(".*.json.*"), *folder.glob(".*.npz.*")):
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
    """Make the error for a folder on a full disk."""
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
    """Write a temporary file beside `path`, then rename it to `path`.

    Parameters
    ----------
    write : called with the open temporary file
    replace : whether to replace an existing file. If False, it stays and False is returned
    sync : whether to flush the file to disk, so that it survives a crash of the machine
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes files that only their owner can read
        if not replace:
            return _rename_once(temporary, path)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return True


def _rename_once(temporary: str, path: Path) -> bool:
    """Rename a file if the name is free. False if it is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links: a short race remains
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


def round_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Round probabilities (n_rows, n_classes) to nine significant bits, as published topics do.

    This changes a value by at most 0.2% and makes the file three times smaller. The predicted class
    of a row stays: if it would tie with an earlier class, it gets the next larger number (0.6%).
    """
    exact, steps = np.float64(probabilities), 2**PUBLISHED_BITS
    mantissa, exponent = np.frexp(exact)
    rounded = np.ldexp(np.round(mantissa * steps) / steps, exponent)
    predicted = exact.argmax(axis=1)
    moved = np.flatnonzero(rounded.argmax(axis=1) != predicted)
    rounded[moved, predicted[moved]] *= 1 + 2 / steps
    return rounded.astype(np.float32)
