"""Read a file or folder with the reader that its content needs."""

from importlib import import_module
from pathlib import Path

from deepmapper.tables._cleaning import convert_text, strip_blanks
from deepmapper.tables._detection import recognise
from deepmapper.tables._raw import Planner, RawTable, ReadOptions, training_plan, transpose_table
from deepmapper.tables._roles import separate_ids


def read_file(path: Path, planner: Planner, options: ReadOptions) -> RawTable:
    """Read a file or folder with the reader that its content needs."""
    reader = recognise(path)
    read = import_module(f"deepmapper.tables._{reader}").read
    if not options.transpose or reader == "delimited":
        return strip_blanks(read(path, planner, options))
    everything = separate_ids(convert_text(read(path, training_plan(None), options)))
    return transpose_table(everything, planner)
