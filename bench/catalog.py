"""Methods, datasets and generators: the files of their folders, and plug-ins.

The name of an entry is the name of its file. Listing parses the files and imports none of them, so
a missing optional dependency makes only its own entry unavailable.
"""

import ast
import hashlib
import importlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.errors import BenchError, unknown
from datasets._folder import environment_python

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"methods": "baselines", "datasets": "datasets", "generators": "generators"}
# Files of bench/run/ that affect results, so that a change of them, or of a file of OUR_PACKAGES
# that they import, invalidates records.
HARNESS = ("split", "worker", "explanation", "outputs")
NOT_ENTRIES = {"table", "fetch"}  # the shared files of datasets/
# Packages that never import torch.
TORCH_FREE = frozenset(sys.stdlib_module_names) | {"numpy", "pandas", "scipy", "sklearn"}
OUR_PACKAGES = ("deepmapper", "baselines", "datasets", "generators")


@dataclass(frozen=True)
class Entry:
    """A method, dataset or generator, as parsed from its file.

    Attributes
    ----------
    name : name in specs and reports
    kind : "methods", "datasets" or "generators"
    module : full name of the module to import
    path : the file
    summary : first line of the module's docstring
    requires : import name -> requirement to install, from the file's literal `REQUIRES`
    files : data files, relative to the data folder, from the file's literal `FILES`
    broken : the syntax error of the file, or None
    environment : requirements of its own Python environment, from the literal `ENVIRONMENT`
    """

    name: str
    kind: str
    module: str
    path: Path
    summary: str
    requires: dict[str, str]
    files: tuple[str, ...]
    broken: str | None = None
    environment: tuple[str, ...] = ()

    @property
    def unavailable(self) -> str | None:
        """The reason why it cannot run here, with the install command, or None."""
        if self.broken:
            return self.broken
        missing = [need for need in self.requires if not _is_installed(need)]
        if missing:
            packages = " ".join(sorted({f'"{self.requires[need]}"' for need in missing}))
            return f"needs {', '.join(missing)}: pip install {packages}"
        if self.environment and not environment_python(self.environment).is_file():
            return f"needs an environment of its own: python -m bench environment {self.name}"
        return None

    def load(self) -> ModuleType:
        """Import the module. Raises BenchError if this is not possible."""
        if reason := self.unavailable:
            message = f"{self.kind[:-1]} {self.name!r} {reason}"
            raise BenchError(message)
        try:
            return importlib.import_module(self.module)
        except (Exception, SystemExit) as error:  # a plug-in may fail in any way
            message = (
                f"{self.kind[:-1]} {self.name!r} ({self.path.name}) cannot be imported: {error}"
            )
            raise BenchError(message) from error

    @property
    def source_hash(self) -> str:
        """SHA-256 of its source and of every file of this project that it imports.

        For a plug-in, also of the files of its own package, and of files beside it that it imports.
        In site-packages these would be other libraries: there, only its own package counts.
        """
        return _hash_sources(self.path, self.module)

    def relies_on(self, path: str) -> bool:
        """Whether it imports, directly or not, the file `path` of this project."""
        return ROOT / path in _import_closure(self.path, self.module)

    @cached_property
    def may_use_torch(self) -> bool:
        """Whether torch may be imported. Imports by other files of this project count."""
        closure = _import_closure(self.path, self.module)
        imported = frozenset().union(*map(_imported_names, closure))
        packages = {name.split(".")[0] for name in imported}
        return bool(self.requires) or not packages <= TORCH_FREE | set(OUR_PACKAGES)


def entries(kind: str) -> dict[str, Entry]:
    """List the entries of a kind, plug-ins included.

    Parameters
    ----------
    kind : "methods", "datasets" or "generators"

    Returns
    -------
    dict of Entry by name
    """
    folder = ROOT / FOLDERS[kind]
    paths = sorted(p for p in folder.glob("[!_]*.py") if p.stem not in NOT_ENTRIES)
    result = {p.stem: _read_entry(p.stem, kind, f"{FOLDERS[kind]}.{p.stem}", p) for p in paths}
    for point in _plugins(f"deepmapper.{FOLDERS[kind]}", tuple(sys.path)):
        spec = importlib.util.find_spec(point.value)
        if spec is not None and spec.origin is not None:
            result[point.name] = _read_entry(point.name, kind, point.value, Path(spec.origin))
    return result


