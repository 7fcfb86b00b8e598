"""Commits with a known regression, to test whether the check finds it."""

import inspect
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.catalog import ROOT
from bench.regress.sides import git, resolve_commit
from deepmapper.images.converter import ImageConverter
from deepmapper.images.layouts import Layout
from deepmapper.training.trainer import train

WAITING = """

def _slowed(function, share):
    import functools
    import time

    @functools.wraps(function)
    def slower(*args, **kwargs):
        start = time.perf_counter()
        result = function(*args, **kwargs)
        now = time.perf_counter()
        until = now + share * (now - start)
        while now < until:
            now = time.perf_counter()
        return result

    return slower


{where} = _slowed({where}, {share})
"""
COPIED = """

def _copied(function):
    import functools

    @functools.wraps(function)
    def copying(self, X, *args, **kwargs):
        again = X.clone() if hasattr(X, "clone") else X.copy()
        return function(self, again, *args, **kwargs)

    return copying


{where} = _copied({where})
"""
HARMLESS = """

def _unused(*args, **kwargs):
    return {where}(*args, **kwargs)
"""
BROKEN = """

def _broken(self, X):
    raise RuntimeError("broken on purpose")


Layout.fold = _broken
"""


def _locate(function: Callable[..., Any]) -> tuple[str, str]:
    """The file of a function, relative to the root, and its qualified name."""
    path = Path(inspect.getfile(inspect.unwrap(function))).relative_to(ROOT)
    return str(path), function.__qualname__


FOLD, TRAIN = _locate(Layout.fold), _locate(train)
CONVERT = _locate(ImageConverter.fit_transform)


def commit_slowdown(share: float, base: str = "HEAD") -> str:
    """Make a commit whose fold and training take `share` longer, by busy waiting."""
    functions = (FOLD, TRAIN)
    return commit_additions(
        base, {path: WAITING.format(where=w, share=share) for path, w in functions}
    )


def commit_extra_copy(base: str = "HEAD") -> str:
    """Make a commit whose fold and conversion make an unnecessary copy of the table."""
    return commit_additions(
        base, {path: COPIED.format(where=where) for path, where in (FOLD, CONVERT)}
    )


def commit_harmless_change(base: str = "HEAD") -> str:
    """Make a commit that changes the same files, but not their work."""
    functions = (FOLD, TRAIN, CONVERT)
    return commit_additions(base, {path: HARMLESS.format(where=where) for path, where in functions})


def commit_broken_fold(base: str = "HEAD") -> str:
    """Make a commit whose fold raises."""
    return commit_additions(base, {FOLD[0]: BROKEN})


def commit_broken_install(base: str = "HEAD") -> str:
    """Make a commit whose pyproject.toml is broken."""
    return commit_additions(base, {"pyproject.toml": "\n[project\n"})


def commit_additions(base: str, additions: dict[str, str]) -> str:
    """Make a commit on top of `base` with text added to files."""
    return commit_files(
        base, {path: f"{read_file(base, path)}\n{text}" for path, text in additions.items()}
    )


def commit_files(base: str, files: dict[str, str]) -> str:
    """Make a commit on top of `base` with new content of files. It is on no branch."""
    commit = resolve_commit(base)
    with TemporaryDirectory() as folder:
        index = str(Path(folder) / "index")
        git("read-tree", commit, index=index)
        for path, text in files.items():
            blob = git("hash-object", "-w", "--stdin", given=text)
            git("update-index", "--cacheinfo", f"100644,{blob},{path}", index=index)
        tree = git("write-tree", index=index)
    return git("commit-tree", tree, "-p", commit, "-m", "A regression, on purpose")


def read_file(revision: str, path: str) -> str:
    """Read a file of a revision."""
    return git("show", f"{revision}:{path}")
