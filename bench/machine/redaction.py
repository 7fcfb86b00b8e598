"""Replace folders of this machine in published records and messages."""

import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from bench.catalog import ROOT
from datasets._folder import data_folder


def list_replacements(results: Path) -> list[tuple[str, str]]:
    """List folders of this machine, longest first, with their replacements."""
    replacements = {
        str(results.resolve()): "<results>",
        str(data_folder().resolve()): "$DEEPMAPPER_DATA",
        sysconfig.get_paths()["purelib"]: "<site-packages>",
        sysconfig.get_paths()["stdlib"]: "<python>",
        sys.prefix: "<environment>",
        str(ROOT): "<checkout>",
        str(Path.home()): "~",
        tempfile.gettempdir(): "<tmp>",
    }
    replacements.pop("/", None)  # the home folder of some users
    return sorted(replacements.items(), key=lambda pair: -len(pair[0]))


def redact(value: Any, words: list[tuple[str, str]]) -> Any:
    """Replace every folder in the texts of a JSON value."""
    if isinstance(value, str):
        for folder, word in words:
            value = value.replace(folder, word)
        return value
    if isinstance(value, dict):
        return {name: redact(entry, words) for name, entry in value.items()}
    if isinstance(value, list):
        return [redact(entry, words) for entry in value]
    return value
