"""List methods, tables, profiles and metrics without importing them."""

import ast
import tomllib
from pathlib import Path

from rich.table import Table as Listing

from bench.catalog import ROOT, Entry, entries, profiles
from datasets._folder import data_folder

WEIGHTS = "baselines/_weights.py"  # methods that import it are useless without a file


def list_entries(kind: str) -> Listing:
    """Make a table of the entries of a kind, with their availability."""
    if kind == "profiles":
        return _rows(kind, [(n, _description(p), "") for n, p in profiles().items()])
    if kind == "metrics":
        return _rows(kind, _metrics(ROOT / "bench" / "metrics.py"))
    return _rows(kind, [(e.name, e.summary, _state(e)) for e in entries(kind).values()])


def _state(entry: Entry) -> str:
    if entry.unavailable:
        return f"unavailable: {entry.unavailable}"
    missing = [name for name in entry.files if not (data_folder() / name).is_file()]
    if missing:
        return f"to download: {len(missing)} of {len(entry.files)} files"
    if entry.kind == "methods" and entry.relies_on(WEIGHTS):
        return "needs its weights: parameters weights and sha256"
    return "available"


def _rows(kind: str, rows: list[tuple[str, str, str]]) -> Listing:
    table = Listing(kind, "what it is", "here", title_justify="left", expand=False)
    for name, summary, state in rows:
        style = "yellow" if state.startswith("unavailable") else None
        table.add_row(name, summary, state, style=style)
    return table


def _description(path: Path) -> str:
    return str(tomllib.loads(path.read_text(encoding="utf-8")).get("description", ""))


def _metrics(path: Path) -> list[tuple[str, str, str]]:
    """Name and first docstring line of each metric: the functions of an Outcome."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        (node.name, (ast.get_docstring(node) or "").split("\n")[0], "")
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and node.args.args
        and isinstance(node.args.args[0].annotation, ast.Name)
        and node.args.args[0].annotation.id == "Outcome"
        and node.name != "compute"
        and not node.name.startswith("_")
    ]
