"""How files come to their new folder: linked or copied, whole or not at all, arrays first."""

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.cluster.collecting.found import Stamp, stamp_of
from bench.cluster.collecting.judging import Step
from bench.cluster.collecting.superseded import File, Move, Superseded, file_at, records_aside
from bench.errors import BenchError
from bench.store.store import Store, write_atomically

HIDDEN = ".{}.collect"  # files on their way; `bench run` sweeps such names, too


def write_frame(folders: Sequence[Path], out: Path, text: str, tables: list[Path]) -> None:
    """All but the records. spec.toml first: by it, `out` is known when it is met half-way."""
    sweep(out)
    if not (out / "spec.toml").is_file():
        write_atomically(out / "spec.toml", lambda file: file.write(text.encode()))
    Store(out).create()
    environments = [folder / "environment.json" for folder in folders]
    files = [(path, out) for path in environments if path.is_file()][:1]
    files += [(path, out / "tables") for path in tables]
    _bring((file_at(path), f"{to}/{path.name}") for path, to in files if path.parent != to)


def write(steps: list[Step], out: Path, superseded: Superseded) -> None:
    """The outcome of some places. Killed anywhere, `out` holds whole records only.

    First what is set aside, so that nothing is lost; then what no longer counts leaves, each
    record before its arrays; then arrays, flushed to the disk, before the records that need them.
    What a kill leaves undone is done by the same command.
    """
    _set_aside((found.files for step in steps for found in step.aside), superseded)
    for step in steps:
        for found in step.leaving:
            os.unlink(found.path)
            Path(found.arrays_path).unlink(missing_ok=True)
    files = [(step.winner.key, step.own, *step.winner.files) for step in steps]
    for key, _, _, arrays in files:
        if not arrays:  # those that a kill left there are of another record
            (out / "artifacts" / f"{key}.npz").unlink(missing_ok=True)
    _bring(
        (arrays, f"{out}/artifacts/{key}.npz")
        for key, own, _, arrays in files
        if arrays and not (own and own.arrays)
    )
    _bring((record, f"{out}/cells/{key}.json") for key, own, record, _ in files if not own)


def bring_superseded(sources: list[Path], superseded: Superseded) -> None:
    """What the sources have set aside is set aside in `out`, too."""
    for source in sources:
        _set_aside(records_aside(source), superseded)


def _set_aside(files: Iterable[tuple[File, File | None]], superseded: Superseded) -> None:
    """Keep records and their arrays in cells/superseded of `out`."""
    found = [superseded.moves(record, arrays) for record, arrays in files]
    if any(records for _, records in found):
        superseded.folder.mkdir(exist_ok=True)
    _bring(move for arrays, _ in found for move in arrays)
    _bring(move for _, records in found for move in records)


def _bring(moves: Iterable[Move]) -> None:
    """Link or copy files under hidden names, flush, then rename all.

    One flush a batch: a flush a file, as `Store.put` does it, would take minutes for thousands.
    A link's content is on the disk already; its new name is flushed with its folder, at the end.
    """
    copied, targets = False, []
    for (path, stamp), target in moves:
        folder, _, name = target.rpartition("/")
        hidden = f"{folder}/{HIDDEN.format(name)}"
        if not _linked(path, hidden, stamp):
            _copy(path, hidden, stamp)
            copied = True
        targets.append((hidden, target))
    if copied:
        os.sync()
    for hidden, target in targets:
        os.replace(hidden, target)
    for folder in {target.rpartition("/")[0] for _, target in targets}:
        handle = os.open(folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def _linked(path: str, hidden: str, stamp: Stamp) -> bool:
    """Whether a hard link to the file that was judged could be made.

    Links are safe: runs and this module replace files by renaming and never write into them, so
    what happens later in one folder does not show in the other.
    """
    try:
        os.link(path, hidden)
    except OSError:  # another file system, one without links, a file of another user, no file
        return False
    if stamp_of(os.lstat(hidden)) == stamp:
        return True
    os.unlink(hidden)  # another file by now, or a symbolic link, which would lead nowhere here
    return False


def _copy(path: str, hidden: str, stamp: Stamp) -> None:
    shutil.copyfile(path, hidden)
    if stamp_of(os.stat(path)) != stamp:
        raise replaced(path)


def replaced(path: str) -> BenchError:
    message = (
        f"{path} was replaced while it was collected. What is written so far is whole: run the "
        "same command again."
    )
    return BenchError(message)


def sweep(out: Path) -> None:
    """Remove files that did not arrive. (Renaming a link to where its own file is leaves it.)"""
    for folder in (out, *(out / name for name in ("cells", "artifacts", "tables"))):
        for path in folder.glob(HIDDEN.format("*")):
            path.unlink()
    for path in (out / "cells" / "superseded").glob(HIDDEN.format("*")):
        path.unlink()
