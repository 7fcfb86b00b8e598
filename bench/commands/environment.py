"""Make the Python environment of a method whose packages cannot be installed beside the others."""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.catalog import entries, entry
from bench.errors import BenchError
from datasets._folder import environment_python


def make_environment(name: str) -> Path:
    """Make the environment of a method, if it is missing, and return its folder.

    uv installs the requirements, without their dependencies, in a temporary folder, which is
    renamed at the end. So an environment that exists is complete.

    Parameters
    ----------
    name : str
        Name of the method.

    Returns
    -------
    Path

    Raises
    ------
    BenchError
        If the method is unknown or needs no environment, or if uv is missing or fails.
    """
    requirements = entry("methods", name).environment
    if not requirements:
        needing = [key for key, method in entries("methods").items() if method.environment]
        message = (
            f"method {name!r} needs no environment of its own: its file has no ENVIRONMENT. "
            f"Methods that need one: {', '.join(needing)}"
        )
        raise BenchError(message)
    folder = environment_python(requirements).parents[1]
    if environment_python(requirements).is_file():
        return folder
    if importlib.util.find_spec("uv") is None:
        message = "`bench environment` needs uv: pip install uv"
        raise BenchError(message)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new.") as temporary:
        new = Path(temporary) / folder.name
        _uv("venv", "--quiet", "--python", sys.executable, str(new))
        options = ("--no-deps", "--compile-bytecode", "--python", str(new / "bin" / "python"))
        _uv("pip", "install", *options, *requirements)
        shutil.rmtree(folder, ignore_errors=True)  # one whose Python was removed
        new.rename(folder)
    return folder


def _uv(*words: str) -> None:
    """Run uv, which reports to the terminal."""
    completed = subprocess.run([sys.executable, "-m", "uv", *words], check=False)
    if completed.returncode:
        message = (
            f"`uv {' '.join(words)}` failed with exit code {completed.returncode} for the reason "
            "above. Nothing was installed."
        )
        raise BenchError(message)