@cache
def _plugins(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Entry points of installed packages. Cached: the search reads every package."""
    return tuple(entry_points(group=group))


def profiles() -> dict[str, Path]:
    """Paths of the specs in bench/profiles, by name."""
    return {path.stem: path for path in sorted((ROOT / "bench" / "profiles").glob("*.toml"))}


def entry(kind: str, name: str, where: str = "") -> Entry:
    """Get an entry by name.

    Parameters
    ----------
    kind : "methods", "datasets" or "generators"
    name : name of the entry
    where : the source of the name, for the error

    Raises
    ------
    BenchError
        If the name is unknown. The message lists the nearest names.
    """
    all_entries = entries(kind)
    if name not in all_entries:
        raise unknown(name, kind[:-1], all_entries, where)
    return all_entries[name]


def table_entry(name: str, where: str = "") -> Entry:
    """Get a dataset or a generator by name. Specs do not distinguish them."""
    all_entries = entries("datasets") | entries("generators")
    if name not in all_entries:
        raise unknown(name, "dataset", all_entries, where)
    return all_entries[name]


def module_entry(module: str, path: Path) -> Entry:
    """Make an entry of a method in any module. Its name is that of the module."""
    return _read_entry(module, "methods", module, path)


@cache
def _read_entry(name: str, kind: str, module: str, path: Path) -> Entry:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=path.name)
    except (SyntaxError, UnicodeDecodeError) as error:
        return Entry(name, kind, module, path, "", {}, (), f"is not valid Python: {error}")
    literals: dict[str, object] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            label = node.targets[0].id
            if label in ("REQUIRES", "FILES", "ENVIRONMENT"):
                try:
                    literals[label] = ast.literal_eval(node.value)
                except ValueError:
                    reason = f"has a {label} that is not written out: names and calls are not read"
                    return Entry(name, kind, module, path, "", {}, (), reason)
    summary = (ast.get_docstring(tree) or "").strip().split("\n")[0]
    requires: Any = literals.get("REQUIRES", {})
    files: Any = literals.get("FILES", ())
    environment: Any = literals.get("ENVIRONMENT", ())
    return Entry(
        name,
        kind,
        module,
        path,
        summary,
        dict(requires),
        tuple(files),
        environment=tuple(environment),
    )


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package of a submodule
        return False


@cache
def _hash_sources(path: Path, module: str) -> str:
    return _hash_files(sorted(_import_closure(path, module), key=str))


def _hash_files(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def harness_hash() -> str:
    """SHA-256 over the sources of `HARNESS` and the files of OUR_PACKAGES that they import."""
    paths = [ROOT / "bench" / "run" / f"{name}.py" for name in HARNESS]
    closure = frozenset().union(*(_import_closure(path, "") for path in paths))
    return _hash_files(sorted(closure, key=str))


@cache
def _import_closure(path: Path, module: str) -> frozenset[Path]:
    """A file and every file that it imports, directly or not, see `Entry.source_hash`.

    `module` is the name of the module, "" for a file of which only OUR_PACKAGES are followed.
    """
    own = module.split(".")[0]
    folder = path.parents[module.count(".") + (path.name == "__init__.py")]
    is_plugin = module != "" and own not in OUR_PACKAGES
    is_library = folder == Path(sysconfig.get_path("purelib"))

    def find_root(top: str) -> Path | None:
        if top in OUR_PACKAGES:
            return ROOT
        return folder if is_plugin and (top == own or not is_library) else None

    seen: set[Path] = set()
    todo = [path]
    while todo:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        for name in _imported_names(current):
            level = len(name) - len(name.lstrip("."))
            parts = name[level:].split(".")
            root = current.parents[level - 1] if level else find_root(parts[0])
            todo += [] if root is None else _find_files(root, parts)
    return frozenset(seen)


@cache
def _imported_names(path: Path) -> frozenset[str]:
    """Names of imported modules and of objects imported from them. Relative ones begin with "."."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return frozenset()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            dot = "." if node.module else ""
            names |= {module, *(f"{module}{dot}{alias.name}" for alias in node.names)}
    return frozenset(names)


def _find_files(root: Path, parts: list[str]) -> list[Path]:
    base = root.joinpath(*parts)
    candidates = [base.with_suffix(".py"), base / "__init__.py"]
    return [p for p in candidates if p.is_file()]
