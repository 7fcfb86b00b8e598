"""
Add a method and compare it
===========================

You get a method of your own in a table beside two others. A method is one file.
"""

# %%
# The file defines ``Params`` and ``build``. In a clone it belongs in ``baselines/``. Here it stands
# in a package of its own, which names it as an entry point.
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

import bench
from bench.store.store import Store
from reports.aggregate import results_frame

METHOD = '''"""Gaussian naive Bayes."""

from dataclasses import dataclass

from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler


@dataclass(frozen=True)
class Params:
    \"\"\"Settings of the classifier.

    Attributes
    ----------
    var_smoothing : float
        Share of the largest variance that is added to all variances.
    \"\"\"

    var_smoothing: float = 1e-9


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    model = GaussianNB(var_smoothing=params.var_smoothing)
    return Pipeline([("convert", StandardScaler()), ("model", model)])
'''
package = Path(tempfile.mkdtemp())
(package / "naive_bayes.py").write_text(METHOD)
info = package / "naive_bayes-1.0.dist-info"  # of a real package, pip writes this folder
info.mkdir()
(info / "METADATA").write_text("Name: naive-bayes\nVersion: 1.0\n")
(info / "entry_points.txt").write_text("[deepmapper.baselines]\nnaive_bayes = naive_bayes\n")

# %%
# A spec names tables, methods, seeds and limits.
SPEC = """
name = "example"
seeds = [0, 1]
methods = ["naive_bayes", "stump", "majority"]

[limits]
cpu_seconds = 30
memory_mib = 2000

[[datasets]]
name = "digits"

[[datasets]]
name = "ringnorm"
params = { n_samples = 600 }
"""
(package / "spec.toml").write_text(SPEC)

# %%
# Run it from the checkout. Each cell is a table, a method and a seed, in a process of its own.
checkout = Path(bench.__file__).parents[1]
command = [sys.executable, "-m", "bench", "run", "spec.toml", "--out", "results", "--no-report"]
subprocess.run(
    command,
    cwd=package,
    env=os.environ | {"PYTHONPATH": f"{checkout}:{package}", "DEEPMAPPER_OFFLINE": "1"},
    check=True,
    capture_output=True,
)
cells = results_frame(Store(package / "results"))
cells.pivot_table("balanced_accuracy", "method_label", "dataset_label").round(3)

# %%
# Gaussian naive Bayes is the Bayes rule of ringnorm, whose classes are normal distributions. On
# digits it is not.
figure, axis = plt.subplots(figsize=(7, 3.5), layout="constrained")
cells.pivot_table("balanced_accuracy", "dataset_label", "method_label").plot.bar(ax=axis, rot=0)
axis.set(xlabel="", ylabel="balanced accuracy", ylim=(0, 1))
axis.legend(title="", loc="upper left", bbox_to_anchor=(1, 1))
