"""Commits with a known regression, to see whether the check finds it."""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench.regress.sides import git, resolve

REPEATING = """

def _slowed(function, share):
    import functools

    @functools.wraps(function)
    def slower(self, X):
        function(self, X[: round(share * len(X))])
        return function(self, X)

    return slower


{where} = _slowed({where}, {share})
"""
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
FOLD, TRAIN = ("deepmapper/layout.py", "Layout.fold"), ("deepmapper/trainer.py", "train")
CONVERT = ("deepmapper/converter.py", "ImageConverter.fit_transform")


def slowdown(share: float, base: str = "HEAD") -> str:
    """A commit whose fold and whose training take `share` longer.

    The training waits, busily. A fold that waited would find its cache emptied by the other cores
    and take longer by more than the wait (34% for 20% beside a network in training): it does that
    share of its work twice.
    """
    texts = ((*FOLD, REPEATING), (*TRAIN, WAITING))
    return changed(base, {p: text.format(where=w, share=share) for p, w, text in texts})


def size_of_slower_fold(fold: Callable[[None], Any], share: float, blocks: int) -> list[float]:
    """Ratios of the lower quartiles of 100 runs of the slowed and of the plain fold, in turns."""
    from deepmapper.layout import Layout

    plain = Layout.fold
    names: dict[str, Any] = {"Layout": Layout}
    exec(REPEATING.format(where="Layout.fold", share=share), names)
    slowed, ratios = Layout.fold, []
    try:
        for _ in range(blocks):
            spent: dict[bool, list[float]] = {False: [], True: []}
            for i in range(200):
                is_slow = i % 4 in (1, 2)
                Layout.fold = slowed if is_slow else plain  # type: ignore[method-assign]
                start = time.perf_counter()
                result = fold(None)
                spent[is_slow].append(time.perf_counter() - start)
                del result
            ratios.append(float(np.percentile(spent[True], 25) / np.percentile(spent[False], 25)))
    finally:
        Layout.fold = plain  # type: ignore[method-assign]
    return ratios


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
    """A commit whose pyproject.toml is none."""
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
