"""Commits with a known regression, to see whether the check finds it."""

import inspect
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.catalog import ROOT
from bench.regress.sides import git, resolve
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


def _place(function: Callable[..., Any]) -> tuple[str, str]:
    """The file of a function, below the root, and its name there."""
    path = Path(inspect.getfile(inspect.unwrap(function))).relative_to(ROOT)
    return str(path), function.__qualname__


FOLD, TRAIN = _place(Layout.fold), _place(train)
CONVERT = _place(ImageConverter.fit_transform)


def slowdown(share: float, base: str = "HEAD") -> str:
    """A commit whose fold and whose training take `share` longer: they wait, busily."""
    places = (FOLD, TRAIN)
    return changed(base, {path: WAITING.format(where=w, share=share) for path, w in places})


def extra_copy(base: str = "HEAD") -> str:
    """A commit that copies the table once more than it has to, folding and converting."""
    return changed(base, {path: COPIED.format(where=where) for path, where in (FOLD, CONVERT)})


def harmless(base: str = "HEAD") -> str:
    """A commit with other code and the same work in the files that the other injections change."""
    places = (FOLD, TRAIN, CONVERT)
    return changed(base, {path: HARMLESS.format(where=where) for path, where in places})


def broken(base: str = "HEAD") -> str:
    """A commit whose fold raises."""
    return changed(base, {FOLD[0]: BROKEN})


def not_installable(base: str = "HEAD") -> str:
    """A commit whose pyproject.toml is broken."""
    return changed(base, {"pyproject.toml": "\n[project\n"})


def changed(base: str, additions: dict[str, str]) -> str:
    """A commit on top of `base` with text added to files."""
    return rewritten(
        base, {path: f"{content(base, path)}\n{text}" for path, text in additions.items()}
    )


def rewritten(base: str, files: dict[str, str]) -> str:
    """A commit on top of `base` with other content of files; no branch and no checkout has it."""
    commit = resolve(base)
    with TemporaryDirectory() as folder:
        index = str(Path(folder) / "index")
        git("read-tree", commit, index=index)
        for path, text in files.items():
            blob = git("hash-object", "-w", "--stdin", given=text)
            git("update-index", "--cacheinfo", f"100644,{blob},{path}", index=index)
        tree = git("write-tree", index=index)
    return git("commit-tree", tree, "-p", commit, "-m", "A regression, on purpose")


def content(revision: str, path: str) -> str:
    """A file as a revision has it."""
    return git("show", f"{revision}:{path}")
