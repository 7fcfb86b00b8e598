"""Install base and head side by side, each from a worktree, in one environment."""

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

# The author of temporary commits: a workflow's checkout has none.
IDENTITY = ("-c", "user.name=regress", "-c", "user.email=regress@localhost")
INSTALL_SECONDS = 300.0
NOT_MEASURED = ":(exclude)reports/published"  # thousands of files
OURS = ("deepmapper", "bench", "reports", "datasets", "generators", "baselines")


@dataclass(frozen=True)
class Side:
    """An installed revision.

    `name` is "base" or "head": paths of equal length. `commit` is the full hash. `path` lists the
    folders to prepend to sys.path: the installed package, then the checkout.
    """

    name: str
    commit: str
    path: tuple[str, ...]


@contextmanager
def install_sides(base: str, head: str | None) -> Iterator[tuple[Side, Side]]:
    """Check out and install both revisions. Leaving removes the worktrees.

    `head` None is this checkout, with changes to tracked files. Raises BenchError for an unknown
    revision, and for one that cannot be installed in this environment.
    """
    commits = resolve_commit(base), resolve_commit(head) if head else commit_working_tree()
    with TemporaryDirectory(prefix="regress-") as folder:
        names = ("base", "head")
        try:
            with ThreadPoolExecutor(2) as pool:
                installed = pool.map(lambda n, c: _install_side(Path(folder), n, c), names, commits)
                yield tuple(installed)  # type: ignore[misc]
        finally:
            with _git_lock():
                for name in names:
                    tree = str(Path(folder) / name / "tree")
                    git("worktree", "remove", "--force", tree, fails=True)
                git("worktree", "prune", fails=True)


def resolve_commit(revision: str) -> str:
    """Return the commit of a revision."""
    commit = git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", fails=True)
    if not commit:
        message = (
            f"git knows no revision {revision!r} in this checkout. In a workflow, fetch it first "
            "(actions/checkout with fetch-depth: 0)"
        )
        raise BenchError(message)
    return commit


def commit_working_tree() -> str:
    """Commit changes to tracked files, on no branch. HEAD if nothing changed."""
    with _git_lock():
        return git("stash", "create") or git("rev-parse", "HEAD")


def _install_side(folder: Path, name: str, commit: str) -> Side:
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
    # Without bytecode, each fresh process would compile its imports.
    subprocess.run([sys.executable, "-m", "compileall", "-q", *packages], check=False)
    return Side(name, commit, (str(site), str(tree)))


def _install(tree: Path, site: Path, what: str) -> None:
    """Build and unpack the wheel of this project, with the tools of this environment."""
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps"]
    command += ["--no-build-isolation", "--compile-bytecode", "--python", sys.executable]
    try:
        done = subprocess.run(
            [*command, "--target", str(site), str(tree)],
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
    """Refuse a revision that needs other versions than this environment has."""
    from packaging.requirements import Requirement

    for package in importlib.metadata.distributions(path=[str(site)]):
        for text in package.requires or []:
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            version = _find_version(requirement.name)
            if version is None or not requirement.specifier.contains(version, prereleases=True):
                message = (
                    f"{what} cannot be installed: it needs {requirement}, and this environment has "
                    f"{version or 'none'}. Both sides run in one environment: compare "
                    "revisions that can share it"
                )
                raise BenchError(message)


def _find_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_lock() -> FileLock:
    """The lock of this repository. Git fails if two checks change it at once."""
    return FileLock(ROOT / git("rev-parse", "--git-common-dir") / "regress.lock")


def git(*words: str, fails: bool = False, given: str = "", index: str = "") -> str:
    """Run git and return its output, or "" if it fails and `fails` allows it.

    `given` is its standard input. `index` is a file to use instead of the index of the checkout.
    """
    if shutil.which("git") is None:
        message = "git is not installed. It is needed to check out base and head"
        raise BenchError(message)
    done = subprocess.run(
        ["git", *IDENTITY, *words],
        cwd=ROOT,
        # Variables of a hook or a linked worktree would select another repository.
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
