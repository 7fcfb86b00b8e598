"""Merge output folders of one spec into one: `bench collect`.

A record and its arrays are files named after the key of their cell, so merging copies files. Two
different records of a cell are a conflict. Nothing is copied until `keep` resolves all conflicts.
"""

import filecmp
import json
import os
import shutil
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.spec import Spec, load_spec
from bench.store.locks import RunLock
from bench.store.store import Store

KEEPS = ("first", "last")
DECIDE = "Collect again with --keep first or --keep last to decide."
N_SHOWN = 5  # conflicts that an error lists

GridPoint = tuple[str, str, int]  # dataset label, method label, seed


@dataclass(frozen=True)
class StoredRecord:
    """A record in one of the folders. A rerun repeats a record that is not final."""

    folder: Path
    key: str
    grid_point: GridPoint
    status: str
    is_final: bool

    @property
    def path(self) -> Path:
        return self.folder / "cells" / f"{self.key}.json"

    @property
    def arrays(self) -> Path:
        return self.folder / "artifacts" / f"{self.key}.npz"

    def equals(self, other: "StoredRecord") -> bool:
        """Whether both are copies of one record. A copy may lack its arrays."""
        pairs = [(self.path, other.path), (self.arrays, other.arrays)]
        return self.key == other.key and all(
            filecmp.cmp(a, b, shallow=False) for a, b in pairs if a.is_file() and b.is_file()
        )


def collect(sources: Sequence[Path], out: Path, keep: str = "") -> str:
    """Copy the records of `sources` into `out`, a new folder or one of the same spec.

    `keep` is "first" or "last": the folder whose record wins a conflict. The order is `out`, if it
    has records, then the sources. Returns a summary. Raises BenchError, and copies nothing, for
    different specs, a broken record, a folder in use, and a conflict without `keep`.
    """
    folders = _folders(sources, out)
    with ExitStack() as locks:
        for folder in folders:
            if os.access(folder / ".lock", os.W_OK):  # else it is read-only or unused
                locks.enter_context(RunLock(folder, exclusive=True))
        _check_specs(folders)
        cells: dict[GridPoint, list[StoredRecord]] = defaultdict(list)
        for folder in folders:
            for record in _records(folder):
                cells[record.grid_point].append(record)
        if not keep:
            _refuse_conflicts(list(cells.values()), folders)
        files = _shared_files(folders, keep)
        out.mkdir(parents=True, exist_ok=True)
        _copy(folders[0] / "spec.toml", out / "spec.toml")  # first: it marks an output folder
        store = Store(out)
        store.create()
        n_new = sum(_copy_winner(records, keep, store) for records in cells.values())
        for name, path in files.items():
            _copy(path, out / name)
    return f"{out}: {len(cells)} records, {n_new} of them new"


def _folders(sources: Sequence[Path], out: Path) -> list[Path]:
    """List each folder once, `out` first if it is not empty."""
    folders = {source.resolve(): source for source in reversed(sources)}
    folders.pop(out.resolve(), None)
    if not folders:
        message = f"nothing to collect: every source is --out {out} itself"
        raise BenchError(message)
    if any(not path.name.startswith(".") for path in out.glob("*")):
        folders[out.resolve()] = out
    for folder in folders.values():
        if not (folder / "spec.toml").is_file():
            message = f"{folder} is not an output folder of `bench run`: it has no spec.toml"
            raise BenchError(message)
    return list(reversed(folders.values()))


def _check_specs(folders: list[Path]) -> None:
    specs = [load_spec(f"{folder}/spec.toml")[0].without_run_options() for folder in folders]
    for folder, spec in zip(folders, specs, strict=True):
        fields = [
            name for name in Spec.model_fields if getattr(spec, name) != getattr(specs[0], name)
        ]
        if fields:
            message = (
                f"{folder} has another spec than {folders[0]} (different: {', '.join(fields)}). "
                "Use the same spec on each machine, and select with --datasets, --methods, --seeds."
            )
            raise BenchError(message)


def _records(folder: Path) -> Iterator[StoredRecord]:
    for record in Store(folder).records():
        point = (record["dataset"]["label"], record["method"]["label"], record["seed"])
        is_final = not record["transient"] and record["status"] != "unavailable"
        stored = StoredRecord(folder, record["key"], point, record["status"], is_final)
        if not stored.path.is_file():
            message = f"{folder}/cells: the record of {stored.key} is in a file of another name"
            raise BenchError(message)
        if stored.arrays.is_file() and not zipfile.is_zipfile(stored.arrays):
            message = f"{stored.arrays} is not a complete .npz file. Copy it again."
            raise BenchError(message)
        yield stored


def _candidates(records: list[StoredRecord]) -> list[StoredRecord]:
    """The records that may win: the final ones. If no record is final, the first one."""
    return [record for record in records if record.is_final] or records[:1]


def _refuse_conflicts(cells: list[list[StoredRecord]], folders: list[Path]) -> None:
    conflicts = [
        records for records in map(_candidates, cells) if not all(map(records[0].equals, records))
    ]
    if not conflicts:
        return
    lines = [f"{len(conflicts)} cells have different records, so nothing was copied:"]
    for records in conflicts[:N_SHOWN]:
        dataset, method, seed = records[0].grid_point
        where = "; ".join(f"{r.folder}: {r.status}, key {r.key[:8]}" for r in records)
        lines.append(f"    {dataset} / {method} / seed {seed}: {where}")
    if len(conflicts) > N_SHOWN:
        lines.append(f"    and {len(conflicts) - N_SHOWN} more")
    lines.append(f"{DECIDE} The folders in order: {', '.join(map(str, folders))}")
    raise BenchError("\n".join(lines))


def _shared_files(folders: list[Path], keep: str) -> dict[str, Path]:
    """The environment and the descriptions of tables, by relative path."""
    files: dict[str, Path] = {}
    for folder in folders:
        for path in [*folder.glob("environment.json"), *sorted(folder.glob("tables/*.json"))]:
            name = str(path.relative_to(folder))
            first = files.setdefault(name, path)
            texts = [file.read_text(encoding="utf-8") for file in (first, path)]
            checksum, other = [json.loads(text).get("checksum") for text in texts]
            if keep == "last":
                files[name] = path
            elif not keep and checksum != other:
                message = f"{first} and {path} describe different tables: nothing was copied. "
                raise BenchError(message + DECIDE)
    return files


def _copy_winner(records: list[StoredRecord], keep: str, store: Store) -> bool:
    """Copy the winning record of a cell, its arrays first. Return whether it is new."""
    candidates = _candidates(records)
    winner = candidates[-1 if keep == "last" else 0]
    copies = [record for record in candidates if record.equals(winner)]
    winner = max(copies, key=lambda record: record.arrays.is_file())
    for record in records:
        if record.folder == store.folder and not record.equals(winner):
            store.supersede(record.key)
    if winner.arrays.is_file():
        _copy(winner.arrays, store.artifacts / winner.arrays.name)
    if store.has(winner.key):
        return False
    _copy(winner.path, store.cells / winner.path.name)
    return True


def _copy(path: Path, target: Path) -> None:
    """Copy a file, whole or not at all. Do nothing if the target is equal."""
    if target.exists() and filecmp.cmp(path, target, shallow=False):
        return
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(path, part)
    os.replace(part, target)
