"""Objects of R's files, read by rdata, with one kind of error."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from datasets.table import wrong_file

Constructors = Mapping[str, Callable[..., Any]]


def read_object(path: Path, name: str = "", *, constructors: Constructors | None = None) -> Any:
    """Read an object that R saved.

    Parameters
    ----------
    path : Path
        File of R's `save`, or of `saveRDS` if it ends in ".rds".
    name : str
        Name of the object in a file of `save`.
    constructors : dict of callable, optional
        By the name of an R class: makes the object from its value and its attributes. Other objects
        become those of numpy and pandas, or of xarray if their dimensions have names.

    Returns
    -------
    object

    Raises
    ------
    TableError
        If this is no file of R, or has no such object.
    """
    import rdata

    single = path.suffix == ".rds"
    classes = dict(rdata.conversion.DEFAULT_CLASS_MAP) | dict(constructors or {})
    expected = "a file of R's saveRDS" if single else f"a file of R's save with {name!r}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about encodings and classes that rdata does not know
            read = rdata.read_rds if single else rdata.read_rda
            content = read(path, constructor_dict=classes)
    except Exception as error:  # rdata's reader raises many kinds
        raise wrong_file(path, expected, f"{type(error).__name__}: {error}") from error
    if single:
        return content
    if name not in content:
        raise wrong_file(path, expected, ", ".join(content) or "no object")
    return content[name]
