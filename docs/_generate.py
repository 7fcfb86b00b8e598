"""Pages, and parts of pages, that are made from the code, in docs/generated."""

import importlib
import inspect
import re
import tempfile
import tomllib
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from numpydoc.docscrape import NumpyDocString
from typer.testing import CliRunner

import deepmapper
from bench.catalog import ROOT, Entry, entries
from bench.metrics import METRICS
from datasets.table import Source
from deepmapper._app.cli import app
from deepmapper.errors import DeepMapperError
from deepmapper.tables import read_training

GENERATED = ROOT / "docs" / "generated"
OTHER_MODULES = ("datasets.table", "bench.metrics")
PUBLISHED = ROOT / "reports" / "published"
METHODS = """\
You get the source, the parameters and the optional packages of each method. A spec names a method
and sets its parameters. `python -m bench list methods` shows which of them can run on a machine."""
TABLES = """\
You get the content, the parameters and the source of each table. A dataset is read from verified
files, a generator draws its table from a seed. A spec does not distinguish them.
`python -m bench data fetch NAME` downloads the files of a dataset."""
API = """\
Python
======

You get the parameters, attributes and errors of each public class and function. Modules whose name
or folder begins with ``_`` are private.
"""
# Tables that `deepmapper fit --label status` refuses, and what to do.
PROBLEMS = [
    ("gene,S1,S2,S3\nTP53,5,6,7\nMYC,1,2,3\n", "Samples are in columns: add `--transpose`."),
    ("TP53,state\n5,ill\n6,well\n", "Give `--label` the name that the file has."),
    ("TP53\tstatus\n1,234\till\n2,345\twell\n", "Write 1234, or 1.234."),
    ("TP53,status\n5,ill\n6,well\n7,well,x\n", "Correct that line of the file."),
    ("TP53,MYC,status\n5,1,ill\n,2,well\n7,3,ill\n", "Choose `--missing median`, for example."),
    ("TP53,status\n5,ill\n--,well\n7,ill\n", "If it marks a missing value: `--na=--`."),
    ("TP53,status\n5,ill\n6,ill\n7,well\n", "Remove the class, or merge it with another."),
    ("TP53,status\n5,0.31\n6,0.57\n7,0.31\n", "Make classes of the numbers: low and high."),
    ("TP53,status\n5,ill\n6,well\n7,\n", "Remove rows without a label: `--missing drop-rows`."),
    ("TP53,TP53,status\n5,5,ill\n6,6,well\n", "Rename one of the columns."),
    ("TP53,status\n5,ill\ninf,well\n7,ill\n", "Correct the value, or leave it empty."),
]


def write_pages() -> None:
    """Write every page; an unchanged page keeps its time, so that it is not built again."""
    pages = {
        "methods.md": _page("Methods", METHODS, map(_method, entries("methods").values())),
        "tables.md": _page("Tables", TABLES, _tables()),
        "parts/messages.md": _messages(),
        "parts/understood.md": _understood(),
        "parts/metrics.md": _metrics(),
        "api.rst": _api(),
    }
    topics = [path.parent.name for path in PUBLISHED.glob("*/README.md")]
    pages |= {f"results/{topic}.md": _result(topic) for topic in topics}
    for name, text in pages.items():
        path = GENERATED / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _page(title: str, introduction: str, sections: Iterable[str]) -> str:
    return f"# {title}\n\n{introduction}\n\n" + "\n\n".join(sections) + "\n"


def _method(entry: Entry) -> str:
    """The section of a method: its docstring, optional packages and parameters."""
    needs = ", ".join(f"`{package}`" for package in entry.requires.values())
    # Not `entry.load`, so that a method whose packages are missing is documented, too.
    params = importlib.import_module(entry.module).Params
    rows = [
        f"| `{field.name}` | `{_default(field)}` | {_meanings(params).get(field.name, '')} |"
        for field in fields(params)
    ]
    rows[:0] = (
        ["| parameter | default | meaning |", "| --- | --- | --- |"] if rows else ["No parameters."]
    )
    return "\n\n".join(
        [
            f"## {entry.name}",
            f"```{{eval-rst}}\n.. automodule:: {entry.module}\n   :no-members:\n```",
            f"Needs {needs}." if needs else "",
            "\n".join(rows),
        ]
    )


