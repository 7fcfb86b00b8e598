"""After `warm_up`, fitting compiles nothing: compilation is not on a method's clock."""

import subprocess
import sys

import pytest

from bench.catalog import ROOT

pytest.importorskip("umap", reason="optional: pip install umap-learn")
pytest.importorskip("pyDeepInsight", reason="optional: pip install 'pydeepinsight[cam]'")

CODE = """
import sys
from types import SimpleNamespace
import numpy as np
from numba.core.event import install_recorder
from bench.catalog import entry

method, n_features = entry("methods", sys.argv[1]).load(), int(sys.argv[2])
X = np.random.default_rng(1).normal(size=(40, n_features)).astype(np.float32)
convert = method.build(method.Params(), device="cpu", seed=0)["convert"]
getattr(method, "warm_up", lambda table: None)(SimpleNamespace(n_features=n_features))
with install_recorder("numba:compile") as recorder:
    convert.fit(X)
print(len(recorder.buffer))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "n_features"), [("aggmap", 60), ("deepinsight_umap", 60), ("deepinsight_umap", 4100)]
)
def test_nothing_is_compiled_in_fit(name: str, n_features: int) -> None:
    words = [sys.executable, "-c", CODE, name, str(n_features)]
    done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["0"]
