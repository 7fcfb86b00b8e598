"""Methods, datasets and generators: the files of their folders, and plug-ins.

The file name is the name. Listing reads the files as text and imports none of them, so one
optional dependency that is missing makes one entry unavailable and nothing else.
"""

import ast
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.errors import BenchError, unknown

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"methods": "baselines", "datasets": "datasets", "generators": "generators"}
# The files that decide results beside the method: the split of rows, phases, checks of answers.
HARNESS = ("split", "worker", "afterwards", "answers")
NOT_ENTRIES = {"table", "fetch"}  # the shared files of datasets/
# Packages that never import torch.
TORCH_FREE = frozenset(sys.stdlib_module_names) | {"numpy", "pandas", "scipy", "sklearn"}
OUR_PACKAGES = ("deepmapper", "baselines", "datasets", "generators")


@dataclass(frozen=True)
class Entry:
    """A method, dataset or generator, known from its text alone.

    `requires` maps the import names that the file needs, beyond those of the benchmark itself,
    to what has to be installed; the file states it as a literal `REQUIRES`.
    `files` are the data files it reads, relative to the data folder; a literal `FILES`.
    """

    name: str
    kind: str
    module: str
    path: Path
    summary: str
    requires: dict[str, str]
    files: tuple[str, ...]
    broken: str | None = None

    @property
    def unavailable(self) -> str | None:
        """Why it cannot run here, with the install line; None if it can."""
        if self.broken:
            return self.broken
        missing = [need for need in self.requires if importlib.util.find_spec(need) is None]
        if not missing:
            return None
        packages = " ".join(sorted({f'"{self.requires[need]}"' for need in missing}))
        return f"needs {', '.join(missing)}: pip install {packages}"

    def load(self) -> ModuleType:
        """The imported module; BenchError if an optional dependency is missing."""
        if reason := self.unavailable:
            message = f"{self.kind[:-1]} {self.name!r} {reason}"
            raise BenchError(message)
        try:
            return importlib.import_module(self.module)
        except Exception as error:  # a plug-in may fail in any way
            message = (
                f"{self.kind[:-1]} {self.name!r} ({self.path.name}) cannot be imported: {error}"
            )
            raise BenchError(message) from error

    @property
    def source_hash(self) -> str:
        """SHA-256 over its source and that of every file of ours that it imports."""
        return _hash_of_sources(self.path)

    def relies_on(self, path: str) -> bool:
        """Whether it imports, directly or not, the file of ours at `path` below the root."""
        return ROOT / path in _closure(self.path)

    @property
    def may_use_torch(self) -> bool:
        """False if all its imports, also those through files of ours, never import torch."""
        imported = frozenset().union(*map(_imported, _closure(self.path)))
        packages = {name.split(".")[0] for name in imported}
        return bool(self.requires) or not packages <= TORCH_FREE | set(OUR_PACKAGES)


def entries(kind: str) -> dict[str, Entry]:
    """Every entry of a kind ("methods", "datasets", "generators") by name, plug-ins included."""
    folder = ROOT / FOLDERS[kind]
    paths = sorted(p for p in folder.glob("[!_]*.py") if p.stem not in NOT_ENTRIES)
    known = {p.stem: _read(p.stem, kind, f"{FOLDERS[kind]}.{p.stem}", p) for p in paths}
    for point in _plugins(f"deepmapper.{FOLDERS[kind]}", tuple(sys.path)):
        spec = importlib.util.find_spec(point.value)
        if spec is not None and spec.origin is not None:
            known[point.name] = _read(point.name, kind, point.value, Path(spec.origin))
    return known


@cache
def _plugins(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Entry points of installed packages; cached, since it reads every package on the path."""
    return tuple(entry_points(group=group))


def profiles() -> dict[str, Path]:
    """The shipped specs by name."""
    return {path.stem: path for path in sorted((ROOT / "bench" / "profiles").glob("*.toml"))}


def entry(kind: str, name: str, where: str = "") -> Entry:
    """One entry by name; BenchError with the nearest names if it is unknown."""
    known = entries(kind)
    if name not in known:
        raise unknown(name, kind[:-1], known, where)
    return known[name]


def table_entry(name: str, where: str = "") -> Entry:
    """A dataset or generator by name: a spec does not distinguish them."""
    known = entries("datasets") | entries("generators")
    if name not in known:
        raise unknown(name, "dataset", known, where)
    return known[name]


def module_entry(module: str, path: Path) -> Entry:
    """A method in any module, installed as a plug-in or not; its name is the module's."""
    return _read(module, "methods", module, path)


@cache
def _read(name: str, kind: str, module: str, path: Path) -> Entry:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=path.name)
    except SyntaxError as error:
        return Entry(name, kind, module, path, "", {}, (), f"is not valid Python: {error}")
    literals: dict[str, object] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            label = node.targets[0].id
            if label in ("REQUIRES", "FILES"):
                literals[label] = ast.literal_eval(node.value)
    summary = (ast.get_docstring(tree) or "").strip().split("\n")[0]
    requires: Any = literals.get("REQUIRES", {})
    files: Any = literals.get("FILES", ())
    return Entry(name, kind, module, path, summary, dict(requires), tuple(files))


@cache
def _hash_of_sources(path: Path) -> str:
    return _hash_of(sorted(_closure(path), key=str))


def _hash_of(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def harness_hash() -> str:
    """SHA-256 over the sources of `HARNESS`."""
    return _hash_of(ROOT / "bench" / "run" / f"{name}.py" for name in HARNESS)


@cache
def _closure(path: Path) -> frozenset[Path]:
    """The file and every file of ours that it imports, directly or not."""
    seen: set[Path] = set()
    todo = [path]
    while todo:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        todo += [found for name in _imported(current) for found in _files_of(name)]
    return frozenset(seen)


@cache
def _imported(path: Path) -> frozenset[str]:
    """The full names of the modules that a file imports, and of what it imports from them."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError:
        return frozenset()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")  # ours import by full names
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def _files_of(module: str) -> list[Path]:
    top, *rest = module.split(".")
    if top not in OUR_PACKAGES:
        return []
    base = ROOT.joinpath(top, *rest)
    candidates = [base.with_suffix(".py"), base / "__init__.py"]
    return [p for p in candidates if p.is_file()]
