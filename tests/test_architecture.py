"""The direction of imports, and what the wheel holds."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "deepmapper": set(),
    "datasets": {"deepmapper"},
    "generators": {"deepmapper", "datasets"},
    "baselines": {"deepmapper", "datasets"},
    "bench": {"deepmapper", "datasets", "reports"},  # reports: the CLI prints the comparison
    "reports": {"deepmapper", "bench"},
}
# Only the command line and the benchmarks of speed import every package.
CLI_ONLY = {"bench/cli.py", "bench/asv/harness.py"}


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_packages_import_only_packages_below_them(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        name = str(path.relative_to(ROOT))
        ours = _imports(path) & set(MAY_IMPORT) - {package}
        allowed = MAY_IMPORT[package] - (set() if name in CLI_ONLY else {"reports"})
        assert ours <= allowed, f"{name} imports {ours - allowed}"


def test_only_experiments_import_experiments() -> None:
    for package in MAY_IMPORT:
        for path in (ROOT / package).rglob("*.py"):
            if "experiments" not in path.relative_to(ROOT).parts:
                pattern = r"^\s*(from|import) bench(\.| import )experiments"
                assert not re.search(pattern, path.read_text(), re.MULTILINE), path


def _engine_modules() -> dict[str, Path]:
    modules = {}
    for path in sorted((ROOT / "deepmapper").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def _engine_imports(path: Path, modules: dict[str, Path]) -> set[str]:
    """Modules of deepmapper that a file imports at run time, inside functions too."""

    def nodes(parent: ast.AST) -> Iterator[ast.AST]:
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                continue
            yield node
            yield from nodes(node)

    imported = set()
    for node in nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            imported |= (names & set(modules)) or {node.module}
    return {name for name in imported if name.split(".")[0] == "deepmapper"}


def test_the_list_of_public_modules_is_complete() -> None:
    modules = _engine_modules()
    listed = re.findall(r"^ {4}(deepmapper\S*) ", modules["deepmapper"].read_text(), re.MULTILINE)
    folders = {f"deepmapper.{name}" for name in ("estimators", "images", "networks", "training")}
    public = {name for name in modules if not any(p.startswith("_") for p in name.split("."))}
    assert set(listed) == public - folders


@pytest.mark.parametrize("package", ["baselines", "datasets", "generators", "reports"])
def test_other_packages_import_public_modules_of_the_engine_only(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        for name in _engine_imports(path, _engine_modules()):
            assert "._" not in name, f"{path.relative_to(ROOT)} imports the private module {name}"


def test_the_engine_has_no_import_circle() -> None:
    modules = _engine_modules()
    graph = {name: _engine_imports(path, modules) - {name} for name, path in modules.items()}
    TopologicalSorter(graph).prepare()  # CycleError names the modules of a circle


def test_the_top_of_the_engine_has_at_most_ten_entries() -> None:
    entries = {path.name for path in (ROOT / "deepmapper").iterdir()}
    assert len(entries - {"__init__.py", "__pycache__"}) <= 10


def test_only_one_file_imports_pydeepinsight() -> None:
    importers = [
        str(path.relative_to(ROOT))
        for package in MAY_IMPORT
        for path in (ROOT / package).rglob("*.py")
        if "pyDeepInsight" in _imports(path)
    ]
    assert importers == ["baselines/_deepinsight.py"]


def test_no_tracked_file_has_an_index_address_or_an_absolute_path() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    here = str(ROOT.parent) + "/"
    for name in tracked:
        path = ROOT / name
        if path.suffix in {".py", ".toml", ".md", ".txt", ".json", ".html", ".csv", ".cff", ""}:
            text = path.read_text(errors="ignore") if path.is_file() else ""
            assert not re.search(r"https?://\S*/simple(/|\s|$)", text), name
            assert here == "//" or here not in text, name


@pytest.mark.parametrize("words", [["--help"], ["list"]])
def test_the_command_line_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; sys.argv = ['bench', *sys.argv[1:]]\n"
        "import atexit; heavy = {'torch', 'sklearn', 'pandas', 'numpy', 'scipy', 'matplotlib'}\n"
        "atexit.register(lambda: sys.stderr.write(','.join(sorted(heavy & set(sys.modules)))))\n"
        "from bench.cli import main; main()"
    )
    completed = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0
    assert completed.stderr == ""
