"""Call a function in the Python environment of a method.

For packages that cannot be installed beside the others. Such a method has two more parts:

- a literal `ENVIRONMENT`: all packages that its layout needs, each with its version. They are
  installed without their dependencies, so that the list is complete and the same everywhere.
- a script `_environments/<method>.py`. The script imports nothing of this project, and imports its
  packages inside its functions.

`python -m bench environment NAME` makes the environment. A method imports the function from the
script and gives it to `call`, so the script is part of the method's source hash.

Limits: the start of the other Python and its imports are on the clock of the cell (numpy, scipy and
scikit-learn: 2.5 CPU seconds). The peak memory of a phase in a record is that of the cell's own
process.
"""

import inspect
import io
import json
import os
import subprocess
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from baselines._environments import _child
from datasets._folder import environment_python

Arrays = dict[str, np.ndarray]


def call(
    requirements: Sequence[str], function: Callable[..., Arrays], arrays: Arrays, **options: Any
) -> Arrays:
    """Run a function of a script in another environment and return its arrays.

    The process is a child in the process group of the cell. So it has the cores and threads of the
    cell, its CPU time and memory count for the limits, and it is killed with the cell. Arrays go
    through pipes, so that a killed process leaves no file. Errors and warnings are passed on.

    Parameters
    ----------
    requirements : sequence of str
        The literal `ENVIRONMENT` of the method.
    function : callable
        A function at the top of a script. It gets the arrays and options as keyword arguments and
        returns a dict of arrays.
    arrays : dict of str to ndarray
        Arrays of numbers or text.
    **options : Any
        JSON values.

    Returns
    -------
    dict of str to ndarray
        What the function returned.

    Raises
    ------
    ModuleNotFoundError
        If the environment is missing.
    RuntimeError
        If the process fails. The message holds its whole error output.
    """
    python, script = environment_python(requirements), inspect.getfile(function)
    name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
    if not python.is_file():
        message = (
            f"{name} needs the environment {python.parents[1]}, which is missing. Make it by "
            "`python -m bench environment NAME`, where NAME is the method"
        )
        raise ModuleNotFoundError(message)
    sent = io.BytesIO()
    np.savez(sent, allow_pickle=False, **arrays)
    words = [script, function.__name__, json.dumps(options), str(os.getpid())]
    # -I: this project, which is on PYTHONPATH, cannot be imported there.
    completed = subprocess.run(
        [str(python), "-I", _child.__file__, *words],
        input=sent.getvalue(),
        capture_output=True,
        check=False,
    )
    errors = completed.stderr.decode(errors="replace").strip()
    if completed.returncode:
        last = errors.rpartition("\n")[2]
        message = f"{name} failed with exit code {completed.returncode}: {last}\n{errors}"
        raise RuntimeError(message)
    if errors:
        warnings.warn(f"{name}: {errors}", RuntimeWarning, stacklevel=2)
    with np.load(io.BytesIO(completed.stdout)) as results:
        return dict(results)
