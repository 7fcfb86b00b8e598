"""The data folder, apart from `fetch`, so that a listing does not import numpy."""

import os
from pathlib import Path


def data_folder() -> Path:
    """Return the folder of $DEEPMAPPER_DATA, by default the user's cache folder."""
    if folder := os.environ.get("DEEPMAPPER_DATA"):
        return Path(folder).expanduser()
    import pooch

    return Path(pooch.os_cache("deepmapper"))
