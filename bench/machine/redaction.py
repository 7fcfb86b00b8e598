"""Replaces folders of this machine in records and messages that are published."""

import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from bench.catalog import ROOT
from datasets._folder import data_folder


def folders_and_words(results: Path) -> list[tuple[str, str]]:
    """Folders of this machine, the longest first, and the words that replace them."""
    known = {
        str(results.resolve()): "<results>",
        str(data_folder().resolve()): "$DEEPMAPPER_DATA",
        sysconfig.get_paths()["purelib"]: "<site-packages>",
        sysconfig.get_paths()["stdlib"]: "<python>",
        sys.prefix: "<environment>",
        str(ROOT): "<checkout>",
        str(Path.home()): "~",
        tempfile.gettempdir(): "<tmp>",
    }
    known.pop("/", None)  # the home folder of some users
    return sorted(known.items(), key=lambda pair: -len(pair[0]))


def redacted(value: Any, words: list[tuple[str, str]]) -> Any:
    """A JSON value with every folder in its texts replaced."""
    if isinstance(value, str):
        for folder, word in words:
            value = value.replace(folder, word)
        return value
    if isinstance(value, dict):
        return {name: redacted(entry, words) for name, entry in value.items()}
    if isinstance(value, list):
        return [redacted(entry, words) for entry in value]
    return value