def _default(field: Field[Any]) -> str:
    value = field.default_factory() if field.default is MISSING else field.default
    return repr(value).replace("|", "\\|")


def _meanings(params: type) -> dict[str, str]:
    """The text of each parameter in the docstrings of a `Params` and its base classes."""
    texts: dict[str, str] = {}
    for each in reversed(params.__mro__[:-1]):
        doc = NumpyDocString(inspect.getdoc(each) or "")
        for parameter in doc["Parameters"] + doc["Attributes"]:
            texts[parameter.name] = " ".join(parameter.desc)
    return texts


def _tables() -> Iterator[str]:
    """A part for datasets and one for generators."""
    for kind in ("datasets", "generators"):
        yield f"## {kind.capitalize()}"
        for entry in entries(kind).values():
            source = getattr(entry.load(), "SOURCE", None)
            yield f"### {entry.name}"
            yield (
                f"```{{eval-rst}}\n.. automodule:: {entry.module}\n   :no-members:\n\n"
                f".. autofunction:: {entry.module}.load\n```"
            )
            if isinstance(source, Source):
                yield f"Source: {source.citation}. Licence: {source.licence}."


def _metrics() -> str:
    """The metrics, each with its docstring."""
    rows = (
        f"| `{name}` | {' '.join((each.__doc__ or '').split())} |" for name, each in METRICS.items()
    )
    return "\n".join(["| metric | meaning |", "| --- | --- |", *rows]) + "\n"


def _understood() -> str:
    """What `deepmapper fit --dry-run` prints for a small table."""
    rows = [f"P{i},{i + 1},{i * 7 % 11},{'fm'[i % 2]},{('ill', 'well')[i // 6]}" for i in range(12)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "expression.csv"
        path.write_text("\n".join(["patient,number,TP53,sex,status", *rows]), encoding="utf-8")
        words = ["fit", str(path), "--label", "status", "--out", f"{folder}/run", "--dry-run"]
        output = CliRunner().invoke(app, words).output.replace(f"{folder}/", "")
    return f"```text\n{output.strip()}\n```\n"


def _messages() -> str:
    """A table of a file, the message of `fit --label status`, and what to do."""
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        for text, advice in PROBLEMS:
            path.write_text(text, encoding="utf-8")
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    read_training(path, label="status")
            except DeepMapperError as error:
                message = str(error).replace(f"{folder}/", "")
                parts.append(f"```text\n{text}```\n\n> error: {message}\n\n{advice}\n")
    return "\n---\n\n".join(parts)


def _api() -> str:
    """The page of the public modules that `deepmapper` lists, and of two of the benchmark."""
    listed = re.findall(r"^ {4}(deepmapper\S*) ", deepmapper.__doc__ or "", re.MULTILINE)
    names = "\n".join(f"   {name}" for name in [*listed, *OTHER_MODULES])
    return f"{API}\n.. autosummary::\n   :toctree: ../api\n\n{names}\n"


def _result(topic: str) -> str:
    """The page of a published topic, with its figures."""
    folder = f"../../../reports/published/{topic}"
    figures = sorted(path.name for path in (PUBLISHED / topic).glob("*.png"))
    images = [f"![{Path(name).stem}]({folder}/{name})" for name in figures]
    text = (PUBLISHED / topic / "README.md").read_text(encoding="utf-8")
    # A link to another topic leads to its page here.
    text = re.sub(r"\]\(\.\./([^/)]+)/README\.md\)", r"](\1.md)", text)
    about = tomllib.loads((PUBLISHED / topic / "topic.toml").read_text(encoding="utf-8"))
    if "stale" in about:
        title, rest = text.split("\n", 1)
        text = f"{title}\n\n> Stale: {about['stale']}. To renew: `{about['command']}`\n{rest}"
    return "\n\n".join([text, *images]) + "\n"
