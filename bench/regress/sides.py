"""Base and head side by side: a worktree each, installed without a new resolution of versions."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from bench.errors import BenchError
from bench.machine.processes import ROOT

# Of temporary commits; a workflow's checkout has no name of its own.
IDENTITY = ("-c", "user.name=regress", "-c", "user.email=regress@localhost")
INSTALL_SECONDS = 300.0
NOT_MEASURED = ":(exclude)reports/published"  # thousands of files
OURS = ("deepmapper", "bench", "reports", "datasets", "generators", "baselines")


@dataclass(frozen=True)
class Side:
    """A revision, ready to run.

    Args:
        name: "base" or "head", of equal length, so that their paths are, too.
        commit: the full hash.
        path: folders to put first on the path: what was installed, then the checkout.
    """

    name: str
    commit: str
    path: tuple[str, ...]


@contextmanager
def sides(base: str, head: str | None) -> Iterator[tuple[Side, Side]]:
    """Check out and install both; the worktrees are removed when the context ends.

    Args:
        base, head: anything git can name. None is the checkout as it stands, changes to tracked
            files included.

    Raises:
        BenchError: an unknown revision, or one that cannot be installed in this environment.
    """
    commits = resolve(base), resolve(head) if head else working_tree()
    with TemporaryDirectory(prefix="regress-") as folder:
        names = ("base", "head")
        try:
            with ThreadPoolExecutor(2) as pool:
                made = pool.map(lambda n, c: _side(Path(folder), n, c), names, commits)
                yield tuple(made)  # type: ignore[misc]
        finally:
            with _git_lock():
                for name in names:
                    tree = str(Path(folder) / name / "tree")
                    git("worktree", "remove", "--force", tree, fails=True)
                git("worktree", "prune", fails=True)


def resolve(revision: str) -> str:
    """The commit that a revision names."""
    commit = git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", fails=True)
    if not commit:
        message = (
            f"git knows no revision {revision!r} in this checkout. In a workflow, fetch it first "
            "(actions/checkout with fetch-depth: 0)"
        )
        raise BenchError(message)
    return commit


def working_tree() -> str:
    """A commit of the checkout as it stands; HEAD if nothing has changed."""
    with _git_lock():
        return git("stash", "create") or git("rev-parse", "HEAD")


def _side(folder: Path, name: str, commit: str) -> Side:
    tree, site = folder / name / "tree", folder / name / "site"
    with _git_lock():
        git("worktree", "add", "--detach", "--force", "--no-checkout", str(tree), commit)
    git("-C", str(tree), "checkout", commit, "--", ".", NOT_MEASURED)
    packages = [str(tree / package) for package in OURS if (tree / package).is_dir()]
    if not (tree / "pyproject.toml").is_file() or not packages:
        message = f"{name} ({commit[:10]}) cannot be installed: it has no pyproject.toml, or none "
        raise BenchError(message + f"of {', '.join(OURS)}")
    _install(tree, site, f"{name} ({commit[:10]})")
    _check_requirements(site, f"{name} ({commit[:10]})")
    # Where Python may not write bytecode, each fresh process would compile what it imports.
    subprocess.run([sys.executable, "-m", "compileall", "-q", *packages], check=False)
    return Side(name, commit, (str(site), str(tree)))


def _install(tree: Path, site: Path, what: str) -> None:
    """Build the wheel of this project and unpack it, with the tools of this environment."""
    words = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps"]
    words += ["--no-build-isolation", "--compile-bytecode", "--python", sys.executable]
    try:
        done = subprocess.run(
            [*words, "--target", str(site), str(tree)],
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        message = f"{what} cannot be installed: its build did not end in {INSTALL_SECONDS:.0f} s"
        raise BenchError(message) from error
    if done.returncode:
        printed = (done.stderr or done.stdout).replace(str(tree), "tree").strip()
        message = f"{what} cannot be installed:\n{printed[-2000:]}"
        raise BenchError(message)


def _check_requirements(site: Path, what: str) -> None:
    """Refuse a revision that needs other packages: both sides run in this environment."""
    from packaging.requirements import Requirement

    for package in importlib.metadata.distributions(path=[str(site)]):
        for text in package.requires or []:
            wanted = Requirement(text)
            if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
                continue
            version = _installed(wanted.name)
            if version is None or not wanted.specifier.contains(version, prereleases=True):
                message = (
                    f"{what} cannot be installed here: it needs {wanted}, and this environment has "
                    f"{version or 'none'}. Both sides run in one environment: compare revisions "
                    "that can share it"
                )
                raise BenchError(message)


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_lock() -> FileLock:
    """Held by one check of this repository at a time: Git fails if two change its files at once."""
    return FileLock(ROOT / git("rev-parse", "--git-common-dir") / "regress.lock")


def git(*words: str, fails: bool = False, given: str = "", index: str = "") -> str:
    """The output of git; "" if it fails and `fails` allows it.

    Args:
        given: its standard input.
        index: a file to use instead of the checkout's index.
    """
    if shutil.which("git") is None:
        message = "git is not installed, and base and head come from it"
        raise BenchError(message)
    done = subprocess.run(
        ["git", *IDENTITY, *words],
        cwd=ROOT,
        # A hook, or a linked worktree, would point git elsewhere.
        env={k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        | ({"GIT_INDEX_FILE": index} if index else {}),
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and not fails:
        message = (
            f"`git {' '.join(words)}` in {ROOT} ended with code {done.returncode}:\n"
            f"{done.stderr.strip() or done.stdout.strip()}"
        )
        raise BenchError(message)
    return done.stdout.strip() if not done.returncode else ""
