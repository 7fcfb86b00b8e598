"""Which folders: each once, of one spec, and in nobody else's use."""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bench.errors import BenchError, unknown
from bench.spec import Spec, parse_spec

OURS = {"cells", "artifacts", "tables", "running", "jobs"}  # what a folder without spec.toml has
N_LETTERS = 120


def distinct(sources: Sequence[Path], out: Path) -> list[Path]:
    """The sources, each once, without `out` (which a pattern such as results/* may name, too)."""
    found = {source.resolve(): source for source in reversed(sources)}
    found.pop(out.resolve(), None)
    for source in found.values():
        for name in ("cells", "spec.toml"):
            if not (source / name).exists():
                message = f"{source} is no output folder of `bench run`: it has no {name}"
                raise BenchError(message)
    if not found:
        message = f"nothing to collect: no folder is named besides --out {out}"
        raise BenchError(message)
    return list(reversed(found.values()))


def same_folder(folder: Path, folders: list[Path]) -> Path:
    for other in folders:
        if folder.resolve() == other.resolve():
            return other
    raise unknown(str(folder), "folder", map(str, folders), "--keep")


def make(out: Path) -> None:
    try:
        out.mkdir(parents=True)
    except OSError as error:
        message = f"cannot make {out}: {error.strerror}. Choose another --out."
        raise BenchError(message) from error


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """`out` is ours alone while we write."""
    if not (out / "spec.toml").is_file():
        _refuse_strange(out)
    try:
        file = (out / ".lock").open("w")
    except OSError as error:
        message = f"cannot write to {out}: {error.strerror}. Choose another --out."
        raise BenchError(message) from error
    with file:
        if not _lock(file):
            message = f"a run or another collect is using {out}; wait, or choose another --out"
            raise BenchError(message)
        yield


@contextmanager
def reading(source: Path, live: bool) -> Iterator[None]:
    """No run is in a source while it is read. Its lock file is opened for reading alone."""
    path = source / ".lock"
    if live or not path.is_file():  # without one, no run was ever here: it is a copy
        yield
        return
    with path.open() as file:
        if not _lock(file):
            message = (
                f"a run is writing to {source}. Wait for it; or take what it has finished so far "
                "with --live, and the rest when you collect again."
            )
            raise BenchError(message)
        # No run was here a moment ago. One may begin now, or another collect read beside this one;
        # what a run replaces meanwhile is told by its stamp.
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def _lock(file: IO[str]) -> bool:
    """Whether nobody else is in the folder (`bench.store.locking`), as far as can be told."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system that cannot lock, or not through a file opened for reading
        return True
    return True


def _refuse_strange(out: Path) -> None:
    if not out.is_dir():
        message = f"{out} is no folder. Choose another --out."
        raise BenchError(message)
    strange = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
    strange = [name for name in strange if name not in OURS]
    if strange or any((out / "cells").glob("*.json")):
        message = (
            f"{out} is no output folder of `bench run`: it has no spec.toml, but "
            f"{', '.join(strange[:3]) or 'records'}. Choose another --out."
        )
        raise BenchError(message)


def one_spec(folders: list[Path]) -> str:
    """The text of the first spec; all are equal."""
    first, *others = folders
    text = (first / "spec.toml").read_text(encoding="utf-8")
    spec = parse_spec(text, str(first / "spec.toml")).what_is_measured()
    for folder in others:
        path = folder / "spec.toml"
        other = parse_spec(path.read_text(encoding="utf-8"), str(path)).what_is_measured()
        if other != spec:
            message = (
                f"{folder} holds the results of another spec than {first} (different: "
                f"{_changed(spec, other)}). To share the work of one spec, give each machine the "
                "same file and choose with --datasets, --methods, --seeds, --device."
            )
            raise BenchError(message)
    return text


def _changed(spec: Spec, other: Spec) -> str:
    """The fields in which two specs differ, with their values where these are short."""
    found = []
    for name in Spec.model_fields:
        one, two = getattr(spec, name), getattr(other, name)
        if one != two:
            values = f"{name} {one!r} | {two!r}"
            found.append(values if len(values) < N_LETTERS else name)
    return ", ".join(found)
