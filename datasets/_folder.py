"""Folders of data and environments, apart from `fetch`, so that a listing does not import numpy."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path


def data_folder() -> Path:
    """Return the folder of $DEEPMAPPER_DATA, by default the user's cache folder."""
    if folder := os.environ.get("DEEPMAPPER_DATA"):
        return Path(folder).expanduser()
    import pooch

    return Path(pooch.os_cache("deepmapper"))


def environment_python(requirements: Sequence[str]) -> Path:
    """Return the Python of the environment with these requirements, which may not exist.

    Its folder is `environments/<first package>-<hash>` in the user's cache folder. The hash is that
    of all requirements, so a change of one makes another environment.

    Parameters
    ----------
    requirements : sequence of str
        The literal `ENVIRONMENT` of a method.

    Returns
    -------
    Path
    """
    import pooch

    package = requirements[0].partition("==")[0]
    digest = hashlib.sha256("\n".join(requirements).encode()).hexdigest()[:8]
    folder = Path(pooch.os_cache("deepmapper")) / "environments" / f"{package}-{digest}"
    return folder / "bin" / "python"
