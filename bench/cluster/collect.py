"""Merge output folders of one spec into one: `bench collect`.

A record and its arrays are files named after the key of their cell, so merging is copying. Two
different records of one cell are a contradiction: nothing is copied until `keep` decides.
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
from bench.store.locks import Presence
from bench.store.store import Store

KEEPS = ("first", "last")
DECIDE = "Collect again with --keep first or --keep last to decide."
N_SHOWN = 5  # contradictions that an error lists

Place = tuple[str, str, int]  # dataset label, method label, seed


@dataclass(frozen=True)
class Stored:
    """A record in one of the folders; a rerun repeats a record that is not final."""

    folder: Path
    key: str
    place: Place
    status: str
    is_final: bool

    @property
    def path(self) -> Path:
        return self.folder / "cells" / f"{self.key}.json"

    @property
    def arrays(self) -> Path:
        return self.folder / "artifacts" / f"{self.key}.npz"

    def equals(self, other: "Stored") -> bool:
        """Whether both are copies of one record; a copy may lack its arrays."""
        pairs = [(self.path, other.path), (self.arrays, other.arrays)]
        return self.key == other.key and all(
            filecmp.cmp(a, b, shallow=False) for a, b in pairs if a.is_file() and b.is_file()
        )


def collect(sources: Sequence[Path], out: Path, keep: str = "") -> str:
    """Copy the records of `sources` into `out`, a new folder or an output folder of the same spec.

    Args:
        keep: "first" or "last", the folder whose record wins a contradiction. The order is `out`,
            if it has records already, then the sources as given.

    Returns:
        The numbers of records, in words.

    Raises:
        BenchError: different specs, a broken record, a folder that a run is using, or a
            contradiction without `keep`. Nothing is copied in these cases.
    """
    folders = _folders(sources, out)
    with ExitStack() as locks:
        for folder in folders:
            if os.access(folder / ".lock", os.W_OK):  # else no run was ever here, or can be
                locks.enter_context(Presence(folder, alone=True))
        _check_specs(folders)
        cells: dict[Place, list[Stored]] = defaultdict(list)
        for folder in folders:
            for record in _records(folder):
                cells[record.place].append(record)
        if not keep:
            _refuse_contradictions(list(cells.values()), folders)
        files = _shared_files(folders, keep)
        out.mkdir(parents=True, exist_ok=True)
        _copy(folders[0] / "spec.toml", out / "spec.toml")  # first: it marks an output folder
        store = Store(out)
        store.create()
        n_new = sum(_bring(records, keep, store) for records in cells.values())
        for name, path in files.items():
            _copy(path, out / name)
    return f"{out}: {len(cells)} records, {n_new} of them new"


def _folders(sources: Sequence[Path], out: Path) -> list[Path]:
    """Every folder once, `out` first if something is in it."""
    folders = {source.resolve(): source for source in reversed(sources)}
    folders.pop(out.resolve(), None)
    if not folders:
        message = f"nothing to collect: every folder given is --out {out} itself"
        raise BenchError(message)
    if any(not path.name.startswith(".") for path in out.glob("*")):
        folders[out.resolve()] = out
    for folder in folders.values():
        if not (folder / "spec.toml").is_file():
            message = f"{folder} is not an output folder of `bench run`: it has no spec.toml"
            raise BenchError(message)
    return list(reversed(folders.values()))


def _check_specs(folders: list[Path]) -> None:
    specs = [load_spec(f"{folder}/spec.toml")[0].what_is_measured() for folder in folders]
    for folder, spec in zip(folders, specs, strict=True):
        fields = [
            name for name in Spec.model_fields if getattr(spec, name) != getattr(specs[0], name)
        ]
        if fields:
            message = (
                f"{folder} has another spec than {folders[0]} (different: {', '.join(fields)}). "
                "Give each machine the same file and choose with --datasets, --methods, --seeds."
            )
            raise BenchError(message)


def _records(folder: Path) -> Iterator[Stored]:
    for record in Store(folder).records():
        place = (record["dataset"]["label"], record["method"]["label"], record["seed"])
        is_final = not record["transient"] and record["status"] != "unavailable"
        stored = Stored(folder, record["key"], place, record["status"], is_final)
        if not stored.path.is_file():
            message = f"{folder}/cells: the record of {stored.key} is in a file of another name"
            raise BenchError(message)
        if stored.arrays.is_file() and not zipfile.is_zipfile(stored.arrays):
            message = f"{stored.arrays} is not a whole .npz file. Copy it again."
            raise BenchError(message)
        yield stored


def _candidates(records: list[Stored]) -> list[Stored]:
    """The records that may win; a record that a rerun would repeat only wins alone."""
    return [record for record in records if record.is_final] or records[:1]


def _refuse_contradictions(cells: list[list[Stored]], folders: list[Path]) -> None:
    contradictions = [
        records for records in map(_candidates, cells) if not all(map(records[0].equals, records))
    ]
    if not contradictions:
        return
    lines = [f"{len(contradictions)} cells have different records, so nothing was copied:"]
    for records in contradictions[:N_SHOWN]:
        dataset, method, seed = records[0].place
        where = "; ".join(f"{r.folder}: {r.status}, key {r.key[:8]}" for r in records)
        lines.append(f"    {dataset} / {method} / seed {seed}: {where}")
    if len(contradictions) > N_SHOWN:
        lines.append(f"    and {len(contradictions) - N_SHOWN} more")
    lines.append(f"{DECIDE} The folders in order: {', '.join(map(str, folders))}")
    raise BenchError("\n".join(lines))


def _shared_files(folders: list[Path], keep: str) -> dict[str, Path]:
    """The environment and the descriptions of tables, by name below the folder."""
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


def _bring(records: list[Stored], keep: str, store: Store) -> bool:
    """Copy the winning record of a cell, its arrays first; return whether it is new."""
    candidates = _candidates(records)
    chosen = candidates[-1 if keep == "last" else 0]
    copies = [record for record in candidates if record.equals(chosen)]
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
    """Copy a file, whole or not at all; a file of equal content stays as it is."""
    if target.exists() and filecmp.cmp(path, target, shallow=False):
        return
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(path, part)
    os.replace(part, target)
