"""Public names: a docstring in numpydoc form, with every parameter and the result."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

docscrape = pytest.importorskip("numpydoc.docscrape", reason="needs the dependency group docs")
ROOT = Path(__file__).resolve().parents[2]
LISTED = re.findall(r"^ {4}(deepmapper\S*) ", (ROOT / "deepmapper/__init__.py").read_text(), re.M)
NONE = {"None", "Iterator[None]", "property", "cached_property"}  # marks of a missing result


def _find(module: str, name: str) -> Iterator[ast.AST]:
    """The definition of a name in this project, without an import: torch takes seconds."""
    path = ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    body = ast.parse(path.read_text()).body if path.is_file() else []
    for node in [*body, *(n for block in body if isinstance(block, ast.If) for n in block.body)]:
        if getattr(node, "name", "") == name:
            yield node
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            yield from [node.value, *_find(module, ast.unparse(node.value))]
        for alias in node.names if isinstance(node, ast.ImportFrom) else []:
            if name == (alias.asname or alias.name):
                yield from _find(str(node.module), alias.name)


@pytest.mark.parametrize("module", [*LISTED, "datasets.table", "bench.metrics"])
def test_docstrings_describe_parameters_and_results(module: str) -> None:
    names = ast.literal_eval(next(_find(module, "__all__")))
    nodes = [node for name in names for node in _find(module, name)]
    nodes += [part for node in nodes if isinstance(node, ast.ClassDef) for part in node.body]
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_":
            text = ast.get_docstring(node) or ""
            doc = docscrape.NumpyDocString(text)
            entries = ", ".join(entry.name for entry in doc["Parameters"] + doc["Attributes"])
            parts = node.body if isinstance(node, ast.ClassDef) else [node]
            inits = [p for p in parts if p is node or getattr(p, "name", "") == "__init__"]
            fields = {p.target.id for p in parts if isinstance(p, ast.AnnAssign)}
            arguments = {n.arg for p in inits for n in ast.walk(p.args) if isinstance(n, ast.arg)}
            missing = (arguments or fields) - {"self", "cls", *re.split(r", \**|^\**", entries)}
            marks = [getattr(node, "returns", None) or ast.Constant(None), *node.decorator_list]
            assert not missing, f"{node.name} has undescribed parameters: {missing}"
            assert re.match(r"[^;\n]{1,79}$", text, re.M), node.name
            assert doc["Returns"] + doc["Yields"] or NONE & {*map(ast.unparse, marks)}, node.name
